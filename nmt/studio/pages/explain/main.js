/** The page of `nmt explain`: read the data, draw the sections. */

import { byId } from "../dom.js";
import { startPage } from "../flow.js";
import { fixed, grouped } from "../numbers.js";
import { followScheme } from "../scheme.js";
import { showAlignment } from "./alignment.js";
import { showStack } from "./attention.js";
import { showBeam } from "./beam.js";
import { showEmbedding } from "./embedding.js";
import { showTokens } from "./tokens.js";
import { showProbabilities } from "./probabilities.js";
import { unpackAll } from "./unpack.js";

const data = unpackAll(startPage());
const model = data.model;

byId("facts").textContent = [
  `${model.source_language} → ${model.target_language}`,
  `${grouped(model.parameters)} parameters`,
  `${model.encoder_layers} + ${model.decoder_layers} layers`,
  `${model.heads} heads`,
  `d_model ${model.d_model}`,
  model.joint
    ? `vocabulary ${grouped(model.vocabulary)}`
    : `vocabularies ${grouped(model.source_vocabulary)} and ${grouped(model.vocabulary)}`,
  `beam ${data.beam.size}`,
  `score ${fixed(data.beam.score, 3)}`,
].join("  ·  ");
byId("made").textContent = `Made by nmt ${data.nmt}.`;

// What has data attributes is about one kind of model; remove what is about another.
for (const text of document.querySelectorAll(".lead, .lead span")) {
  const isTrue = ([fact, values]) => values.split(" ").includes(String(model[fact]));
  if (!Object.entries(text.dataset).every(isTrue)) text.remove();
}
showTokens(byId("tokens-view"), data);
showEmbedding(byId("embedding-view"), data);
showStack(byId("encoder-view"), data, "encoder");
showStack(byId("decoder-view"), data, "decoder");
showProbabilities(byId("probabilities-view"), data);
showBeam(byId("beam-view"), data);
showAlignment(byId("alignment-view"), data);
followScheme();
