/** The seventh section: source words, and the words of the translation that attend to them. */

import { button, choice, el, roving, svg } from "../dom.js";
import { fixed, percent } from "../numbers.js";
import { words, wordText } from "./tokens.js";

const HEIGHT = 120;
const FAINTEST = 0.12;

/**
 * Return the weights of target words on source words, from the cross-attention of some layers and
 * heads: the mean over these and over a target word's tokens, the sum over a source word's tokens.
 * Position t reads token t and writes output t.
 */
export function align(data, layers, heads) {
  const sources = units(data.source.ids, data.tokens);
  const targets = units(data.target.outputs, data.tokens);
  const weight = (target, source) => {
    let sum = 0;
    for (const layer of layers) {
      const tensor = data.decoder[layer].cross.weights;
      for (const head of heads) {
        for (const t of target) for (const s of source) sum += tensor.at(head, t, s);
      }
    }
    return sum / (layers.length * heads.length * target.length);
  };
  const weights = targets.map((target) => sources.map((source) => weight(target, source)));
  return {
    sources: sources.map((positions) => wordText(positions, data.source.ids, data.tokens)),
    targets: targets.map((positions) => wordText(positions, data.target.outputs, data.tokens)),
    weights,
  };
}

/** Return the positions of each word's tokens; if the text is one word, of each token alone. */
function units(ids, tokens) {
  const found = words(ids, tokens);
  return found.length === 1 ? found[0].map((position) => [position]) : found;
}

/** Draw the section; its controls choose the layers. */
export function showAlignment(view, data) {
  const every = [...data.decoder.keys()];
  const heads = [...Array(data.model.heads).keys()];
  const { layer, head } = data.model.alignment;
  const ofHead = `${layer + 1}, head ${head + 1}`;
  const options = [
    { value: "all", label: "all" },
    ...every.map((number) => ({ value: String(number), label: String(number + 1) })),
    ...(head === null ? [] : [{ value: "head", label: ofHead }]),
  ];
  const body = el("div");
  let remove = () => {};
  const draw = (value) => {
    remove();
    const found = value === "head"
      ? align(data, [layer], [head])
      : align(data, value === "all" ? every : [Number(value)], heads);
    const picture = new Picture(found, data.model);
    body.replaceChildren(el("div.scroll", picture.element), picture.reading);
    picture.drawLines();
    const follow = new ResizeObserver(() => picture.drawLines());
    follow.observe(picture.element);
    remove = () => follow.disconnect();
  };
  const first = head === null ? String(layer) : "head";
  view.append(
    el("div.controls", choice("Layers", options, first, draw)),
    body,
    el(
      "p.note",
      `Word alignments of this model use layer ${
        head === null ? layer + 1 : ofHead
      }. A line shows a`,
      ` weight of ${100 * FAINTEST} % or more. The attention to the end token is not shown.`,
    ),
  );
  draw(first);
}

class Picture {
  constructor(found, model) {
    this.found = found;
    this.sources = found.sources.map((text, index) => this.word(text, "source", index));
    this.targets = found.targets.map((text, index) => this.word(text, "target", index));
    this.drawing = svg("svg", { height: HEIGHT, "aria-hidden": "true" });
    this.reading = el("p.reading", { "aria-live": "polite" });
    const side = (name, label, language, items) =>
      el("div", {
        class: `sentence ${name}`,
        role: "group",
        "aria-label": label,
        dir: "auto",
        lang: language,
      }, ...items);
    const sides = [
      side("source", "Words of the source", model.source_language, this.sources),
      side("target", "Words of the translation", model.target_language, this.targets),
    ];
    this.element = el("div.alignment", sides[0], this.drawing, sides[1]);
    for (const each of sides) roving(each);
    this.select("target", Math.min(1, this.targets.length - 1));
  }

  word(text, side, index) {
    const choose = () => {
      if (this.chosen.side === side && this.chosen.index === index) return;
      this.select(side, index);
      this.drawLines();
    };
    return button(".word", { "data-rove": "", choose }, text);
  }

  select(side, index) {
    this.chosen = { side, index };
    const { sources, targets, weights } = this.found;
    const [from, others] = side === "target" ? [targets, sources] : [sources, targets];
    if (targets.length === 0) {
      this.reading.textContent = "The translation has no words.";
      return;
    }
    const shares = others.map((text, other) => [
      side === "target" ? weights[index][other] : weights[other][index],
      text,
    ]).sort((one, other) => other[0] - one[0]).slice(0, 3);
    const verb = side === "target" ? "attends to" : "is attended to by";
    this.reading.textContent = `${from[index]} ${verb} ${
      shares.map(([share, name]) => `${name} ${percent(share)}`).join(", ")
    }`;
  }

  /** Draw the lines between the words at their current positions. */
  drawLines() {
    const box = this.element.getBoundingClientRect();
    if (!box.width) return;
    const middle = (word) => {
      const each = word.getBoundingClientRect();
      return each.left + each.width / 2 - box.left;
    };
    this.drawing.setAttribute("width", String(this.element.scrollWidth));
    const { side, index } = this.chosen;
    const paths = [];
    this.found.weights.forEach((row, target) =>
      row.forEach((weight, source) => {
        if (weight < FAINTEST) return;
        const [x0, x1] = [middle(this.sources[source]), middle(this.targets[target])];
        const strong = index === (side === "target" ? target : source);
        const opacity = strong ? 0.35 + 0.65 * weight : 0.3;
        paths.push(svg(strong ? "path.strong" : "path.faint", {
          d: `M${x0} 0C${x0} ${HEIGHT / 2} ${x1} ${HEIGHT / 2} ${x1} ${HEIGHT}`,
          "data-weight": fixed(weight, 4),
          style: { "stroke-width": 1 + 7 * weight, "stroke-opacity": opacity },
        }));
      })
    );
    this.drawing.replaceChildren(...paths);
  }
}
