/** Draw curves over updates, or something else, with uPlot; they zoom together and share the cursor. */

import { el } from "./dom.js";
import { speak } from "./reading.js";
import { colour, css, onScheme } from "./scheme.js";

const { uPlot } = globalThis;
const HEIGHT = 230;
const FONT = "12px system-ui, sans-serif";
// A logarithmic scale, with a margin and not up to powers of ten.
const LOG_X = { time: false, distr: 3, range: (_, low, high) => [low / 1.1, high * 1.1] };
const UPDATES = { name: "update", show: (value) => value.toLocaleString("en"), log: false };

/**
 * Draw charts into an element, and again whenever the colour scheme changes; `draw()` adds to the
 * element and returns the charts.
 */
export function drawAgain(view, draw) {
  let charts = [];
  const redraw = () => {
    for (const chart of charts) chart.destroy();
    view.replaceChildren();
    charts = draw();
  };
  redraw();
  onScheme(redraw);
}

/**
 * Draw groups of figures: a heading, which may be null, above charts that zoom together. A figure has
 * a `name` for tests and the arguments of a chart; one without values is left out.
 */
export function drawFigures(view, groups) {
  drawAgain(view, () => {
    const charts = new Charts();
    for (const { heading, figures } of groups()) {
      const grid = el("div.charts");
      view.append(...[heading, grid].filter(Boolean));
      for (const { name, ...chart } of figures) {
        const box = el("section.figure", { "data-figure": name });
        grid.append(box);
        charts.add(box, chart);
        if (!box.childElementCount) box.remove();
      }
    }
    return charts.all;
  });
}

/** Charts with a common horizontal axis: zoom and cursor apply to all of them. */
class Charts {
  constructor() {
    this.all = [];
    this.zooming = false;
  }

  /**
   * Add a chart to a figure. `series` is a list of {label, stroke, width, dash, points, size, fill,
   * quiet, updates, values}, of which quiet ones are only drawn; `show` formats a value; `log` makes
   * the scale logarithmic; `over` says what stands in the place of updates; `bands` are pairs of the
   * series between which a `fill` is drawn.
   */
  add(figure, { title, series, show, log = false, over = UPDATES, bands = [] }) {
    const drawn = series.filter((each) => each.values.some((value) => value !== null));
    if (drawn.length === 0) return;
    const named = drawn.filter(({ quiet }) => !quiet);
    const box = el("div.chart", {
      role: "group",
      tabindex: "0",
      "aria-label": `${title} by ${over.name}. ${
        named.map((each) => lastOf(each, show, over)).join("; ")
      }`,
    });
    figure.append(el("h3", title), box);
    const options = { ...this.options(drawn, show, log, over), bands };
    const data = uPlot.join(drawn.map((each) => [each.updates, each.values]));
    const chart = plot(box, options, data);
    this.all.push(chart);
    nameLegend(chart);
    box.addEventListener("keydown", (event) => this.press(event, chart));
  }

  options(series, show, log, over) {
    const axis = axisLook();
    return {
      height: HEIGHT,
      cursor: { sync: { key: over.name }, drag: { x: true, y: false }, focus: { prox: 24 } },
      focus: { alpha: 0.35 },
      scales: { x: over.log ? LOG_X : { time: false }, y: { distr: log ? 3 : 1 } },
      axes: [
        {
          ...axis,
          ...(over.log ? { splits: marks, filter: (_, ticks) => ticks } : {}),
          values: labels(over.show),
        },
        {
          ...axis,
          size: 58,
          grid: log ? { ...axis.grid, filter: powersOfTen } : axis.grid,
          values: labels(short),
        },
      ],
      series: [
        { label: over.name, value: shown(over.show) },
        ...series.map((each) => ({
          label: each.label,
          class: each.quiet ? "quiet" : null,
          auto: !each.quiet,
          stroke: each.stroke,
          width: each.width,
          dash: each.dash,
          spanGaps: true,
          points: { show: each.points, size: each.size ?? 5, fill: each.fill ?? each.stroke },
          value: shown(show),
        })),
      ],
      hooks: {
        setScale: [(chart, key) => key === "x" && this.zoomAll(chart)],
        setSeries: [nameLegend],
      },
    };
  }

  zoomAll(chart) {
    if (this.zooming) return;
    this.zooming = true;
    const { min, max } = chart.scales.x;
    for (const other of this.all) if (other !== chart) other.setScale("x", { min, max });
    this.zooming = false;
  }

