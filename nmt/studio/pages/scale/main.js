/** The page of `nmt scale`: charts of all runs, and sections of tables and charts from its data. */

import { byId, el, table } from "../dom.js";
import { startPage } from "../flow.js";
import { drawFigures } from "../charts.js";
import { fixed } from "../numbers.js";
import { colour, css } from "../scheme.js";

const LINEAR = { log: false, show: String };
const LOG = { log: true, show: (value) => value < 1e4 ? String(value) : short(value) };
const COLOURS = ["source", "target", "good"]; // of the recipes, in their order

function showSection(view, { charts = [], texts = [], tables = [] }) {
  const boxes = charts.map(() => el("div"));
  view.append(
    ...texts.map((text) => el("p.hint", text)),
    ...(charts.length ? [el("div.charts", ...boxes)] : []),
    ...tables.filter(({ rows }) => rows.length)
      .map(({ heads, rows }) => table(heads, rows, textColumns(rows), "figures")),
  );
  charts.forEach((chart, place) => showChart(boxes[place], chart));
}

/** Return the columns that hold texts: a number begins with a digit or is missing. */
function textColumns(rows) {
  return [...rows[0].keys()].filter((place) => rows.some((row) => !/^[-−–\d]/.test(row[place])));
}

/**
 * Draw a chart {title, over, log, series}; `log` names the logarithmic axes. A series has a `label`, a
 * `colour` of the style sheet, a `kind`, and values at `x`: a "law" is a curve with its interval from
 * `lowest` to `highest`; points are a "run", a "short" one, which patience did not end, or a "check",
 * which was predicted.
 */
function showChart(box, { title, over, log = "x", series }) {
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

/** Return the charts, as `showChart` takes them. */
function chartsOf({ runs, checks, laws }) {
  const ended = (rows) => rows.filter(({ state, loss }) => state === "finished" && loss !== null);
  const whole = ended(runs).filter(({ share }) => share === 1);
  const shared = new Set(runs.filter(({ share }) => share < 1).map(({ size }) => size));
  const ofShares = ended(runs).filter(({ size }) => shared.has(size));
  const chart = (title, over, rows, predicted, groupOf) => ({
    title,
    over,
    series: Object.keys(laws).flatMap((recipe, place) => {
      const own = (all) => all.filter((row) => row.recipe === recipe);
      const curves = laws[recipe].curves.filter((curve) => curve.over === over);
      const colour = COLOURS[place % COLOURS.length];
      return [
        ...curves.map((curve, number) => ({
          ...curve,
          label: `${groupOf(recipe, curve.size)}, law`,
          colour,
          kind: "law",
          dashed: number > 0,
        })),
        ...pointsOf(own(rows), own(predicted), over, colour, groupOf),
      ];
    }),
  });
  const check = ended(checks);
  const byName = (recipe) => recipe;
  const bySize = (recipe, size) => `${recipe} ${size}`;
  return [
    chart("Loss by parameters N, whole corpus", "N", whole, check, byName),
    chart("Loss by training pairs D, by size", "D", ofShares, [], bySize),
    chart("Loss by operations", "operations", ended(runs), check, byName),
  ];
}

/** Return a series of points for each name and each kind of run. */
function pointsOf(rows, checks, over, colour, groupOf) {
  const groups = new Map();
  const add = (row, kind, note) => {
    const label = `${groupOf(row.recipe, row.size)}${note}`;
    if (!groups.has(label)) groups.set(label, { label, kind, colour, rows: [] });
    groups.get(label).rows.push(row);
  };
  for (const row of rows) {
    if (row.end === "patience") add(row, "run", "");
    else add(row, "short", ", ended by updates");
  }
  for (const row of checks) add(row, "check", ", predicted");
  return [...groups.values()].map(({ rows: all, ...series }) => {
    const sorted = meansOf(all, over);
    return { ...series, x: sorted.map(([x]) => x), value: sorted.map(([, y]) => y) };
  });
}

/** Return [place, loss] in order; runs with several seeds at one place are one point. */
function meansOf(rows, over) {
  const losses = new Map();
  for (const row of rows) losses.set(row[over], [...(losses.get(row[over]) ?? []), row.loss]);
  return [...losses].map(([x, all]) => [x, all.reduce((sum, y) => sum + y, 0) / all.length])
    .sort(([one], [other]) => one - other);
}

const data = JSON.parse(byId("data").textContent);

for (const { id, title } of data.sections) {
  // Other measurements have no place of their own.
  if (byId(id)) continue;
  byId("rules").before(el("details", { open: true, id, "data-name": title }, el("h2", title)));
}
startPage();
byId("rules-view").append(document.querySelector("#rules ul"));
for (const section of [{ id: "scaling", charts: chartsOf(data) }, ...data.sections]) {
  showSection(byId(`${section.id}-view`), section);
}
