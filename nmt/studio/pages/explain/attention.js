/** The third and fourth sections: the layers and heads of the encoder or the decoder. */

import { button, choice, el, press, roving } from "../dom.js";
import { nthColour } from "../scheme.js";
import { arithmetic, score } from "./arithmetic.js";
import { habit, headSwitch } from "./controls.js";
import { layerSteps, normName } from "./layersteps.js";
import { attentionLines, mean } from "./lines.js";
import { attentionMatrix, thumbnail, weightLegend } from "./matrix.js";
import { saveControl } from "./save.js";
import { follow } from "./selection.js";
import { named, namedShares, tokenLabel, tokenText } from "./tokens.js";
import { stripLegend } from "./strips.js";

const ALL = "all"; // in the place of a head
const SHOWN = [["weights", "weights"], ["scores", "scores"]];
const KINDS = {
  encoder: [["self", "Self-attention"]],
  decoder: [["self", "Masked self-attention"], ["cross", "Cross-attention"]],
};

/** Draw a stack, "encoder" or "decoder", into its section. */
export function showStack(view, data, selection, stack) {
  const explorer = new Explorer(data, selection, stack);
  view.append(...explorer.elements());
  explorer.update();
  return follow(selection, view, () => explorer.update());
}

/** Return a part of a section that folds; `lead` says what it shows. */
function foldingPart(section, lead) {
  const [title, body] = [el("h3"), el("div.scroll")];
  const summary = el("summary", title, el("span.ref", section));
  const element = el("details.part", { open: true }, summary, el("p.lead", lead), body);
  return { title, body, element };
}

class Explorer {
  constructor(data, selection, stack) {
    Object.assign(this, { data, selection, stack, shown: "weights", drawn: {}, oneHead: 0 });
    this.side = stack === "encoder" ? "source" : "target";
    this.kinds = choice("Attention", KINDS[stack], null, (kind) => this.pick({ kind }));
    this.quantities = choice("Matrix of", SHOWN, null, (shown) => {
      this.shown = shown;
      this.update();
    });
    this.legend = el("span");
    this.pickHead = el("div.pick");
    this.switch = el("div");
    this.picture = el("div.picture.wrap");
    this.reading = el("div.reading", { "aria-live": "polite" });
    this.inside = foldingPart(
      "§3.2.1",
      "Softmax turns the products of the query with all keys into weights, and the output is the" +
        " weighted sum of the values. Without the division by √dₖ, softmax could give nearly all" +
        " weight to one key.",
    );
    this.steps = foldingPart(
      "§3.1",
      data.model.norm === "pre"
        ? `Each sub-layer reads its input through ${normName(data.model)} and adds its output to` +
          " the input (Xiong et al., 2020)."
        : `Each sub-layer adds its output to its input, and ${normName(data.model)} normalizes` +
          " the sum for the next sub-layer.",
    );
  }

  elements() {
    const kinds = KINDS[this.stack].length > 1 ? [this.kinds] : [];
    const save = saveControl(this.data.model.name, () => this.picture, () => this.fileName());
    return [
      el("div.controls", ...kinds, this.quantities, this.legend, save),
      el("div.explorer.wrap", this.pickHead, this.picture),
      this.reading,
      this.inside.element,
      this.steps.element,
    ];
  }

  /** Choose another kind of attention, layer or head. */
  pick(changes) {
    this.selection.set({ [this.stack]: { ...this.selection[this.stack], ...changes } });
  }

  /** Draw what has changed. */
  update() {
    const before = this.drawn;
    const query = this.selection[this.side];
    this.drawn = { ...this.selection[this.stack], shown: this.shown, query };
    const changes = Object.keys(this.drawn).filter((name) => this.drawn[name] !== before[name]);
    if (changes.length === 0) return;
    if (changes.includes("kind")) this.drawKind();
    if (changes.join() !== "query") this.drawHead();
    this.drawQuery(query);
  }

