/** The seventh block: source words and the words of the translation that attend to them. */

import { choice, el, roving, svg } from "../../pages/dom.js";
import { fixed, percent } from "../../pages/numbers.js";
import { words, wordText } from "./pieces.js";

const HEIGHT = 120;
const FAINTEST = 0.12;

/**
 * Weights of target words on source words, from the cross-attention of some layers: the mean over
 * heads and over a target word's pieces, the sum over a source word's pieces. A piece is written by
 * the position before it, so position t tells of output t.
 */
export function align(data, layers) {
  const sources = units(data.source.ids, data.pieces);
  const targets = units(data.target.outputs, data.pieces);
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

/** Places of the pieces of each word; where there is one word only, each of its pieces. */
function units(ids, pieces) {
  const found = words(ids, pieces);
  return found.length === 1 ? found[0].map((place) => [place]) : found;
}

/** Draw the block; the layers that count are chosen. */
export function showAlignment(view, data) {
  const every = [...data.decoder.keys()];
  const options = [
    { value: "all", label: "all" },
    ...every.map((layer) => ({ value: String(layer), label: String(layer + 1) })),
  ];
  const body = el("div");
  let remove = () => {};
  const draw = (value) => {
    remove();
    const found = align(data, value === "all" ? every : [Number(value)]);
    const picture = new Picture(found, data.model);
    body.replaceChildren(el("div", { class: "scroll" }, picture.element), picture.reading);
    picture.place();
    const follow = new ResizeObserver(() => picture.place());
    follow.observe(picture.element);
    remove = () => follow.disconnect();
  };
  const first = String(Math.max(0, every.length - 2));
  view.append(
    el("div", { class: "controls" }, choice("Layers", options, first, draw)),
    body,
    el(
      "p",
      { class: "note" },
      "Of many models the last layer but one aligns best (Garg et al., 2019). A line is a share",
      ` of ${100 * FAINTEST} % or more; what attends to the end of the text is left out.`,
    ),
  );
  draw(first);
}

class Picture {
  constructor(found, model) {
    this.found = found;
    this.sources = found.sources.map((text, place) => this.word(text, "source", place));
    this.targets = found.targets.map((text, place) => this.word(text, "target", place));
    this.drawing = svg("svg", { height: HEIGHT, "aria-hidden": "true" });
    this.reading = el("p", { class: "reading", "aria-live": "polite" });
    const side = (name, label, language, items) =>
      el(
        "div",
        {
          class: `sentence ${name}`,
          role: "group",
          "aria-label": label,
          dir: "auto",
          lang: language,
        },
        ...items,
      );
    const sides = [
      side("source", "Words of the source", model.source_language, this.sources),
      side("target", "Words of the translation", model.target_language, this.targets),
    ];
    this.element = el("div", { class: "alignment" }, sides[0], this.drawing, sides[1]);
    for (const each of sides) roving(each);
    this.tell("target", Math.min(1, this.targets.length - 1));
  }

  word(text, side, place) {
    const tell = () => {
      if (this.chosen.side === side && this.chosen.place === place) return;
      this.tell(side, place);
      this.place();
    };
    return el(
      "button",
      {
        type: "button",
        class: "word",
        "data-rove": "",
        on: { pointermove: tell, focus: tell, click: tell },
      },
      text,
    );
  }

  tell(side, place) {
    this.chosen = { side, place };
    const { sources, targets, weights } = this.found;
    const [from, others] = side === "target" ? [targets, sources] : [sources, targets];
    if (targets.length === 0) {
      this.reading.textContent = "The translation holds no word.";
      return;
    }
    const shares = others.map((text, other) => [
      side === "target" ? weights[place][other] : weights[other][place],
      text,
    ]).sort((one, other) => other[0] - one[0]).slice(0, 3);
    const verb = side === "target" ? "attends to" : "is attended to by";
    this.reading.textContent = `${from[place]} ${verb} ${
      shares.map(([share, name]) => `${name} ${percent(share)}`).join(", ")
    }`;
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
