/** A matrix of the scene in full: a dialog with labels and a cell that pointer and keys move. */

import { arrow, button, choice, el, inside } from "../../dom.js";
import { cellCanvas, withNames } from "../matrix.js";
import { colourOf } from "./colours.js";
import { blockLegend, sum } from "./panel.js";

const CELL = { least: 3, most: 30, label: 13 }; // pixels of a cell, and of a cell with a label
const WIDTH = 900; // of a matrix that need not be scrolled

/** Return the cell that is some rows and columns away from another one of its block. */
export function movedCell({ shape: [, rows, columns] }, cell, down, right) {
  return {
    ...cell,
    row: inside(cell.row + down, rows),
    column: inside(cell.column + right, columns),
  };
}

/** The matrix of a block at a cell; `choose(cell)` is called for each cell that is read. */
export class Matrix {
  constructor(block, cell, choose) {
    Object.assign(this, { block, choose, cell });
    const [slabs, rows, columns] = block.shape;
    this.size = Math.max(CELL.least, Math.min(CELL.most, Math.floor(WIDTH / columns)));
    this.canvas = cellCanvas(block.label, this.size, rows, columns, () => {
      const colourAt = colourOf(block);
      return (row, column) => colourAt(this.cell.slab, row, column);
    });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    const style = { width: `${this.size}px`, height: `${this.size}px` };
    this.mark = el("div.cell-mark", { style });
    this.reading = el("div.sum", { "aria-live": "polite" });
    const heads = Array.from({ length: slabs }, (_, slab) => [String(slab), String(slab + 1)]);
    const name = block.part === "feed_forward" ? "Matrix" : "Head";
    const turn = (slab) => this.go({ ...this.cell, slab: Number(slab) });
    this.element = el(
      "dialog.matrix-dialog",
      { "aria-label": block.label, on: { close: () => this.element.remove() } },
      el(
        "header",
        el("h3", block.label, " ", el("span.soft", block.shapes)),
        button("", { on: { click: () => this.element.close() } }, "Close"),
      ),
      slabs > 1 ? choice(name, heads, String(cell.slab), turn) : null,
      el("div.scroll", this.named(rows, columns)),
      el("p", blockLegend(block)),
      this.reading,
    );
  }

  /** Return the canvas with names or numbers of rows and columns; of every nth if cells are small. */
  named(rows, columns) {
    const every = Math.ceil(CELL.label / this.size);
    const names = (count, name) =>
      Array.from({ length: Math.ceil(count / every) }, (_, at) => name(every * at))
        .map((each) => each.replace(/^\w+ (?=\d+$)/, "")); // "dimension 12": 12
    const [across, down] = [names(columns, this.block.columnName), names(rows, this.block.rowName)];
    return withNames(every * this.size, across, down, this.canvas, this.mark);
  }

  open(host) {
    host.append(this.element);
    this.element.showModal();
    this.canvas.focus();
    this.go(this.cell);
    this.mark.scrollIntoView({ block: "center", inline: "center" });
  }

  /** Read a cell. */
  go(cell) {
    const isOther = cell.slab !== this.cell.slab;
    this.cell = cell;
    if (isOther) this.canvas.draw();
    this.mark.style.setProperty("left", `${cell.column * this.size}px`);
    this.mark.style.setProperty("top", `${cell.row * this.size}px`);
    this.reading.replaceChildren(...sum(this.block, cell));
    this.choose(cell);
  }

  key(event) {
    const step = arrow(event.key);
    if (step === null) return;
    event.preventDefault();
    const isVertical = ["ArrowUp", "ArrowDown"].includes(event.key);
    this.go(movedCell(this.block, this.cell, ...(isVertical ? [step, 0] : [0, step])));
    this.mark.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  point({ offsetX, offsetY }) {
    const from = { slab: this.cell.slab, row: 0, column: 0 };
    const [down, right] = [offsetY, offsetX].map((at) => Math.floor(at / this.size));
    const cell = movedCell(this.block, from, down, right);
    if (cell.row !== this.cell.row || cell.column !== this.cell.column) this.go(cell);
  }
}
