/**
 * Search for a translation: nmt/decoding/search/, for one sentence.
 *
 * One loop serves two strategies, beam search (section 6.1) and sampling. It records the tree of
 * all candidates, as nmt/studio/explain/recording.py does.
 */

import { lengthPenalty } from "../tree.js";

/** Return the logarithm of the sum of exp(value / temperature). */
export function logSumExp(values, temperature = 1) {
  let greatest = -Infinity;
  for (let at = 0; at < values.length; at++) greatest = Math.max(greatest, values[at]);
  const least = greatest - 30 * temperature; // exp(-30) is nothing beside exp(0)
  let sum = 0;
  for (let at = 0; at < values.length; at++) {
    if (values[at] > least) sum += Math.exp((values[at] - greatest) / temperature);
  }
  return greatest / temperature + Math.log(sum);
}

/** Return the indices of the `count` greatest values, greatest first; of equal ones the lower. */
export function topIndices(values, count) {
  const best = [];
  let least = -Infinity; // of the best, once there are enough
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (best.length === count && !(value > least)) continue;
    let at = best.length;
    while (at && value > values[best[at - 1]]) at -= 1;
    best.splice(at, 0, index);
    if (best.length > count) best.pop();
    least = values[best.at(-1)];
  }
  return best;
}

/** The search of one sentence: its nodes by index, the root first. */
class Tree {
  constructor(bos, alpha) {
    this.alpha = alpha;
    this.bounds = []; // of each step
    this.nodes = [{ parent: null, step: 0, token: bos, logProb: 0, score: 0, status: "kept" }];
  }

  /** Add a candidate {parent, token, logProb, isFinished}; return its index. */
  add({ parent, token, logProb, isFinished }) {
    const step = this.nodes[parent].step + 1;
    const score = logProb / lengthPenalty(step, this.alpha);
    const status = isFinished ? "finished" : "pruned";
    return this.nodes.push({ parent, step, token, logProb, score, status }) - 1;
  }

  /** Return the indices from the first token's node to a node. */
  path(index) {
    const above = this.nodes[index].parent;
    return above === null ? [] : [...this.path(above), index];
  }
}

/** Beam search: the most probable candidates go on. */
export class BeamSearch {
  constructor({ beam, alpha, stopping }) {
    Object.assign(this, { size: beam, alpha, stopping: beam === 1 ? "beam_finished" : stopping });
  }

  /** Return the 2 * size best candidates, best first; live: [{node, logProb}], rows: (R, V). */
  extend(live, rows) {
    const width = 2 * this.size; // the best candidates may all extend one hypothesis
    const all = live.flatMap((hypothesis, row) =>
      topIndices(rows[row], width).map((token) => ({
        row,
        token,
        logProb: hypothesis.logProb + rows[row][token],
      }))
    );
    return all.sort((one, other) => other.logProb - one.logProb).slice(0, width);
  }

  /** Return whether the search ends; bound: the best score that can still be reached. */
  isOver(finished, bound) {
    const isSafe = bound <= (finished.best?.score ?? -Infinity);
    return isSafe || (this.stopping === "beam_finished" && finished.count >= this.size);
  }
}

/** Sampling: one output, drawn token by token from softmax(logits / temperature). */
export class Sampling {
  constructor({ alpha, temperature, topK, seed }) {
    Object.assign(this, { size: 1, alpha, temperature, topK, stopping: "safe" });
    this.random = randomNumbers(seed);
  }

  /** Return one candidate. */
  extend([hypothesis], [row]) {
    const all = this.topK ? topIndices(row, this.topK) : [...row.keys()];
    const tokens = all.filter((token) => row[token] > -Infinity);
    const total = logSumExp(tokens.map((token) => row[token]), this.temperature);
    let left = this.random();
    const drawn = tokens.find((token) => {
      left -= Math.exp(row[token] / this.temperature - total);
      return left < 0;
    });
    const token = drawn ?? tokens[0]; // the shares may sum to a little less than 1
    if (token === undefined) return [];
    return [{ row: 0, token, logProb: hypothesis.logProb + row[token] }];
  }

  /** Go on until the sample ends. */
  isOver() {
    return false;
  }
}

/** Return a function of random numbers in [0, 1) (mulberry32); another seed gives others. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Set the log-probabilities (V) of the tokens that may not come next to minus infinity. */
function applyRules(row, ids, rules) {
  const { never, eos, minLength, noRepeat, prefix, maxLength } = rules;
  const keep = (token) => {
    const kept = row[token];
    row.fill(-Infinity);
    row[token] = kept;
  };
  for (const token of never) row[token] = -Infinity;
  if (ids.length + 1 >= maxLength) keep(eos);
  const isBegun = ids.length >= prefix.length;
  if (noRepeat && isBegun) {
    const last = ids.slice(ids.length - noRepeat + 1); // the last n - 1 tokens
    for (let at = 0; at + noRepeat <= ids.length; at++) {
      if (last.every((token, n) => token === ids[at + n])) row[ids[at + noRepeat - 1]] = -Infinity;
    }
  }
  if (ids.length < minLength) row[eos] = -Infinity;
  if (!isBegun) keep(prefix[ids.length]);
}

/**
 * Search; return {tree, best: index of the node of the best output's end, or null}.
 *
 * model: a Transformer. memory: what its `encode` returned. rules: {bos, eos, never, minLength,
 * noRepeat, prefix, maxLength}. pause: called after each step with its number; what it returns is
 * awaited, and the search ends if it throws.
 */
export async function search(model, memory, strategy, rules, pause) {
  const { alpha } = strategy;
  const tree = new Tree(rules.bos, alpha);
  const finished = { best: null, count: 0 };
  let caches = model.makeCaches();
  let live = [{ node: 0, token: rules.bos, ids: [], logProb: 0 }];
  for (let length = 1;; length++) {
    const logits = model.project(model.decode(live.map(({ token }) => token), memory, caches));
    const rows = live.map(({ ids }, row) => {
      const own = logits.row(row);
      const total = logSumExp(own);
      const logProbs = own.map((logit) => logit - total);
      applyRules(logProbs, ids, rules);
      return logProbs;
    });
    const candidates = strategy.extend(live, rows).filter(({ logProb }) => logProb > -Infinity);
    candidates.forEach((candidate, rank) => {
      const isFinished = candidate.token === rules.eos && rank < strategy.size;
      candidate.node = tree.add({ ...candidate, parent: live[candidate.row].node, isFinished });
      if (!isFinished) return;
      const { score } = tree.nodes[candidate.node];
      finished.count += 1;
      if (!finished.best || score > finished.best.score) {
        finished.best = { node: candidate.node, score };
      }
    });
    const next = candidates.filter(({ token }) => token !== rules.eos).slice(0, strategy.size);
    const bound = next.length ? next[0].logProb / lengthPenalty(rules.maxLength, alpha) : -Infinity;
    const isLast = length >= rules.maxLength || !next.length || strategy.isOver(finished, bound);
    tree.bounds.push(bound);
    for (const { node } of next) tree.nodes[node].status = isLast ? "open" : "kept";
    if (isLast) return { tree, best: finished.best?.node ?? null };
    caches = caches.map((cache) => cache.select(next.map(({ row }) => row)));
    live = next.map(({ node, token, logProb, row }) => ({
      node,
      token,
      logProb,
      ids: [...live[row].ids, token],
    }));
    await pause(length);
  }
}
