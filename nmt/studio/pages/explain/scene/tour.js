/** The tour: twelve chapters, from tokens to the beam, in the numbers of this model and sentence. */

import { percent } from "../../numbers.js";
import { habit } from "../controls.js";
import { normName } from "../layersteps.js";
import { probability } from "../probabilities.js";
import { tokenText, words, wordText } from "../tokens.js";
import { dot } from "../live/matrix.js";
import { clipped } from "./overlay.js";
import { short, spread } from "./sums.js";

const FAR = 3; // positions between two tokens whose link is called long

/**
 * Return the chapters: {title, text, id}, and for some a `slab` of the block, a `cell` of it that is
 * read, `links` between parts of blocks, and the ids of blocks in the `frame` of the picture.
 */
export function chaptersOf(data, selection) {
  const chapters = [
    ...beginning(data),
    ...insideHead(data),
    ...throughLayer(data),
    ...decoding(data, selection),
  ];
  return chapters.map((each) => ({ ...each, text: each.text.replace(/[ \n]+/g, " ").trim() }));
}

function sourceToken(data, position) {
  return `“${tokenText(data.tokens[data.source.ids[position]])}”`;
}

function beginning(data) {
  const { model, tokens } = data;
  const { ids } = data.source;
  const rotary = model.positions === "rotary";
  const matrix = "source.embedding.matrix";
  const scaled = "source.embedding.scaled";
  const how = model.positions === "learned"
    ? "a vector that was learned for that position"
    : "a pattern of sines and cosines, which differs for every position";
  const order = rotary
    ? `This model adds no position to them. Instead, attention turns pairs of numbers of its
      queries and keys: the later a token stands, the further. So a query and a key feel how far
      apart they are.`
    : `So that the model knows the order, each position gets ${how}. It is added to the token's row.`;
  return [
    {
      title: "Tokens",
      id: "source.embedding.tokens",
      text: `A model cannot read letters; it reads tokens. The sentence is cut into ${ids.length}
        tokens, the last of which says that it ends. Each is a number: ${sourceToken(data, 0)} is
        number ${tokens[ids[0]].row} of ${model.source_vocabulary}.`,
    },
    {
      title: "Embeddings",
      id: scaled,
      frame: [matrix, scaled, "source.embedding.tokens"],
      links: ids.map((id, row) => [
        { id: matrix, slab: 0, row: tokens[id].row },
        { id: scaled, slab: 0, row },
      ]),
      text: `The violet block on the left is a table of learned numbers, one row for each token that
        the model knows. Each token of the sentence takes its row: ${model.d_model} numbers that stand
        for its meaning. From here on, a token is one row of a block.`,
    },
    {
      title: "Positions",
      id: rotary ? "encoder.0.self.query" : "source.embedding.position",
      text: `“the dog bites the man” and “the man bites the dog” have the same tokens. ${order}`,
    },
  ];
}

function insideHead(data) {
  const { query, key, value } = data.encoder[0].self;
  const [width, ofValue] = [query, value].map(({ shape }) => shape[2]);
  const numbers = width === ofValue
    ? `${width} numbers`
    : `${width} numbers in a query or a key and ${ofValue} in a value`;
  const [q, k] = [query, key].map((tensor) =>
    Array.from({ length: tensor.shape[1] }, (_, position) => tensor.row(0, position))
  );
  const single = q.flatMap((one) => k.flatMap((other) => one.map((x, at) => x * other[at])));
  const sums = q.flatMap((one) => k.map((other) => dot(one, other)));
  const [one, all] = [single, sums].map((numbers) => spread(numbers).variance);
  const { from, to, weight } = strongestLink(data, "source", 1, (at) => !at.layer && !at.head);
  const heads = data.model.heads === 1
    ? `Here they have ${numbers}.`
    : `${data.model.heads} heads do this side by side, each with its own weights and ${numbers}: they
      stand one behind the other.`;
  return [
    {
      title: "Q, K, V",
      id: "encoder.0.self.query",
      text:
        `Every token makes three short rows of numbers. Its query says what it looks for, its key
        what it offers, and its value what it hands over. ${heads}`,
    },
    {
      title: "Scores",
      id: "encoder.0.self.scores",
      slab: 0,
      text: `A query is multiplied with a key, number by number, and the products are added up: a
        score. A sum of ${width} products varies more than a single one. In head 1 here, one product
        has a variance of ${short(one)}, the sum q · k of ${short(all)}. Divided by √${width}, its
        variance is ${short(all / width)}. Without the division, scores could be so far apart that
        the next step gives nearly everything to one token, and training would hardly move.`,
    },
    {
      title: "Softmax",
      id: "encoder.0.self.weights",
      slab: 0,
      cell: { slab: 0, row: from, column: to },
      text: `Softmax turns the scores of a row into shares that add up to 100 %. Here
        ${sourceToken(data, from)} gives ${percent(weight)} to ${sourceToken(data, to)}. The output
        of the head is the sum of all values, each times its share.`,
    },
  ];
}

/** Return the word in which a token stands, or the token if it stands in none. */
function word(data, ids, position) {
  const own = words(ids, data.tokens).find((positions) => positions.includes(position));
  const text = own ? wordText(own, ids, data.tokens) : tokenText(data.tokens[ids[position]]);
  return `“${clipped(text)}”`;
}

/**
 * Return the strongest weight of self-attention from a word of a side to another one that is at least
 * `least` positions away, in the layers and heads that are `wanted`; of all tokens if there are no
 * such words. A row of the target stands for the token that it writes.
 */
