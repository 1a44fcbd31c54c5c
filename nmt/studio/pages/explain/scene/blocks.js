/** The tensors of the model for one sentence, in the order in which they are computed. No drawing. */

import { normName } from "../layersteps.js";
import { tokenText } from "../tokens.js";
import { growTree } from "../tree.js";
import { dot } from "../unpack.js";
import {
  ACTIVATIONS,
  factor,
  normalise,
  normLines,
  positionLines,
  products,
  rotationLines,
  short,
  softmaxLines,
} from "./sums.js";

const NO_WEIGHTS = "the weights are not in this page";
const LETTERS = { query: "Q", key: "K", value: "V" };

/**
 * Return the blocks in the order of the data. A block has
 * - `id`, `group` ("source", "encoder.0", "target", "decoder.0", "softmax", "beam"), `part`, `role`;
 * - `label`, `formula`, `section`, `text`, `shapes`, `codeKey`: what the panel says;
 * - `kind`: "weight", "activation", "attention", "token" or "beam"; `showsText`: its cells are texts;
 * - `shape`: [slabs, rows, columns]; a slab is a head;
 * - `value(slab, row, column)`: a number, null for what a mask hides; null without weights;
 * - `side` and `across`: "source" or "target" if its rows or columns are tokens of that text;
 * - `rowName(row)`, `columnName(column)`; `inputs`: ids of the blocks that it is computed from;
 * - `made(slab, row, column)`: {lines, lights}: the sum, and the parts of the inputs in it. A light
 *   {id, slab, row, column} is a row, a column, or a cell if it has both.
 */
export function buildBlocks(data) {
  return new Builder(data).build();
}

class Builder {
  constructor(data) {
    this.data = data;
    this.model = data.model;
    this.blocks = [];
    this.weights = data.live?.weights ?? {};
    this.epsilon = data.live?.model?.norm_epsilon ?? 1e-6;
    this.ids = { source: data.source.ids, target: data.target.inputs };
    this.length = { source: this.ids.source.length, target: this.ids.target.length };
  }

  build() {
    const { data, model } = this;
    const finish = (stack, stream, side) => {
      const output = stack === "decoder" ? data.decoder_output : data.encoder_output;
      const group = `${stack}.${data[stack].length - 1}`;
      return model.norm === "pre" ? this.finalNorm(stack, group, stream, side, output) : stream;
    };
    let stream = this.embedding("source");
    data.encoder.forEach((layer, index) => stream = this.layer("encoder", index, layer, stream));
    const memory = finish("encoder", stream, "source");
    stream = this.embedding("target");
    data.decoder.forEach((layer, index) =>
      stream = this.layer("decoder", index, layer, stream, memory)
    );
    this.softmax(finish("decoder", stream, "target"));
    this.beam();
    return this.blocks;
  }

  /** Add a block; return it as a stream: its id, and the tensor with its numbers. */
  add(block, tensor = null) {
    const side = block.side ?? null;
    this.blocks.push({
      part: "",
      inputs: [],
      across: null,
      rowName: side ? (row) => this.token(side, row) : (row) => `row ${row}`,
      columnName: block.across
        ? (column) => this.token(block.across, column)
        : (column) => `dimension ${column}`,
      ...block,
      id: block.id ?? [block.group, block.part, block.role].filter(Boolean).join("."),
      side,
    });
    return { id: this.blocks.at(-1).id, tensor, shape: block.shape };
  }

  /** Return the label of a token at a position of a side. */
  token(side, position) {
    return tokenText(this.data.tokens[this.ids[side][position]]);
  }

  norm(name) {
    const gain = this.weights[`${name}.weight`]?.row() ?? null;
    const bias = this.weights[`${name}.bias`]?.row() ?? null;
    return { kind: this.model.norm_kind, epsilon: this.epsilon, gain, bias };
  }

  /** Add a matrix of weights; `at(slab, row, column)` returns the indices of a cell in its tensor. */
  matrix(name, shape, at, block) {
    const tensor = this.weights[name];
    const learned = "A learned number: training moved it until the translations were good.";
    return this.add({
      kind: "weight",
      section: "§3.2.2",
      rowName: (row) => `input ${row}`,
      columnName: (column) => `output ${column}`,
      ...block,
      shape,
      value: tensor ? (...cell) => tensor.at(...at(...cell)) : null,
      made: (...cell) => ({ lines: [tensor ? learned : NO_WEIGHTS], lights: [], cell }),
    }, tensor);
  }

