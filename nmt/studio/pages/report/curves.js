/** The second section: curves of training and of validations. */

import { fixed, grouped } from "../numbers.js";
import { colour, css, nthOnCanvas } from "../scheme.js";
import { drawFigures } from "../charts.js";

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

/** Draw all charts. */
export function showCurves(view, runs) {
  const many = runs.length > 1;
  const figure = ({ title, figure: name, show, log }) => {
    const own = name === "score" ? runs.filter((run) => run.measure === title) : runs;
    return {
      name,
      title: name === "score" ? `${title} of the dev set` : title,
      series: own.flatMap((run) => seriesOf(run, runs.indexOf(run), name, many)),
      show,
      log,
    };
  };
  drawFigures(view, () => [{ heading: null, figures: figuresOf(runs).map(figure) }]);
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
  // One run has room for the score of each direction, of which the dev score is the mean.
  if (figure === "score" && !many) {
    for (const [direction, curve] of Object.entries(run.curves.directions)) {
      const stroke = nthOnCanvas(found.length);
      found.push({ label: direction, stroke, width: 1.2, dash: [6, 4], ...curve });
    }
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