  /** Return the attention that is shown: its queries, keys and weights. */
  attention() {
    const { data, drawn, stack, side } = this;
    const attended = this.attended();
    const own = stack === "encoder" ? data.source.ids : data.target.inputs;
    const crosses = drawn.kind === "cross";
    return {
      queries: own,
      keys: crosses ? data.source.ids : own,
      outputs: stack === "decoder" ? data.target.outputs : null,
      sides: [side, crosses ? "source" : side],
      masked: stack === "decoder" && !crosses,
      heads: drawn.head === ALL ? [...Array(data.model.heads).keys()] : [drawn.head],
      weight: (head, query, key) => attended.weights.at(head, query, key),
    };
  }

  /** Return the name by which a head is switched off. */
  headName(head, layer = this.drawn.layer) {
    return `${this.stack}.${layer}.${this.drawn.kind}_attention.${head}`;
  }

  attended() {
    return this.data[this.stack][this.drawn.layer][this.drawn.kind];
  }

  drawKind() {
    const { data, stack, drawn } = this;
    const tensors = data[stack].map((layer) => layer[drawn.kind].weights);
    const habitOf = (layer, head) => habit(data.model, this.headName(head, layer));
    const pick = (layer, head) => this.pick({ layer, head });
    this.map = headMap(tensors, this.attention().masked, habitOf, pick);
    this.pickHead.replaceChildren(el("h3", "Layers × heads"), this.map.element, this.switch);
  }

  /** Draw another layer, head or quantity. */
  drawHead() {
    const { data, drawn } = this;
    const attention = this.attention();
    const values = this.values(attention);
    const change = (query) => this.selection.choose(this.side, query);
    const isAll = drawn.head === ALL;
    this.map.select(drawn.layer, drawn.head);
    if (!isAll) this.oneHead = drawn.head;
    const off = isAll ? "" : headSwitch(this.selection, this.headName(drawn.head));
    const usual = isAll ? "" : habit(data.model, this.headName(drawn.head), "On the dev set: ");
    this.switch.replaceChildren(el("p.soft", usual), off);
    this.lines = attentionLines(attention, data.tokens, change);
    this.matrix = attentionMatrix(attention, data.tokens, values, change);
    this.arithmetic = arithmetic(attention, this.attended(), this.oneHead, data.tokens);
    this.inside.body.replaceChildren(this.arithmetic.element);
    const pictures = [this.lines, this.matrix].map(({ element }) => el("div.scroll", element));
    this.picture.replaceChildren(...pictures);
    this.kinds.mark(drawn.kind);
    this.quantities.mark(isAll ? "weights" : drawn.shown);
    const scores = this.quantities.querySelector("[data-value=scores]");
    scores.disabled = isAll;
    scores.title = isAll
      ? "All heads together have only mean weights; choose one head to see its scores"
      : "";
    this.legend.replaceChildren(values.signed ? stripLegend(values.full) : weightLegend());
  }

  /** Return the numbers that the matrix shows. */
  values(attention) {
    const { drawn } = this;
    if (drawn.shown === "weights" || drawn.head === ALL) {
      const value = (query, key) => mean(attention, query, key);
      return { value, full: 1, signed: false, name: "Attention weights" };
    }
    const attended = this.attended();
    const scores = attention.queries.map((_, query) =>
      attention.keys.map((_, key) =>
        attention.masked && key > query ? null : score(attended, drawn.head, query, key)
      )
    );
    const full = Math.max(1e-9, ...scores.flat().map((each) => Math.abs(each ?? 0)));
    const value = (query, key) => scores[query][key];
    return { value, full, signed: true, name: "Scores before softmax" };
  }

