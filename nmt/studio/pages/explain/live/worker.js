/**
 * The worker of the page: it translates what the reader types, with the model in the page.
 *
 * It receives {kind: "load", live}, {kind: "translate", id, text, options} and {kind: "cancel"}. A
 * new text, or "cancel", ends the search of the one before.
 */

import { explain, Refusal } from "./explain.js";
import { makeWeights } from "./matrix.js";
import { Subwords } from "./subwords.js";

const CANCELLED = Symbol("cancelled");
let engine = null;
let newest = 0; // number of the newest request
const channel = new MessageChannel(); // unlike a timer, it takes no time

/** Let messages in, such as the next key of the reader. */
function letMessagesIn() {
  return new Promise((resolve) => {
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  });
}

/** Return what `explain` needs of a model; live: that of nmt/studio/explain/live.py, unpacked. */
function load({ weights, subwords, model, decode }) {
  const source = new Subwords(subwords.source);
  return {
    settings: model,
    decode,
    weights: makeWeights(weights),
    source,
    target: subwords.target ? new Subwords(subwords.target) : source,
    offset: decode.offset,
    isRightToLeft: model.target_order === "right_to_left",
  };
}

/** Translate a text, and post the result or the reason why there is none. */
async function translate({ id, text, options }) {
  const own = ++newest;
  const started = performance.now();
  const pause = async (step, most) => {
    postMessage({ id, kind: "progress", step, most });
    await letMessagesIn();
    if (own !== newest) throw CANCELLED;
  };
  try {
    const data = await explain(engine, text, options, pause);
    postMessage({ id, kind: "result", data, milliseconds: performance.now() - started });
  } catch (error) {
    if (error === CANCELLED) return;
    postMessage({ id, kind: "failed", message: error.message });
    if (!(error instanceof Refusal)) throw error;
  }
}

self.onmessage = ({ data: message }) => {
  if (message.kind === "load") {
    engine = load(message.live);
  } else if (message.kind === "translate") {
    translate(message);
  } else {
    newest += 1; // "cancel"
  }
};