  embedding(side) {
    const { data, model } = this;
    const parts = data.embedding[side];
    const owner = side === "source" ? "own_source_weight" : "weight";
    const shares = side === "target" && model.joint &&
      !("embeddings.own_source_weight" in this.weights);
    const name = `embeddings.${owner}` in this.weights
      ? `embeddings.${owner}`
      : "embeddings.weight";
    const rows = side === "source" ? model.source_vocabulary : model.vocabulary;
    if (!shares) this.vocabularyMatrix(`${side}.embedding`, side, name, rows);
    this.embeddings = shares ? "source.embedding" : `${side}.embedding`;
    const matrix = this.embeddings;
    const shape = [1, this.length[side], model.d_model];
    const common = { group: side, part: "embedding", kind: "activation", side, shape };
    const root = Math.sqrt(model.d_model);
    const row = (position) => data.tokens[this.ids[side][position]].row;
    const tokens = this.tokens(side, row);
    const scaled = this.add({
      ...common,
      role: "scaled",
      label: side === "source" ? "Source tokens as vectors" : "Target tokens as vectors",
      formula: "x = E[token] · √d_model",
      section: "§3.4",
      codeKey: "embedding",
      inputs: [tokens.id, matrix],
      text: "Each token picks its own row of the embedding matrix. Every number of the row is " +
        "multiplied with √d_model, so that it is not small beside the position that is added.",
      shapes: `${shape[1]} rows of (${rows}, ${model.d_model}) → (${shape[1]}, ${model.d_model})`,
      value: (_, r, c) => parts.scaled.at(r, c),
      made: (_, r, c) => ({
        lines: [
          `E[${row(r)}, ${c}] × √${model.d_model} = ${factor(parts.scaled.at(r, c) / root)} × ${
            short(root)
          } = ${short(parts.scaled.at(r, c))}`,
        ],
        lights: [{ id: tokens.id, slab: 0, row: r }, { id: matrix, slab: 0, row: row(r) }],
      }),
    }, parts.scaled);
    if (model.positions === "rotary") return scaled;
    const positions = this.add({
      ...common,
      role: "position",
      label: "Positions",
      formula: model.positions === "learned"
        ? "P[position]"
        : "sin and cos of position ÷ wavelength",
      section: "§3.5",
      codeKey: "positions",
      text: model.positions === "learned"
        ? "Attention does not see the order of words. So each position has a learned vector."
        : "Attention does not see the order of words. So each position gets its own pattern of " +
          "sines and cosines: fast waves first, slow waves last.",
      shapes: `(${shape[1]}, ${model.d_model})`,
      value: (_, r, c) => parts.position.at(r, c),
      made: (_, r, c) => ({
        lines: positionLines(model, r, c, parts.position.at(r, c)),
        lights: [],
      }),
    }, parts.position);
    return this.add({
      ...common,
      role: "sum",
      label: `Input of the ${side === "source" ? "encoder" : "decoder"}`,
      formula: "x + position",
      section: "§3.5",
      codeKey: "embedding",
      inputs: [scaled.id, positions.id],
      text: "Meaning and place are added, number by number. From here on every token is one row.",
      shapes: `(${shape[1]}, ${model.d_model}) + (${shape[1]}, ${model.d_model})`,
      value: (_, r, c) => parts.sum.at(r, c),
      made: (_, r, c) => ({
        lines: [
          `${short(parts.scaled.at(r, c))} + ${factor(parts.position.at(r, c))} = ${
            short(parts.sum.at(r, c))
          }`,
        ],
        lights: cells([scaled, positions], r, c),
      }),
    }, parts.sum);
  }

  /** Add the tokens of a side; a cell is a token. */
  tokens(side, row) {
    const count = this.length[side];
    return this.add({
      group: side,
      part: "embedding",
      role: "tokens",
      kind: "token",
      side,
      showsText: true,
      label: side === "source" ? "Source tokens" : "Tokens of the translation",
      formula: "text → tokens",
      section: side === "source" ? "§5.1" : "§3.1",
      codeKey: "embedding",
      shape: [1, count, 1],
      columnName: () => "token",
      text: side === "source"
        ? "The sentence is cut into tokens: words and pieces of words. The end is a token, too."
        : "What the decoder reads: a start token, then the translation so far. So the row of a " +
          "token predicts the token after it.",
      shapes: `${count} tokens`,
      value: (_, position) => row(position),
      made: (_, position) => ({
        lines: [`${this.token(side, position)} is row ${row(position)} of the embedding matrix`],
        lights: [],
      }),
    });
  }

