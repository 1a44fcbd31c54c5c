/**
 * The Transformer (section 3), a mirror of nmt/model/ in its order and with its names.
 *
 * There is one sentence, so nothing is padded. While it decodes, the beam's R hypotheses are rows
 * of one matrix.
 *
 * Dimensions: h heads, Q queries, S keys and values, T target positions, R hypotheses, V tokens.
 */

import { ACTIVATIONS, add, addTo, dot, Linear, linear, Matrix, Norm, softmax } from "./matrix.js";

// --- positions.py

/** Return PE(position, 2i) = sin(position / 10000^(2i/width)), PE(position, 2i+1) = cos(...). */
export function sinusoids(position, width) {
  return Float32Array.from({ length: width }, (_, at) => {
    const angle = position / 10_000 ** ((at - at % 2) / width);
    return at % 2 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** Return the sines of all angles before all cosines: Marian's order. */
function sinusoidsInHalves(position, width) {
  const both = sinusoids(position, width);
  return Float32Array.of(...both.filter((_, at) => !(at % 2)), ...both.filter((_, at) => at % 2));
}

/** Rotate each pair (2i, 2i+1) of each head by position / 10000^(2i/d_k), in place. */
function applyRotary(vector, position, dK) {
  const table = sinusoids(position, dK);
  for (let at = 0; at < vector.length; at += 2) {
    const [sine, cosine] = [table[at % dK], table[at % dK + 1]];
    const [even, odd] = [vector[at], vector[at + 1]];
    vector[at] = even * cosine - odd * sine;
    vector[at + 1] = even * sine + odd * cosine;
  }
}

/** Return what is added to embeddings, [source, target]: an object with `row`, or null. */
function makePositions(settings, weights) {
  const formulas = { sinusoidal: sinusoids, "sinusoidal_halves": sinusoidsInHalves };
  const formula = formulas[settings.positions];
  if (formula) return Array(2).fill({ row: (position) => formula(position, settings.d_model) });
  return ["source", "target"].map((side) => weights[`embeddings.${side}_positions.table`] ?? null);
}

// --- embedding.py

/** The matrices (V, d_model) that embed both languages and project to the softmax. */
class Embeddings {
  constructor(settings, weights, off) {
    this.scale = settings.d_model ** 0.5;
    this.weight = weights["embeddings.weight"];
    this.sourceWeight = weights["embeddings.own_source_weight"] ?? this.weight;
    this.softmaxWeight = weights["embeddings.own_softmax_weight"] ?? this.weight;
    this.softmaxBias = weights["embeddings.softmax_bias"] ?? null;
    const none = [null, null];
    [this.sourcePositions, this.targetPositions] = off.positions
      ? none
      : makePositions(settings, weights);
  }

  /** Return sqrt(d_model) * embedding + position (sections 3.4 and 3.5), (n, d_model). */
  embed(ids, matrix, positions, positionOf = (row) => row) {
    const x = new Matrix(ids.length, matrix.width);
    ids.forEach((id, row) => {
      x.row(row).set(matrix.row(id).map((value) => value * this.scale));
      if (positions) addTo(x.row(row), positions.row(positionOf(row)));
    });
    return x;
  }

  /** Map (n, d_model) to logits (n, V). */
  project(x) {
    return linear(x, this.softmaxWeight, this.softmaxBias);
  }
}

// --- attention.py

/**
 * Compute softmax(Q K^T / sqrt(d_k) + mask) V (equation 1) for all heads.
 *
 * query: (Q, h * d_k). keys, values: lists of S vectors of h * d_k and h * d_v numbers. isMasked:
 * later positions are hidden from each query (section 3.2.3). Return the heads side by side
 * (Q, h * d_v), and the weights, a matrix (Q, S) for each head.
 */
export function attention(query, keys, values, heads, isMasked) {
  const [dK, dV] = [query.width / heads, values[0].length / heads];
  const joined = new Matrix(query.rows, values[0].length);
  const weights = Array.from({ length: heads }, () => new Matrix(query.rows, keys.length));
  for (let q = 0; q < query.rows; q++) {
    const count = isMasked ? q + 1 : keys.length;
    for (let head = 0; head < heads; head++) {
      const row = weights[head].row(q).subarray(0, count);
      const own = query.row(q).subarray(head * dK, (head + 1) * dK);
      for (let s = 0; s < count; s++) row[s] = dot(own, keys[s], head * dK) / Math.sqrt(dK);
      softmax(row);
      const out = joined.row(q).subarray(head * dV, (head + 1) * dV);
      for (let at = 0; at < dV; at++) {
        let sum = 0;
        for (let s = 0; s < count; s++) sum += row[s] * values[s][head * dV + at];
        out[at] = sum;
      }
    }
  }
  return { joined, weights };
}

/** Keys and values that attention keeps: a list of vectors for each of R hypotheses. */
class KeyValueCache {
  constructor(keys = [[]], values = [[]]) {
    this.keys = keys;
    this.values = values;
  }

  get length() {
    return this.keys[0].length;
  }

  /** Return the cache of the hypotheses `rows`. */
  select(rows) {
    const take = (lists) => rows.map((row) => lists[row].slice());
    return new KeyValueCache(take(this.keys), take(this.values));
  }
}

/** Concat(head_1, ..., head_h) W^O with head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V). */
class MultiHeadAttention {
  constructor(settings, weights, name, off, record, isCross = false) {
    const { heads, d_k: dK, d_v: dV } = settings;
    Object.assign(this, { name, heads, record, isCross });
    this.widths = [heads * dK, heads * dK, heads * dV];
    this.isOff = Array.from({ length: heads }, (_, head) => off.heads.has(`${name}.${head}`));
    if (isCross) {
      this.query = new Linear(weights, `${name}.query`);
      this.keyValue = new Linear(weights, `${name}.key_value`);
    } else {
      this.queryKeyValue = new Linear(weights, `${name}.query_key_value`);
    }
    this.out = new Linear(weights, `${name}.out`);
    this.rotates = !isCross && settings.positions === "rotary" && !off.positions;
  }

  /**
   * Attend from x (n, d_model) to itself, or to the encoder's output.
   *
   * memory: what `projectMemory` made of the encoder's output. cache: self-attention appends a key
   * and a value to it for each row of x, which are hypotheses then.
   */
  forward(x, isMasked, memory = null, cache = null) {
    if (this.isCross) return this.join(this.query.forward(x), ...memory, false);
    const [query, key, value] = this.projectSelf(x, cache);
    if (!cache) return this.join(query, key.list(), value.list(), isMasked);
    const joined = new Matrix(x.rows, this.widths[2]);
    for (let row = 0; row < x.rows; row++) {
      const [keys, values] = [cache.keys[row], cache.values[row]];
      keys.push(key.row(row));
      values.push(value.row(row));
      const own = new Matrix(1, query.width, query.row(row));
      joined.row(row).set(attention(own, keys, values, this.heads, false).joined.data);
    }
    return this.project(joined);
  }

  /** Attend, and record what page.py shows of an attention. */
  join(query, keys, values, isMasked) {
    const { joined, weights } = attention(query, keys, values, this.heads, isMasked);
    this.record?.attention(this.name, this.heads, query, keys, values, weights);
    return this.project(joined);
  }

  /** Multiply the joined heads (n, h * d_v) with W^O; a head that is off adds nothing. */
  project(joined) {
    const dV = joined.width / this.heads;
    for (const row of joined.list()) {
      this.isOff.forEach((isOff, head) => isOff && row.fill(0, head * dV, (head + 1) * dV));
    }
    this.record?.add(`${this.name}.joined`, joined);
    const out = this.out.forward(joined);
    this.record?.add(this.name, out);
    return out;
  }

  /** Project x (n, d_model) to queries, keys and values; rows with a cache have one position. */
  projectSelf(x, cache) {
    const [dK, both] = [this.widths[0], 2 * this.widths[0]];
    const projected = this.queryKeyValue.forward(x);
    if (this.rotates) {
      projected.list().forEach((row, position) =>
        applyRotary(row.subarray(0, both), cache ? cache.length : position, dK / this.heads)
      );
    }
    const ends = [[0, dK], [dK, both], [both, projected.width]];
    return ends.map(([begin, end]) => projected.columns(begin, end));
  }

  /** Project the encoder's output (S, d_model) to lists of S keys and S values. */
  projectMemory(memory) {
    const projected = this.keyValue.forward(memory);
    const dK = this.widths[0];
    return [projected.columns(0, dK).list(), projected.columns(dK, projected.width).list()];
  }
}

// --- feed_forward.py

/** f(x W_1 + b_1) W_2 + b_2; gated activations compute (f(x W + b) * (x V + c)) W_2 + b_2. */
class FeedForward {
  constructor(settings, weights, name, record) {
    const { of, gates } = ACTIVATIONS[settings.activation];
    Object.assign(this, { name, record, of, gates });
    this.inner = new Linear(weights, `${name}.inner`);
    this.outer = new Linear(weights, `${name}.outer`);
  }

  /** Map (n, d_model) to the same shape, each position alone. */
  forward(x) {
    const inner = this.inner.forward(x);
    const hidden = this.gates
      ? applyGate(this.of, inner)
      : new Matrix(inner.rows, inner.width, inner.data.map(this.of));
    this.record?.add(`${this.name}.hidden`, hidden);
    const out = this.outer.forward(hidden);
    this.record?.add(this.name, out);
    return out;
  }
}

/** Return f(first half) * second half of each row. */
function applyGate(gate, inner) {
  const half = inner.width / 2;
  const [gates, values] = [inner.columns(0, half), inner.columns(half, inner.width)];
  return new Matrix(inner.rows, half, gates.data.map((each, at) => gate(each) * values.data[at]));
}

// --- layers.py

/** Norm(x + Sublayer(x)); with pre-norm x + Sublayer(Norm(x)). Without residual, x is not added. */
class AddAndNorm {
  constructor(settings, weights, name, off, record) {
    Object.assign(this, { name: `${name}_norm`, record });
    this.norm = new Norm(settings, weights, `${name}_norm.norm`);
    this.isPreNorm = settings.norm === "pre";
    this.hasResidual = !off.residuals.has(name);
  }

  /** Apply `sublayer`, which keeps the shape, to x (n, d_model). */
  forward(x, sublayer) {
    const read = this.isPreNorm ? this.norm.forward(x) : x;
    if (this.isPreNorm) this.record?.add(`${this.name}.norm`, read);
    const out = sublayer(read);
    const total = this.hasResidual ? add(x, out) : out;
    const result = this.isPreNorm ? total : this.norm.forward(total);
    this.record?.add(this.name, result);
    return result;
  }
}

/** A layer of the encoder, or of the decoder, which has attention to the encoder, too. */
class Layer {
  constructor(settings, weights, name, off, record, isDecoder) {
    Object.assign(this, { name, record, isDecoder });
    const addAndNorm = (part) => new AddAndNorm(settings, weights, `${name}.${part}`, off, record);
    const attend = (part, isCross) =>
      new MultiHeadAttention(settings, weights, `${name}.${part}`, off, record, isCross);
    this.selfAttention = attend("self_attention", false);
    this.selfAttentionNorm = addAndNorm("self_attention");
    this.crossAttention = isDecoder ? attend("cross_attention", true) : null;
    this.crossAttentionNorm = isDecoder ? addAndNorm("cross_attention") : null;
    this.feedForward = new FeedForward(settings, weights, `${name}.feed_forward`, record);
    this.feedForwardNorm = addAndNorm("feed_forward");
  }

  /** Map x (n, d_model) to the same shape. */
  forward(x, memory = null, cache = null) {
    this.record?.add(`${this.name}.input`, x);
    const attend = (each) => this.selfAttention.forward(each, this.isDecoder, null, cache);
    let y = this.selfAttentionNorm.forward(x, attend);
    if (this.crossAttention) {
      const read = (each) => this.crossAttention.forward(each, false, memory);
      y = this.crossAttentionNorm.forward(y, read);
    }
    return this.feedForwardNorm.forward(y, (each) => this.feedForward.forward(each));
  }
}

// --- transformer.py

const NOTHING = { heads: [], residuals: [], positions: false };

/** An encoder-decoder over a vocabulary of V subwords. */
export class Transformer {
  /**
   * settings: those of [model] in a recipe. weights: as of `makeWeights`. off: the parts that are
   * switched off. record: receives what each module computes; null: nothing is kept.
   */
  constructor(settings, weights, off = null, record = null) {
    const { heads, residuals, positions } = { ...NOTHING, ...off };
    this.record = record;
    const switches = { heads: new Set(heads), residuals: new Set(residuals), positions };
    const stack = (side, count) =>
      Array.from(
        { length: count },
        (_, n) =>
          new Layer(settings, weights, `${side}.${n}`, switches, record, side === "decoder"),
      );
    const finalNorm = (side) =>
      settings.norm === "pre" ? new Norm(settings, weights, `${side}_norm`) : null;
    this.embeddings = new Embeddings(settings, weights, switches);
    this.encoder = stack("encoder", settings.encoder_layers);
    this.decoder = stack("decoder", settings.decoder_layers);
    this.encoderNorm = finalNorm("encoder");
    this.decoderNorm = finalNorm("decoder");
  }

  /** Encode S ids, EOS the last: return the keys and values of each decoder layer. */
  encode(source) {
    const { embeddings } = this;
    let x = embeddings.embed(source, embeddings.sourceWeight, embeddings.sourcePositions);
    for (const layer of this.encoder) x = layer.forward(x);
    const memory = this.encoderNorm ? this.encoderNorm.forward(x) : x;
    this.record?.add("encoder_norm", memory);
    return this.decoder.map((layer) => layer.crossAttention.projectMemory(memory));
  }

  /**
   * Run the decoder's layers; `project` maps the result to logits.
   *
   * ids: T ids of one target, BOS the first; with caches, the newest id of each of R hypotheses.
   * Return (T, d_model) or (R, d_model).
   */
  decode(ids, memory, caches = null) {
    const { embeddings } = this;
    const positionOf = caches ? () => caches[0].length : undefined;
    let x = embeddings.embed(ids, embeddings.weight, embeddings.targetPositions, positionOf);
    this.decoder.forEach((layer, n) => {
      x = layer.forward(x, memory[n], caches ? caches[n] : null);
    });
    const out = this.decoderNorm ? this.decoderNorm.forward(x) : x;
    this.record?.add("decoder_norm", out);
    return out;
  }

  /** Return empty caches of one hypothesis, one for each decoder layer. */
  makeCaches() {
    return this.decoder.map(() => new KeyValueCache());
  }

  /** Map (n, d_model) to logits (n, V). */
  project(x) {
    return this.embeddings.project(x);
  }
}
