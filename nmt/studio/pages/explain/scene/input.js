/** Pointer, wheel and keys of the scene. */

import { inside } from "../../dom.js";
import { hideTip, showTip } from "../../reading.js";
import { nameOf } from "./flow.js";
import { describeCell } from "./panel.js";

const CLICK = 5; // pixels that the pointer may move in a click

export const KEYS =
  "Space plays and pauses. ← and → go one block back and forward, Page up and Page down one " +
  "chapter; 1 to 9 choose a chapter. + and − zoom, dragging turns, Shift and dragging moves, the " +
  "wheel zooms after a click. Shift and arrows move from cell to cell, Enter opens the matrix, " +
  "Escape shows the overview.";

/** Return the listeners of the stage of a scene. */
export function listeners(scene) {
  let drag = null;
  const at = (event) => {
    const box = scene.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const read = (event) => {
    const cell = scene.cellAt(at(event));
    scene.read(cell);
    if (!cell) return hideTip();
    const text = `${nameOf(cell.block)} · ${describeCell(cell.block, cell)}`;
    showTip(text, event.clientX, event.clientY);
  };
  return {
    pointerdown: (event) => {
      if (event.button > 1) return;
      scene.stage.setPointerCapture(event.pointerId);
      const pans = event.shiftKey || event.button === 1 || scene.isFlat;
      drag = { pans, x: event.clientX, y: event.clientY, moved: 0 };
    },
    pointermove: (event) => {
      if (!drag) return read(event);
      const [right, down] = [event.clientX - drag.x, event.clientY - drag.y];
      Object.assign(drag, { x: event.clientX, y: event.clientY });
      drag.moved += Math.abs(right) + Math.abs(down);
      scene.camera[drag.pans ? "pan" : "turn"](right, down);
      scene.invalidate();
    },
    pointerup: (event) => {
      const isClick = drag && drag.moved < CLICK;
      drag = null;
      const cell = isClick ? scene.cellAt(at(event)) : null;
      if (cell) scene.open(cell);
    },
    pointercancel: () => drag = null,
    pointerleave: () => {
      hideTip();
      if (!drag && document.activeElement !== scene.stage) scene.read(null);
    },
    wheel: (event) => {
      if (!event.ctrlKey && document.activeElement !== scene.stage) return;
      event.preventDefault();
      scene.zoom(Math.exp(event.deltaY / 700));
    },
    keydown: (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      const act = keys(scene, event)[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    },
  };
}

function keys(scene, { shiftKey, key }) {
  const { step } = scene.flow;
  const chapter = scene.chapter ?? -1;
  const visit = (index) => () => scene.visit(inside(index, scene.chapters.length));
  const zoom = { in: () => scene.zoom(0.8), out: () => scene.zoom(1.25) };
  const cell = (down, right) => () => scene.moveCell(down, right);
  return {
    ArrowLeft: shiftKey ? cell(0, -1) : () => scene.go(step - 1),
    ArrowRight: shiftKey ? cell(0, 1) : () => scene.go(step + 1),
    ArrowUp: shiftKey ? cell(-1, 0) : zoom.in,
    ArrowDown: shiftKey ? cell(1, 0) : zoom.out,
    "+": zoom.in,
    "-": zoom.out,
    " ": () => scene.flow.toggle(),
    "?": () => scene.showKeys(),
    Enter: () => scene.current() && scene.open(scene.cell ?? scene.firstCell()),
    Escape: () => scene.go(0),
    PageDown: visit(chapter + 1),
    PageUp: visit(chapter - 1),
    ...(/^[1-9]$/.test(key) ? { [key]: visit(Number(key) - 1) } : {}),
  };
}
