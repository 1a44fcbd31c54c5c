/** The fourth block: the training text in numbers. */

import { el } from "../../pages/dom.js";
import { fixed, grouped } from "../../pages/numbers.js";
import { onScheme } from "../../pages/scheme.js";
import { histogram, remove } from "./charts.js";

const REASONS = { empty: "empty side", "too_long": "too long", ratio: "lengths too unlike" };
const COLUMNS = [
  "corpus",
  "pairs",
  "dropped",
  "source tokens",
  "a segment",
  "target tokens",
  "a segment",
];

/** Draw table and histograms, and these anew in another colour scheme. */
export function showCorpus(view, runs) {
  const corpora = runs.flatMap((run) =>
    run.corpus.map((corpus) => ({ ...corpus, languages: run.languages, run: run.name }))
  );
  if (corpora.length === 0) {
    view.append(
      el("p", { class: "note" }, "The prepared corpus is no longer in the run's folder."),
    );
    return;
  }
  const rows = corpora.map((each) => row(each, runs.length > 1));
  const pictures = el("div", { class: "charts" });
  view.append(
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            ...COLUMNS.map((name, place) =>
              el("th", { scope: "col", class: place ? "n" : null }, name)
            ),
          ),
        ),
        el("tbody", {}, ...rows),
      ),
    ),
    pictures,
  );
  let drawn = [];
  const draw = () => {
    for (const chart of drawn) remove(chart);
    pictures.replaceChildren();
    drawn = corpora.map((each) => picture(pictures, each));
  };
  draw();
  onScheme(draw);
}

function row(corpus, many) {
  const dropped = Object.entries(corpus.dropped).filter(([, count]) => count > 0)
    .map(([reason, count]) => `${grouped(count)} ${REASONS[reason] ?? reason}`);
  const mean = (tokens) => corpus.kept ? fixed(tokens / corpus.kept, 1) : "–";
  const name = many ? `${corpus.run}: ${corpus.files}` : corpus.files;
  const numbers = [
    grouped(corpus.kept),
    dropped.join(", ") || "0",
    grouped(corpus.source_tokens),
    mean(corpus.source_tokens),
    grouped(corpus.target_tokens),
    mean(corpus.target_tokens),
  ];
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name),
    ...numbers.map((text) => el("td", { class: "n" }, text)),
  );
}

function picture(pictures, corpus) {
  const box = el("div", { class: "chart" });
  pictures.append(
    el("section", { class: "figure" }, el("h3", {}, "Segments by length in tokens"), box),
  );
  const [source, target] = corpus.languages;
  return histogram(box, `Segments of ${corpus.files} by their length in tokens`, [
    { label: source, colour: "source", counts: corpus.source_lengths },
    { label: target, colour: "target", counts: corpus.target_lengths },
  ]);
}
