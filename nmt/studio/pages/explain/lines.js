/** Attention as lines from each query to its keys, as in figures 3 to 5 of the paper. */

import { button, el, press, roving, svg } from "../dom.js";
import { fixed } from "../numbers.js";
import { nthColour } from "../scheme.js";
import { nextToken, tokenLabel } from "./tokens.js";

const WIDTH = 124;
const FAINTEST = 0.04; // smaller weights have no line; the numbers next to the keys show all weights

/**
 * Return two columns of tokens with lines between them. `attention` has the ids of queries and keys,
 * the names of both sides, the `heads` that are shown and weight(head, query, key). `change(query)` is
 * called when a query is chosen.
 */
export function attentionLines(attention, tokens, change) {
  const rowHeight = Math.max(attention.queries.length, attention.keys.length) > 26 ? 21 : 26;
  const queries = attention.queries.map((id, index) =>
    button(
      `.token.${attention.sides[0]}`,
      { "data-query": index, "data-rove": "", choose: () => change(index) },
      tokenLabel(tokens[id]),
      attention.outputs ? nextToken(tokens[attention.outputs[index]]) : null,
    )
  );
  const keys = attention.keys.map((id) => keyRow(tokens[id], attention.sides[1]));
  const height = rowHeight * Math.max(queries.length, keys.length);
  const drawing = svg("svg", {
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
    preserveAspectRatio: "none", // the drawing is narrower on a small screen
    "aria-hidden": "true",
  });
  // The faint lines of all queries are drawn once, behind the strong lines of the chosen query.
  const faint = attention.queries.map((_, query) => faintLines(attention, query, rowHeight));
  const strong = svg("g");
  drawing.append(...faint, strong);
  const group = { role: "group", "aria-label": "Attending token" };
  const left = el("div.queries", group, ...queries);
  press(queries, () => false);
  roving(left);
  const element = el(
    "div.lines",
    { style: { "--row": `${rowHeight}px` } },
    left,
    drawing,
    el("div.keys", ...keys.map((key) => key.element)),
  );
  const select = (query) => {
    press(queries, (_, index) => index === query);
    if (!left.contains(document.activeElement)) roving(left);
    keys.forEach((key, index) => key.show(mean(attention, query, index)));
    faint.forEach((lines, index) => lines.classList.toggle("chosen", index === query));
    strong.replaceChildren(...strongLines(attention, query, rowHeight));
  };
  return { element, select };
}

function keyRow(token, side) {
  const number = el("span.weight");
  const element = el("div", { class: `token ${side}` }, number, tokenLabel(token));
  return {
    element,
    show: (weight) => {
      number.textContent = weight === null ? "" : fixed(weight, 2);
      element.style.setProperty("--weight", String(weight ?? 0));
      element.classList.toggle("hidden-key", weight === null);
    },
  };
}

/** Return the mean weight of the heads that are shown; null if a mask hides the key. */
export function mean(attention, query, key) {
  if (attention.masked && key > query) return null;
  return attention.heads.reduce((sum, head) => sum + attention.weight(head, query, key), 0) /
    attention.heads.length;
}

/** Return the lines of a query that is not chosen: the mean of the heads that are shown. */
function faintLines(attention, query, rowHeight) {
  const weights = attention.keys.map((_, key) => mean(attention, query, key) ?? 0);
  return svg("g", ...linesFrom(query, weights, FAINTEST, rowHeight, null));
}

/** Return the lines of the chosen query: each head in its own colour. */
function strongLines(attention, query, rowHeight) {
  return attention.heads.flatMap((head) => {
    const weights = attention.keys.map((_, key) => attention.weight(head, query, key));
    return linesFrom(query, weights, FAINTEST / 4, rowHeight, head);
  });
}

function linesFrom(query, weights, least, rowHeight, head) {
  return weights.flatMap((weight, key) =>
    weight >= least ? [line(query, key, rowHeight, weight, head)] : []
  );
}

function line(query, key, rowHeight, weight, head) {
  const [from, to] = [query, key].map((row) => rowHeight * (row + 0.5));
  const strong = head !== null;
  const style = {
    "stroke-width": strong ? 1 + 4 * weight : 1,
    "stroke-opacity": strong ? 0.15 + 0.85 * weight ** 0.7 : 0.4 * weight,
    ...(strong ? { stroke: nthColour(head) } : {}),
  };
  const d = `M0 ${from}C${WIDTH / 2} ${from} ${WIDTH / 2} ${to} ${WIDTH} ${to}`;
  return svg(strong ? "path.strong" : "path.faint", { d, style });
}
