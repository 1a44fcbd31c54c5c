/** What the panel says of each kind of block: [label, formula, section, key of the Python, text]. */

import { normName } from "../layersteps.js";
import { ACTIVATIONS } from "./sums.js";

const LETTERS = { query: "Q", key: "K", value: "V", projected: "O" };
const HEADS = " Each head has its own, one slab behind the other.";
const MASK = " A token sees no later one: it is not written yet, so those cells are hidden.";
const LEARNED = "Learned numbers. They stand above what they make: each column makes one column.";

/** Return {label, formula, section, codeKey, text} of a block with a role, in a part of a model. */
export function about(role, part, side, model) {
  const [label, formula, section, codeKey, text] = table(role, part, side, model);
  return { label, formula, section, codeKey, text };
}

function table(role, part, side, model) {
  const name = role.replace("_weight", "");
  const turns = model.positions === "rotary" && part === "self" && name !== "value";
  const masked = part === "self" && side === "target";
  if (role.endsWith("_weight")) return weights(name, model);
  const projection = (what, text) => [
    `${what} ${LETTERS[name]}`,
    `${LETTERS[name]} = X W^${LETTERS[name]}${turns ? ", then rotated by the position" : ""}`,
    part === "cross" ? "§3.2.3" : "§3.2.2",
    turns ? "positions" : "heads",
    text + HEADS + (turns ? " Rotating pairs of numbers puts the position in." : ""),
  ];
  const rows = {
    ...embedding(side, model),
    query: () => projection("Queries", "A query is what a token asks for."),
    key: () => projection("Keys", "A key is what a token offers to a query."),
    value: () => projection("Values", "A value is what a token hands over."),
    scores: () => [
      "Scores",
      `Q Kᵀ ÷ √dₖ${masked ? " + mask" : ""}`,
      masked ? "§3.2.3" : "§3.2.1",
      masked ? "masks" : "attention",
      `Each query meets each key: the more alike they are, the greater the product.${
        masked ? MASK : ""
      }`,
    ],
    weights: () => [
      "Attention weights",
      "softmax(scores), row by row",
      "§3.2.1",
      "attention",
      `Softmax turns a row of scores into shares that add up to 1.${masked ? MASK : ""}`,
    ],
    heads: () => [
      "Head outputs",
      "softmax(Q Kᵀ ÷ √dₖ) V",
      "§3.2.1",
      "attention",
      "Each token adds up the values of all tokens, each times its share.",
    ],
    joined: () => [
      "Heads joined",
      "Concat(head₁, …, headₕ)",
      "§3.2.2",
      "heads",
      "The slabs of all heads are put side by side, so each token is one row again.",
    ],
    projected: () => [
      "Projected",
      "X W^O",
      "§3.2.2",
      "heads",
      "One matrix mixes what all heads found.",
    ],
    ...layer(model),
    logits: () => [
      "Logits",
      `E · x${model.softmax_bias ? " + b" : ""}, for every token`,
      "§3.4",
      "project",
      "The decoder's row is compared with the row of every token of the vocabulary. Here a column " +
      "is a step, and a row is a token.",
    ],
    probabilities: () => [
      "Probabilities",
      "softmax(logits)",
      "§3.4",
      "softmax",
      "Softmax makes probabilities: those of a step add up to 1. A column is a step.",
    ],
  };
  return rows[role]();
}

function embedding(side, model) {
  const isSource = side === "source";
  const learned = model.positions === "learned";
  return {
    tokens: () => [
      isSource ? "Source tokens" : "Tokens of the translation",
      "text → tokens",
      isSource ? "§5.1" : "§3.1",
      "embedding",
      isSource
        ? "The sentence is cut into tokens: words and pieces of words. The end is a token, too."
        : "What the decoder reads: a start token, then the translation so far. The row of a token " +
          "predicts the token after it.",
    ],
    matrix: () => [
      side === "softmax" ? "Softmax matrix" : "Embedding matrix E",
      "E",
      "§3.4",
      "embedding",
      "A table of learned numbers, one row for each token that the model knows. The rows of this " +
      `sentence are marked.${
        model.shares ? " Source, translation and the last softmax share it." : ""
      }`,
    ],
    scaled: () => [
      isSource ? "Source tokens as vectors" : "Target tokens as vectors",
      "E[token] · √d_model",
      "§3.4",
      "embedding",
      "Each token takes its own row of the embedding matrix, times √d_model.",
    ],
    position: () => [
      "Positions",
      learned ? "P[position]" : "sin and cos of position ÷ wavelength",
      "§3.5",
      "positions",
      `Attention does not see the order of words. So each position has its own ${
        learned ? "learned vector." : "pattern: fast waves first, slow waves last."
      }`,
    ],
    sum: () => [
      `Input of the ${isSource ? "encoder" : "decoder"}`,
      "token + position",
      "§3.5",
      "embedding",
      "Meaning and place are added, number by number.",
    ],
  };
}

function layer(model) {
  const norm = normName(model);
  const isPost = model.norm === "post";
  const { name, gates } = ACTIVATIONS[model.activation];
  const normed = (text) => [norm, `${norm}(x)`, "§3.1", "norm", text];
  const size =
    "Each row is brought to a common size, so that no row is too large for what follows.";
  return {
    normed: () => normed(size),
    final: () => normed(`The end of the stack. ${size}`),
    added: () => [
      isPost ? "Added and normalised" : "Added",
      isPost ? `${norm}(x + sub-layer(x))` : `x + sub-layer(${norm}(x))`,
      "§3.1",
      "norm",
      `The result is added to what went in, so nothing is lost on the way.${
        isPost ? " Then each row is brought back to a common size." : ""
      }`,
    ],
    hidden: () => [
      "Hidden units",
      `${gates ? "f(x W + b) ⊙ (x V + c)" : "f(x W₁ + b₁)"}, f(z) = ${name}`,
      "§3.3",
      "feed_forward",
      `Each token is processed alone. ${
        gates
          ? "One half of the units decides how much of the other half passes: a gate."
          : model.activation === "relu"
          ? "A unit below zero is set to 0: it is off for this token."
          : "A unit far below zero is nearly off for this token."
      }`,
    ],
    output: () => [
      "Feed-forward output",
      "X W₂ + b₂",
      "§3.3",
      "feed_forward",
      "A second matrix brings each row back to d_model numbers.",
    ],
  };
}

function weights(name, model) {
  if (name === "output") return ["W₂", "W₂", "§3.3", "feed_forward", LEARNED];
  if (name !== "hidden") {
    const sign = `W^${LETTERS[name]}`;
    return [sign, sign, "§3.2.2", "heads", LEARNED + (name === "projected" ? "" : HEADS)];
  }
  const gates = ACTIVATIONS[model.activation].gates === true;
  const sign = gates ? "W, and V behind it" : "W₁";
  return [sign, sign, "§3.3", "feed_forward", LEARNED];
}
