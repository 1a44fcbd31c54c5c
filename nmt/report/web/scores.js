/** The fifth block: the dev set's figures, and evaluation cards. */

import { el } from "../../pages/dom.js";
import { fixed, grouped } from "../../pages/numbers.js";

/** Draw both. */
export function showScores(view, runs) {
  const rows = runs.flatMap((run) =>
    [
      ["best checkpoint", run.best],
      ["average of the last checkpoints", run.average],
    ].filter(([, figures]) => figures).map(([name, figures]) =>
      el(
        "tr",
        {},
        runs.length > 1 ? el("th", { scope: "row" }, run.name) : null,
        el("th", { scope: "row" }, name),
        el("td", { class: "n" }, grouped(figures.update)),
        ...[figures.bleu, figures.perplexity, figures.loss].map((value, place) =>
          el("td", { class: "n" }, fixed(value, place === 2 ? 3 : 2))
        ),
      )
    )
  );
  const columns = [
    ...(runs.length > 1 ? ["run"] : []),
    "dev set",
    "update",
    "BLEU",
    "perplexity",
    "loss",
  ];
  view.append(
    el("div", { class: "scroll" }, table(columns, rows)),
    ...runs.flatMap((run) => run.cards.map((card) => cardOf(card, run, runs.length > 1))),
  );
  if (runs.every((run) => run.cards.length === 0)) {
    view.append(
      el(
        "p",
        { class: "note" },
        "No evaluation card lies in the run's folder yet; a card is a JSON file of an evaluation with " +
          "scores, signatures and versions.",
      ),
    );
  }
}

function table(columns, rows) {
  const head = columns.map((name) =>
    el("th", { scope: "col", class: isNumber(name) ? "n" : null }, name)
  );
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

function isNumber(name) {
  return ["update", "BLEU", "perplexity", "loss", "value"].includes(name);
}

function cardOf(card, run, many) {
  const title = [many ? `${run.name}: ` : "", card.file, card.date ? `, ${card.date}` : ""].join(
    "",
  );
  return el(
    "section",
    { class: "evaluation" },
    el("h3", {}, title),
    ...list(card.results).map(resultOf),
    el(
      "details",
      { class: "section" },
      el("summary", {}, "The whole card"),
      el("pre", {}, JSON.stringify(card, null, 1)),
    ),
  );
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function resultOf(result) {
  const scores = Object.entries(result.scores ?? {});
  const rows = scores.map(([name, score]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { class: "n" }, fixed(score.value, 2)),
      el("td", { class: "soft" }, el("code", {}, score.signature ?? "")),
    )
  );
  const segments = result.segments ? `, ${grouped(result.segments)} segments` : "";
  return el(
    "div",
    { class: "scroll" },
    el("p", {}, el("b", {}, result.test_set ?? "test set"), segments),
    table(["score", "value", "signature"], rows),
  );
}
