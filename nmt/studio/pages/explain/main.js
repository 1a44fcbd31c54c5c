/** The page of `nmt explain`: read the data, draw the sections, and draw them again for a new text. */

import { byId, el } from "../dom.js";
import { startPage } from "../flow.js";
import { fixed, grouped } from "../numbers.js";
import { onScheme } from "../scheme.js";
import { showAlignment } from "./alignment.js";
import { showStack } from "./attention.js";
import { showBeam } from "./beam.js";
import { showEmbedding } from "./embedding.js";
import { showScene } from "./scene/scene.js";
import { Selection } from "./selection.js";
import { joined, showTokens } from "./tokens.js";
import { showProbabilities } from "./probabilities.js";
import { startTyping } from "./typing.js";
import { unpackAll } from "./unpack.js";

const SECTIONS = {
  scene: showScene,
  tokens: showTokens,
  embedding: showEmbedding,
  encoder: (view, data, selection) => showStack(view, data, selection, "encoder"),
  decoder: (view, data, selection) => showStack(view, data, selection, "decoder"),
  probabilities: showProbabilities,
  beam: showBeam,
  alignment: showAlignment,
};

const page = unpackAll(startPage());
const isComparison = page.models.length > 1;

/** A model's part of each section, for the sentence that the page shows. */
class Column {
  constructor(data) {
    this.data = data;
    this.live = null; // what sections can ask of a model in the page; see typing.js
    this.views = Object.keys(SECTIONS).map((section) => {
      const view = el("div.column");
      const own = isComparison ? el("div.of-model", el("h3", data.model.name), view) : view;
      byId(`${section}-view`).append(own);
      return view;
    });
    this.ends = [];
    this.turn = 0;
  }

  /**
   * Draw all sections; after the first time, those out of view one by one, so that keys are heard. A
   * section may return a function that ends what it does when it is drawn again. Returns whether no
   * other data came in between.
   */
  async show(data) {
    const turn = ++this.turn;
    const isFirst = turn === 1;
    this.data = data;
    this.selection = new Selection(data, this.selection);
    this.selection.live = this.live;
    const [seen, unseen] = [[], []];
    this.views.forEach((view, place) => (isInView(view) ? seen : unseen).push(place));
    for (const place of [...seen, ...unseen]) {
      if (!isFirst && unseen.includes(place)) await new Promise((resolve) => setTimeout(resolve));
      if (turn !== this.turn) return false;
      this.draw(place);
    }
    return true;
  }

  draw(place) {
    const view = this.views[place];
    const hadFocus = view.contains(document.activeElement);
    const open = [...view.querySelectorAll("details")].map((part) => part.open);
    view.style.minHeight = `${view.offsetHeight}px`; // the page must not scroll
    this.ends[place]?.();
    view.replaceChildren();
    this.ends[place] = Object.values(SECTIONS)[place](view, this.data, this.selection);
    view.querySelectorAll("details").forEach((part, index) => part.open = open[index] ?? part.open);
    view.style.minHeight = "";
    if (hadFocus) view.closest("details").querySelector("summary").focus({ preventScroll: true });
  }
}

function isInView(view) {
  const { top, bottom } = view.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

function facts(data) {
  const { model } = data;
  return [
    ...isComparison ? [model.name] : [],
    `${model.source_language} → ${model.target_language}`.trim(),
    `${grouped(model.parameters)} parameters`,
    `${model.encoder_layers} + ${model.decoder_layers} layers`,
    `${model.heads} ${model.heads === 1 ? "head" : "heads"}`,
    `d_model ${model.d_model}`,
    model.joint
      ? `vocabulary ${grouped(model.vocabulary)}`
      : `vocabularies ${grouped(model.source_vocabulary)} and ${grouped(model.vocabulary)}`,
    data.beam.method === "sample" ? "sampled" : `beam ${data.beam.size}`,
    `score ${fixed(data.beam.score, 3)}`,
  ].join("  ·  ");
}

/** Return the translation, with a mark at what the reader forced. */
function translation({ target, tokens, forced }) {
  const begin = joined(forced ?? [], tokens).textContent;
  if (!target.text) return [el("span.soft", "(no words)")];
  if (!begin || !target.text.startsWith(begin)) return [target.text];
  return [el("mark", begin), target.text.slice(begin.length)];
}

/** Show the sentence, its translations and the facts about them at the top of the page. */
function showTop(columns) {
  const [{ data }] = columns;
  const names = columns.map((column) => column.data.model.name).join(" and ");
  document.title = `How ${names} ${isComparison ? "translate" : "translates"}: ${data.source.text}`;
  document.querySelector("h1 .source").textContent = data.source.text;
  byId("translations").replaceChildren(...columns.map(({ data }) =>
    el(
      "span.target",
      { dir: "auto", lang: data.model.target_language },
      isComparison ? el("small.soft", `${data.model.name}: `) : null,
      ...translation(data),
    )
  ));
  byId("facts").replaceChildren(...columns.map(({ data }) => el("p", facts(data))));
  const selections = columns.map((column) => column.selection);
  selections.forEach((own, place) => own.linked = selections[1 - place] ?? null);
}

// What has data attributes is about one kind of model: remove it, or name the model it is about.
for (const text of document.querySelectorAll(".lead, .lead span")) {
  const isTrue = ({ model }) =>
    Object.entries(text.dataset).every(([fact, values]) =>
      values.split(" ").includes(String(model[fact]))
    );
  const such = page.models.filter(isTrue).map(({ model }) => model.name);
  if (!such.length) text.remove();
  else if (such.length < page.models.length) text.append(` (${such.join(", ")})`);
}
const columns = page.models.map((data) => new Column(data));
startTyping(columns, () => showTop(columns));
for (const column of columns) column.show(column.data);
showTop(columns);
onScheme(() => {
  for (const canvas of document.querySelectorAll("canvas")) canvas.draw?.();
});
