/** A matrix of the scene in full: a dialog with a canvas, labels and a cell that keys move. */

import { arrow, button, choice, el } from "../../dom.js";
import { colour, css } from "../../scheme.js";
import { painterOf } from "./colours.js";
import { clipped } from "./overlay.js";
import { blockLegend, sum } from "./panel.js";

const MOST_ROWS = 400; // rows that are drawn at a time
const SIZES = [[16, 30], [40, 20], [140, 9], [300, 5]]; // [most columns, pixels of a cell]
const SMALLEST = 3;
const MARGIN = { left: 96, top: 84 };
const FONT = 11;

/** Open the matrix of a block at a cell; `choose(cell)` is called for each cell that is read. */
export function openMatrix(host, block, cell, choose) {
  new Matrix(host, block, cell, choose).open();
}

class Matrix {
  constructor(host, block, cell, choose) {
    Object.assign(this, { block, choose, cell: { ...cell } });
    const [slabs, rows, columns] = block.shape;
    this.size = SIZES.find(([most]) => Math.max(columns, Math.min(rows, 40)) <= most)?.[1] ??
      SMALLEST;
    this.paint = painterOf(block);
    this.canvas = el("canvas", {
      tabindex: "0",
      role: "img",
      "aria-label": `${block.label}: ${rows} rows, ${columns} columns; arrow keys read cells`,
      on: {
        keydown: (event) => this.key(event),
        pointermove: (event) => this.point(event),
      },
    });
    this.reading = el("div.sum", { "aria-live": "polite" });
    const heads = [...Array(slabs).keys()].map((slab) => ({
      value: String(slab),
      label: String(slab + 1),
    }));
    this.element = el(
      "dialog.matrix-dialog",
      { "aria-label": block.label, on: { close: () => this.element.remove() } },
      el(
        "header",
        el("h3", block.label, " ", el("span.soft", block.shapes)),
        button("", { on: { click: () => this.element.close() } }, "Close"),
      ),
      slabs > 1
        ? choice(
          block.part === "feed_forward" ? "Matrix" : "Head",
          heads,
          String(cell.slab),
          (slab) => this.go({ slab: Number(slab) }),
        )
        : null,
      el("div.scroll", this.canvas),
      el("p", blockLegend(block)),
      this.reading,
    );
    host.append(this.element);
  }

  open() {
    this.element.showModal();
    this.canvas.focus();
    this.go({});
    this.canvas.parentElement.scrollLeft = MARGIN.left + this.cell.column * this.size - 200;
  }

  /** Return the first row that is drawn. */
  first() {
    return Math.floor(this.cell.row / MOST_ROWS) * MOST_ROWS;
  }

  /** Move to another cell. */
  go(parts) {
    Object.assign(this.cell, parts);
    this.draw();
    this.reading.replaceChildren(...sum(this.block, this.cell));
    this.choose(this.cell);
  }

  key(event) {
    const step = arrow(event.key);
    if (step === null) return;
    event.preventDefault();
    const [, rows, columns] = this.block.shape;
    const inside = (place, count) => Math.max(0, Math.min(count - 1, place));
    if (["ArrowUp", "ArrowDown"].includes(event.key)) {
      this.go({ row: inside(this.cell.row + step, rows) });
    } else this.go({ column: inside(this.cell.column + step, columns) });
  }

  point({ offsetX, offsetY }) {
    const column = Math.floor((offsetX - MARGIN.left) / this.size);
    const row = this.first() + Math.floor((offsetY - MARGIN.top) / this.size);
    const [, rows, columns] = this.block.shape;
    if (column < 0 || column >= columns || row < this.first() || row >= rows) return;
    if (row !== this.cell.row || column !== this.cell.column) this.go({ row, column });
  }

  draw() {
    const { block, canvas, cell, size } = this;
    const [, rows, columns] = block.shape;
    const first = this.first();
    const count = Math.min(MOST_ROWS, rows - first);
    const [width, height] = [MARGIN.left + columns * size + 60, MARGIN.top + count * size + 4];
    const ratio = Math.min(devicePixelRatio, 2);
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    canvas.style.setProperty("width", `${width}px`);
    canvas.style.setProperty("height", `${height}px`);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const gap = size > 8 ? 1 : 0;
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < columns; column++) {
        const value = block.value?.(cell.slab, first + row, column) ?? null;
        context.fillStyle = css(this.paint(value));
        const [x, y] = [MARGIN.left + column * size, MARGIN.top + row * size];
        context.fillRect(x, y, size - gap, size - gap);
      }
    }
    this.labels(context, first, count, columns);
    context.strokeStyle = css(colour("ink"));
    context.lineWidth = 2;
    const [x, y] = [MARGIN.left + cell.column * size, MARGIN.top + (cell.row - first) * size];
    context.strokeRect(x - 1, y - 1, size + 1, size + 1);
  }

  /** Write the names of rows and columns: all if there is room, otherwise some. */
  labels(context, first, count, columns) {
    const { block, cell, size } = this;
    const every = Math.ceil((FONT + 2) / size);
    context.font = `${FONT}px ${getComputedStyle(document.body).fontFamily}`;
    context.textBaseline = "middle";
    const write = (chosen, place, sparse, text, [x, y], angle) => {
      if (place !== chosen && (place % sparse || Math.abs(place - chosen) < every)) return;
      context.fillStyle = css(colour(place === chosen ? "ink" : "soft"));
      context.save();
      context.translate(x, y);
      context.rotate(angle);
      context.fillText(clipped(text, 14), 0, 0);
      context.restore();
    };
    context.textAlign = "right";
    for (let row = first; row < first + count; row++) {
      const at = [MARGIN.left - 6, MARGIN.top + (row - first + 0.5) * size];
      write(cell.row, row, every, block.rowName(row), at, 0);
    }
    context.textAlign = "left";
    for (let column = 0; column < columns; column++) {
      const at = [MARGIN.left + (column + 0.5) * size, MARGIN.top - 6];
      const sparse = every > 1 ? 2 * every : 1;
      write(cell.column, column, sparse, block.columnName(column), at, -Math.PI / 3);
    }
  }
}
