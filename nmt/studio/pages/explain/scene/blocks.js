/** The tensors of the model for one sentence, in the order in which they are computed. No drawing. */

import { probability } from "../probabilities.js";
import { tokenText } from "../tokens.js";
import { growTree } from "../tree.js";
import { ACTIVATIONS, dot } from "../live/matrix.js";
import { about } from "./about.js";
import { factor, normLines, positionLines, products, rotationLines } from "./sums.js";
import { short, softmaxLines } from "./sums.js";

const NO_WEIGHTS = "The weights are not in this page.";
const OFF = "Switched off, so that it is 0.";
const LEARNED = "A learned number: training moved it until the translations were good.";

/**
 * Return the blocks in the order of the data; `isOff(name)` tells which parts of the model are
 * switched off, by the names of live/model.js. A block has
 * - `id`, which is its `group` ("source", "encoder.0", "target", "decoder.0", "softmax", "beam"),
 *   `part` and `role`;
 * - `label`, `formula`, `section`, `text`, `shapes`, `codeKey`: what the panel says;
 * - `kind`: "weight", "activation", "attention", "token" or "beam"; `showsText`: its cells are texts;
 * - `shape`: [slabs, rows, columns]; a slab is a head; `front`: the slab that stands in front;
 * - `value(slab, row, column)`: a number, null for what a mask hides; null without weights;
 * - `side` and `across`: "source" or "target" if its rows or columns are tokens of that text;
 * - `rowName(row)`, `columnName(column)`; `inputs`: ids of the blocks that it is computed from;
 * - `above`: the id of the block that is the product with this weight matrix;
 * - `made(slab, row, column)`: {lines, lights}: the sum, and the parts of the inputs in it. A light
 *   {id, slab, row, column} is a row, a column, or a cell if it has both.
 */
export function buildBlocks(data, isOff) {
  return new Builder(data, isOff).build();
}

class Builder {
  constructor(data, isOff = () => false) {
    this.isOff = isOff;
    this.weights = data.live?.weights ?? {};
    const shares = "embeddings.weight" in this.weights && data.model.tied &&
      !("embeddings.own_source_weight" in this.weights);
    Object.assign(this, { data, model: { ...data.model, shares }, blocks: [] });
    this.epsilon = data.live?.model?.norm_epsilon ?? 1e-6;
    this.ids = { source: data.source.ids, target: data.target.inputs };
    this.known = new Map(Object.values(data.tokens).map((token) => [token.row, tokenText(token)]));
  }

  build() {
    const { data } = this;
    let stream = this.embedding("source");
    data.encoder.forEach((layer, index) => stream = this.layer("encoder", index, layer, stream));
    const memory = this.finish("encoder", stream, "source", data.encoder_output);
    stream = this.embedding("target");
    data.decoder.forEach((layer, index) =>
      stream = this.layer("decoder", index, layer, stream, memory)
    );
    this.softmax(this.finish("decoder", stream, "target", data.decoder_output));
    this.beam();
    return this.blocks;
  }

  /**
   * Add a block; what is not given follows from its role, its shape and the `tensor` of its numbers.
   * `joins`: the operator between its inputs. Return its id, tensor and shape.
   */
  add({ tensor = null, from = [], joins = "", ...given }) {
    const { group, part, role, side = null, across = null } = given;
    const shape = given.shape ?? [1, ...tensor.shape].slice(-3);
    const block = {
      id: `${group}.${part}.${role}`,
      kind: "activation",
      shape,
      front: 0,
      across,
      inputs: from.map(({ id }) => id),
      value: tensor &&
        ((s, r, c) => tensor.shape.length === 3 ? tensor.at(s, r, c) : tensor.at(r, c)),
      rowName: (row) => side ? this.token(side, row) : `row ${row}`,
      columnName: (column) => across ? this.token(across, column) : `dimension ${column}`,
      ...(given.label ? {} : about(role, part, side ?? given.matrixOf, this.model)),
      ...given,
      side,
    };
    const terms = from.map((each) => `${each.label} ${size(each)}`).join(` ${joins} `);
    block.shapes = terms ? `${terms} → ${size(block)}` : size(block);
    this.blocks.push(block);
    return { id: block.id, label: block.label, tensor, shape };
  }