  /** Show another query. */
  drawQuery(query) {
    const { data, stack, drawn, steps, inside } = this;
    const attention = this.attention();
    this.lines.select(query);
    this.matrix.select(query);
    this.reading.replaceChildren(...this.describe(attention, query));
    this.arithmetic.select(query);
    const one = drawn.head === ALL ? `${this.oneHead + 1} (one of all)` : `${drawn.head + 1}`;
    const { isOff } = this.selection.live ?? {};
    const off = isOff?.(this.headName(this.oneHead)) ? " (off: zeros instead of its sum)" : "";
    inside.title.replaceChildren(
      `Inside head ${one}${off}, for `,
      ...this.names(query),
      ": softmax(QKᵀ ÷ √dₖ) V",
    );
    const place = `layer ${drawn.layer + 1} of ${data[stack].length}`;
    steps.title.replaceChildren(...this.names(query), ` through ${place}`);
    steps.body.replaceChildren(layerSteps(data, stack, drawn.layer, query, isOff));
  }

  describe(attention, query) {
    const { data, drawn } = this;
    const weights = attention.keys.map((id, key) => [mean(attention, query, key) ?? 0, id]);
    const best = weights.sort((one, other) => other[0] - one[0]).slice(0, 3)
      .filter(([weight], index) => !index || weight >= 0.01)
      .map(([weight, id]) => [weight, tokenLabel(data.tokens[id])]);
    const where = drawn.head === ALL ? "All heads" : `Head ${drawn.head + 1}`;
    const [read, , written] = this.names(query);
    return [
      `${where} of layer ${drawn.layer + 1}`,
      ...(written ? [", reading ", read, " to write ", written, ","] : [": ", read]),
      written && drawn.head === ALL ? " attend to " : " attends to ",
      ...namedShares(best, attention.sides[1]),
    ];
  }

  /** Name a query; in the decoder, also the token that is written at its position. */
  names(query) {
    const { tokens, source, target } = this.data;
    const name = (id) => named(tokenLabel(tokens[id]), this.side);
    if (this.side === "source") return [name(source.ids[query])];
    return [name(target.inputs[query]), " → ", name(target.outputs[query])];
  }

  /** Return the name of the file that the picture is saved in. */
  fileName() {
    const { kind, layer, head, query } = this.drawn;
    const ids = this.side === "source" ? this.data.source.ids : this.data.target.outputs;
    const where = [this.stack, kind, `layer ${layer + 1}`, `head ${head === ALL ? ALL : head + 1}`];
    return [...where, tokenText(this.data.tokens[ids[query]])].join(" ");
  }
}

/**
 * Return a grid: a row for each layer, a column for each head and one for the mean of all heads.
 * `tensors` are the weights of the layers; `habitOf(layer, head)` names what a head attends to.
 * `pick(layer, head)` is called on a click; head may be ALL.
 */
function headMap(tensors, masked, habitOf, pick) {
  const [heads, rows, columns] = tensors[0].shape;
  const axis = (text) => el("span.axis.soft", String(text));
  const all = [...Array(heads).keys()];
  const small = (layer, which, value) =>
    button(
      ".small-multiple",
      {
        "data-rove": "",
        "data-layer": layer,
        "data-head": which,
        "aria-label": `Layer ${layer + 1}, ${which === ALL ? "all heads" : `head ${which + 1}`}`,
        title: which === ALL ? "" : habitOf(layer, which),
        style: which === ALL ? {} : { "--head": nthColour(which) },
        on: { click: () => pick(layer, which) },
      },
      thumbnail(rows, columns, (row, column) => masked && column > row ? null : value(row, column)),
    );
  const buttons = tensors.map((tensor, layer) => {
    const sum = (row, column) =>
      all.reduce((total, head) => total + tensor.at(head, row, column), 0);
    return [
      ...all.map((head) => small(layer, head, (row, column) => tensor.at(head, row, column))),
      small(layer, ALL, (row, column) => sum(row, column) / heads),
    ];
  });
  const element = el(
    "div.head-map",
    { role: "group", "aria-label": "Layer and head", style: { "--heads": heads + 1 } },
    el("span.corner"),
    ...[...all.map((head) => head + 1), "all"].map(axis),
    ...buttons.flatMap((row, layer) => [axis(layer + 1), ...row]),
  );
  const select = (layer, head) => {
    press(
      buttons.flat(),
      ({ dataset }) => dataset.layer === String(layer) && dataset.head === String(head),
    );
    roving(element, heads + 1);
  };
  return { element, select };
}
