/** The second section: curves of training and of validations. */

import { el } from "../dom.js";
import { fixed, grouped } from "../numbers.js";
import { colour, css, nthOnCanvas, onScheme } from "../scheme.js";
import { Charts } from "./charts.js";

const FIGURES = [
  { title: "Loss per token, smoothed", figure: "loss", show: (value) => fixed(value, 3) },
  { title: "Perplexity", figure: "perplexity", show: (value) => fixed(value, 2), log: true },
  { figure: "score", show: (value) => fixed(value, 2) },
  {
    title: "Learning rate",
    figure: "learning_rate",
    show: (value) => value.toExponential(2),
  },
  { title: "Source and target tokens per second", figure: "tokens_per_second", show: grouped },
  { title: "Gradient norm", figure: "gradient_norm", show: (value) => fixed(value, 3) },
];

/** Draw all charts; redraw them when the colour scheme changes. */
export function showCurves(view, runs) {
  const charts = new Charts();
  const draw = () => {
    charts.clear();
    view.replaceChildren();
    const grid = el("div", { class: "charts" });
    view.append(grid);
    for (const { title, figure, show, log } of figuresOf(runs)) {
      const box = el("section", { class: "figure", "data-figure": figure });
      grid.append(box);
      const hasFigure = figure === "score" ? (run) => run.measure === title : () => true;
      const series = runs.flatMap((run, place) =>
        hasFigure(run) ? seriesOf(run, place, figure, runs.length > 1) : []
      );
      charts.add(box, {
        title: figure === "score" ? `${title} of the dev set` : title,
        series,
        show,
        log,
      });
      if (!box.childElementCount) box.remove();
    }
  };
  draw();
  onScheme(draw);
}

/** Return the figures to draw, with a score figure for each measure that the runs use. */
function figuresOf(runs) {
  const measures = [...new Set(runs.map((run) => run.measure))];
  return FIGURES.flatMap((each) =>
    each.figure === "score" ? measures.map((title) => ({ ...each, title })) : [each]
  );
}

function seriesOf(run, place, figure, many) {
  const found = [];
  const name = (kind) => many ? `${run.name}, ${kind}` : kind;
  const stroke = (kind) => {
    if (many) return nthOnCanvas(place);
    return css(colour({ train: "source", dev: "target", average: "good" }[kind]));
  };
  for (const kind of ["train", "dev"]) {
    const curve = run.curves[kind][figure];
    if (!curve) continue;
    const dev = kind === "dev";
    found.push({
      label: name(kind),
      stroke: stroke(kind),
      width: dev ? 2.2 : 1.4,
      dash: dev && many && run.curves.train[figure] ? [6, 4] : undefined,
      points: dev,
      ...curve,
    });
  }
  const average = run.average?.[figure];
  if (average !== undefined && average !== null) {
    found.push({
      label: name("average"),
      stroke: stroke("average"),
      width: 0,
      points: true,
      size: 9,
      updates: [run.average.update],
      values: [average],
    });
  }
  return found;
}
