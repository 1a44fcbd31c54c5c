/** Attention as lines from each query to its keys, as in figures 3 to 5 of the paper. */

import { el, roving, svg } from "../dom.js";
import { fixed } from "../numbers.js";
import { nthColour } from "../scheme.js";
import { tokenLabel } from "./tokens.js";

const WIDTH = 124;
const FAINTEST = 0.04; // smaller weights have no line; the numbers next to the keys show all weights

/**
 * Return two columns of tokens with lines between them. `selection` has the ids of queries and keys,
 * the names of both sides, the `heads` that are shown and weight(head, query, key). `change(query)` is
 * called when a query is chosen.
 */
export function attentionLines(selection, tokens, change) {
  const rowHeight = Math.max(selection.queries.length, selection.keys.length) > 26 ? 21 : 26;
  const queries = selection.queries.map((id, index) =>
    el(
      "button",
      {
        type: "button",
        class: `token ${selection.sides[0]}`,
        "data-rove": "",
        "data-query": index,
        "aria-pressed": "false",
        on: {
          pointermove: () => change(index),
          focus: () => change(index),
          click: () => change(index),
        },
      },
      tokenLabel(tokens[id]),
      selection.outputs
        ? el("span", { class: "next" }, " → ", tokenLabel(tokens[selection.outputs[index]]))
        : null,
    )
  );
  const keys = selection.keys.map((id) => keyRow(tokens[id], selection.sides[1]));
  const height = rowHeight * Math.max(queries.length, keys.length);
  const drawing = svg("svg", {
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
    preserveAspectRatio: "none", // the drawing is narrower on a small screen
    "aria-hidden": "true",
  });
  // The faint lines of all queries are drawn once, behind the strong lines of the chosen query.
  const faint = selection.queries.map((_, query) => faintLines(selection, query, rowHeight));
  const strong = svg("g");
  drawing.append(...faint, strong);
  const left = el("div", { class: "queries", role: "group", "aria-label": "Attending token" });
  left.append(...queries);
  roving(left);
  const element = el(
    "div",
    { class: "lines", style: { "--row": `${rowHeight}px` } },
    left,
    drawing,
    el("div", { class: "keys" }, ...keys.map((key) => key.element)),
  );
  const select = (query) => {
    queries.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === query));
      button.dataset.rove = index === query ? "here" : "";
    });
    if (!left.contains(document.activeElement)) roving(left);
    keys.forEach((key, index) => key.show(mean(selection, query, index)));
    faint.forEach((lines, index) => lines.classList.toggle("chosen", index === query));
    strong.replaceChildren(...strongLines(selection, query, rowHeight));
  };
  return { element, select };
}

function keyRow(token, side) {
  const number = el("span", { class: "weight" });
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
export function mean(selection, query, key) {
  if (selection.masked && key > query) return null;
  return selection.heads.reduce((sum, head) => sum + selection.weight(head, query, key), 0) /
    selection.heads.length;
}

/** Return the lines of a query that is not chosen: the mean of the heads that are shown. */
function faintLines(selection, query, rowHeight) {
  const weights = selection.keys.map((_, key) => mean(selection, query, key) ?? 0);
  return svg("g", {}, ...linesFrom(query, weights, FAINTEST, rowHeight, null));
}

/** Return the lines of the chosen query: each head in its own colour. */
function strongLines(selection, query, rowHeight) {
  return selection.heads.flatMap((head) => {
    const weights = selection.keys.map((_, key) => selection.weight(head, query, key));
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
  const path = svg("path", {
    d: `M0 ${from}C${WIDTH / 2} ${from} ${WIDTH / 2} ${to} ${WIDTH} ${to}`,
    class: head === null ? "faint" : "strong",
  });
  path.style.setProperty("stroke-width", String(head === null ? 1 : 1 + 4 * weight));
  path.style.setProperty(
    "stroke-opacity",
    String(head === null ? 0.4 * weight : 0.15 + 0.85 * weight ** 0.7),
  );
  if (head !== null) path.style.setProperty("stroke", nthColour(head));
  return path;
}
