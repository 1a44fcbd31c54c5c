/** The first section: what stands out in the training, and what to change. */

import { el } from "../dom.js";

const PARTS = [["seen", "Seen"], ["meaning", "Meaning"], ["change", "To do"]];

/** Show the findings of each run. */
export function showFindings(view, runs) {
  view.append(...runs.flatMap((run) => findingsOf(run, runs.length > 1)));
}

function findingsOf(run, many) {
  const name = many ? `${run.name}: ` : "";
  const warnings = run.findings.filter((each) => each.severity === "warning");
  const none = warnings.length === 0 ? [el("p", `${name}No fault was found.`)] : [];
  return [...none, ...run.findings.map((each) => finding(each, name))];
}

function finding(each, name) {
  return el(
    "section",
    { class: `finding ${each.severity}` },
    el("h3", `${each.severity}: ${name}${each.heading}`),
    el(
      "dl",
      ...PARTS.flatMap(([key, title]) => [
        el("dt.soft", title),
        el("dd", ...withCode(each[key])),
      ]),
    ),
  );
}

/** Return a text in which what stands between backticks is code. */
function withCode(text) {
  return text.split("`").map((part, place) => place % 2 ? el("code", part) : part);
}
