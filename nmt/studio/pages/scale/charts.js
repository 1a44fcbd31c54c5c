/** Charts of a measure over parameters, pairs or operations: runs as points, laws as curves. */

import { drawFigures } from "../charts.js";
import { fixed } from "../numbers.js";
import { colour, css } from "../scheme.js";

const LINEAR = { log: false, show: String };
const LOG = { log: true, show: (value) => value < 1e4 ? String(value) : short(value) };

/**
 * Draw a chart {title, over, log, series}; `log` names the logarithmic axes. A series has a `label`, a
 * `colour` of the style sheet, a `kind`, and values at `x`: a "law" is a curve with its interval from
 * `lowest` to `highest`; points are a "run", a "short" one, which patience did not end, or a "check",
 * which was predicted.
 */
export function showChart(box, { title, over, log = "x", series }) {
  drawFigures(box, () => {
    const drawn = series.flatMap(seriesOf);
    const figure = {
      name: over,
      title,
      series: drawn,
      show: (value) => fixed(value, 3),
      log: log.includes("y"),
      over: { ...(log.includes("x") ? LOG : LINEAR), name: over },
      bands: drawn.flatMap((each, place) =>
        each.band ? [{ series: [place + 3, place + 2], fill: each.band }] : []
      ),
    };
    return [{ heading: null, figures: [figure] }];
  });
}

function seriesOf({ label, colour: name, kind, dashed, x, value, lowest, highest }) {
  const hue = (alpha) => css(colour(name), alpha);
  const common = { label, stroke: hue(1), updates: x, values: value };
  if (kind === "law") {
    const end = (name, values) => ({
      ...common,
      label: `${label}, ${name}`,
      width: 0,
      points: false,
      quiet: true,
      values,
    });
    const law = {
      ...common,
      width: 1.6,
      dash: dashed ? [6, 4] : undefined,
      points: false,
      band: hue(0.14),
    };
    return [law, end("lowest", lowest), end("highest", highest)];
  }
  const fill = kind === "short" ? css(colour("card")) : hue(1);
  return [{ ...common, width: 0, points: true, size: kind === "check" ? 13 : 8, fill }];
}

function short(value) {
  if (value >= 1e12) return value.toExponential(1).replace(".0", "").replace("+", "");
  return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}
