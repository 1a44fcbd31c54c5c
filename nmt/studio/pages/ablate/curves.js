/** The second section: curves of the dev set, with a group of charts for each axis. */

import { el } from "../dom.js";
import { fixed } from "../numbers.js";
import { colour, css, nthOnCanvas } from "../scheme.js";
import { drawFigures } from "../charts.js";

const COLOURS = 6; // different colours; further lines are dashed

/** Draw all charts. */
export function showCurves(view, data) {
  const figures = [
    { name: "loss", title: "Dev loss per token, smoothed", show: (value) => fixed(value, 3) },
    { name: "perplexity", title: "Dev perplexity", show: (value) => fixed(value, 2), log: true },
    { name: "score", title: `Dev ${data.measure.name}`, show: (value) => fixed(value, 2) },
  ];
  const seriesOfAll = (variants, name) =>
    variants.flatMap((variant, place) => seriesOf(variant, place, name));
  drawFigures(view, () =>
    groupsOf(data).map(({ title, variants }) => ({
      heading: el("h3.axis", el("code", title)),
      figures: figures.map((each) => ({ ...each, series: seriesOfAll(variants, each.name) })),
    })));
}

/** Return the variants of each axis with the base; one group for a grid or without axes. */
function groupsOf({ axes, variants }) {
  const [base, ...others] = variants;
  const groups = axes.map((title, place) => ({
    title,
    variants: others.filter(({ axis }) => axis === place),
  })).filter((group) => group.variants.length > 0);
  if (groups.length === 0) return [{ title: axes.join(" × ") || "base", variants }];
  return groups.map(({ title, variants: own }) => ({ title, variants: [base, ...own] }));
}

function seriesOf(variant, place, figure) {
  const runs = variant.runs.map((run) => ({ seed: run.seed, ...run.curves[figure] }))
    .filter(({ values }) => values?.length > 0);
  const hue = (alpha) => place === 0 ? css(colour("ink"), alpha) : nthOnCanvas(place - 1, alpha);
  const stroke = hue(1);
  const dash = place > COLOURS ? [8, 4] : undefined;
  const thick = { label: variant.name, stroke, width: 2.4, dash, points: true };
  if (runs.length === 1) {
    return [{ ...thick, updates: runs[0].updates, values: runs[0].values }];
  }
  const thin = runs.map(({ seed, updates, values }) => ({
    label: `${variant.name}, seed ${seed}`,
    stroke: hue(0.5),
    width: 1,
    dash,
    points: updates.length === 1,
    updates,
    values,
  }));
  return runs.length === 0 ? [] : [{ ...thick, ...meanOf(runs) }, ...thin];
}

/** Return the mean over seeds at the updates at which every seed was validated. */
function meanOf(runs) {
  const maps = runs.map(({ updates, values }) => new Map(updates.map((x, n) => [x, values[n]])));
  const updates = runs[0].updates.filter((update) =>
    maps.every((map) => Number.isFinite(map.get(update)))
  );
  const mean = (update) => maps.reduce((sum, map) => sum + map.get(update), 0) / maps.length;
  return { updates, values: updates.map(mean) };
}
