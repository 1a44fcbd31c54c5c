/** The third and fourth sections: the layers and heads of the encoder or the decoder. */

import { choice, el } from "../dom.js";
import { percent } from "../numbers.js";
import { arithmetic, score } from "./arithmetic.js";
import { ALL, headMap } from "./headmap.js";
import { layerSteps, normName } from "./layersteps.js";
import { attentionLines, mean } from "./lines.js";
import { attentionMatrix, weightLegend } from "./matrix.js";
import { tokenLabel } from "./tokens.js";
import { stripLegend } from "./strips.js";

const SHOWN = [
  { value: "weights", label: "weights" },
  { value: "scores", label: "scores" },
];
const KINDS = {
  encoder: [{ value: "self", label: "Self-attention" }],
  decoder: [
    { value: "self", label: "Masked self-attention" },
    { value: "cross", label: "Attention to the encoder" },
  ],
};

/** Draw a stack, "encoder" or "decoder", into its section. */
export function showStack(view, data, selection, stack) {
  const state = { ...selection[stack], query: 1, shown: "weights" };
  const parts = {
    controls: el("div.controls"),
    explorer: el("div.explorer"),
    reading: el("div.reading", { "aria-live": "polite" }),
    inside: new Part(
      "§3.2.1",
      "Softmax turns the products of the query with all keys into weights, and the output is the" +
        " weighted sum of the values. Without the division by √dₖ, softmax could give nearly all" +
        " weight to one key.",
    ),
    steps: new Part(
      "§3.1",
      data.model.norm === "pre"
        ? `Each sub-layer reads its input through ${normName(data.model)} and adds its output to` +
          " the input (Xiong et al., 2020)."
        : `Each sub-layer adds its output to its input, and ${normName(data.model)} normalizes` +
          " the sum for the next sub-layer.",
    ),
  };
  const { controls, explorer, reading, inside, steps } = parts;
  view.append(controls, explorer, reading, inside.element, steps.element);
  new Explorer(data, stack, state, parts).drawKind();
}

/** A part of a section that folds. A sentence says what it shows. */
class Part {
  constructor(section, lead) {
    this.title = el("h3");
    this.body = el("div.scroll");
    const summary = el("summary", this.title, el("span.ref", section));
    this.element = el("details.part", { open: true }, summary, el("p.lead", lead), this.body);
  }

  name(...title) {
    this.title.replaceChildren(...title);
  }

  fill(content) {
    this.body.replaceChildren(content);
  }
}

class Explorer {
  constructor(data, stack, state, parts) {
    Object.assign(this, { data, stack, state, parts });
  }

  /** Return the attention that is shown: its queries, keys and weights. */
  selection() {
    const { data, state, stack } = this;
    const attended = this.attended();
    const own = stack === "encoder" ? data.source.ids : data.target.inputs;
    const heads = state.head === ALL ? [...Array(data.model.heads).keys()] : [state.head];
    const crosses = state.kind === "cross";
    return {
      queries: own,
      keys: crosses ? data.source.ids : own,
      outputs: stack === "decoder" ? data.target.outputs : null,
      sides: stack === "encoder" ? ["source", "source"] : ["target", crosses ? "source" : "target"],
      masked: stack === "decoder" && !crosses,
      heads,
      weight: (head, query, key) => attended.weights.at(head, query, key),
    };
  }

  attended() {
    return this.data[this.stack][this.state.layer][this.state.kind];
  }

  /** Draw everything again for another kind of attention. */
  drawKind() {
    const { data, stack, state } = this;
    const selection = this.selection();
    this.map = headMap({
      layers: data[stack].length,
      heads: data.model.heads,
      rows: selection.queries.length,
      columns: selection.keys.length,
      masked: selection.masked,
      weights: (layer) => data[stack][layer][state.kind].weights,
    }, (layer, head) => {
      Object.assign(state, { layer, head });
      this.drawHead();
    });
    this.picture = el("div.picture");
    this.parts.explorer.replaceChildren(
      el("div.pick", el("h3", "Layers × heads"), this.map.element),
      this.picture,
    );
    this.drawHead();
  }

