/** Attention as lines from each query to its keys, as in figures 3 to 5 of the paper. */

import { button, curve, el, press, roving, svg } from "../dom.js";
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
  const faint = attention.queries.map((_, query) =>
    svg("g", ...linesFrom(attention, query, rowHeight))
  );
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
    faint.forEach((lines, index) => lines.toggleAttribute("hidden", index === query));
    const ofHead = (head) => linesFrom(attention, query, rowHeight, head);
    strong.replaceChildren(...attention.heads.flatMap(ofHead));
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

/** Return the lines of a query: those of a head in its colour, or faint ones of the mean of all heads. */
function linesFrom(attention, query, rowHeight, head = null) {
  const middle = (row) => rowHeight * (row + 0.5);
  return attention.keys.flatMap((_, key) => {
    const isFaint = head === null;
    const weight = isFaint ? mean(attention, query, key) ?? 0 : attention.weight(head, query, key);
    if (weight < (isFaint ? FAINTEST : FAINTEST / 4)) return [];
    const style = isFaint ? { "stroke-width": 1, "stroke-opacity": 0.4 * weight } : {
      "stroke-width": 1 + 4 * weight,
      "stroke-opacity": 0.15 + 0.85 * weight ** 0.7,
      stroke: nthColour(head),
    };
    const d = curve(0, middle(query), WIDTH, middle(key));
    return [svg(isFaint ? "path.faint" : "path.strong", { d, style })];
  });
}
