/** The third section: a row for each run, with a link to its report. */

import { el } from "../dom.js";
import { fixed, grouped } from "../numbers.js";
import { table } from "../tables.js";

/** Draw the table. */
export function showRuns(view, { measure, variants }) {
  const heads = [
    "variant",
    "seed",
    "state",
    "updates",
    "dev loss",
    "dev perplexity",
    `dev ${measure.name}`,
    `best ${measure.name}`,
    "at update",
    "minutes",
    "report",
  ];
  const rows = variants.flatMap((variant) => variant.runs.map((run) => rowOf(variant, run)));
  view.append(table(heads, rows, [0, 2, 10], "runs"));
}

function rowOf(variant, run) {
  const { average, best } = run;
  const ended = run.state === "finished";
  return [
    el("code", variant.name),
    String(run.seed),
    el("span", { class: ended ? null : "target" }, run.state),
    grouped(run.updates),
    fixed(average?.loss, 3),
    fixed(average?.perplexity, 2),
    fixed(average?.score, 2),
    fixed(best?.score, 2),
    best ? grouped(best.update) : "–",
    fixed(run.minutes, 1),
    ended ? el("a", { href: pageOf(run) }, run.folder) : run.folder,
  ];
}

function pageOf({ folder }) {
  return `${folder.split("/").map(encodeURIComponent).join("/")}/report.html`;
}
