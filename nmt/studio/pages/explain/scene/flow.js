/** The flow of data through the blocks: play, step, speed, a timeline and a map. */

import { button, choice, el, inside } from "../../dom.js";
import { Player } from "../player.js";

const STEP_MS = 1400;
const SPEEDS = [0.5, 1, 4, 16];
const PARTS = {
  embedding: "Embedding",
  self: "Self-attention",
  cross: "Cross-attention",
  "feed_forward": "Feed-forward",
  output: "Norm",
  softmax: "Softmax",
  beam: "Beam",
};

/** Steps through blocks in their order. Step 0 is the overview; `go(step, plays)` shows a step. */
export class Flow extends Player {
  constructor(blocks, go) {
    const steps = [null, ...blocks.filter(({ kind }) => kind !== "weight")];
    super({
      last: steps.length - 1,
      unit: "block",
      range: "Block of the data flow",
      first: 0,
      pause: () => STEP_MS / this.speed,
      go,
    });
    this.steps = steps;
    this.numbers = new Map(steps.map((block, step) => [block?.id, step]));
    this.speed = 1;
    this.play.classList.add("play");
    const speeds = SPEEDS.map((speed) => [String(speed), `${speed}×`]);
    this.element = el(
      "div.controls.flow-controls",
      this.buttons,
      el("label.choice.timeline", this.range, this.shown),
      choice("Speed", speeds, "1", (speed) => this.speed = Number(speed)),
    );
  }

  /** Return the step of a block; that of a weight matrix is the step of its product. */
  stepOf(block) {
    return this.numbers.get(block.above ?? block.id);
  }

  /** Show a step in the controls. */
  show(wanted) {
    const step = inside(wanted, this.steps.length);
    const name = nameOf(this.steps[step]);
    super.show(step, name, `${name} (${step} of ${this.last})`);
  }
}

/** Return the name of a block with its layer, or of the overview if there is none. */
export function nameOf(block) {
  if (!block) return "Overview";
  const [stack, layer] = block.group.split(".");
  if (layer === undefined) return block.label;
  return `${stack === "encoder" ? "Encoder" : "Decoder"} layer ${
    Number(layer) + 1
  }: ${block.label}`;
}

/** A map of the parts of the model, each tower from below; a click calls `go(block)`. */
export class BlockMap {
  constructor(blocks, go) {
    const steps = blocks.filter(({ kind }) => kind !== "weight");
    const firsts = steps.filter((block, at) => !at || !isSamePart(block, steps[at - 1]));
    this.boxes = firsts.map((block, at) => {
      const begins = at && block.group !== firsts[at - 1].group ? ".begins" : "";
      const properties = { tabindex: "-1", title: nameOf(block), on: { click: () => go(block) } };
      return { block, element: button(`.map-box${begins}`, properties, PARTS[block.part]) };
    });
    const isEncoder = ({ block }) => /^(source|encoder)/.test(block.group);
    const tower = (kind, name, boxes) =>
      el(`div.${kind}`, el("small", name), ...boxes.map(({ element }) => element));
    this.element = el(
      "div.block-map",
      { role: "group", "aria-label": "Map of the blocks" },
      tower("source", "Encoder", this.boxes.filter(isEncoder)),
      tower("target", "Decoder", this.boxes.filter((box) => !isEncoder(box))),
    );
  }

  /** Mark the part of a block. */
  show(current) {
    for (const { block, element } of this.boxes) {
      element.classList.toggle("here", current !== null && isSamePart(block, current));
    }
  }
}

function isSamePart(one, other) {
  return one.group === other.group && one.part === other.part;
}
