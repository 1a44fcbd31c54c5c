/** Describe what is under the pointer or the keyboard's cursor: in a tip and to screen readers. */

import { arrow, byId, inside } from "./dom.js";

/** Let screen readers speak a text. */
export function speak(text) {
  byId("spoken").textContent = text;
}

/** Show a tip with a text at a point of the window. */
export function showTip(text, x, y) {
  const tip = byId("tip");
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.max(4, Math.min(x + 12, innerWidth - box.width - 8));
  const top = y + 16 + box.height > innerHeight ? y - box.height - 10 : y + 16;
  tip.style.setProperty("left", `${left}px`);
  tip.style.setProperty("top", `${top}px`);
}

/** Hide the tip. */
export function hideTip() {
  byId("tip").hidden = true;
}

/**
 * Show a tip over elements that have a function `read(x, y)`, which returns the text for a point; x
 * and y are shares of the width and height of its box.
 */
export function followPointer() {
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest?.("[data-read]");
    if (!target?.read) return hideTip();
    const box = target.getBoundingClientRect();
    const text = target.read(
      (event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height,
    );
    if (text) showTip(text, event.clientX, event.clientY);
    else hideTip();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest?.("[data-read]")) hideTip();
  });
  document.addEventListener("focusout", hideTip);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
}

/**
 * Let arrow keys read the cells of a canvas: `describe(row, column)` returns the text of a cell, and
 * `change(row)` is called for each. In a single row, up and down move by ten cells.
 */
export function readByKeys(canvas, rows, columns, describe, change = () => {}) {
  let [row, column] = [0, rows > 1 ? 0 : -1];
  canvas.addEventListener("keydown", (event) => {
    if (arrow(event.key) === null) return;
    event.preventDefault();
    const isVertical = rows > 1 && ["ArrowUp", "ArrowDown"].includes(event.key);
    if (isVertical) row = inside(row + arrow(event.key), rows);
    else column = inside(column + arrow(event.key, 10), columns);
    change(row);
    const box = canvas.getBoundingClientRect();
    const text = describe(row, column);
    showTip(
      text,
      box.left + box.width * (column + 0.5) / columns,
      box.top + box.height * (row + 0.5) / rows,
    );
    speak(text);
  });
}
