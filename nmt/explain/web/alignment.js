/** The seventh block: source words and the words of the translation that attend to them. */

import { choice, el, svg } from "../../pages/dom.js";
import { fixed, percent } from "../../pages/numbers.js";
import { speak } from "../../pages/reading.js";
import { words, wordText } from "./pieces.js";

const HEIGHT = 120;
const FAINTEST = 0.12;

/**
 * Weights of target words on source words, from the cross-attention of some layers: the mean over
 * heads and over a target word's pieces, the sum over a source word's pieces. A piece is written by
 * the position before it, so position t tells of output t.
 */
export function align(data, layers) {
  const sources = words(data.source.ids, data.pieces);
  const targets = words(data.target.outputs, data.pieces);
  const heads = data.model.heads;
  const weight = (target, source) => {
    let sum = 0;
    for (const layer of layers) {
      const tensor = data.decoder[layer].cross.weights;
      for (let head = 0; head < heads; head++) {
        for (const t of target) for (const s of source) sum += tensor.at(head, t, s);
      }
    }
    return sum / (layers.length * heads * target.length);
  };
  const weights = targets.map((target) => sources.map((source) => weight(target, source)));
  return {
    sources: sources.map((places) => wordText(places, data.source.ids, data.pieces)),
    targets: targets.map((places) => wordText(places, data.target.outputs, data.pieces)),
    weights,
  };
}

/** Draw the block; the layers that count are chosen. */
export function showAlignment(view, data) {
  const every = [...data.decoder.keys()];
  const options = [
    { value: "all", label: "all" },
    ...every.map((layer) => ({ value: String(layer), label: String(layer + 1) })),
  ];
  let remove = () => {};
  const draw = (value) => {
    remove();
    const found = align(data, value === "all" ? every : [Number(value)]);
    const picture = new Picture(found, data.model);
    view.replaceChildren(
      el("div", { class: "controls" }, choice("Layers", options, value, draw)),
      el("div", { class: "scroll" }, picture.element),
      picture.reading,
      el(
        "p",
        { class: "note" },
        "Of many models the last layer but one aligns best (Garg et al., 2019). A line is a share",
        " of 12 % or more; what attends to the end of the text is left out.",
      ),
    );
    picture.place();
    const follow = new ResizeObserver(() => picture.place());
    follow.observe(picture.element);
    remove = () => follow.disconnect();
  };
  draw(String(Math.max(0, every.length - 2)));
}

class Picture {
  constructor(found, model) {
    this.found = found;
    this.sources = found.sources.map((text, place) => this.word(text, "source", place));
    this.targets = found.targets.map((text, place) => this.word(text, "target", place));
    this.drawing = svg("svg", { height: HEIGHT, "aria-hidden": "true" });
    this.reading = el("p", { class: "reading", "aria-live": "polite" });
    const side = (name, language, items) =>
      el("div", { class: `sentence ${name}`, dir: "auto", lang: language }, ...items);
    this.element = el(
      "div",
      { class: "alignment" },
      side("source", model.source_language, this.sources),
      this.drawing,
      side("target", model.target_language, this.targets),
    );
    this.tell("target", Math.min(1, this.targets.length - 1));
  }

  word(text, side, place) {
    const tell = () => {
      this.tell(side, place);
      this.place();
    };
    return el(
      "button",
      { type: "button", class: "word", on: { pointerenter: tell, focus: tell, click: tell } },
      text,
    );
  }

  tell(side, place) {
    this.chosen = { side, place };
    const { sources, targets, weights } = this.found;
    const [from, others] = side === "target" ? [targets, sources] : [sources, targets];
    if (from.length === 0) return;
    const shares = others.map((text, other) => [
      side === "target" ? weights[place][other] : weights[other][place],
      text,
    ]).sort((one, other) => other[0] - one[0]).slice(0, 3);
    const verb = side === "target" ? "attends to" : "is attended to by";
    const text = `${from[place]} ${verb} ${
      shares.map(([share, name]) => `${name} ${percent(share)}`).join(", ")
    }`;
    this.reading.textContent = text;
    speak("");
  }

  /** Draw the lines where the words stand now. */
  place() {
    const box = this.element.getBoundingClientRect();
    if (!box.width) return;
    const middle = (word) => {
      const each = word.getBoundingClientRect();
      return each.left + each.width / 2 - box.left;
    };
    this.drawing.setAttribute("width", String(this.element.scrollWidth));
    const { side, place } = this.chosen;
    const paths = [];
    this.found.weights.forEach((row, target) =>
      row.forEach((weight, source) => {
        if (weight < FAINTEST) return;
        const [x0, x1] = [middle(this.sources[source]), middle(this.targets[target])];
        const strong = place === (side === "target" ? target : source);
        const path = svg("path", {
          d: `M${x0} 0C${x0} ${HEIGHT / 2} ${x1} ${HEIGHT / 2} ${x1} ${HEIGHT}`,
          class: strong ? "strong" : "faint",
          "data-weight": fixed(weight, 4),
        });
        path.style.setProperty("stroke-width", String(1 + 7 * weight));
        path.style.setProperty("stroke-opacity", String(strong ? 0.35 + 0.65 * weight : 0.3));
        paths.push(path);
      })
    );
    this.drawing.replaceChildren(...paths);
  }
}