  /** Return the label of a token at a position of a side. */
  token(side, position) {
    return tokenText(this.data.tokens[this.ids[side][position]]);
  }

  embedding(side) {
    const { data, model } = this;
    const parts = data.embedding[side];
    const at = { group: side, part: "embedding", side };
    const row = (position) => data.tokens[this.ids[side][position]].row;
    const tokens = this.add({
      ...at,
      role: "tokens",
      kind: "token",
      showsText: true,
      shape: [1, this.ids[side].length, 1],
      columnName: () => "token",
      value: (_, r) => row(r),
      made: (_, r) => made([`“${this.token(side, r)}” is row ${row(r)} of the embedding matrix.`]),
    });
    const own = side === "source" && "embeddings.own_source_weight" in this.weights;
    const shares = side === "target" && model.joint &&
      !("embeddings.own_source_weight" in this.weights);
    if (!shares) {
      const count = side === "source" ? model.source_vocabulary : model.vocabulary;
      this.matrix = this.vocabulary(side, own ? "own_source_weight" : "weight", count, row);
    }
    const { matrix } = this;
    const root = Math.sqrt(model.d_model);
    const scaled = this.add({
      ...at,
      role: "scaled",
      tensor: parts.scaled,
      from: [tokens, matrix],
      joins: "in",
      made: (_, r, c) => {
        const value = parts.scaled.at(r, c);
        const product = `${short(value / root)} × ${short(root)} = ${short(value)}`;
        const line = `E[${row(r)}, ${c}] × √${model.d_model} = ${product}`;
        return made([line], rowOf(tokens, r), rowOf(matrix, row(r)));
      },
    });
    if (model.positions === "rotary") return scaled;
    const isOff = this.isOff("positions");
    const position = this.add({
      ...at,
      role: "position",
      tensor: parts.position,
      made: (_, r, c) => made(isOff ? [OFF] : positionLines(model, r, c, parts.position.at(r, c))),
    });
    return this.add({
      ...at,
      role: "sum",
      tensor: parts.sum,
      from: [scaled, position],
      joins: "+",
      made: (_, r, c) => {
        const [meaning, place, total] = [parts.scaled, parts.position, parts.sum].map((each) =>
          each.at(r, c)
        );
        const line = `${short(meaning)} + ${factor(place)} = ${short(total)}`;
        return made([line], cellOf(scaled, r, c), cellOf(position, r, c));
      },
    });
  }

  /** Add a matrix with a row for each token of a vocabulary. */
  vocabulary(group, name, rows, rowOf = null) {
    const tensor = this.weights[`embeddings.${name}`] ?? null;
    return this.add({
      group,
      part: group === "softmax" ? "softmax" : "embedding",
      role: "matrix",
      matrixOf: group,
      kind: "weight",
      tensor,
      shape: [1, rows, this.model.d_model],
      looked: rowOf ? this.ids[group].map((_, position) => rowOf(position)) : [],
      rowName: (row) => this.vocabularyName(row),
      made: () => made([tensor ? LEARNED : NO_WEIGHTS]),
    });
  }

  vocabularyName(row) {
    return (this.model.joint && this.known.get(row)) || `token ${row}`;
  }

  layer(stack, index, layer, stream, memory = null) {
    const at = { group: `${stack}.${index}`, side: stack === "encoder" ? "source" : "target" };
    let x = this.attention({ ...at, part: "self" }, layer.self, stream, null);
    if (layer.cross) x = this.attention({ ...at, part: "cross" }, layer.cross, x, memory);
    return this.feedForward({ ...at, part: "feed_forward" }, layer, x);
  }

