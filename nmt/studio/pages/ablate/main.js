/** The page of `nmt ablate`: read its data and draw its sections. */

import { byId, el, svg, table } from "../dom.js";
import { startPage } from "../flow.js";
import { showRecipe } from "../recipe.js";
import { fixed, grouped } from "../numbers.js";
import { colour, css, nthOnCanvas } from "../scheme.js";
import { drawFigures } from "../charts.js";

const DIGITS = { loss: 3, perplexity: 2, score: 2, minutes: 1 };
const COLOURS = 6; // different colours; further lines are dashed
const [WIDTH, HEIGHT] = [110, 18]; // of a strip

/** Draw the table and the warnings on what cannot be compared. */
function showVariants(view, data) {
  const { measure: { name }, seeds, variants } = data;
  const scale = scaleOf(variants);
  const base = variants[0].summary.score?.mean;
  const columns = [
    ["variant", (variant) => el("span", ...named(variant), missing(variant, seeds.length))],
    ["parameters", ({ parameters }) => grouped(parameters)],
    ["updates", ({ summary }) => summary.updates ? grouped(summary.updates.mean) : "–"],
    ["dev loss", ({ summary }) => ranged(summary.loss, DIGITS.loss)],
    ["dev perplexity", ({ summary }) => ranged(summary.perplexity, DIGITS.perplexity)],
    [`dev ${name}`, ({ summary }) => ranged(summary.score, DIGITS.score)],
    [`${name} of each seed`, (variant) => strip(variant, name, scale, base)],
    [`${name} − base`, ({ difference }) => change(difference, "score")],
    ["perplexity − base", ({ difference }) => change(difference, "perplexity")],
    ["minutes", ({ summary }) => fixed(summary.minutes?.mean, DIGITS.minutes)],
  ];
  view.append(
    tableOf(columns, variants, [0, 6], "variants"),
    ...data.cautions.map((text) => el("p.hint.caution", text)),
  );
  view.querySelector("tbody tr").classList.add("base");
}

/** Return a table with a row for each item; a column is a head and a function from item to cell. */
function tableOf(columns, items, texts, name) {
  const rows = items.map((item) => columns.map(([, cell]) => cell(item)));
  return table(columns.map(([head]) => head), rows, texts, name);
}

function missing({ finished }, seeds) {
  return el("span.target", finished < seeds ? ` (${finished} of ${seeds} runs)` : "");
}

function named({ changes }) {
  if (changes.length === 0) return ["base"];
  return changes.flatMap(({ setting, value, base }, place) => [
    place > 0 ? ", " : "",
    el("code", `${setting}=${value}`),
    el("span.soft", ` (base ${base})`),
  ]);
}

function ranged(spread, digits) {
  if (!spread) return "–";
  const { mean, lowest, highest } = spread;
  const range = lowest === highest
    ? null
    : el("span.range", ` (${[lowest, highest].map((x) => fixed(x, digits)).join(" to ")})`);
  return el("span", fixed(mean, digits), range);
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

/** Draw all charts. */
function showCurves(view, data) {
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

/** Draw the table of runs, with a link to the report of each. */
function showRuns(view, { measure, variants }) {
  const isEnded = ({ state }) => state === "finished";
  const page = (folder) => `${folder.split("/").map(encodeURIComponent).join("/")}/report.html`;
  const link = ({ folder }) => el("a", { href: page(folder) }, folder);
  const columns = [
    ["variant", ({ name }) => el("code", name)],
    ["seed", ({ seed }) => String(seed)],
    ["state", (run) => el("span", { class: isEnded(run) ? null : "target" }, run.state)],
    ["updates", ({ updates }) => grouped(updates)],
    ["dev loss", ({ average }) => fixed(average?.loss, 3)],
    ["dev perplexity", ({ average }) => fixed(average?.perplexity, 2)],
    [`dev ${measure.name}`, ({ average }) => fixed(average?.score, 2)],
    [`best ${measure.name}`, ({ best }) => fixed(best?.score, 2)],
    ["at update", ({ best }) => best ? grouped(best.update) : "–"],
    ["minutes", ({ minutes }) => fixed(minutes, 1)],
    ["report", (run) => isEnded(run) ? link(run) : run.folder],
  ];
  const rows = variants.flatMap(({ name, runs }) => runs.map((run) => ({ ...run, name })));
  view.append(tableOf(columns, rows, [0, 2, 10], "runs"));
}

const data = startPage();

showVariants(byId("variants-view"), data);
showCurves(byId("curves-view"), data);
showRuns(byId("runs-view"), data);
showRecipe(byId("recipes-view"), data.recipes);
