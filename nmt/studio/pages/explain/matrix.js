/** Attention as a matrix: a row for each query, a column for each key. */

import { el, inside } from "../dom.js";
import { fixed } from "../numbers.js";
import { readByKeys } from "../reading.js";
import { colour, diverging, mix, picture, shade } from "../scheme.js";
import { legend } from "./strips.js";
import { tokenLabel, tokenText } from "./tokens.js";

const CELLS = [[14, 28], [20, 22], [28, 19], [40, 15], [Infinity, 13]]; // [most tokens, pixels]

/**
 * Return the matrix of an attention (see lines.js). `value(query, key)` returns a number, or null if
 * the key is hidden. `full` is the magnitude that has the full colour. `signed`: numbers below zero
 * have another colour. `change(query)` is called when the pointer or a key moves to a row.
 */
export function attentionMatrix(attention, tokens, { value, full, signed, name }, change) {
  const { queries, keys } = attention;
  const [rows, columns] = [queries.length, keys.length];
  const [, cell] = CELLS.find(([most]) => Math.max(rows, columns) <= most);
  const canvas = cellCanvas(name, cell, rows, columns, painted(value, shades(full, signed)));
  canvas.dataset.read = "";
  const describe = (query, key) => {
    const number = value(query, key);
    const shown = number === null ? "hidden, a later position" : fixed(number, 4);
    return `${tokenText(tokens[queries[query]])} → ${tokenText(tokens[keys[key]])}: ${shown}`;
  };
  const at = (share, count) => inside(Math.floor(share * count), count);
  canvas.read = (x, y) => describe(at(y, rows), at(x, columns));
  canvas.addEventListener("pointermove", ({ offsetY }) => {
    change(at(offsetY / canvas.clientHeight, rows));
  });
  const mark = el("div.row-mark", { "aria-hidden": "true" });
  readByKeys(canvas, rows, columns, describe, change);
  const label = (id) => tokenLabel(tokens[id]);
  const element = withNames(cell, keys.map(label), queries.map(label), canvas, mark);
  const select = (query) => mark.style.setProperty("top", `${cell * query}px`);
  return { element, select };
}

/** Return a canvas of cells, each `cell` pixels wide and high, that arrow keys read. */
export function cellCanvas(name, cell, rows, columns, painter) {
  const properties = {
    role: "img",
    tabindex: "0",
    "aria-label": `${name}: ${rows} rows, ${columns} columns; arrow keys read cells`,
    style: { width: `${cell * columns}px`, height: `${cell * rows}px` },
  };
  return picture("canvas.cells", properties, rows, columns, painter);
}

/** Return a matrix with names of columns and rows, each `cell` pixels high, and a mark in it. */
export function withNames(cell, columns, rows, canvas, mark) {
  const names = (kind, labels) =>
    el(`div.${kind}`, { "aria-hidden": "true" }, ...labels.map((label) => el("span", label)));
  return el(
    "div.matrix",
    { style: { "--cell": `${cell}px` } },
    names("columns", columns),
    names("rows", rows),
    el("div.body", canvas, mark),
  );
}

/** Return a function that reads the colours, and returns one from a number to its colour. */
function shades(full, signed) {
  return () => {
    const [card, most, hidden] = ["card", "source", "wash"].map(colour);
    const both = diverging(full);
    return (number) => {
      if (number === null) return hidden;
      return signed ? both(number) : mix(card, most, shade(number / full));
    };
  };
}

/** Return the painter of `picture` for cells whose numbers are `value(row, column)`. */
function painted(value, painter) {
  return () => {
    const paint = painter();
    return (row, column) => paint(value(row, column));
  };
}

/** Return the legend of the shades of weights. */
export function weightLegend() {
  return legend("0", "1", shades(1, false));
}

/** Return a small matrix without labels. */
export function thumbnail(rows, columns, value) {
  const painter = painted(value, shades(1, false));
  return picture("canvas.thumbnail", { "aria-hidden": "true" }, rows, columns, painter);
}