  /** Draw another layer, head or quantity. */
  drawHead() {
    const { data, state, parts } = this;
    const selection = this.selection();
    const change = (query) => this.select(query);
    this.map.select(state.layer, state.head);
    this.lines = attentionLines(selection, data.tokens, change);
    this.matrix = attentionMatrix(selection, data.tokens, this.values(selection), change);
    this.arithmetic = state.head === ALL
      ? null
      : arithmetic(selection, this.attended(), state.head, data.tokens);
    parts.inside.fill(
      this.arithmetic?.element ??
        el("p.note", "Pick one head above. Its queries, keys and values are shown here."),
    );
    this.picture.replaceChildren(
      el("div.scroll", this.lines.element),
      el("div.scroll", this.matrix.element),
    );
    this.drawControls(parts.controls, selection);
    this.query = null;
    this.select(Math.min(state.query, selection.queries.length - 1));
  }

  /** Return the numbers that the matrix shows. */
  values(selection) {
    const { state } = this;
    if (state.shown === "weights" || state.head === ALL) {
      const value = (query, key) => mean(selection, query, key);
      return { value, full: 1, signed: false, name: "Attention weights" };
    }
    const attended = this.attended();
    const scores = selection.queries.map((_, query) =>
      selection.keys.map((_, key) =>
        selection.masked && key > query ? null : score(attended, state.head, query, key)
      )
    );
    const full = Math.max(1e-9, ...scores.flat().map((each) => Math.abs(each ?? 0)));
    const value = (query, key) => scores[query][key];
    return { value, full, signed: true, name: "Scores before softmax" };
  }

  drawControls(controls, selection) {
    const { stack, state } = this;
    const again = document.activeElement?.closest?.(".choice")?.getAttribute("aria-label");
    const full = this.values(selection).full;
    controls.replaceChildren(...[
      KINDS[stack].length > 1
        ? choice("Kind", KINDS[stack], state.kind, (kind) => {
          state.kind = kind;
          this.drawKind();
        })
        : null,
      state.head === ALL ? null : choice("Matrix of", SHOWN, state.shown, (shown) => {
        state.shown = shown;
        this.drawHead();
      }),
      state.shown === "weights" || state.head === ALL ? weightLegend() : stripLegend(full),
    ].filter(Boolean));
    if (again) controls.querySelector(`[aria-label="${again}"] [aria-pressed="true"]`)?.focus();
  }

  /** Show another query. */
  select(query) {
    if (query === this.query) return;
    this.query = query;
    this.state.query = query;
    const selection = this.selection();
    this.lines.select(query);
    this.matrix.select(query);
    this.parts.reading.replaceChildren(...this.describe(selection, query));
    this.arithmetic?.select(query);
    this.titleHead(selection, query);
    this.drawSteps(selection, query);
  }

  describe(selection, query) {
    const { data, state } = this;
    const weights = selection.keys.map((_, key) => [mean(selection, query, key) ?? 0, key]);
    const best = weights.sort((one, other) => other[0] - one[0]).slice(0, 3);
    const where = state.head === ALL ? "All heads" : `Head ${state.head + 1}`;
    const into = [`${where} of layer ${state.layer + 1}: `, tokenOf(selection, query, data)];
    into.push(" attends to ");
    best.filter(([weight], index) => !index || weight >= 0.01).forEach(([weight, key], index) => {
      if (index) into.push(", ");
      into.push(tokenLabel(data.tokens[selection.keys[key]]), ` ${percent(weight)}`);
    });
    return into;
  }

  titleHead(selection, query) {
    const { data, state, parts } = this;
    parts.inside.name(
      state.head === ALL ? "Inside a head, for " : `Inside head ${state.head + 1}, for `,
      tokenOf(selection, query, data),
      ": softmax(QKᵀ ÷ √dₖ) V",
    );
  }

  drawSteps(selection, query) {
    const { data, stack, state, parts } = this;
    const side = stack === "encoder" ? "source" : "target";
    const input = state.layer ? data[stack][state.layer - 1].output : data.embedding[side].sum;
    parts.steps.name(
      tokenOf(selection, query, data),
      ` through layer ${state.layer + 1} of ${data[stack].length}`,
    );
    parts.steps.fill(layerSteps(stack, data[stack][state.layer], input, query, data.model));
  }
}

function tokenOf(selection, query, data) {
  return tokenLabel(data.tokens[selection.queries[query]]);
}
