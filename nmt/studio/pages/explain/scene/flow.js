/** The flow of data through the blocks: play, step, speed, a timeline and a map. */

import { choice, el, signButton, svg } from "../../dom.js";

const STEP_MS = 1400;
const SPEEDS = [0.5, 1, 4, 16];
const BOX = { width: 92, height: 17, gap: 3, group: 9 };
const PARTS = {
  embedding: "Embedding",
  self: "Self-attention",
  cross: "Cross-attention",
  "feed_forward": "Feed-forward",
  output: "Norm",
  softmax: "Softmax",
  beam: "Beam",
};

/** Steps through blocks in their order. Step 0 is the overview; `go(step)` shows a step. */
export class Flow {
  constructor(blocks, go) {
    this.steps = [null, ...blocks.filter(({ kind }) => kind !== "weight")];
    this.go = go;
    this.step = 0;
    this.speed = 1;
    this.makeControls();
  }

  makeControls() {
    this.back = signButton("One block back", "←", () => this.go(this.step - 1));
    this.on = signButton("One block forward", "→", () => this.go(this.step + 1));
    this.play = signButton("Play", "▶", () => this.toggle());
    this.play.classList.add("play");
    this.shown = el("output.soft");
    this.range = el("input", {
      type: "range",
      min: 0,
      max: this.steps.length - 1,
      value: 0,
      "aria-label": "Block of the data flow",
      on: { input: () => this.go(Number(this.range.value)) },
    });
    const speeds = SPEEDS.map((speed) => ({ value: String(speed), label: `${speed}×` }));
    this.element = el(
      "div.controls.flow-controls",
      el("div.choice", this.back, this.play, this.on),
      el("label.choice.timeline", this.range, this.shown),
      choice("Speed", speeds, "1", (speed) => this.speed = Number(speed)),
    );
  }

  /** Return the step of a block; that of a weight matrix is the step of its product. */
  stepOf(block) {
    return this.steps.findIndex((each) => each && (each === block || each.id === block.above));
  }

  toggle() {
    if (this.timer) return this.stop();
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
    if (this.step >= this.steps.length - 1) this.go(0);
    this.next();
  }

  next() {
    if (!this.play.isConnected || this.step >= this.steps.length - 1) return this.stop();
    this.timer = setTimeout(() => this.next(), STEP_MS / this.speed);
    this.go(this.step + 1, true);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
  }

  /** Show a step in the controls. */
  show(wanted) {
    const step = Math.max(0, Math.min(wanted, this.steps.length - 1));
    this.step = step;
    const name = step === 0 ? "Overview" : nameOf(this.steps[step]);
    this.range.value = String(step);
    this.range.setAttribute("aria-valuetext", name);
    this.shown.textContent = `${name} (${step} of ${this.steps.length - 1})`;
    this.back.disabled = step === 0;
    this.on.disabled = step === this.steps.length - 1;
  }
}

/** Return the name of a block with its layer. */
export function nameOf(block) {
  const [stack, layer] = block.group.split(".");
  if (layer === undefined) return block.label;
  return `${stack === "encoder" ? "Encoder" : "Decoder"} layer ${
    Number(layer) + 1
  }: ${block.label}`;
}

/** A map of the blocks, arranged as figure 1 of the paper; a click calls `go(block)`. */
export class BlockMap {
  constructor(blocks, go) {
    const steps = blocks.filter(({ kind }) => kind !== "weight");
    const columns = [["source", "encoder"], ["target", "decoder", "softmax", "beam"]].map((names) =>
      partsOf(steps.filter(({ group }) => names.includes(group.split(".")[0])))
    );
    const heights = columns.map(heightOf);
    const height = Math.max(...heights) + 14;
    this.boxes = [];
    this.element = svg("svg.block-map", {
      viewBox: `0 0 ${2 * BOX.width + 26} ${height}`,
      role: "group",
      "aria-label": "Map of the blocks",
    });
    columns.forEach((parts, column) =>
      this.stack(parts, column * (BOX.width + 22) + 2, height, go)
    );
    const [encoder] = this.boxes.findLast(({ part }) => part.group.startsWith("encoder")).at;
    this.join(encoder, height);
  }

  /** Draw the parts of a column from below. */
  stack(parts, x, height, go) {
    let y = height - 13;
    parts.forEach((part, index) => {
      if (index && parts[index - 1].group !== part.group) y -= BOX.group;
      y -= BOX.height + BOX.gap;
      const box = svg(
        `g.map-box.${x < BOX.width ? "source" : "target"}`,
        {
          role: "button",
          tabindex: "-1",
          "aria-label": `Go to ${nameOf(part.blocks[0])}`,
          on: { click: () => go(part.blocks[0]) },
        },
        svg("rect", { x, y, width: BOX.width, height: BOX.height, rx: 4 }),
        svg("text", { x: x + BOX.width / 2, y: y + 12 }, part.name),
      );
      this.boxes.push({ part, element: box, at: [[x, y]] });
      this.element.append(box);
    });
    const name = x < BOX.width ? "Encoder" : "Decoder";
    this.element.append(svg("text.map-title", { x: x + BOX.width / 2, y: height - 2 }, name));
  }

  /** Draw the line from the encoder to each cross-attention. */
  join([x, y]) {
    for (const { part, at: [[left, top]] } of this.boxes) {
      if (part.blocks[0].part !== "cross") continue;
      const middle = x + BOX.width + 11;
      const path = `M${x + BOX.width / 2} ${y}V${y - 6}H${middle}V${top + BOX.height / 2}H${left}`;
      this.element.prepend(svg("path.wire", { d: path }));
    }
  }

  /** Mark the part of a block. */
  show(block) {
    for (const { part, element } of this.boxes) {
      element.classList.toggle("here", part.blocks.includes(block));
    }
  }
}

/** Return the parts of a stack in order: {group, name, blocks}. */
function partsOf(blocks) {
  const parts = [];
  for (const block of blocks) {
    const last = parts.at(-1);
    if (last?.group === block.group && last.blocks[0].part === block.part) last.blocks.push(block);
    else parts.push({ group: block.group, name: PARTS[block.part], blocks: [block] });
  }
  return parts;
}

function heightOf(parts) {
  const groups = new Set(parts.map(({ group }) => group)).size;
  return parts.length * (BOX.height + BOX.gap) + (groups - 1) * BOX.group + 6;
}