  norm(name) {
    const gain = this.weights[`${name}.weight`]?.row() ?? null;
    const bias = this.weights[`${name}.bias`]?.row() ?? null;
    return { kind: this.model.norm_kind, epsilon: this.epsilon, gain, bias };
  }

  /** Add a norm of `x`, whose numbers are `tensor`. */
  addNorm(at, role, name, tensor, x) {
    const norm = this.norm(name);
    return this.add({
      ...at,
      role,
      tensor,
      shape: x.shape,
      from: [x],
      made: (_, r, c) => made(normLines(x.tensor.row(r), c, norm), rowOf(x, r)),
    });
  }

  /** Add the norm before a sub-layer of a pre-norm model; return the sub-layer's input. */
  normed(at, name, recorded, x) {
    return recorded ? this.addNorm(at, "normed", `${name}_norm.norm`, recorded, x) : x;
  }

  /** Add the norm that ends a stack of a pre-norm model. */
  finish(stack, x, side, recorded) {
    if (this.model.norm !== "pre") return x;
    const at = { group: `${stack}.${this.data[stack].length - 1}`, part: "output", side };
    return this.addNorm(at, "final", `${stack}_norm`, recorded, x);
  }

  /** Add the residual connection, with the norm of a post-norm model. */
  added(at, name, tensor, x, y) {
    const isPost = this.model.norm === "post";
    const norm = this.norm(`${name}_norm.norm`);
    const isOff = this.isOff(name);
    return this.add({
      ...at,
      role: "added",
      tensor,
      from: [x, y],
      joins: "+",
      made: (_, r, c) => {
        const [one, other] = [x.tensor.row(r), y.tensor.row(r)];
        const total = isOff ? other : one.map((each, index) => each + other[index]);
        const sum = isOff
          ? `x is switched off, so that y = ${short(other[c])} goes on alone`
          : `x + y = ${short(one[c])} + ${factor(other[c])} = ${short(total[c])}`;
        return isPost
          ? made([sum, ...normLines(total, c, norm)], rowOf(x, r), rowOf(y, r))
          : made([sum], cellOf(x, r, c), cellOf(y, r, c));
      },
    });
  }

  /**
   * Add a matrix of weights and the product of `x` with it, whose numbers are `tensor`. Column c of
   * slab s is row `offset` + s * columns + c of the weights. `finish(s, r, c, z)` returns more lines;
   * z(slab, column) computes a number of the product. `slabs`: of the matrix.
   */
  linear(at, role, name, x, tensor, { offset = 0, slabs = 1, finish = () => [], ...more } = {}) {
    const weights = this.weights[`${name}.weight`] ?? null;
    const bias = this.weights[`${name}.bias`] ?? null;
    const [inner, columns] = [x.shape[2], tensor.shape.at(-1)];
    const rowFor = (s, c) => offset + s * columns + c;
    const weight = this.add({
      ...at,
      side: null,
      role: `${role}_weight`,
      kind: "weight",
      tensor: weights &&
        { ...weights, at: (s, r, c) => weights.at(rowFor(s, c), r), shape: [1, 1, 1] },
      shape: [slabs, inner, columns],
      rowName: (row) => `input ${row}`,
      columnName: (column) => `output ${column}`,
      above: `${at.group}.${at.part}.${role}`,
      made: () => made([weights ? LEARNED : NO_WEIGHTS]),
    });
    const isGated = slabs > 1 && tensor.shape.length === 2;
    return this.add({
      ...at,
      role,
      tensor,
      from: [x, weight],
      joins: "·",
      ...more,
      made: (s, r, c) => {
        const used = isGated ? [0, 1] : [s];
        const lights = [rowOf(x, r), ...used.map((slab) => columnOf(weight, c, slab))];
        if (!weights) return made([NO_WEIGHTS], ...lights);
        const row = x.tensor.row(r);
        const shift = (slab, column) => bias?.at(rowFor(slab, column)) ?? 0;
        const z = (slab, column) =>
          dot(row, weights.row(rowFor(slab, column))) + shift(slab, column);
        const lines = used.map((slab) => {
          const name = isGated && slab ? "u = x · v" : "z = x · w";
          const { text } = products(row, weights.row(rowFor(slab, c)));
          const more = bias ? ` + ${factor(shift(slab, c))} (bias)` : "";
          return `${name} = ${text}${more} = ${short(z(slab, c))}`;
        });
        return made([...lines, ...finish(s, r, c, z)], ...lights);
      },
    });
  }

