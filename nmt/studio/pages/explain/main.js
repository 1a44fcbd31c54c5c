/** The page of `nmt explain`: read the data, draw the sections, and draw them again for a new text. */

import { byId, el } from "../dom.js";
import { startPage } from "../flow.js";
import { fixed, grouped } from "../numbers.js";
import { followScheme } from "../scheme.js";
import { showAlignment } from "./alignment.js";
import { showStack } from "./attention.js";
import { showBeam } from "./beam.js";
import { showEmbedding } from "./embedding.js";
import { Selection } from "./selection.js";
import { showTokens } from "./tokens.js";
import { showProbabilities } from "./probabilities.js";
import { unpackAll } from "./unpack.js";

const SECTIONS = {
  tokens: showTokens,
  embedding: showEmbedding,
  encoder: (view, data, selection) => showStack(view, data, selection, "encoder"),
  decoder: (view, data, selection) => showStack(view, data, selection, "decoder"),
  probabilities: showProbabilities,
  beam: showBeam,
  alignment: showAlignment,
};

const page = unpackAll(startPage());
const [first] = page.models;
const isComparison = page.models.length > 1;

/** A model's part of each section, for the sentence that the page shows. */
class Column {
  /** Draw `data`; `name` is the heading of the column beside that of another model. */
  constructor(data, name) {
    this.views = Object.keys(SECTIONS).map((section) => {
      const view = el("div.column");
      byId(`${section}-view`).append(isComparison ? el("h3.of-model", name) : "", view);
      return view;
    });
    this.ends = [];
    this.show(data);
  }

  /** Draw all sections; one may return a function that ends what it does when it is drawn again. */
  show(data) {
    for (const end of this.ends) end?.();
    this.data = data;
    this.selection = new Selection(data, this.selection);
    this.ends = Object.values(SECTIONS).map((draw, place) => {
      this.views[place].replaceChildren();
      return draw(this.views[place], data, this.selection);
    });
  }
}

function facts(data) {
  const { model } = data;
  return [
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
}

// What has data attributes is about one kind of model; remove what is about another.
for (const text of document.querySelectorAll(".lead, .lead span")) {
  const isTrue = ([fact, values]) => values.split(" ").includes(String(first.model[fact]));
  if (!Object.entries(text.dataset).every(isTrue)) text.remove();
}
byId("facts").textContent = facts(first);
byId("made").textContent = `Made by nmt ${page.nmt}.`;
const columns = page.models.map((data) => new Column(data, data.model.name));
if (isComparison) {
  const [one, other] = columns.map((column) => column.selection);
  [one.linked, other.linked] = [other, one];
}
followScheme();
