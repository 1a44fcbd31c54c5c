/** What is drawn above the blocks: labels, frames of rows and columns, and lines between blocks. */

import { curve, svg, textWidth } from "../../dom.js";
import { partOf, PLATE_DEPTH } from "./layout.js";

const FONT = 12;
const SMALLEST_LABEL = { weight: 110, beam: 60 }; // pixels of a block that has a label; else 46
const LEAST_CELL = 0.8; // pixels of a cell of a block that has a label
const AROUND = 24; // rows above and below a token of a vocabulary
const ROOM = 3;
const TITLES = [
  ["source.embedding.matrix", "Embedding matrix", "end"],
  ["softmax.softmax.probabilities", "Softmax"],
  ["beam.beam.0", "Beam search"],
];

/** Shorten a text to some letters. */
export function clipped(text, most = 22) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

/** The layer above a drawing, which has `project(x, y, z)`. */
export class Overlay {
  constructor({ plates, wires }) {
    Object.assign(this, { plates, wires });
    this.element = svg("svg.overlay", { "aria-hidden": "true" });
  }

  /** Draw the layer above the drawing of a scene. */
  draw(scene, width, height) {
    Object.assign(this, { scene, drawing: scene.drawing, width, height, taken: [] });
    this.marks = svg("g");
    this.texts = svg("g", { "paint-order": "stroke" });
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.visible = scene.blocks.filter((block) => scene.opacityOf(block) > 0.2);
    for (const wire of this.wires) this.wire(wire);
    this.drawMarks();
    for (const block of this.visible) {
      if (block.nodes) this.edges(block);
      if (block.showsText) this.cellTexts(block);
    }
    this.drawTitles();
    const important = [scene.cell?.block, scene.current()].filter(Boolean);
    for (const block of new Set(important)) {
      this.names(block);
      this.label(block, "label.current", true);
    }
    for (const block of this.visible) this.label(block, "label.soft", false);
    this.element.replaceChildren(this.marks, this.texts);
  }

  /** Mark the chosen tokens, the current block, and the cell that is read with what made it. */
  drawMarks() {
    const { selection, byId, cell, links } = this.scene;
    for (const block of this.visible) {
      const slab = block.front;
      const row = block.side === null ? null : selection[block.side];
      if (Number.isInteger(row) && row < block.shape[1]) {
        this.frame(`mark.${block.side}`, block, { slab, row });
      }
      for (const looked of block.looked ?? []) {
        this.frame(`mark.${block.group}`, block, { slab, row: looked });
      }
      if (block === this.scene.current()) this.frame("current", block, { slab });
    }
    const made = cell ? cell.block.made(cell.slab, cell.row, cell.column).lights : [];
    for (const light of made) this.frame("light", byId.get(light.id), light);
    const ends = [...links, ...made.map((light) => [light, { id: cell.block.id, ...cell }])];
    for (const pair of ends) this.link(...pair.map((part) => [byId.get(part.id), part]));
    if (cell) this.frame("cell", cell.block, cell);
  }

  /** Write the names of the great parts, and where to start. */
  drawTitles() {
    const { byId, flow } = this.scene;
    for (const { left, top, side, name } of this.plates) {
      const [x, y] = this.drawing.project(left + 8, top, PLATE_DEPTH);
      this.write(`title.${side}`, name, [x, y - 6], { size: 14 });
    }
    for (const [id, name, anchor] of TITLES) {
      if (!byId.has(id)) continue;
      const [x, y] = this.corners(byId.get(id))[anchor === "end" ? 1 : 0];
      if (y > -40) this.write("title", name, [x, Math.max(y - 6, 18)], { size: 14, anchor });
    }
    if (flow.step > 0) return;
    const [, , , [x, y]] = this.corners(byId.get("source.embedding.tokens"));
    this.write("title.start.source", "▲ start here", [x, y + 18], { size: 14, force: true });
  }

  /** Draw the lines from the candidates of the step before to those of a step. */
  edges(block) {
    const before = this.scene.byId.get(block.inputs[0]);
    block.nodes.forEach((node, row) => {
      const from = before?.nodes.findIndex(({ index }) => index === node.parent);
      if (!before || from < 0) return;
      const [, [x0, y0], [, y1]] = this.corners(before, { row: from });
      const [[x2, y2], , , [, y3]] = this.corners(block, { row });
      const kind = node.wins ? "path.edge.won.target" : "path.edge.soft";
      this.marks.append(svg(kind, { d: curve(x0, (y0 + y1) / 2, x2, (y2 + y3) / 2) }));
    });
  }

  /** Return the corners of a part of a block on the picture. */
  corners(block, part = {}) {
    const { left, right, bottom, top, z } = partOf(block, part);
    return [[left, top], [right, top], [right, bottom], [left, bottom]].map(([x, y]) =>
      this.drawing.project(x, y, z)
    );
  }

  /** Draw a frame around a part of a block: {slab, row, column}. */
  frame(kind, block, part) {
    const points = this.corners(block, part);
    const isSeen = [this.width, this.height].every((size, axis) =>
      points.some((point) => point[axis] > 0) && points.some((point) => point[axis] < size)
    );
    if (isSeen) this.marks.append(svg(`polygon.${kind}`, { points: points.join(" ") }));
  }