  attention(at, seen, stream, memory) {
    const { model } = this;
    const across = memory ? "source" : at.side;
    const module = `${at.group}.${at.part}_attention`;
    const input = this.normed(at, module, seen.normed, stream);
    const names = memory ? ["query", "key_value", "key_value"] : Array(3).fill("query_key_value");
    const size = model.heads * model.d_k;
    const offsets = memory ? [0, 0, size] : [0, size, 2 * size];
    const [q, k, v] = ["query", "key", "value"].map((role, index) => {
      const turns = model.positions === "rotary" && !memory && role !== "value" &&
        !this.isOff("positions");
      const x = index && memory ? memory : input;
      const side = index ? across : at.side;
      return this.linear({ ...at, side }, role, `${module}.${names[index]}`, x, seen[role], {
        offset: offsets[index],
        slabs: model.heads,
        finish: (s, r, c, z) =>
          turns
            ? rotationLines([z(s, c - c % 2), z(s, c - c % 2 + 1)], r, c, seen[role].shape[2])
            : [],
      });
    });
    const weights = this.scores({ ...at, across, kind: "attention" }, seen, q, k);
    const joined = this.heads(at, seen, weights, v, module);
    const projected = this.linear(at, "projected", `${module}.out`, joined, seen.projected);
    return this.added(at, module, seen.added, stream, projected);
  }

  /** Add the scores and the weights. */
  scores(at, { query, key, weights }, q, k) {
    const masked = at.part === "self" && at.side === "target";
    const [, , width] = query.shape;
    const [, , columns] = weights.shape;
    const root = Math.sqrt(width);
    const hidden = (r, c) => masked && c > r;
    const [queryOf, keyOf] = [query, key].map(kept);
    const value = (s, r, c) => hidden(r, c) ? null : dot(queryOf(s, r), keyOf(s, c)) / root;
    const turned = { label: "Kᵀ", shape: [k.shape[0], width, columns], id: k.id };
    const scores = this.add({
      ...at,
      role: "scores",
      shape: weights.shape,
      from: [q, turned],
      joins: "·",
      value,
      made: (s, r, c) => {
        const lights = [rowOf(q, r, s), rowOf(k, c, s)];
        if (hidden(r, c)) return made(["A later position: the mask hides it (−∞)."], ...lights);
        const { text, total } = products(queryOf(s, r), keyOf(s, c));
        const line = `q · k ÷ √dₖ = ${short(total)} ÷ √${width} = ${short(total / root)}`;
        return made([`q · k = ${text} = ${short(total)}`, line], ...lights);
      },
    });
    return this.add({
      ...at,
      role: "weights",
      tensor: weights,
      from: [scores],
      value: (s, r, c) => hidden(r, c) ? null : weights.at(s, r, c),
      made: (s, r, c) => {
        const row = Array.from({ length: columns }, (_, index) => value(s, r, index));
        const names = (index) => this.token(at.across, index);
        return made(softmaxLines(row, c, names), rowOf(scores, r, s));
      },
    });
  }

