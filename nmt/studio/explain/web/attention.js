/** The third and fourth blocks: one stack's layers and heads, to look into. */

import { choice, el } from "../../pages/dom.js";
import { percent } from "../../pages/numbers.js";
import { arithmetic, score } from "./arithmetic.js";
import { ALL, headMap } from "./headmap.js";
import { ledger, normName } from "./ledger.js";
import { attentionLines, mean } from "./lines.js";
import { attentionMatrix, weightLegend } from "./matrix.js";
import { pieceLabel } from "./pieces.js";
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

/** Draw a stack, "encoder" or "decoder", into its block and answer to what is picked. */
export function showStack(view, data, stack) {
  const state = {
    kind: KINDS[stack].at(-1).value,
    ...telling(data[stack], KINDS[stack].at(-1).value),
    query: 1,
    shown: "weights",
  };
  const parts = {
    controls: el("div", { class: "controls" }),
    explorer: el("div", { class: "explorer" }),
    reading: el("div", { class: "reading", "aria-live": "polite" }),
    inside: new Part(
      "§3.2.1",
      "Softmax turns what the query has in common with each key into weights, by which the values" +
        " are summed up; without the division by √dₖ nearly all weight could go to one key.",
    ),
    way: new Part(
      "§3.1",
      data.model.norm === "pre"
        ? `Each sub-layer reads what came in through ${normName(data.model)}, which sets it to an` +
          " even scale, and adds what it finds (Xiong et al., 2020)."
        : `Each sub-layer finds something to add to what came in, and ${normName(data.model)}` +
          " sets their sum to an even scale for the next one.",
    ),
  };
  const { controls, explorer, reading, inside, way } = parts;
  view.append(controls, explorer, reading, inside.element, way.element);
  new Explorer(data, stack, state, parts).drawKind();
}

/** A part of a block: folds, says in a sentence what it shows, and is filled as things are picked. */
class Part {
  constructor(section, lead) {
    this.title = el("h3");
    this.body = el("div", { class: "scroll" });
    const summary = el("summary", {}, this.title, el("span", { class: "ref" }, section));
    this.element = el(
      "details",
      { class: "part", open: true },
      summary,
      el("p", { class: "lead" }, lead),
      this.body,
    );
  }

  name(...title) {
    this.title.replaceChildren(...title);
  }

  fill(content) {
    this.body.replaceChildren(content);
  }
}

/**
 * The layer and head to begin with: whose queries attend most surely to the most different keys,
 * other than themselves.
 */
function telling(layers, kind) {
  let best = { layer: 0, head: 0, value: -1 };
  layers.forEach((each, layer) => {
    const [heads, queries] = each[kind].weights.shape;
    for (let head = 0; head < heads; head++) {
      const surest = new Map();
      for (let query = 0; query < queries; query++) {
        const weights = each[kind].weights.row(head, query);
        const weight = Math.max(...weights);
        const key = weights.indexOf(weight);
        if (kind === "self" && key === query) continue;
        surest.set(key, Math.max(weight, surest.get(key) ?? 0));
      }
      const value = [...surest.values()].reduce((sum, weight) => sum + weight, 0);
      if (value > best.value) best = { layer, head, value };
    }
  });
  return { layer: best.layer, head: best.head };
}

class Explorer {
  constructor(data, stack, state, parts) {
    Object.assign(this, { data, stack, state, parts });
  }