  vocabularyMatrix(id, side, name, rows) {
    const { data, model } = this;
    const known = new Map(
      Object.values(data.tokens).map((token) => [token.row, tokenText(token)]),
    );
    const shared = model.tied && model.joint && side === "source";
    return this.matrix(name, [1, rows, model.d_model], (_, r, c) => [r, c], {
      id,
      group: side,
      part: "embedding",
      role: "matrix",
      label: side === "softmax" ? "Softmax matrix" : "Embedding matrix E",
      formula: "E",
      section: "§3.4",
      codeKey: "embedding",
      shapes: `(${rows}, ${model.d_model}): one row for each token of the vocabulary`,
      looked: side === "softmax" ? [] : this.ids[side].map((token) => data.tokens[token].row),
      rowName: (row) => (model.joint && known.get(row)) || `token ${row}`,
      columnName: (column) => `dimension ${column}`,
      text: "A table of learned numbers with one row for each token that the model knows. " +
        (shared
          ? "Source, translation and the last softmax share it. Rows of this sentence are marked."
          : "Rows of this sentence are marked."),
    });
  }

  layer(stack, index, layer, stream, memory = null) {
    const group = `${stack}.${index}`;
    const side = stack === "encoder" ? "source" : "target";
    let x = this.attention(group, side, "self", layer.self, stream, null);
    if (layer.cross) x = this.attention(group, side, "cross", layer.cross, x, memory);
    return this.feedForward(group, side, layer, x);
  }

  /** Add the norm that a pre-norm model has before a sub-layer; return the sub-layer's input. */
  normed(group, part, side, tensor, x) {
    if (!tensor) return x;
    return this.addNorm(
      { group, part, role: "normed", side },
      `${group}.${part === "feed_forward" ? part : `${part}_attention`}_norm.norm`,
      tensor,
      x,
    );
  }

  addNorm(block, name, tensor, x) {
    const norm = this.norm(name);
    return this.add({
      ...block,
      kind: "activation",
      label: normName(this.model),
      formula: `${normName(this.model)}(x)`,
      section: "§3.1",
      codeKey: "norm",
      shape: x.shape,
      inputs: [x.id],
      text: this.model.norm_kind === "rms"
        ? "Each row is divided by its own size, so that no row is too large for what follows."
        : "Each row is moved to mean 0 and scaled to size 1, so that no row is too large.",
      shapes: `(${x.shape[1]}, ${x.shape[2]}), each row alone`,
      value: tensor ? (_, r, c) => tensor.at(r, c) : null,
      made: (_, r, c) => ({
        lines: x.tensor ? normLines(x.tensor.row(r), c, norm) : [NO_WEIGHTS],
        lights: [{ id: x.id, slab: 0, row: r }],
      }),
    }, tensor);
  }

  /** Add the norm that ends a stack with pre-norm. */
  finalNorm(stack, group, x, side, recorded) {
    const norm = this.norm(`${stack}_norm`);
    const tensor = recorded ?? (norm.gain ? computed(x.tensor, norm) : null);
    return this.addNorm({ group, part: "output", role: "final", side }, `${stack}_norm`, tensor, x);
  }