  /** Add the outputs of the heads, and the block that joins them. */
  heads(at, { weights, value, joined }, shares, v, module) {
    const [heads, rows, columns] = weights.shape;
    const isOff = [...Array(heads).keys()].map((head) => this.isOff(`${module}.${head}`));
    const width = value.shape[2];
    const outputs = this.add({
      ...at,
      role: "heads",
      shape: [heads, rows, width],
      from: [shares, v],
      joins: "·",
      value: (s, r, c) => joined.at(r, s * width + c),
      made: (s, r, c) => {
        const taken = Array.from({ length: columns }, (_, index) => value.at(s, index, c));
        const { text, total } = products(weights.row(s, r), taken);
        const line = isOff[s] ? OFF : `weights · v = ${text} = ${short(total)}`;
        return made([line], rowOf(shares, r, s), columnOf(v, c, s));
      },
    });
    return this.add({
      ...at,
      role: "joined",
      tensor: joined,
      from: [outputs],
      made: (_, r, c) => {
        const [slab, column] = [Math.floor(c / width), c % width];
        const line = `number ${column} of head ${slab + 1}, copied: ${short(joined.at(r, c))}`;
        return made([line], cellOf(outputs, r, column, slab));
      },
    });
  }

  feedForward(at, layer, stream) {
    const module = `${at.group}.feed_forward`;
    const input = this.normed(at, module, layer.normed, stream);
    const { name, of, gates } = ACTIVATIONS[this.model.activation];
    const finish = (_, __, c, z) => {
      const passed = of(z(0, c));
      if (!gates) return [`${name} = ${short(passed)}`];
      const u = z(1, c);
      return [`${name} × u = ${short(passed)} × ${factor(u)} = ${short(passed * u)}`];
    };
    const hidden = this.linear(at, "hidden", `${module}.inner`, input, layer.hidden, {
      slabs: gates ? 2 : 1,
      finish,
      columnName: (column) => `unit ${column}`,
    });
    const output = this.linear(at, "output", `${module}.outer`, hidden, layer.feed_forward);
    return this.added(at, module, layer.output, stream, output);
  }

  softmax(output) {
    const own = "own_softmax_weight";
    const isOwn = `embeddings.${own}` in this.weights;
    const weights = this.weights[isOwn ? `embeddings.${own}` : "embeddings.weight"];
    if (!weights) return this.bestTokens(output);
    const [vocabulary] = weights.shape;
    if (isOwn) this.matrix = this.vocabulary("softmax", own, vocabulary);
    const { data, matrix } = this;
    const bias = this.weights["embeddings.softmax_bias"] ?? null;
    const steps = data.target.outputs.length;
    let all = null; // computed when it is first read
    const logits = (step) => (all ??= logitsOf(output.tensor, steps, weights, bias))[step];
    const one = data.next_tokens.temperatures.indexOf(1);
    const sum = (step) => data.next_tokens.steps[step].log_sums[one];
    const at = this.ofSteps([1, vocabulary, steps], (row) => this.vocabularyName(row));
    at.isNamed = (row) => this.known.has(row);
    at.chosen = (step) => data.tokens[data.target.outputs[step]].row;
    const scores = this.add({
      ...at,
      role: "logits",
      kind: "activation",
      from: [matrix, output],
      joins: "·",
      value: (_, r, c) => logits(c)[r],
      made: (_, r, c) => {
        const { text } = products(output.tensor.row(c), weights.row(r));
        const shift = bias ? ` + ${factor(bias.at(r))} (bias)` : "";
        const line = `x · e = ${text}${shift} = ${short(logits(c)[r])}`;
        return made([line], rowOf(output, c), rowOf(matrix, r));
      },
    });
    this.add({
      ...at,
      role: "probabilities",
      from: [scores],
      value: (_, r, c) => Math.exp(logits(c)[r] - sum(c)),
      made: (_, r, c) => made([shareLine(logits(c)[r], sum(c))], columnOf(scores, c)),
    });
  }

  /** Return what blocks have in common whose columns are steps of the decoder. */
  ofSteps(shape, rowName) {
    return {
      group: "softmax",
      part: "softmax",
      kind: "attention",
      shape,
      rowName,
      across: "target",
      columnName: (step) => `after ${this.token("target", step)}`,
    };
  }

