/** What the panel says of each kind of block. */

import { normName } from "../layersteps.js";
import { ACTIVATIONS } from "../live/matrix.js";

/** Return {label, formula, section, codeKey, text} of a block with a role, in a part of the model. */
export function about(role, part, side, model) {
  const texts = `${embedding(side, model)}\n\n${attention(part, side, model)}\n\n${rest(model)}`;
  const entry = texts.split(/\n\s*\n/).find((each) => each.trim().startsWith(`${role} | `));
  const [head, ...lines] = entry.trim().split("\n");
  const [, label, formula, section, codeKey] = head.split(" | ");
  return { label, formula, section, codeKey, text: lines.map((line) => line.trim()).join(" ") };
}

// An entry is a line "role | label | formula | section | key of the Python", then its text.

function embedding(side, model) {
  const isSource = side === "source";
  const learned = model.positions === "learned";
  const tokens = isSource ? "Source tokens" : "Tokens of the translation";
  const what = isSource
    ? "The sentence is cut into tokens: words and pieces of words. The end is a token, too."
    : "What the decoder reads: a start token, then the translation so far. The row of a token " +
      "predicts the token after it.";
  return `
    tokens | ${tokens} | text → tokens | §5.1 | embedding
    ${what}

    matrix | ${side === "softmax" ? "Softmax matrix" : "Embedding matrix E"} | E | §3.4 | embedding
    A table of learned numbers, one row for each token that the model knows.
    ${side === "softmax" ? "" : "The rows of this sentence are marked."}
    ${model.shares ? "Source, translation and the last softmax share it." : ""}

    scaled | ${
    isSource ? "Source" : "Target"
  } tokens as vectors | E[token] · √d_model | §3.4 | embedding
    Each token takes its own row of the embedding matrix, times √d_model.

    position | Positions | ${learned ? "P[position]" : "sin, cos"} | §3.5 | positions
    Attention does not see the order of words. So each position has its own
    ${learned ? "learned vector." : "pattern: fast waves first, slow waves last."}

    sum | Input of the ${isSource ? "encoder" : "decoder"} | token + position | §3.5 | embedding
    Meaning and place are added, number by number.`;
}

function attention(part, side, model) {
  const turns = model.positions === "rotary" && part === "self";
  const masked = part === "self" && side === "target";
  const section = part === "cross" ? "§3.2.3" : "§3.2.2";
  const turned = turns ? ", then rotated by the position" : "";
  const key = turns ? "positions" : "heads";
  const heads = model.heads > 1 ? "Each head has its own, one slab behind the other." : "";
  const turning = turns ? "Rotating pairs of numbers puts the position in." : "";
  const bias = model.attention_bias ? " + b" : "";
  const mask = masked
    ? "A token sees no later one: it is not written yet, so those cells are hidden."
    : "";
  const learned = "Learned numbers. Each column makes one column of the product.";
  const matrix = (role, name) =>
    `${role}_weight | W^${name} | W^${name} | §3.2.2 | heads
    ${learned} ${role === "projected" ? "" : heads}`;
  return `
    query | Queries Q | Q = X W^Q${bias}${turned} | ${section} | ${key}
    A query is what a token asks for. ${heads} ${turning}

    key | Keys K | K = X W^K${bias}${turned} | ${section} | ${key}
    A key is what a token offers to a query. ${heads} ${turning}

    value | Values V | V = X W^V${bias} | ${section} | heads
    A value is what a token hands over. ${heads}

    ${matrix("query", "Q")}

    ${matrix("key", "K")}

    ${matrix("value", "V")}

    ${matrix("projected", "O")}

    scores | Scores | Q Kᵀ ÷ √dₖ${masked ? " + mask | §3.2.3 | masks" : " | §3.2.1 | attention"}
    Each query meets each key: the more alike they are, the greater the product. ${mask}

    weights | Attention weights | softmax(scores), row by row | §3.2.1 | attention
    Softmax turns a row of scores into shares that add up to 1. ${mask}

    heads | Head outputs | softmax(Q Kᵀ ÷ √dₖ) V | §3.2.1 | attention
    Each token adds up the values of all tokens, each times its share.

    joined | Heads joined | Concat(head₁, …, headₕ) | §3.2.2 | heads
    The slabs of all heads are put side by side, so each token is one row again.

    projected | Projected | X W^O${bias} | §3.2.2 | heads
    One matrix mixes what all heads found.`;
}

function rest(model) {
  const norm = normName(model);
  const isPost = model.norm === "post";
  const { name, gates } = ACTIVATIONS[model.activation];
  const size =
    "Each row is brought to a common size, so that no row is too large for what follows.";
  const unit = model.activation === "relu"
    ? "A unit below zero is set to 0: it is off for this token."
    : "A unit far below zero is nearly off for this token.";
  const gate = "One half of the units decides how much of the other half passes: a gate.";
  const first = gates ? "W, and V behind it" : "W₁";
  const inner = gates ? "f(x W + b) ⊙ (x V + c)" : "f(x W₁ + b₁)";
  const added = isPost ? `${norm}(x + sub-layer(x))` : `x + sub-layer(${norm}(x))`;
  return `
    normed | ${norm} | ${norm}(x) | §3.1 | norm
    ${size}

    final | ${norm} | ${norm}(x) | §3.1 | norm
    The end of the stack. ${size}

    added | ${isPost ? "Added and normalised" : "Added"} | ${added} | §3.1 | norm
    The result is added to what went in, so nothing is lost on the way.
    ${isPost ? "Then each row is brought back to a common size." : ""}

    hidden_weight | ${first} | ${first} | §3.3 | feed_forward
    Learned numbers. Each column makes one hidden unit.

    hidden | Hidden units | ${inner}, f(z) = ${name} | §3.3 | feed_forward
    Each token is processed alone. ${gates ? gate : unit}

    output_weight | W₂ | W₂ | §3.3 | feed_forward
    Learned numbers. Each column makes one column of the product.

    output | Feed-forward output | X W₂ + b₂ | §3.3 | feed_forward
    A second matrix brings each row back to d_model numbers.

    logits | Logits | E · x${model.softmax_bias ? " + b" : ""}, for every token | §3.4 | project
    The decoder's row is compared with the row of every token of the vocabulary. Here a column is a
    step, and a row is a token.

    probabilities | Probabilities | softmax(logits) | §3.4 | softmax
    Softmax makes probabilities: those of a step add up to 1. A column is a step.`;
}