  /** Add W and X · W for all heads: the queries, keys or values. */
  projection(group, part, role, side, input, tensor, { name, offset, section }) {
    const { model } = this;
    const [heads, , width] = tensor.shape;
    const letter = LETTERS[role];
    const weight = this.matrix(
      `${name}.weight`,
      [heads, input.shape[2], width],
      (s, r, c) => [offset + s * width + c, r],
      {
        group,
        part,
        role: `${role}_weight`,
        label: matrixName(letter),
        formula: `${matrixName(letter)}, one matrix a head`,
        codeKey: "heads",
        shapes: `(${heads} heads, ${input.shape[2]}, ${width})`,
        text: `Learned numbers that turn a row of ${input.shape[2]} numbers into ${
          { query: "a query", key: "a key", value: "a value" }[role]
        } of ${width} numbers, for each of ${heads} heads.`,
        above: `${group}.${part}.${role}`,
      },
    );
    const bias = this.weights[`${name}.bias`] ?? null;
    const turns = model.positions === "rotary" && part === "self" && role !== "value";
    const column = (s, c) => weight.tensor.row(offset + s * width + c);
    const plain = (s, r, c) =>
      dot(input.tensor.row(r), column(s, c)) + (bias?.at(offset + s * width + c) ?? 0);
    const made = (s, r, c) => {
      const lights = [{ id: input.id, slab: 0, row: r }, { id: weight.id, slab: s, column: c }];
      if (!weight.tensor || !input.tensor) return { lines: [NO_WEIGHTS], lights };
      const sum = products(input.tensor.row(r), column(s, c));
      const added = bias ? ` + ${factor(bias.at(offset + s * width + c))}` : "";
      const lines = [`x · w = ${sum.text}${added} = ${short(plain(s, r, c))}`];
      if (turns) {
        const even = c - c % 2;
        const pair = [plain(s, r, even), plain(s, r, even + 1)];
        lines.push(...rotationLines(pair, r, c, width));
      }
      return { lines, lights };
    };
    const what = { query: "Queries", key: "Keys", value: "Values" }[role];
    return this.add({
      group,
      part,
      role,
      kind: "activation",
      side,
      label: `${what} ${letter}`,
      formula: `${letter} = X ${matrixName(letter)}${
        turns ? ", then rotated by the position" : ""
      }`,
      section,
      codeKey: turns ? "positions" : "heads",
      shape: tensor.shape,
      inputs: [input.id, weight.id],
      text: {
        query: "A query is what a token asks for.",
        key: "A key is what a token offers to a query.",
        value: "A value is what a token hands over to those that look at it.",
      }[role] + ` Each of the ${heads} heads has its own, one slab behind the other.` +
        (turns ? " The position is put in by rotating pairs of numbers (Su et al., 2021)." : ""),
      shapes: `X (${input.shape[1]}, ${input.shape[2]}) · W (${heads} heads, ${
        input.shape[2]
      }, ${width}) → (${tensor.shape.join(", ")})`,
      value: (s, r, c) => tensor.at(s, r, c),
      made,
    }, tensor);
  }

  attention(group, side, part, seen, stream, memory) {
    const { model } = this;
    const across = part === "cross" ? "source" : side;
    const section = part === "self" && side === "source" ? "§3.2.2" : "§3.2.3";
    const module = `${group}.${part}_attention`;
    const input = this.normed(group, part, side, seen.normed, stream);
    const own = part === "self" ? `${module}.query_key_value` : `${module}.query`;
    const read = part === "self" ? own : `${module}.key_value`;
    const size = model.heads * model.d_k;
    const start = part === "self" ? size : 0;
    const project = (role, from, rows, name, offset) =>
      this.projection(group, part, role, rows, from, seen[role], { name, offset, section });
    const q = project("query", input, side, own, 0);
    const k = project("key", memory ?? input, across, read, start);
    const v = project("value", memory ?? input, across, read, start + size);
    const weights = this.scores(group, part, side, across, seen, q, k, section);
    const heads = this.headOutputs(group, part, side, seen, weights, v);
    const joined = this.joined(group, part, side, seen.joined, heads);
    const projected = this.linear(group, part, side, {
      name: `${module}.out`,
      input: joined,
      tensor: seen.projected,
      role: "projected",
      label: "Projected",
      letter: "O",
      codeKey: "heads",
      section: "§3.2.2",
      text: "One matrix mixes what all heads found, back to one row of d_model numbers a token.",
    });
    return this.added(group, part, side, seen.added, stream, projected);
  }

  /** Add the scores and the weights. */
  scores(group, part, side, across, seen, q, k, section) {
    const masked = part === "self" && side === "target";
    const { query, key, weights } = seen;
    const [heads, rows, width] = query.shape;
    const columns = key.shape[1];
    const root = Math.sqrt(width);
    const hidden = (r, c) => masked && c > r;
    const score = (s, r, c) => hidden(r, c) ? null : dot(query.row(s, r), key.row(s, c)) / root;
    const common = { group, part, kind: "attention", side, across, shape: [heads, rows, columns] };
    const mask = masked
      ? " A query sees no later position: those cells are hidden, since they are not written yet."
      : "";
    const scores = this.add({
      ...common,
      role: "scores",
      label: "Scores",
      formula: `Q Kᵀ ÷ √dₖ${masked ? " + mask" : ""}`,
      section: masked ? section : "§3.2.1",
      codeKey: masked ? "masks" : "attention",
      inputs: [q.id, k.id],
      text: "Each query meets each key: the more alike they are, the greater their product." + mask,
      shapes:
        `Q (${heads} heads, ${rows}, ${width}) · Kᵀ (${heads}, ${width}, ${columns}) → (${heads}, ${rows}, ${columns})`,
      value: score,
      made: (s, r, c) => {
        const lights = [{ id: q.id, slab: s, row: r }, { id: k.id, slab: s, row: c }];
        if (hidden(r, c)) return { lines: ["a later position: the mask hides it (−∞)"], lights };
        const sum = products(query.row(s, r), key.row(s, c));
        return {
          lines: [
            `q · k = ${sum.text} = ${short(sum.total)}`,
            `q · k ÷ √dₖ = ${short(sum.total)} ÷ √${width} = ${short(sum.total / root)}`,
          ],
          lights,
        };
      },
    });
    return this.add({
      ...common,
      role: "weights",
      label: "Attention weights",
      formula: "softmax(scores), row by row",
      section: "§3.2.1",
      codeKey: "attention",
      inputs: [scores.id],
      text:
        "Softmax turns a row of scores into shares that add up to 1: how much a token looks at " +
        "each other." + mask,
      shapes: `softmax over ${columns} keys: (${heads} heads, ${rows}, ${columns})`,
      value: (s, r, c) => hidden(r, c) ? null : weights.at(s, r, c),
      made: (s, r, c) => ({
        lines: softmaxLines(
          Array.from({ length: columns }, (_, at) => score(s, r, at)),
          c,
          (at) => this.token(across, at),
        ),
        lights: [{ id: scores.id, slab: s, row: r }],
      }),
    }, weights);
  }