  /** Add the most probable tokens of each step, for a page without weights. */
  bestTokens(output) {
    const { steps, temperatures } = this.data.next_tokens;
    const sum = (step) => steps[step].log_sums[temperatures.indexOf(1)];
    const rows = Math.max(...steps.map(({ tokens }) => tokens.length));
    this.add({
      ...this.ofSteps([1, rows, steps.length], (rank) => `rank ${rank + 1}`),
      role: "probabilities",
      from: [output],
      chosen: (step) => steps[step].tokens.indexOf(steps[step].chosen),
      value: (_, rank, step) =>
        rank in steps[step].tokens ? probability(this.data.next_tokens, step, rank) : null,
      made: (_, rank, step) => {
        const { tokens, logits } = steps[step];
        if (tokens[rank] === undefined) return made(["No token."]);
        const name = tokenText(this.data.tokens[tokens[rank]]);
        return made([name, shareLine(logits[rank], sum(step))], rowOf(output, step));
      },
    });
  }

  /** Add the beam: a block for each step, a row for each candidate, best first. */
  beam() {
    const { beam, tokens } = this.data;
    const { nodes, steps } = growTree(beam);
    let from = [];
    steps.forEach((column, step) => {
      const added = this.add({
        group: "beam",
        part: "beam",
        role: String(step),
        kind: "beam",
        showsText: true,
        label: step === 0 ? "Start of the beam" : `Beam, step ${step}`,
        formula: "score = log p ÷ ((5 + length) ÷ 6)^α",
        section: "§6.1",
        codeKey: "beam",
        text: beam.method === "sample"
          ? "The next token is drawn at random, a probable one more often."
          : `Every kept text is continued by one token; the best ${beam.size} are kept. Grey: ` +
            "kept; pale: dropped; green: finished; strong: the translation.",
        shape: [1, column.length, 1],
        from,
        nodes: column,
        rowName: (row) => tokenText(tokens[column[row].token]),
        columnName: () => `step ${step}`,
        value: (_, row) => column[row].share,
        made: (_, row) => beamLines(column[row], nodes),
      });
      from = [added];
    });
  }
}

/** Return a function's result `made`: lines of text, and the parts of inputs that they are about. */
function made(lines, ...lights) {
  return { lines, lights };
}

function rowOf({ id }, row, slab = 0) {
  return { id, slab, row };
}

function columnOf({ id }, column, slab = 0) {
  return { id, slab, column };
}

function cellOf({ id }, row, column, slab = 0) {
  return { id, slab, row, column };
}

function shareLine(logit, sum) {
  const share = short(Math.exp(logit - sum));
  return `exp(logit − log of the sum of all) = exp(${short(logit)} − ${factor(sum)}) = ${share}`;
}

function beamLines(node, nodes) {
  if (node.parent === null) return made(["The start token."]);
  const above = nodes[node.parent];
  const dropped = node.status === "pruned" ? "dropped" : node.status;
  const state = node.wins ? "part of the translation" : dropped;
  const { logProb, share, penalty } = node;
  const log = `log p = ${short(above.logProb)} + ln(${short(share)}) = ${short(logProb)}`;
  const score = `score = ${short(logProb)} ÷ ${short(penalty)} = ${short(node.score)}; ${state}`;
  return made([log, score], cellOf({ id: `beam.beam.${above.step}` }, above.row, 0));
}

function size({ shape: [slabs, ...shape] }) {
  return `(${[...(slabs > 1 ? [slabs] : []), ...shape].join(", ")})`;
}

/** Return a function from slab and row to the numbers of a tensor, which keeps what it has read. */
function kept(tensor) {
  const rows = [];
  return (s, r) => rows[s * tensor.shape[1] + r] ??= tensor.row(s, r);
}

/** Return the logits of each step, for all tokens of the vocabulary. */
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
