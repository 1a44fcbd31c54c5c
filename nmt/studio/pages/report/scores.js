/** The sixth section: results on the dev set, and evaluation cards (`nmt evaluate --card`). */

import { el, table } from "../dom.js";
import { fixed, grouped } from "../numbers.js";

const TEXTS = ["run", "length", "dev set", "score", "signature", "95 %"]; // columns without numbers

/** Draw the table of the dev set and the cards. */
export function showScores(view, runs) {
  const many = runs.length > 1;
  const rows = runs.flatMap((run) =>
    [
      ["best checkpoint", run.best],
      ["average of the last checkpoints", run.average],
    ].filter(([, figures]) => figures).map(([name, figures]) => [
      ...(many ? [run.name] : []),
      name,
      grouped(figures.update),
      fixed(figures.score, 2),
      fixed(figures.perplexity, 2),
      fixed(figures.loss, 3),
    ])
  );
  const measures = [...new Set(runs.map((run) => run.measure))].join(", ");
  const columns = [...(many ? ["run"] : []), "dev set", "update", measures, "perplexity", "loss"];
  view.append(
    rows.length ? scoreTable(columns, rows) : el("p.note", "No validation yet."),
    ...runs.flatMap((run) => run.cards.map((card) => cardOf(card, run, many))),
  );
  if (runs.every((run) => run.cards.length === 0)) {
    view.append(
      el(
        "p.note",
        "There is no evaluation card in the run folder yet: ",
        el("code", "nmt evaluate --card RUN/card.json"),
        " writes one.",
      ),
    );
  }
}

function scoreTable(columns, rows) {
  return table(columns, rows, TEXTS.map((name) => columns.indexOf(name)));
}

function cardOf(card, run, many) {
  const title = [many ? `${run.name}: ` : "", card.file, card.date ? `, ${card.date}` : ""].join(
    "",
  );
  return el(
    "section.evaluation",
    el("h3", title),
    ...list(card.results).map(resultOf),
    folded("The whole card", el("pre", JSON.stringify(card, null, 1))),
  );
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function folded(name, content) {
  return el("details.section", el("summary", name), content);
}

function resultOf(result) {
  const rows = Object.entries(result.scores ?? {}).map(([name, score]) => {
    const interval = score.confidence_95;
    return [
      name,
      fixed(score.value, 2),
      interval ? `${fixed(interval.mean, 2)} ± ${fixed(interval.radius, 2)}` : "–",
      el("code.soft", score.signature ?? ""),
    ];
  });
  const segments = result.segments ? `, ${grouped(result.segments)} segments` : "";
  return el(
    "div",
    el("p", el("b", result.test_set ?? "test set"), segments),
    scoreTable(["score", "value", "95 %", "signature"], rows),
    byLength(result.by_length),
    examples(result.examples),
  );
}

function byLength(lengths) {
  const buckets = list(lengths?.buckets);
  if (buckets.length === 0) return null;
  const names = Object.keys(buckets[0].scores);
  const rows = buckets.map((bucket) => [
    bucket.to === null ? `from ${bucket.from}` : `${bucket.from} to ${bucket.to}`,
    grouped(bucket.segments),
    ...names.map((name) => fixed(bucket.scores[name], 2)),
  ]);
  return folded(
    `By length in ${lengths.length}`,
    scoreTable(["length", "segments", ...names], rows),
  );
}

function examples(found) {
  if (!found) return null;
  const one = (example) =>
    el(
      "article.sample",
      ...[
        ["source", example.source],
        ...list(example.references).map((text) => ["reference", text]),
        [fixed(example.score, 1), example.hypothesis],
      ].filter(([, text]) => text !== null && text !== undefined).map(([name, text]) =>
        el("p.line", el("span.name", name), el("span", { dir: "auto" }, text))
      ),
    );
  const group = (name, items) => [el("h3", name), ...list(items).map(one)];
  return folded(
    `Worst and best by ${found.ranked_by}`,
    el("div.samples", ...group("Worst", found.worst), ...group("Best", found.best)),
  );
}
