/** The seventh section: source words, and the words of the translation that attend to them. */

import { button, choice, el, press, roving, svg } from "../dom.js";
import { fixed } from "../numbers.js";
import { follow } from "./selection.js";
import { saveControl } from "./save.js";
import { named, namedShares, words, wordText } from "./tokens.js";

const HEIGHT = 120;
const FAINTEST = 0.12;

/**
 * Return the weights of target words on source words, from the cross-attention of some layers and
 * heads: the mean over these and over a target word's tokens, the sum over a source word's tokens.
 * Position t reads token t and writes output t.
 */
export function align(data, layers, heads) {
  const sources = units(data.source.ids, data.tokens);
  const targets = units(data.target.outputs, data.tokens, data.model.backwards);
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
  const word = (ids) => (positions) => ({ positions, text: wordText(positions, ids, data.tokens) });
  return {
    source: sources.map(word(data.source.ids)),
    target: targets.map(word(data.target.outputs)),
    weights,
  };
}

/** Return the positions of each word's tokens; if the text is one word, of each token alone. */
function units(ids, tokens, isBackwards) {
  const found = words(ids, tokens, isBackwards);
  return found.length === 1 ? found[0].map((position) => [position]) : found;
}

/** Draw the section; its controls choose the layers, at first those that align words. */
export function showAlignment(view, data, selection) {
  const every = [...data.decoder.keys()];
  const heads = [...Array(data.model.heads).keys()];
  const { layer, head } = data.model.alignment;
  const aligning = head === null ? `${layer + 1}` : `${layer + 1}, head ${head + 1}`;
  const options = [
    ["all", "all"],
    ...every.map((number) => [String(number), String(number + 1)]),
    ...(head === null ? [] : [["head", aligning]]),
  ];
  const body = el("div");
  let picture;
  const draw = (value) => {
    const found = value === "head"
      ? align(data, [layer], [head])
      : align(data, value === "all" ? every : [Number(value)], heads);
    picture = new Picture(found, data.model, selection);
    body.replaceChildren(el("div.scroll", picture.element), picture.reading);
    picture.mark();
    resized.disconnect();
    resized.observe(picture.element);
  };
  const resized = new ResizeObserver(() => picture.drawLines());
  const first = head === null ? String(layer) : "head";
  const fileName = () => `alignment ${picture.chosen?.text ?? ""}`;
  const save = saveControl(data.model.name, () => picture.element, fileName);
  view.append(
    el("div.controls", choice("Layers", options, first, draw), save),
    body,
    el(
      "p.note",
      `\`nmt translate --alignments\` uses layer ${aligning} of this model. Weights below `,
      `${100 * FAINTEST} % have no line. The end token is left out.`,
    ),
  );
  draw(first);
  const end = follow(selection, view, () => picture.mark());
  return () => {
    end();
    resized.disconnect();
  };
}

class Picture {
  constructor(found, model, selection) {
    Object.assign(this, { found, selection });
    this.drawing = svg("svg", { height: HEIGHT, "aria-hidden": "true" });
    this.reading = el("p.reading", { "aria-live": "polite" });
    const side = (name, label, language) =>
      el("div", {
        class: `sentence ${name}`,
        role: "group",
        "aria-label": label,
        dir: "auto",
        lang: language,
      }, ...found[name].map((word) => word.button = this.button(word, name)));
    this.sides = [
      side("source", "Words of the source", model.source_language),
      side("target", "Words of the translation", model.target_language),
    ];
    this.element = el("div.alignment", this.sides[0], this.drawing, this.sides[1]);
  }

  button({ text, positions }, side) {
    const choose = () => {
      if (side !== this.selection.side || !positions.includes(this.selection[side])) {
        this.selection.choose(side, positions[0]);
      }
    };
    return button(".word", { "data-rove": "", choose }, text);
  }

  /** Mark the words of the tokens that are chosen, and say what they attend to. */
  mark() {
    const { found, selection } = this;
    for (const side of ["source", "target"]) {
      const isChosen = ({ positions }) => positions.includes(selection[side]);
      press(found[side].map((word) => word.button), (_, index) => isChosen(found[side][index]));
      if (side === selection.side) this.chosen = found[side].find(isChosen);
    }
    this.sides.forEach((side) => roving(side));
    this.reading.replaceChildren(...this.describe());
    this.drawLines();
  }

  describe() {
    const { chosen, found, selection: { side } } = this;
    if (found.target.length === 0) return ["The translation has no words."];
    if (!chosen) return ["The end token is chosen, which is no word."];
    const other = side === "target" ? "source" : "target";
    const shares = found[other].map(({ text }, index) => [this.weight(chosen, index), text])
      .sort((one, two) => two[0] - one[0]).slice(0, 3);
    return [
      named(chosen.text, side),
      side === "target" ? " attends to " : " is attended to by ",
      ...namedShares(shares, other),
    ];
  }

  /** Return the weight between a word of the chosen side and the nth word of the other side. */
  weight(word, other) {
    const { found, selection: { side } } = this;
    const index = found[side].indexOf(word);
    return side === "target" ? found.weights[index][other] : found.weights[other][index];
  }

  /** Draw the lines between the words at their current positions. */
  drawLines() {
    const box = this.element.getBoundingClientRect();
    if (!box.width) return;
    const middle = (word) => {
      const each = word.button.getBoundingClientRect();
      return each.left + each.width / 2 - box.left;
    };
    this.drawing.setAttribute("width", String(this.element.scrollWidth));
    const [sources, targets] = [this.found.source, this.found.target];
    const starts = sources.map(middle);
    const paths = [];
    this.found.weights.forEach((row, target) => {
      const x1 = middle(targets[target]);
      row.forEach((weight, source) => {
        if (weight < FAINTEST) return;
        const x0 = starts[source];
        const strong = [sources[source], targets[target]].includes(this.chosen);
        const opacity = strong ? 0.35 + 0.65 * weight : 0.3;
        paths.push(svg(strong ? "path.strong" : "path.faint", {
          d: `M${x0} 0C${x0} ${HEIGHT / 2} ${x1} ${HEIGHT / 2} ${x1} ${HEIGHT}`,
          "data-weight": fixed(weight, 4),
          style: { "stroke-width": 1 + 7 * weight, "stroke-opacity": opacity },
        }));
      });
    });
    this.drawing.replaceChildren(...paths);
  }
}