  headOutputs(group, part, side, seen, weights, v) {
    const { weights: shares, value, joined } = seen;
    const [heads, rows, columns] = shares.shape;
    const width = value.shape[2];
    return this.add({
      group,
      part,
      role: "heads",
      kind: "activation",
      label: "Head outputs",
      formula: "softmax(Q Kᵀ ÷ √dₖ) V",
      section: "§3.2.1",
      codeKey: "attention",
      side,
      shape: [heads, rows, width],
      inputs: [weights.id, v.id],
      text: "Each token takes the values of all tokens, each times its share, and adds them up.",
      shapes:
        `weights (${heads} heads, ${rows}, ${columns}) · V (${heads}, ${columns}, ${width}) → (${heads}, ${rows}, ${width})`,
      value: (s, r, c) => joined.at(r, s * width + c),
      made: (s, r, c) => {
        const taken = Array.from({ length: columns }, (_, at) => value.at(s, at, c));
        const sum = products(shares.row(s, r), taken);
        return {
          lines: [`weights · v = ${sum.text} = ${short(sum.total)}`],
          lights: [{ id: weights.id, slab: s, row: r }, { id: v.id, slab: s, column: c }],
        };
      },
    });
  }

  joined(group, part, side, tensor, heads) {
    const [count, rows, width] = heads.shape;
    return this.add({
      group,
      part,
      role: "joined",
      kind: "activation",
      side,
      label: "Heads joined",
      formula: "Concat(head₁, …, headₕ)",
      section: "§3.2.2",
      codeKey: "heads",
      shape: [1, rows, count * width],
      inputs: [heads.id],
      text: "The slabs of all heads are put side by side, so each token is one row again.",
      shapes: `${count} × (${rows}, ${width}) → (${rows}, ${count * width})`,
      value: (_, r, c) => tensor.at(r, c),
      made: (_, r, c) => {
        const [slab, column] = [Math.floor(c / width), c % width];
        return {
          lines: [`number ${column} of head ${slab + 1}, copied: ${short(tensor.at(r, c))}`],
          lights: [{ id: heads.id, slab, row: r, column }],
        };
      },
    }, tensor);
  }

  /** Add a matrix W, with its bias if there is one, and X · W. */
  linear(group, part, side, about) {
    const { name, input, tensor, role, letter } = about;
    const [rows, columns] = tensor.shape;
    const inner = input.shape[2];
    const sign = matrixName(letter);
    const weight = this.matrix(`${name}.weight`, [1, inner, columns], (_, r, c) => [c, r], {
      group,
      part,
      role: `${role}_weight`,
      label: sign,
      formula: sign,
      section: about.section,
      codeKey: about.codeKey,
      shapes: `(${inner}, ${columns})`,
      text: `Learned numbers that turn rows of ${inner} numbers into rows of ${columns}.`,
      above: `${group}.${part}.${role}`,
    });
    const bias = this.weights[`${name}.bias`] ?? null;
    return this.add({
      group,
      part,
      role,
      kind: "activation",
      side,
      label: about.label,
      formula: `X ${sign}${bias ? " + b" : ""}`,
      section: about.section,
      codeKey: about.codeKey,
      shape: [1, rows, columns],
      inputs: [input.id, weight.id],
      text: about.text,
      shapes: `X (${rows}, ${inner}) · ${sign} (${inner}, ${columns}) → (${rows}, ${columns})`,
      value: (_, r, c) => tensor.at(r, c),
      made: (_, r, c) => {
        const lights = [{ id: input.id, slab: 0, row: r }, { id: weight.id, slab: 0, column: c }];
        if (!weight.tensor) return { lines: [NO_WEIGHTS], lights };
        const sum = products(input.tensor.row(r), weight.tensor.row(c));
        const shift = bias ? ` + ${factor(bias.at(c))} (bias)` : "";
        const total = short(sum.total + (bias?.at(c) ?? 0));
        return { lines: [`x · w = ${sum.text}${shift} = ${total}`], lights };
      },
    }, tensor);
  }