function strongestLink(data, side, least, wanted = () => true) {
  const stack = side === "source" ? data.encoder : data.decoder;
  const keys = side === "source" ? data.source.ids : data.target.inputs;
  const rows = side === "source" ? keys : data.target.outputs;
  const isWord = (id) => !data.tokens[id].special && /[\p{L}\p{N}]/u.test(data.tokens[id].text);
  const pairs = rows.flatMap((row, from) => keys.map((key, to) => ({ row, key, from, to })));
  const seen = pairs.filter(({ from, to }) => side === "source" || to <= from);
  const far = seen.filter(({ row, key, from, to }) =>
    isWord(row) && isWord(key) && Math.abs(from - to) >= least
  );
  let best = { weight: -1 };
  stack.forEach(({ self: { weights } }, layer) => {
    for (let head = 0; head < weights.shape[0]; head++) {
      if (!wanted({ layer, head })) continue;
      for (const { from, to } of far.length ? far : seen) {
        const weight = weights.at(head, from, to);
        if (weight > best.weight) best = { layer, head, from, to, weight };
      }
    }
  });
  return best;
}

function throughLayer(data) {
  const { model } = data;
  const { hidden } = data.encoder[0];
  const [rows, width] = hidden.shape;
  let active = 0;
  for (let row = 0; row < rows; row++) active += hidden.row(row).filter((each) => each > 0).length;
  const norm = model.norm === "post"
    ? `Then ${normName(model)} brings each row back to a common size.`
    : `In this model, ${normName(model)} scales each row before it goes into attention.`;
  const unit = model.activation === "relu"
    ? `A unit below zero is switched off; ${percent(active / (rows * width))} of them are on here.`
    : "A unit passes its number on, or holds it back.";
  return [
    {
      title: "Add & norm",
      id: "encoder.0.self.added",
      frame: ["joined", "projected", "projected_weight", "added"].map((role) =>
        `encoder.0.self.${role}`
      ),
      text:
        `The heads are joined to one row again, and the matrix W^O mixes them. The result is added to
        the row that went in, so nothing is lost. ${norm} All positions of the encoder are computed at
        the same time, since none waits for another. In training this holds for the decoder, too: the
        correct translation is known, and the mask hides what comes later.`,
    },
    {
      title: "Feed-forward",
      id: "encoder.0.feed_forward.hidden",
      text:
        `Now every token is processed alone: from ${model.d_model} numbers to ${width} hidden units
        and back. ${unit} Attention and feed-forward are one layer; the encoder has
        ${data.encoder.length}.`,
    },
  ];
}

function decoding(data, selection) {
  const { layer, head } = data.model.alignment;
  const step = Math.min(selection.target, data.target.outputs.length - 1);
  const { weights } = data.decoder[layer].cross;
  const heads = head === null ? [...Array(data.model.heads).keys()] : [head];
  const shares = data.source.ids.map((_, position) =>
    heads.reduce((sum, each) => sum + weights.at(each, step, position), 0) / heads.length
  );
  const read = shares.indexOf(Math.max(...shares));
  const chosen = data.target.outputs[step];
  const written = `“${tokenText(data.tokens[chosen])}”`;
  const { tokens } = data.next_tokens.steps[step];
  const share = percent(probability(data.next_tokens, step, tokens.indexOf(chosen)));
  const seen = heads.map((each) => weights.at(each, step, read));
  const best = heads[seen.indexOf(Math.max(...seen))];
  const where = head === null
    ? `the mean of layer ${layer + 1}'s heads; head ${best + 1} is in front`
    : `head ${head + 1}`;
  const last = Math.max(...data.beam.nodes.step);
  const far = strongestLink(data, "target", FAR);
  const reader = word(data, data.target.outputs, far.from);
  const seenWord = word(data, data.target.inputs, far.to);
  const farHead = `decoder.${far.layer}.self_attention.${far.head}`;
  const example = far.from - far.to < FAR
    ? "This translation is too short for an example."
    : `The strongest long link here: before it writes ${reader}, head ${far.head + 1} of layer
      ${far.layer + 1} gives ${percent(far.weight)} of its attention to ${seenWord},
      ${far.from - far.to + 1} tokens back.${habit(data.model, farHead, " On the dev set: ")}`;
  const choice = data.beam.method === "sample"
    ? "Here the next token is drawn at random, a probable one more often."
    : `The best next token does not always lead to the best sentence. So the search keeps up to
      ${data.beam.size} beginnings, continues each, and drops the weakest.`;
  return [
    {
      title: "Mask",
      id: "decoder.0.self.weights",
      slab: 0,
      text:
        `The right tower is the decoder. It writes one token after the other. A token may look at
        itself and at those before it, never at later ones: they are not written yet. So the upper
        right half of this block is hidden.`,
    },
    {
      title: "Far apart",
      id: `decoder.${far.layer}.self.weights`,
      slab: far.head,
      cell: { slab: far.head, row: far.from, column: far.to },
      text: `Distance costs nothing: a token looks at any other as easily as at its neighbour.
        ${example} A network that reads token by token would have to remember a word over all those
        between.`,
    },
    {
      title: "Cross",
      id: `decoder.${layer}.cross.weights`,
      slab: best,
      cell: { slab: best, row: step, column: read },
      text:
        `Here the two towers meet. The queries come from the translation, the keys and values from
        the encoder. A row is that of the token which was written last: before the model writes
        ${written}, it looks most at ${sourceToken(data, read)} (${
          percent(shares[read])
        }, ${where}).`,
    },
    {
      title: "Beam",
      id: `beam.beam.${last}`,
      frame: Array.from({ length: last + 1 }, (_, each) => `beam.beam.${each}`),
      text:
        `Softmax compares the decoder's last row with every token that the model knows, and gives
        each a probability: here ${written} gets ${share}. ${choice} One column is one step. The
        strong path is the translation.`,
    },
  ];
}
