/** The fifth section: statistics of the training text. */

import { el, table } from "../dom.js";
import { fixed, grouped } from "../numbers.js";
import { drawAgain, histogram } from "../charts.js";

const REASONS = { empty: "empty side", "too_long": "too long", ratio: "length ratio too large" };
const SIDES = ["source tokens", "per segment", "target tokens", "per segment"];
const COLUMNS = ["corpus", "pairs", "dropped", ...SIDES];

/** Draw the table and the histograms; redraw the histograms when the colour scheme changes. */
export function showCorpus(view, runs) {
  const corpora = runs.flatMap((run) => run.corpus.map((corpus) => ({ ...corpus, run: run.name })));
  const problems = runs.flatMap((run) =>
    run.corpus_problems.map((text) => el("p.note", runs.length > 1 ? `${run.name}: ${text}` : text))
  );
  view.append(...problems);
  if (corpora.length === 0) return;
  const rows = corpora.map((each) => row(each, runs.length > 1));
  const pictures = el("div.charts");
  view.append(table(COLUMNS, rows), pictures);
  drawAgain(pictures, () => corpora.map((each) => picture(pictures, each)));
}

function row(corpus, many) {
  const dropped = Object.entries(corpus.dropped).filter(([, count]) => count > 0)
    .map(([reason, count]) => `${grouped(count)} ${REASONS[reason] ?? reason}`);
  const mean = (tokens) => corpus.kept ? fixed(tokens / corpus.kept, 1) : "–";
  const name = many ? `${corpus.run}: ${corpus.files}` : corpus.files;
  return [
    name,
    grouped(corpus.kept),
    Object.keys(corpus.dropped).length > 0 ? dropped.join(", ") || "0" : "–",
    grouped(corpus.source_tokens),
    mean(corpus.source_tokens),
    grouped(corpus.target_tokens),
    mean(corpus.target_tokens),
  ];
}

function picture(pictures, corpus) {
  const box = el("div.chart");
  pictures.append(el("section.figure", el("h3", "Segments by length in tokens"), box));
  const [source, target] = corpus.languages;
  return histogram(box, `Segments of ${corpus.files} by their length in tokens`, [
    { label: source, colour: "source", counts: corpus.source_lengths },
    { label: target, colour: "target", counts: corpus.target_lengths },
  ]);
}