  /** The attention that is looked at, and who attends to whom. */
  look() {
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

  /** All anew: another kind of attention. */
  drawKind() {
    const { data, stack, state } = this;
    const look = this.look();
    this.map = headMap({
      layers: data[stack].length,
      heads: data.model.heads,
      rows: look.queries.length,
      columns: look.keys.length,
      masked: look.masked,
      weights: (layer) => data[stack][layer][state.kind].weights,
    }, (layer, head) => {
      Object.assign(state, { layer, head });
      this.drawHead();
    });
    this.picture = el("div", { class: "picture" });
    this.parts.explorer.replaceChildren(
      el("div", { class: "pick" }, el("h3", {}, "Layers × heads"), this.map.element),
      this.picture,
    );
    this.drawHead();
  }

  /** Another layer, head or way to show it. */
  drawHead() {
    const { data, state, parts } = this;
    const look = this.look();
    const change = (query) => this.select(query);
    this.map.select(state.layer, state.head);
    this.lines = attentionLines(look, data.pieces, change);
    this.matrix = attentionMatrix(look, data.pieces, this.values(look), change);
    this.arithmetic = state.head === ALL
      ? null
      : arithmetic(look, this.attended(), state.head, data.pieces);
    parts.inside.fill(
      this.arithmetic?.element ??
        el("p", { class: "note" }, "Pick one head above to see its queries, keys and values."),
    );
    this.picture.replaceChildren(
      el("div", { class: "scroll" }, this.lines.element),
      el("div", { class: "scroll" }, this.matrix.element),
    );
    this.drawControls(parts.controls, look);
    this.query = null;
    this.select(Math.min(state.query, look.queries.length - 1));
  }

  /** What the matrix shows. */
  values(look) {
    const { state } = this;
    if (state.shown === "weights" || state.head === ALL) {
      const value = (query, key) => mean(look, query, key);
      return { value, full: 1, signed: false, name: "Attention weights" };
    }
    const attended = this.attended();
    const scores = look.queries.map((_, query) =>
      look.keys.map((_, key) =>
        look.masked && key > query ? null : score(attended, state.head, query, key)
      )
    );
    const full = Math.max(1e-9, ...scores.flat().map((each) => Math.abs(each ?? 0)));
    const value = (query, key) => scores[query][key];
    return { value, full, signed: true, name: "Scores before softmax" };
  }

  drawControls(controls, look) {
    const { stack, state } = this;
    const again = document.activeElement?.closest?.(".choice")?.getAttribute("aria-label");
    const full = this.values(look).full;
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

  /** Another query. */
  select(query) {
    if (query === this.query) return;
    this.query = query;
    this.state.query = query;
    const look = this.look();
    this.lines.select(query);
    this.matrix.select(query);
    this.parts.reading.replaceChildren(...this.inWords(look, query));
    this.arithmetic?.select(query);
    this.nameInside(look, query);
    this.drawWay(look, query);
  }

  inWords(look, query) {
    const { data, state } = this;
    const weights = look.keys.map((_, key) => [mean(look, query, key) ?? 0, key]);
    const best = weights.sort((one, other) => other[0] - one[0]).slice(0, 3);
    const where = state.head === ALL ? "All heads" : `Head ${state.head + 1}`;
    const into = [`${where} of layer ${state.layer + 1}: `, pieceOf(look, query, data)];
    into.push(" attends to ");
    best.filter(([weight], index) => !index || weight >= 0.01).forEach(([weight, key], index) => {
      if (index) into.push(", ");
      into.push(pieceLabel(data.pieces[look.keys[key]]), ` ${percent(weight)}`);
    });
    return into;
  }

  nameInside(look, query) {
    const { data, state, parts } = this;
    parts.inside.name(
      state.head === ALL ? "Inside a head, for " : `Inside head ${state.head + 1}, for `,
      pieceOf(look, query, data),
      ": softmax(QKᵀ ÷ √dₖ) V",
    );
  }

  drawWay(look, query) {
    const { data, stack, state, parts } = this;
    const side = stack === "encoder" ? "source" : "target";
    const input = state.layer ? data[stack][state.layer - 1].output : data.embedding[side].sum;
    parts.way.name(
      pieceOf(look, query, data),
      ` through layer ${state.layer + 1} of ${data[stack].length}`,
    );
    parts.way.fill(ledger(stack, data[stack][state.layer], input, query, data.model));
  }
}

function pieceOf(look, query, data) {
  return pieceLabel(data.pieces[look.queries[query]]);
}
