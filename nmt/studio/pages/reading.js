/** Describe what is under the pointer or the keyboard's cursor: in a tip and to screen readers. */

import { byId } from "./dom.js";

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