  press(event, chart) {
    const updates = chart.data[0];
    const { min, max } = chart.scales.x;
    const visible = updates.map((_, place) => place)
      .filter((place) => updates[place] >= min && updates[place] <= max);
    const at = chart.cursor.idx ?? visible[0];
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: visible[0], End: visible.at(-1) };
    if (event.key in moves) {
      // A zoom of another chart may leave no value of this one in view.
      const to = Math.max(visible[0], Math.min(visible.at(-1), moves[event.key]));
      if (visible.length > 0) this.read(chart, to);
    } else if (event.key === "0") {
      chart.setScale("x", { min: updates[0], max: updates.at(-1) });
    } else if (["+", "=", "-"].includes(event.key)) {
      const half = (max - min) * (event.key === "-" ? 1 : 0.25);
      const middle = event.key === "-" ? (min + max) / 2 : updates[at] ?? (min + max) / 2;
      chart.setScale("x", {
        min: Math.max(updates[0], middle - half),
        max: Math.min(updates.at(-1), middle + half),
      });
    } else {
      return;
    }
    event.preventDefault();
  }

  read(chart, index) {
    const update = chart.data[0][index];
    for (const each of this.all) {
      each.setCursor({ left: each.valToPos(update, "x"), top: each.over.clientHeight / 2 });
    }
    const [at, ...values] = chart.series.map((each, number) => [each, chart.data[number][index]])
      .filter(([each, value]) => each.class !== "quiet" && value !== null && value !== undefined)
      .map(([each, value]) => `${each.label} ${each.value(chart, value)}`);
    speak(`${at}: ${values.join(", ")}`);
  }
}

/** Make each name in a legend a button, because uPlot hides a curve when its name is clicked. */
function nameLegend(chart) {
  chart.root.querySelectorAll(".u-legend .u-series").forEach((row, place) => {
    const name = row.querySelector(".u-label");
    if (!place || !name) return; // the first entry is the update
    name.setAttribute("role", "button");
    name.setAttribute("tabindex", "0");
    name.setAttribute("aria-pressed", String(chart.series[place].show));
    name.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      name.click();
    };
  });
}

/** Return a chart in a box, as wide as the box until it is destroyed. */
function plot(box, options, data) {
  const chart = new uPlot({ width: Math.max(280, box.clientWidth), ...options }, data, box);
  const follower = new ResizeObserver(() => {
    chart.setSize({ width: box.clientWidth, height: chart.height });
  });
  follower.observe(box);
  (chart.hooks.destroy ??= []).push(() => follower.disconnect());
  return chart;
}

/** Return uPlot's function from ticks to labels; ticks without a label are null. */
function labels(show) {
  return (_, ticks) => ticks.map((tick) => tick === null ? null : show(tick));
}

/** Return uPlot's function from a value of the legend, which may be missing, to its text. */
function shown(show) {
  return (_, value) => value === null || value === undefined ? "–" : show(value);
}

/** Return 1, 2 and 5 times powers of ten from `low` to `high`; only the powers if there are many. */
function marks(_, __, low, high) {
  const exponents = Array.from({ length: 40 }, (_, place) => place - 20);
  const inside = (digits) =>
    exponents.flatMap((exponent) => digits.map((digit) => Number(`${digit}e${exponent}`)))
      .filter((mark) => low <= mark && mark <= high);
  const all = inside([1, 2, 5]);
  return all.length > 6 ? inside([1]) : all;
}

/** Keep the ticks of a logarithmic scale that are powers of ten. */
function powersOfTen(_, marks) {
  return marks.map((mark) =>
    Number.isInteger(Math.round(1e6 * Math.log10(mark)) / 1e6) ? mark : null
  );
}

function lastOf(each, show, over) {
  const place = each.values.findLastIndex((value) => value !== null);
  return `${each.label} ${show(each.values[place])} at ${over.name} ${
    over.show(each.updates[place])
  }`;
}

function short(number) {
  const size = Math.abs(number);
  if (size === 0) return "0";
  if (size < 0.01) return number.toExponential(0);
  if (size >= 10_000) return `${number / 1000}k`;
  return number.toLocaleString("en", { maximumSignificantDigits: 6 });
}

/** Return the style of an axis in the colours of the scheme. */
function axisLook() {
  const line = css(colour("line"));
  return {
    stroke: css(colour("soft")),
    font: FONT,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1 },
  };
}

/** Draw a histogram of segments by length, both sides in one chart. */
export function histogram(box, title, sides) {
  const counts = sides.map((each) => each.counts);
  const most = Math.max(...counts.map((each) => each.findLastIndex((count) => count > 0)));
  const longest = counts[0].length - 1; // this bin also counts longer segments
  const name = (length, more) => length === longest ? `${length}${more}` : String(length);
  const lengths = Array.from({ length: most + 1 }, (_, length) => length);
  const axis = axisLook();
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", title);
  return plot(
    box,
    {
      height: 190,
      cursor: { drag: { x: true, y: false } },
      scales: { x: { time: false } },
      axes: [{
        ...axis,
        incrs: [1, 2, 5, 10, 20, 50],
        values: labels((tick) => name(tick, "+")),
      }, { ...axis, size: 58, values: labels(short) }],
      series: [
        { label: "tokens", value: shown((value) => name(value, " or more")) },
        ...sides.map((each) => ({
          label: each.label,
          stroke: css(colour(each.colour)),
          fill: css(colour(each.colour), 0.18),
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
          value: shown((value) => value.toLocaleString("en")),
        })),
      ],
    },
    [lengths, ...counts.map((each) => each.slice(0, most + 1))],
  );
}
