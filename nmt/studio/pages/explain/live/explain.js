/** Explain a sentence: nmt/studio/explain/ in JavaScript. The result has `page_data`'s form. */

import { Transformer } from "./model.js";
import { BeamSearch, logSumExp, Sampling, search, topIndices } from "./search.js";

const SHOWN = 12; // tokens of each step
const TEMPERATURES = Array.from({ length: 30 }, (_, tenth) => (tenth + 1) / 10);
const SPECIAL_NAMES = ["padding", "unknown", "start", "end"];
const [UNKNOWN, BOS, EOS] = [1, 2, 3];

/** A reason not to translate a text, in a sentence for the reader. */
export class Refusal extends Error {}

/** A network's pass over a sentence: what each of its modules computed, by name. */
class Recording {
  constructor() {
    this.tensors = {};
    this.heads = {};
  }

  /** Record a matrix; an earlier one of the name is replaced. */
  add(name, { rows, width, data }) {
    this.tensors[name] = tensor([rows, width], data);
  }

  /** Record a call of an attention module. */
  attention(name, heads, query, keys, values, weights) {
    const flat = new Float32Array(heads * weights[0].data.length);
    weights.forEach(({ data }, head) => flat.set(data, head * data.length));
    this.heads[name] = {
      query: splitHeads(query.list(), heads),
      key: splitHeads(keys, heads),
      value: splitHeads(values, heads),
      weights: tensor([heads, query.rows, keys.length], flat),
    };
  }
}

/** Return what `unpackAll` of unpack.js makes a tensor of. */
function tensor(shape, numbers) {
  return { shape, numbers };
}

/** Return a tensor (h, n, width) of n vectors of h * width numbers. */
function splitHeads(vectors, heads) {
  const [count, width] = [vectors.length, vectors[0].length / heads];
  const split = new Float32Array(heads * count * width);
  vectors.forEach((vector, n) => {
    for (let head = 0; head < heads; head++) {
      const own = vector.subarray(head * width, (head + 1) * width);
      split.set(own, (head * count + n) * width);
    }
  });
  return tensor([heads, count, width], split);
}

/**
 * Translate a text and return everything that the page shows.
 *
 * engine: that of worker.js. options: those of a message "translate". pause: called after each step
 * with its number and the most steps. Throws a Refusal if the text cannot be translated.
 */
export async function explain(engine, text, options, pause) {
  const { settings, weights, decode } = engine;
  const { ids, notes } = read(engine, text, options.to);
  const source = [...ids, EOS];
  const record = new Recording();
  const recorded = new Transformer(settings, weights, options.off, record);
  const memory = recorded.encode(source);
  const network = new Transformer(settings, weights, options.off);
  const rules = makeRules(engine, ids.length, options);
  const strategy = makeStrategy(decode, options);
  const onStep = (step) => pause(step, rules.maxLength);
  const { tree, best } = await search(network, memory, strategy, rules, onStep);
  if (best === null) {
    throw new Refusal(
      "There is no output: the settings forbid all, or the model computed numbers that are invalid.",
    );
  }
  const outputs = tree.path(best).map((index) => tree.nodes[index].token);
  const pass = (model, ids) => passOver(model, memory, ids, decode.never);
  const steps = pass(recorded, outputs);
  const against = options.against && pass(network, options.against);
  const found = { source, outputs, record, network, steps, against, tree, best, strategy, rules };
  return { notes, ...pageData(engine, text, found) };
}

/** Return the data of the page, as page.py does. */
function pageData(engine, text, found) {
  const { source, outputs, record, network, steps, against, tree, rules } = found;
  const { target, offset, isRightToLeft } = engine;
  const { embeddings } = network;
  const number = (token) => token + offset;
  const words = outputs.slice(0, -1);
  const inputs = [BOS, ...words];
  const shown = [...steps, ...(against ?? [])].flatMap((step) => step.ids);
  const others = [...rules.prefix, ...tree.nodes.map((node) => node.token)];
  return {
    tokens: tokenData(engine, source, [...inputs, ...outputs, ...shown, ...others]),
    source: { text, ids: source },
    target: {
      text: target.decode(isRightToLeft ? words.toReversed() : words),
      inputs: inputs.map(number),
      outputs: outputs.map(number),
    },
    embedding: {
      source: embeddingData(embeddings, embeddings.sourceWeight, source, record, "encoder.0"),
      target: embeddingData(embeddings, embeddings.weight, inputs, record, "decoder.0"),
    },
    encoder: network.encoder.map((layer) => layerData(record, layer.name, ["self"])),
    decoder: network.decoder.map((layer) => layerData(record, layer.name, ["self", "cross"])),
    encoder_output: record.tensors.encoder_norm,
    decoder_output: record.tensors.decoder_norm,
    next_tokens: nextTokensData(steps, number),
    against: against ? nextTokensData(against, number) : null,
    forced: rules.prefix.map(number),
    beam: beamData(engine, found, number),
  };
}

/** Return how to search: the reader's options, or else the recipe's. */
function makeStrategy(decode, options) {
  const { method, temperature = 1, topK = 0, seed = 1 } = options;
  const alpha = options.alpha ?? decode.length_penalty;
  if (method === "sample") return new Sampling({ alpha, temperature, topK, seed });
  const beam = options.beam ?? decode.beam_size;
  return new BeamSearch({ beam, alpha, stopping: decode.stopping });
}

/** Return which outputs are allowed, as `search` takes it. */
function makeRules({ decode }, sourceTokens, { maxLength, prefix }) {
  const forced = prefix ?? [];
  let limit = maxLength ? maxLength + 1 : sourceTokens + decode.max_extra_tokens;
  if (decode.max_length && !maxLength) limit = Math.min(limit, decode.max_length + 1);
  limit = Math.max(limit, decode.min_length + 1, forced.length + 1);
  return {
    bos: BOS,
    eos: EOS,
    never: decode.never,
    minLength: decode.min_length,
    noRepeat: decode.no_repeat_ngram,
    prefix: forced,
    maxLength: Math.min(limit, decode.position_limit ?? limit),
  };
}