  /** Add the residual connection, with the norm of a post-norm model. */
  added(group, part, side, tensor, x, y) {
    const isPost = this.model.norm === "post";
    const name = part === "feed_forward" ? part : `${part}_attention`;
    const norm = this.norm(`${group}.${name}_norm.norm`);
    const normal = normName(this.model);
    return this.add({
      group,
      part,
      role: "added",
      kind: "activation",
      side,
      label: isPost ? "Added and normalised" : "Added",
      formula: isPost ? `${normal}(x + sub-layer(x))` : `x + sub-layer(${normal}(x))`,
      section: "§3.1",
      codeKey: "norm",
      shape: x.shape,
      inputs: [x.id, y.id],
      text: "The sub-layer's result is added to what went in, so nothing is lost on the way. " +
        (isPost ? "Then each row is brought back to a common size." : ""),
      shapes: `(${tensor.shape.join(", ")}) + (${tensor.shape.join(", ")})`,
      value: (_, r, c) => tensor.at(r, c),
      made: (_, r, c) => {
        const [one, other] = [x.tensor.row(r), y.tensor.row(r)];
        const total = one.map((each, at) => each + other[at]);
        const sum = `x + sub-layer(x) = ${short(one[c])} + ${factor(other[c])} = ${
          short(total[c])
        }`;
        return {
          lines: isPost ? [sum, ...normLines(total, c, norm)] : [sum],
          lights: isPost ? [x, y].map(({ id }) => ({ id, slab: 0, row: r })) : cells([x, y], r, c),
        };
      },
    }, tensor);
  }

  feedForward(group, side, layer, stream) {
    const part = "feed_forward";
    const input = this.normed(group, part, side, layer.normed, stream);
    const hidden = this.hidden(group, side, layer.hidden, input);
    const output = this.linear(group, part, side, {
      name: `${group}.feed_forward.outer`,
      input: hidden,
      tensor: layer.feed_forward,
      role: "output",
      label: "Feed-forward output",
      letter: "2",
      codeKey: "feed_forward",
      section: "§3.3",
      text: "A second matrix brings each row back to d_model numbers.",
    });
    return this.added(group, part, side, layer.output, stream, output);
  }

  /** Add the first matrix of a feed-forward sub-layer, or both of a gated one, and its units. */
  hidden(group, side, tensor, input) {
    const part = "feed_forward";
    const [rows, width] = tensor.shape;
    const inner = input.shape[2];
    const activation = ACTIVATIONS[this.model.activation];
    const gates = activation.gates === true;
    const name = `${group}.feed_forward.inner`;
    const slabs = gates ? 2 : 1;
    const weight = this.matrix(
      `${name}.weight`,
      [slabs, inner, width],
      (s, r, c) => [s * width + c, r],
      {
        group,
        part,
        role: "hidden_weight",
        label: gates ? "W and V" : "W₁",
        formula: gates ? "W (the gate's), and V behind it" : "W₁",
        section: "§3.3",
        codeKey: "feed_forward",
        shapes: `(${gates ? "2, " : ""}${inner}, ${width})`,
        text: `Learned numbers that turn rows of ${inner} numbers into rows of ${width}.`,
        above: `${group}.${part}.hidden`,
      },
    );
    const bias = this.weights[`${name}.bias`] ?? null;
    const made = (_, r, c) => {
      const lights = Array.from(
        { length: slabs },
        (__, slab) => ({ id: weight.id, slab, column: c }),
      );
      lights.push({ id: input.id, slab: 0, row: r });
      if (!weight.tensor) return { lines: [NO_WEIGHTS], lights };
      const part = (slab, letter) => {
        const at = slab * width + c;
        const sum = products(input.tensor.row(r), weight.tensor.row(at));
        const total = sum.total + (bias?.at(at) ?? 0);
        const shift = bias ? ` + ${factor(bias.at(at))} (bias)` : "";
        return { total, line: `${letter} = ${sum.text}${shift} = ${short(total)}` };
      };
      const z = part(0, "z = x · w");
      const gated = activation.of(z.total);
      if (!gates) return { lines: [z.line, `${activation.name} = ${short(gated)}`], lights };
      const u = part(1, "u = x · v");
      const product = `${activation.name} × u = ${short(gated)} × ${factor(u.total)} = ${
        short(gated * u.total)
      }`;
      return { lines: [z.line, u.line, product], lights };
    };
    return this.add({
      group,
      part,
      role: "hidden",
      kind: "activation",
      side,
      label: "Hidden units",
      formula: gates
        ? `f(x W + b) ⊙ (x V + c), f(z) = ${activation.name}`
        : `f(x W₁ + b₁), f(z) = ${activation.name}`,
      section: "§3.3",
      codeKey: "feed_forward",
      shape: [1, rows, width],
      inputs: [input.id, weight.id],
      text: "Each token is processed alone, by the same two steps. " +
        (gates
          ? "One half of the units decides how much of the other half passes: a gate."
          : this.model.activation === "relu"
          ? "Units below zero are set to 0: they are off for this token."
          : "Units far below zero are nearly off for this token."),
      shapes: `X (${rows}, ${inner}) · W (${inner}, ${width}) → (${rows}, ${width})`,
      value: (_, r, c) => tensor.at(r, c),
      columnName: (column) => `unit ${column}`,
      made,
    }, tensor);
  }

