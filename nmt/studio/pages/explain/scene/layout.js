/** Places of the blocks: one cell is one unit; x grows to the right, y upwards, z to the viewer. */

import { around } from "./camera.js";

const GAP = 16;
const ROW_GAP = 40; // between the rows of a tower
const LAYER_GAP = 100;
const TOWER_GAP = 170;
const SLAB_STEP = 7; // from a head to the next one behind it
const TEXT_CELL = [66, 20];
const MOST_TEXT = 400; // height of a column of tokens; those of longer sentences have smaller cells
const BEAM_STEP = 116; // from a step to the next one; less in a long search
const BEAM_CELL = [0.72, 30]; // the width is a share of the step
const TALLEST = 1.5; // the overview shows matrices of the vocabulary up to so many times the towers
const MARGIN = 26; // of a plate around its blocks
const NAMES = { source: "Source", target: "Translation", encoder: "Encoder", decoder: "Decoder" };
export const PLATE_DEPTH = -60;

/**
 * Give each block its `place`, {left, right, bottom, top, cell}: the edges of its front and the size of
 * a cell. Return {plates, wires, bounds}. A plate is a rectangle behind the blocks of a group. A wire
 * is a list of points: data that skips blocks.
 */
export function arrange(blocks) {
  const layout = new Layout(blocks);
  const encoder = layout.tower(["source", "encoder"], 0);
  const own = blocks.find(({ id }) => id === "source.embedding.matrix");
  layout.put(own, -5 * GAP - own.shape[2], 0);
  const separate = blocks.find(({ id }) => id === "target.embedding.matrix");
  const between = encoder.right + TOWER_GAP;
  if (separate) layout.put(separate, between, 0);
  const room = separate ? separate.shape[2] + 5 * GAP : 0;
  const decoder = layout.tower(["target", "decoder"], between + room);
  let x = decoder.right + 6 * GAP;
  for (const block of blocks.filter(({ group }) => group === "softmax")) {
    layout.put(block, x, block.shape[1] > 100 ? 0 : decoder.top - block.shape[1]);
    x += block.shape[2] + 2 * GAP;
  }
  const above = Math.max(encoder.top, decoder.top) + TOWER_GAP;
  layout.beam(encoder.left + TOWER_GAP, decoder.right, above);
  layout.wire(encoder, decoder);
  const bounds = around(blocks.filter(({ id }) => !tall(id)).map(({ place }) => place));
  bounds.left = Math.min(bounds.left, own.place.left);
  bounds.top = Math.max(bounds.top, Math.min(own.place.top, TALLEST * bounds.top));
  bounds.right = Math.max(bounds.right, x);
  return { plates: layout.plates, wires: layout.wires, bounds };
}

/** Return whether a block may be much taller than the towers: it has a row for each token known. */
function tall(id) {
  return /embedding\.matrix$|^softmax\./.test(id);
}

class Layout {
  constructor(blocks) {
    this.blocks = blocks;
    this.plates = [];
    this.wires = [];
  }

  put(block, left, bottom, cell = [1, 1]) {
    const [, rows, columns] = block.shape;
    const [right, top] = [left + columns * cell[0], bottom + rows * cell[1]];
    block.place = { left, right, bottom, top, cell };
  }

  /**
   * Place a stack in rows, from below. A row begins with the vectors that go through the whole stack;
   * what is computed from them follows on the right, each weight matrix above its product.
   */
  tower([side, stack], left) {
    const blocks = this.blocks.filter(({ group }) =>
      group === side || group.split(".")[0] === stack
    );
    const weights = new Map(
      blocks.filter(({ above }) => above).map((block) => [block.above, block]),
    );
    const width = blocks.find(({ role }) => role === "scaled").shape[2];
    const tokens = blocks.find(({ role }) => role === "tokens");
    const high = Math.min(TEXT_CELL[1], MOST_TEXT / tokens.shape[1]);
    this.put(tokens, left, -ROW_GAP - tokens.shape[1] * high, [TEXT_CELL[0], high]);
    let [y, floor, reach] = [0, 0, left]; // reach: of what stands to the left of the last matrices
    let right = left;
    for (const row of rowsOf(blocks)) {
      if (leaves(row[0])) floor = y += LAYER_GAP - ROW_GAP;
      const last = row.find(({ role }) => role === "output");
      // The last matrix of a layer is so tall that it hangs below its product.
      if (last) y = Math.max(y, floor + weights.get(last.id).shape[1] + GAP / 2);
      let x = left + (row[0].role === "scaled" ? width + GAP : 0);
      let height = 0;
      for (const block of row) {
        const [, rows, columns] = block.shape;
        const weight = weights.get(block.id);
        const hangs = block === last;
        if (hangs) x = Math.max(x, reach + GAP);
        this.put(block, x, y);
        if (weight) this.put(weight, x, hangs ? y - GAP / 2 - weight.shape[1] : y + rows + GAP / 2);
        const highest = hangs || !weight ? block : weight;
        height = Math.max(height, highest.place.top - y);
        x += columns + GAP;
        right = Math.max(right, x - GAP);
        if (!hangs) reach = Math.max(reach, x - GAP);
      }
      y += height + ROW_GAP;
    }
    for (const group of new Set(blocks.map((block) => block.group))) {
      const own = blocks.filter((block) => block.group === group && !leaves(block));
      this.plate(group, own, left - MARGIN, right + MARGIN);
    }
    return { left, right, top: y - ROW_GAP, width, blocks };
  }

