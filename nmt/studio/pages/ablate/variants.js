/** The first section: a row for each variant with its results and its seeds. */

import { el, svg } from "../dom.js";
import { fixed, grouped } from "../numbers.js";
import { table } from "../tables.js";

const DIGITS = { loss: 3, perplexity: 2, score: 2, minutes: 1 };
const WIDTH = 110;
const HEIGHT = 18;

/** Draw the table and the warnings on what cannot be compared. */
export function showVariants(view, data) {
  const { measure, variants } = data;
  const heads = [
    "variant",
    "parameters",
    "updates",
    "dev loss",
    "dev perplexity",
    `dev ${measure.name}`,
    `${measure.name} of each seed`,
    `${measure.name} − base`,
    "perplexity − base",
    "minutes",
  ];
  const scale = scaleOf(variants);
  const rows = variants.map((variant) => rowOf(variant, data, scale));
  view.append(
    table(heads, rows, [0, 6], "variants"),
    ...data.cautions.map((text) => el("p.hint.caution", text)),
  );
  view.querySelector("tbody tr").classList.add("base");
}

function rowOf(variant, { seeds, measure, variants }, scale) {
  const { summary, difference, finished } = variant;
  const missing = finished < seeds.length ? ` (${finished} of ${seeds.length} runs)` : "";
  return [
    el("span", ...named(variant), el("span.target", missing)),
    grouped(variant.parameters),
    summary.updates ? grouped(summary.updates.mean) : "–",
    ...["loss", "perplexity", "score"].map((name) => ranged(summary[name], name)),
    strip(variant, measure.name, scale, variants[0].summary.score?.mean),
    ...["score", "perplexity"].map((name) => change(difference, name)),
    summary.minutes ? fixed(summary.minutes.mean, DIGITS.minutes) : "–",
  ];
}

function named({ changes }) {
  if (changes.length === 0) return ["base"];
  return changes.flatMap(({ setting, value, base }, place) => [
    place > 0 ? ", " : "",
    el("code", `${setting}=${value}`),
    el("span.soft", ` (base ${base})`),
  ]);
}

function ranged(spread, name) {
  if (!spread) return "–";
  const { mean, lowest, highest } = spread;
  const range = lowest === highest
    ? null
    : el("span.range", ` (${[lowest, highest].map((x) => fixed(x, DIGITS[name])).join(" to ")})`);
  return el("span", fixed(mean, DIGITS[name]), range);
}

function change(difference, name) {
  if (!difference) return "";
  const { mean, overlaps } = difference[name];
  return `${mean > 0 ? "+" : ""}${fixed(mean, DIGITS[name])}${overlaps ? " ≈" : ""}`;
}

/** Return [seed, score] of each finished run. */
function scoresOf({ runs }) {
  return runs.filter(({ average }) => Number.isFinite(average?.score))
    .map(({ seed, average }) => [seed, average.score]);
}

/** Return a function from a score to its place on the strips, in pixels. */
function scaleOf(variants) {
  const scores = variants.flatMap(scoresOf).map(([, score]) => score);
  const low = Math.min(...scores);
  const range = Math.max(...scores) - low || 1;
  return (score) => 6 + (WIDTH - 12) * (score - low) / range;
}

/** Draw a dot for each seed, a bar for their mean and a line for the base's mean. */
function strip(variant, measure, scale, base) {
  const scores = scoresOf(variant);
  if (scores.length === 0) return "–";
  const mean = scores.reduce((sum, [, score]) => sum + score, 0) / scores.length;
  const bar = (name, score, inset) =>
    svg("line", { class: name, x1: scale(score), x2: scale(score), y1: inset, y2: HEIGHT - inset });
  return svg(
    "svg.strip",
    {
      width: WIDTH,
      height: HEIGHT,
      role: "img",
      "aria-label": `${measure}: ${
        scores.map(([seed, score]) => `seed ${seed} ${fixed(score, 2)}`).join(", ")
      }`,
    },
    Number.isFinite(base) ? bar("base", base, 0) : null,
    ...scores.map(([, score]) => svg("circle", { cx: scale(score), cy: HEIGHT / 2, r: 4 })),
    scores.length > 1 ? bar("mean", mean, 3) : null,
  );
}