/**
 * Return the ids of a text, without EOS, and notes on how the program would read it.
 *
 * to: the token of the language to write, which comes first.
 */
function read({ source, decode }, text, to = decode.to) {
  const ids = source.encode(text);
  if (!ids.length) throw new Refusal("There is nothing to translate yet.");
  if (to in decode.languages) ids.unshift(decode.languages[to]);
  if (ids.length > decode.longest) {
    throw new Refusal(
      `The sentence has ${ids.length} tokens; this page takes at most ${decode.longest}.`,
    );
  }
  const notes = [];
  const isUnknown = ids.includes(UNKNOWN);
  const isCapitals = /\p{Lu}.*\p{Lu}/su.test(text) && text === text.toUpperCase();
  const hasNoWords = !/\p{L}.*\p{L}/su.test(text);
  if (isUnknown) {
    notes.push(
      "The vocabulary lacks some of the characters; the model reads an unknown token instead.",
    );
  }
  if (decode.repairs && (isUnknown || isCapitals || hasNoWords || /:\/\/|www\.|@/.test(text))) {
    notes.push("`nmt translate` may copy parts of this text, or read it in lower case.");
  }
  return { ids, notes };
}

/** Return the next tokens of a pass over an output, EOS its last. */
function passOver(network, memory, outputs, never) {
  const logits = network.project(network.decode([BOS, ...outputs.slice(0, -1)], memory));
  return logits.list().map((row, step) => nextTokens(row, outputs[step], never));
}

/** Return the most probable next tokens of one step; logits (V). */
function nextTokens(logits, chosen, never) {
  const total = logSumExp(logits);
  let entropy = 0;
  for (const logit of logits) entropy -= Math.exp(logit - total) * (logit - total);
  const allowed = logits.slice();
  for (const token of never) allowed[token] = -Infinity;
  const best = topIndices(allowed, Math.min(SHOWN, allowed.length - never.length));
  const ids = best.includes(chosen) ? best : [...best, chosen];
  return {
    ids,
    logits: ids.map((id) => logits[id]),
    logSums: TEMPERATURES.map((temperature) => logSumExp(logits, temperature)),
    entropy: entropy / Math.LN2,
    chosen,
    rank: allowed.filter((logit) => logit > allowed[chosen]).length + 1,
  };
}

/** Return the next tokens of each step in the page's form. */
function nextTokensData(steps, number) {
  return {
    temperatures: TEMPERATURES,
    steps: steps.map(({ ids, logits, logSums, entropy, chosen, rank }) => ({
      tokens: ids.map(number),
      logits: logits.map(round),
      log_sums: logSums.map(round),
      entropy: round(entropy),
      chosen: number(chosen),
      rank,
    })),
  };
}

/** Round to 5 decimal places; null stands for minus infinity. */
function round(value) {
  return value > -1e30 ? Math.round(value * 1e5) / 1e5 : null;
}

/** Return the row, text and special meaning of each token on the page, by its number. */
function tokenData({ source, target, offset }, sourceIds, targetIds) {
  const named = ({ pieces }, row) => ({
    row,
    text: pieces[row],
    special: SPECIAL_NAMES[row] ?? null,
  });
  return Object.fromEntries([
    ...sourceIds.map((id) => [id, named(source, id)]),
    ...targetIds.map((id) => [id + offset, named(target, id)]),
  ]);
}

/** Return sqrt(d_model) * embedding, the position, and their sum, the first layer's input. */
function embeddingData(embeddings, matrix, ids, record, firstLayer) {
  const scaled = embeddings.embed(ids, matrix, null);
  const sum = record.tensors[`${firstLayer}.input`];
  const position = sum.numbers.map((value, at) => value - scaled.data[at]);
  return { scaled: tensor(sum.shape, scaled.data), position: tensor(sum.shape, position), sum };
}

/** Return the sub-layers of a layer and its output. */
function layerData({ tensors, heads }, name, attentions) {
  const attentionData = (part) => ({
    ...heads[part],
    normed: tensors[`${part}_norm.norm`] ?? null,
    joined: tensors[`${part}.joined`],
    projected: tensors[part],
    added: tensors[`${part}_norm`],
  });
  return {
    ...Object.fromEntries(
      attentions.map((kind) => [kind, attentionData(`${name}.${kind}_attention`)]),
    ),
    normed: tensors[`${name}.feed_forward_norm.norm`] ?? null,
    hidden: tensors[`${name}.feed_forward.hidden`],
    feed_forward: tensors[`${name}.feed_forward`],
    output: tensors[`${name}.feed_forward_norm`],
  };
}

/** Return the search tree: for each property of the nodes, a list by index of node. */
function beamData({ decode }, { tree, best, strategy, rules }, number) {
  const { nodes, bounds } = tree;
  const each = (key) => nodes.map((node) => node[key]);
  return {
    method: strategy instanceof Sampling ? "sample" : "beam",
    size: strategy.size,
    alpha: strategy.alpha,
    max_length: rules.maxLength,
    stopping: decode.stopping,
    score: round(nodes[best].score),
    log_prob: round(nodes[best].logProb),
    bounds: bounds.map(round),
    nodes: {
      parent: each("parent"),
      step: each("step"),
      token: each("token").map(number),
      log_prob: each("logProb").map(round),
      score: each("score").map(round),
      status: each("status"),
      wins: [0, ...tree.path(best)],
    },
  };
}
