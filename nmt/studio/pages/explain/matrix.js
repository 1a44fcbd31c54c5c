/** Attention as a matrix: a row for each query, a column for each key. */

import { arrow, el } from "../dom.js";
import { fixed } from "../numbers.js";
import { showTip, speak } from "../reading.js";
import { colour, diverging, divergingPalette, mix, paint, shade } from "../scheme.js";
import { tokenLabel, tokenText } from "./tokens.js";

const CELLS = [[14, 28], [20, 22], [28, 19], [40, 15]]; // [most tokens, pixels of a cell]
const SMALLEST = 13;

function cellSize(count) {
  return (CELLS.find(([most]) => count <= most) ?? [0, SMALLEST])[1];
}

/**
 * Return the matrix of a selection (see lines.js). `value(query, key)` returns a number, or null if
 * the key is hidden. `full` is the magnitude that has the full colour. `signed`: numbers below zero
 * have another colour. `change(query)` is called when the pointer or a key moves to a row.
 */
export function attentionMatrix(selection, tokens, { value, full, signed, name }, change) {
  const { queries, keys } = selection;
  const cell = cellSize(Math.max(queries.length, keys.length));
  const canvas = el("canvas", {
    class: "cells",
    role: "img",
    tabindex: "0",
    "aria-label": `${name}: ${queries.length} rows, ${keys.length} columns; arrow keys read cells`,
    "data-read": "",
    style: { width: `${cell * keys.length}px`, height: `${cell * queries.length}px` },
  });
  canvas.draw = () => {
    const painter = painterOf(full, signed);
    paint(canvas, queries.length, keys.length, (row, column) => painter(value(row, column)));
  };
  canvas.draw();
  const describe = (query, key) => {
    const number = value(query, key);
    const shown = number === null ? "hidden, a later position" : fixed(number, 4);
    return `${tokenText(tokens[queries[query]])} → ${tokenText(tokens[keys[key]])}: ${shown}`;
  };
  const inside = (share, count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
  canvas.read = (x, y) => describe(inside(y, queries.length), inside(x, keys.length));
  canvas.addEventListener("pointermove", (event) => {
    change(inside(event.offsetY / canvas.clientHeight, queries.length));
  });
  const mark = el("div", { class: "row-mark", "aria-hidden": "true" });
  moveByKeys(canvas, queries.length, keys.length, describe, change);
  const element = el(
    "div",
    { class: "matrix", style: { "--cell": `${cell}px` } },
    el("div", { class: "columns", "aria-hidden": "true" }, ...keys.map((id) => tag(tokens[id]))),
    el("div", { class: "rows", "aria-hidden": "true" }, ...queries.map((id) => tag(tokens[id]))),
    el("div", { class: "body" }, canvas, mark),
  );
  const select = (query) => mark.style.setProperty("top", `${cell * query}px`);
  return { element, select };
}

function tag(token) {
  return el("span", {}, tokenLabel(token));
}

function painterOf(full, signed) {
  const [card, most, hidden] = ["card", "source", "wash"].map(colour);
  const palette = divergingPalette();
  return (number) => {
    if (number === null) return hidden;
    return signed ? diverging(palette, number, full) : mix(card, most, shade(number / full));
  };
}

function moveByKeys(canvas, rows, columns, describe, change) {
  let [row, column] = [0, 0];
  canvas.addEventListener("keydown", (event) => {
    if (arrow(event.key) === null) return;
    event.preventDefault();
    const across = { ArrowRight: 1, ArrowLeft: -1, Home: -columns, End: columns };
    const down = { ArrowDown: 1, ArrowUp: -1 };
    column = Math.max(0, Math.min(columns - 1, column + (across[event.key] ?? 0)));
    row = Math.max(0, Math.min(rows - 1, row + (down[event.key] ?? 0)));
    change(row);
    const box = canvas.getBoundingClientRect();
    showTip(
      describe(row, column),
      box.left + box.width * (column + 0.5) / columns,
      box.top + box.height * (row + 0.5) / rows,
    );
    speak(describe(row, column));
  });
}

/** Return the legend of the shades of weights. */
export function weightLegend() {
  const canvas = el("canvas", { class: "ramp", "aria-hidden": "true" });
  canvas.draw = () => {
    const painter = painterOf(1, false);
    paint(canvas, 1, 60, (_, column) => painter(column / 59));
  };
  canvas.draw();
  return el("span", { class: "legend" }, "0", canvas, "1");
}

/** Return a small matrix without labels. */
export function thumbnail(rows, columns, value) {
  const canvas = el("canvas", { class: "thumbnail", "aria-hidden": "true" });
  canvas.draw = () => {
    const painter = painterOf(1, false);
    paint(canvas, rows, columns, (row, column) => painter(value(row, column)));
  };
  canvas.draw();
  return canvas;
}