  softmax(output) {
    const own = "embeddings.own_softmax_weight" in this.weights;
    const matrix = this.weights[own ? "embeddings.own_softmax_weight" : "embeddings.weight"];
    if (!matrix) return this.bestTokens(output);
    const vocabulary = matrix.shape[0];
    if (own) {
      const name = "embeddings.own_softmax_weight";
      this.embeddings = this.vocabularyMatrix("softmax.matrix", "softmax", name, vocabulary).id;
    }
    const { data, model, embeddings } = this;
    const bias = this.weights["embeddings.softmax_bias"] ?? null;
    const steps = this.length.target;
    let all = null; // computed when it is first read
    const logits = (step) => (all ??= logitsOf(output.tensor, steps, matrix, bias))[step];
    const one = data.next_tokens.temperatures.indexOf(1);
    const sum = (step) => data.next_tokens.steps[step].log_sums[one];
    const name = this.blocks.find(({ id }) => id === embeddings).rowName;
    const common = {
      group: "softmax",
      part: "softmax",
      shape: [1, vocabulary, steps],
      rowName: name,
      columnName: (step) => `step ${step + 1}, after ${this.token("target", step)}`,
      across: "target",
      section: "§3.4",
    };
    const scores = this.add({
      ...common,
      role: "logits",
      kind: "activation",
      label: "Logits",
      formula: `E · x${bias ? " + b" : ""} for every token`,
      codeKey: "project",
      inputs: [output.id, embeddings],
      text:
        "The decoder's last row is compared with the row of every token of the vocabulary. One " +
        "column is one step, one row is one token.",
      shapes:
        `E (${vocabulary}, ${model.d_model}) · xᵀ (${model.d_model}, ${steps}) → (${vocabulary}, ${steps})`,
      value: (_, r, c) => logits(c)[r],
      made: (_, r, c) => {
        const made = products(output.tensor.row(c), matrix.row(r));
        const shift = bias ? ` + ${factor(bias.at(r))} (bias)` : "";
        return {
          lines: [`x · e = ${made.text}${shift} = ${short(logits(c)[r])}`],
          lights: [{ id: output.id, slab: 0, row: c }, { id: embeddings, slab: 0, row: r }],
        };
      },
    });
    this.add({
      ...common,
      role: "probabilities",
      kind: "attention",
      label: "Probabilities",
      formula: "softmax(logits)",
      codeKey: "softmax",
      inputs: [scores.id],
      text: "Softmax turns the logits of a step into probabilities: all tokens together have 1.",
      shapes: `softmax over ${vocabulary} tokens: (${vocabulary}, ${steps})`,
      value: (_, r, c) => Math.exp(logits(c)[r] - sum(c)),
      made: (_, r, c) => ({
        lines: [
          `exp(${short(logits(c)[r])}) ÷ sum of exp of all ${vocabulary} = exp(${
            short(logits(c)[r])
          } − ${factor(sum(c))}) = ${short(Math.exp(logits(c)[r] - sum(c)))}`,
        ],
        lights: [{ id: scores.id, slab: 0, column: c }],
      }),
    });
  }