  /** Add the plate behind the blocks of a group. */
  plate(group, blocks, left, right) {
    const { bottom, top } = around(blocks.map(({ place }) => place));
    const [stack, layer] = group.split(".");
    this.plates.push({
      side: ["source", "encoder"].includes(stack) ? "source" : "target",
      name: NAMES[stack] + (layer === undefined ? "" : ` layer ${Number(layer) + 1}`),
      left,
      right,
      bottom: bottom - MARGIN / 2,
      top: top + MARGIN / 2,
    });
  }

  /** Place the steps of the beam as columns, whose first rows are level. */
  beam(left, right, bottom) {
    const steps = this.blocks.filter(({ group }) => group === "beam");
    const most = Math.max(...steps.map(({ shape }) => shape[1]));
    const step = Math.min(BEAM_STEP, (right - left) / steps.length);
    steps.forEach((block, index) => {
      const y = bottom + (most - block.shape[1]) * BEAM_CELL[1];
      this.put(block, left + index * step, y, [BEAM_CELL[0] * step, BEAM_CELL[1]]);
    });
  }

  /** Draw the residual connections, and the way from the encoder to each layer of the decoder. */
  wire(encoder, decoder) {
    const spine = ({ blocks, left, width }) => {
      const begins = blocks.some(({ role }) => role === "sum") ? "sum" : "scaled";
      const stops = blocks.filter(({ role }) => role === begins || role === "added");
      const x = left + width / 2;
      stops.slice(1).forEach((block, index) => {
        this.wires.push([[x, stops[index].place.top], [x, block.place.bottom]]);
      });
    };
    spine(encoder);
    spine(decoder);
    const memory = encoder.blocks.findLast(({ role }) => ["added", "final"].includes(role));
    const { right, bottom, top } = memory.place;
    const middle = (bottom + top) / 2;
    const x = decoder.left - TOWER_GAP / 2;
    for (const block of decoder.blocks) {
      if (block.role !== "key" || block.part !== "cross") continue;
      const { place } = block;
      const [end, below] = [(place.left + place.right) / 2, place.bottom - GAP / 2];
      const turns = [[right, middle], [x, middle], [x, below], [end, below]];
      this.wires.push([...turns, [end, place.bottom]]);
    }
  }
}

/** Return whether a block ends a layer, or the embedding: it begins the first row of the next one. */
function leaves({ part, role }) {
  if (role === "sum" || part === "output" || role === "matrix") return true;
  return part === "feed_forward" && role === "added";
}

/** Return the blocks of a stack that are no weights in rows, from below. */
function rowsOf(blocks) {
  const rows = [];
  for (const block of blocks) {
    if (block.kind === "weight" || block.kind === "token") continue;
    const begins = ["scaled", "sum", "added"].includes(block.role);
    if (begins || rows.length === 0) rows.push([]);
    rows.at(-1).push(block);
  }
  return rows;
}

/** Return how far behind its block's front a slab stands: the slab `front` of the block is the first. */
export function depthOf({ front, shape: [slabs] }, slab) {
  return SLAB_STEP * ((slab - front + slabs) % slabs);
}

/** Return the corners of a part of a slab, {left, right, bottom, top, z}; null row or column: all. */
export function partOf(block, { slab = 0, row = null, column = null }) {
  const { left, right, bottom, top, cell: [width, height] } = block.place;
  return {
    left: column === null ? left : left + column * width,
    right: column === null ? right : left + (column + 1) * width,
    top: row === null ? top : top - row * height,
    bottom: row === null ? bottom : top - (row + 1) * height,
    z: -depthOf(block, slab),
  };
}

/**
 * Return the first cell of a block behind a point of the picture: {block, slab, row, column}, or null.
 * `drawing.behind(left, top)` returns a function from z to the point [x, y] that is seen there.
 */
export function cellBehind(drawing, blocks, [left, top]) {
  const at = drawing.behind(left, top);
  let best = null;
  for (const block of blocks) {
    const { place, shape: [slabs, rows, columns] } = block;
    for (let slab = 0; slab < slabs; slab++) {
      const depth = depthOf(block, slab);
      if (best && depth >= best.depth) continue;
      const [x, y] = at(-depth);
      const column = Math.floor((x - place.left) / place.cell[0]);
      const row = Math.floor((place.top - y) / place.cell[1]);
      const isInside = row >= 0 && row < rows && column >= 0 && column < columns;
      if (isInside) best = { block, slab, row, column, depth };
    }
  }
  return best;
}