  /** Draw a line from the middle of a part of a block to that of another one. */
  link(from, to) {
    const [[x0, y0], [x1, y1]] = [from, to].map(([block, part]) =>
      middle(this.corners(block, part))
    );
    const bend = Math.min(80, Math.hypot(x1 - x0, y1 - y0) / 3);
    this.marks.append(
      svg("path.link", { d: `M${x0} ${y0}C${x0} ${y0 - bend} ${x1} ${y1 + bend} ${x1} ${y1}` }),
    );
  }

  /** Draw the ways of data that skips blocks. */
  wire(points) {
    const line = points.map(([x, y]) => this.drawing.project(x, y, 0)).join("L");
    this.marks.append(svg("path.wire.soft", { d: `M${line}` }));
  }

  /** Write a text at a point unless it would cover another. */
  write(kind, text, [x, wanted], { size = FONT, anchor = "start", force = false } = {}) {
    const y = force ? Math.max(size + 2, Math.min(this.height - ROOM, wanted)) : wanted;
    if (y < size || y > this.height + size) return;
    const width = textWidth(text, size);
    const left = anchor === "end" ? x - width : x;
    // A label that would be cut at the edge of the picture moves inwards.
    const shift = Math.max(0, 4 - left) - Math.max(0, left + width - this.width + 4);
    if (!force && Math.abs(shift) > width) return;
    const box = [left + shift - ROOM, y - 0.8 * size, left + shift + width + ROOM, y + 1];
    const hits = ([l, t, r, b]) => box[0] < r && l < box[2] && box[1] < b && t < box[3];
    if (!force && this.taken.some(hits)) return;
    this.taken.push(box);
    this.texts.append(
      svg(`text.${kind}`, { x: left + shift, y, "font-size": size, direction: "ltr" }, text),
    );
  }

  /** Write the label of a block below it, or above a matrix of weights, if there is room. */
  label(block, kind, force) {
    const [topLeft, topRight, , bottomLeft] = this.corners(block, { slab: block.front });
    const wide = Math.hypot(topRight[0] - topLeft[0], topRight[1] - topLeft[1]);
    const high = Math.hypot(bottomLeft[0] - topLeft[0], bottomLeft[1] - topLeft[1]);
    const hasRoom = wide / block.shape[2] >= LEAST_CELL &&
      wide >= (SMALLEST_LABEL[block.kind] ?? 46) &&
      textWidth(block.label, FONT) <= 1.6 * Math.max(wide, high / 2);
    if (!force && !hasRoom) return;
    const isAbove = block.kind === "weight" || block.showsText;
    const [x, y] = isAbove ? topLeft : bottomLeft;
    this.write(kind, block.label, [x, isAbove ? y - 5 : y + FONT + 2], { force });
  }

  /** Write the texts of the cells of tokens and candidates, if they can be read. */
  cellTexts(block) {
    const [, rows] = block.shape;
    const first = this.corners(block, { row: 0 });
    const high = first[3][1] - first[0][1];
    if (high < 8) return;
    const size = Math.min(13, 0.62 * high);
    const wide = first[1][0] - first[0][0];
    for (let row = 0; row < rows; row++) {
      const box = this.corners(block, { row });
      const at = middle(box);
      if (at[1] < 0 || at[1] > this.height) continue;
      const kind = block.nodes?.[row].wins ? "cell.won" : "cell";
      const text = clipped(block.rowName(row), Math.max(2, Math.floor(wide / size / 0.56)));
      this.texts.append(
        svg(`text.${kind}`, { x: at[0], y: at[1] + size / 3, "font-size": size }, text),
      );
    }
  }

  /** Write the names of a block's rows and columns, if they are tokens and there is room. */
  names(block) {
    const [, rows, columns] = block.shape;
    const [topLeft, topRight, , bottomLeft] = this.corners(block, { slab: block.front });
    const high = (bottomLeft[1] - topLeft[1]) / rows;
    const wide = (topRight[0] - topLeft[0]) / columns;
    const edges = (part) => this.corners(block, { slab: block.front, ...part });
    const [first, last] = block.chosen ? around(block, this.scene.selection.target) : [0, rows];
    const hasRows = (block.side || block.chosen) && !block.showsText && high > 8;
    for (let row = first; hasRows && row < last; row++) {
      if (block.isNamed?.(row) === false) continue;
      const [x, y] = middle(edges({ row, column: 0 }));
      const options = { size: 10, anchor: "end" };
      const name = clipped(block.rowName(row), 14);
      this.write(`row-name.${block.side}`, name, [x - wide / 2 - 5, y + 4], options);
    }
    for (let column = 0; block.across && wide > 8 && column < columns; column++) {
      const [x, y] = middle(edges({ row: 0, column }).slice(0, 2));
      const transform = `translate(${x + 3} ${y - 5}) rotate(-60)`;
      const name = clipped(block.columnName(column), 12);
      const kind = `text.row-name.${block.across}`;
      this.texts.append(svg(kind, { "font-size": 11, transform }, name));
    }
  }
}

/** Return the first and the last row around the token that a step chooses. */
function around(block, step) {
  const row = block.chosen(Math.min(step, block.shape[2] - 1));
  return [Math.max(0, row - AROUND), Math.min(block.shape[1], row + AROUND)];
}

/** Return the middle of points. */
function middle(points) {
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}