  /** Add the most probable tokens of each step, for a page without weights. */
  bestTokens(output) {
    const { data } = this;
    const { steps, temperatures } = data.next_tokens;
    const one = temperatures.indexOf(1);
    const rows = Math.max(...steps.map((step) => step.tokens.length));
    const probability = (step, rank) => {
      const { logits, log_sums: sums } = steps[step];
      return rank < logits.length ? Math.exp(logits[rank] - sums[one]) : null;
    };
    this.add({
      group: "softmax",
      part: "softmax",
      role: "probabilities",
      kind: "attention",
      across: "target",
      label: "Most probable tokens",
      formula: "softmax(E · x)",
      section: "§3.4",
      codeKey: "softmax",
      shape: [1, rows, steps.length],
      inputs: [output.id],
      rowName: (rank) => `rank ${rank + 1}`,
      columnName: (step) => `step ${step + 1}, after ${this.token("target", step)}`,
      text:
        "The decoder's last row is compared with every token, and softmax makes probabilities. " +
        "Here are the most probable tokens of each step.",
      shapes: `the best ${rows} of ${data.model.vocabulary} tokens, ${steps.length} steps`,
      value: (_, rank, step) => probability(step, rank),
      made: (_, rank, step) => {
        const lights = [{ id: output.id, slab: 0, row: step }];
        const token = steps[step].tokens[rank];
        if (token === undefined) return { lines: ["the token chosen is among the others"], lights };
        return {
          lines: [
            `${tokenText(data.tokens[token])}: exp(${short(steps[step].logits[rank])} − ${
              factor(steps[step].log_sums[one])
            }) = ${short(probability(step, rank))}`,
          ],
          lights,
        };
      },
    });
  }

  /** Add the beam: a block for each step, a row for each candidate, best first. */
  beam() {
    const { data } = this;
    const { nodes, steps } = growTree(data.beam);
    steps.forEach((column, step) => {
      const share = (node) => Math.exp(node.logProb - (nodes[node.parent]?.logProb ?? 0));
      this.add({
        group: "beam",
        part: "beam",
        role: String(step),
        kind: "beam",
        showsText: true,
        label: step === 0 ? "Beam search begins" : `Beam, step ${step}`,
        formula: "score = log p ÷ ((5 + length) ÷ 6)^α",
        section: "§6.1",
        codeKey: "beam",
        shape: [1, column.length, 1],
        inputs: step ? [`beam.beam.${step - 1}`] : [],
        nodes: column,
        rowName: (row) => tokenText(data.tokens[column[row].token]),
        columnName: () => `step ${step}`,
        text: step === 0
          ? "The search begins with the start token."
          : `Every kept text is continued by one token. The best ${data.beam.size} are kept.`,
        shapes: `${column.length} candidates, at most ${data.beam.size} are kept`,
        value: (_, row) => share(column[row]),
        made: (_, row) => beamLines(column[row], nodes, data.beam.alpha, share(column[row])),
      });
    });
  }
}

function beamLines(node, nodes, alpha, share) {
  if (node.parent === null) return { lines: ["the start token"], lights: [] };
  const above = nodes[node.parent];
  const penalty = ((5 + node.step) / 6) ** alpha;
  const state = node.wins ? "part of the translation" : node.status;
  return {
    lines: [
      `log p = ${short(above.logProb)} + ln(${short(share)}) = ${short(node.logProb)}`,
      `score = ${short(node.logProb)} ÷ ${short(penalty)} = ${short(node.score)}; ${state}`,
    ],
    lights: [{ id: `beam.beam.${above.step}`, slab: 0, row: above.row, column: 0 }],
  };
}

function cells(streams, row, column) {
  return streams.map(({ id }) => ({ id, slab: 0, row, column }));
}

/** Return the normalised rows of a tensor, which can be read like a tensor. */
function computed(tensor, norm) {
  const rows = [];
  const row = (r) => rows[r] ??= normalise(tensor.row(r), norm).values;
  return { shape: tensor.shape, row, at: (r, c) => row(r)[c] };
}

function logitsOf(output, steps, matrix, bias) {
  const [vocabulary] = matrix.shape;
  const inputs = Array.from({ length: steps }, (_, step) => output.row(step));
  const logits = inputs.map(() => new Float32Array(vocabulary));
  for (let token = 0; token < vocabulary; token++) {
    const row = matrix.row(token);
    const shift = bias?.at(token) ?? 0;
    inputs.forEach((x, step) => logits[step][token] = dot(x, row) + shift);
  }
  return logits;
}

/** Return the name of a matrix, W^Q or W₂. */
function matrixName(letter) {
  return letter === "2" ? "W₂" : `W^${letter}`;
}
