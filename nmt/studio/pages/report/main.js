/** The page of `nmt report`: read its data and draw its sections. */

import { byId, el } from "../dom.js";
import { startPage } from "../flow.js";
import { fixed, grouped } from "../numbers.js";
import { nthColour } from "../scheme.js";
import { showCorpus } from "./corpus.js";
import { showCurves } from "./curves.js";
import { showRecipe } from "../recipe.js";
import { showSamples } from "./samples.js";
import { showScores } from "./scores.js";

const data = startPage();
const runs = data.runs;

function clock(seconds) {
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Return the number of training pairs; null if a corpus cannot be read. */
function pairsOf(run) {
  if (run.corpus_problems.length > 0) return null;
  return grouped(run.corpus.reduce((sum, each) => sum + each.kept, 0));
}

function summary(run, place) {
  const figures = [
    [`${run.measure}, average`, run.average ? fixed(run.average.score, 2) : null],
    [`${run.measure}, best`, run.best ? fixed(run.best.score, 2) : null],
    ["updates", grouped(run.updates)],
    ["epochs", run.epochs ? grouped(run.epochs) : null],
    ["time of updates", run.seconds ? clock(run.seconds) : null],
    ["parameters", run.parameters ? grouped(run.parameters) : null],
    ["pairs", pairsOf(run)],
    ["updates skipped", run.skipped ? grouped(run.skipped) : null],
  ].filter(([, value]) => value !== null);
  const mark = el("i.run-mark", { style: { background: nthColour(place) } });
  const name = el(
    "b",
    runs.length > 1 ? mark : null,
    run.name,
    ` (${run.recipe}, ${run.directions.join(", ")})`,
  );
  return el(
    "section.summary",
    el("p", name),
    el("dl.wrap", ...figures.map(([key, value]) => el("div", el("dt", key), el("dd", value)))),
  );
}

const PARTS = [["seen", "Seen"], ["meaning", "Meaning"], ["change", "To do"]];

/** Show the findings of each run. */
function showFindings(view, runs) {
  for (const run of runs) {
    const name = runs.length > 1 ? `${run.name}: ` : "";
    const isFine = run.findings.every((each) => each.severity !== "warning");
    if (isFine) view.append(el("p", `${name}No fault was found.`));
    view.append(...run.findings.map((each) => finding(each, name)));
  }
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

byId("summary").append(...runs.map(summary));
showFindings(byId("findings-view"), runs);
showCurves(byId("curves-view"), runs);
showSamples(byId("samples-view"), runs);
showRecipe(byId("recipe-view"), runs);
showCorpus(byId("corpus-view"), runs);
showScores(byId("scores-view"), runs);
