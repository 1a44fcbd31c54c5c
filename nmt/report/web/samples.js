/** The second block: fixed segments of the dev set at every validation. */

import { el, slider } from "../../pages/dom.js";

/** Draw the segments and the slider over validations. */
export function showSamples(view, runs) {
  const updates = [...new Set(runs.flatMap((run) => run.samples.map((each) => each.update)))];
  updates.sort((one, other) => one - other);
  if (updates.length === 0) {
    view.append(el("p", { class: "note" }, "This run kept no translations of its validations."));
    return;
  }
  const list = el("div", { class: "samples" });
  const draw = (place) => list.replaceChildren(...segments(runs, updates[place]));
  view.append(
    el(
      "div",
      { class: "controls" },
      slider({
        name: "Validation",
        min: 0,
        max: updates.length - 1,
        step: 1,
        value: updates.length - 1,
        show: (place) => `update ${updates[place].toLocaleString("en")}`,
        change: draw,
      }),
    ),
    list,
  );
  draw(updates.length - 1);
}

function segments(runs, update) {
  const sources = new Map();
  for (const run of runs) {
    for (const validation of run.samples) {
      for (const sample of validation.samples) sources.set(sample.source, sample.references);
    }
  }
  return [...sources].map(([source, references]) =>
    el(
      "article",
      { class: "sample" },
      line("source", runs[0].languages[0], source),
      ...references.map((text) => line("reference", runs[0].languages[1], text)),
      ...runs.filter((run) => versions(run, source).length > 0)
        .map((run) => translation(run, source, references, update, runs.length > 1)),
    )
  );
}

function line(name, language, text) {
  return el(
    "p",
    { class: `line ${name}` },
    el("span", { class: "name" }, name),
    el("span", { dir: "auto", lang: language }, text),
  );
}

/** The last validation up to an update that has the segment; after training, the average's. */
function versions(run, source) {
  return run.samples.flatMap(({ update, kind, samples }) =>
    samples.filter((sample) => sample.source === source)
      .map((sample) => ({ update, kind, text: sample.translation }))
  );
}

function translation(run, source, references, update, many) {
  const every = versions(run, source);
  const now = every.findLast((version) => version.update <= update);
  const name = many ? run.name : "translation";
  const changed = every.filter((version, place) => version.text !== every[place - 1]?.text);
  return el(
    "div",
    { class: "translation" },
    el(
      "p",
      { class: "line" },
      el("span", { class: "name" }, name),
      now ? marked(now.text, references, run.languages[1]) : el("span", {}, "–"),
    ),
    changed.length > 1
      ? el(
        "details",
        { class: "versions" },
        el("summary", {}, `${changed.length} versions`),
        el(
          "ol",
          {},
          ...changed.map((version) =>
            el(
              "li",
              {},
              el(
                "span",
                { class: "name" },
                version.kind === "average" ? "average" : version.update.toLocaleString("en"),
              ),
              marked(version.text, references, run.languages[1]),
            )
          ),
        ),
      )
      : null,
  );
}

/** A text; its words that the nearest reference has in this order stand out. */
function marked(text, references, language) {
  const own = wordsOf(text);
  const shared = references.map((reference) => commonPlaces(own, wordsOf(reference)))
    .reduce((most, places) => places.size > most.size ? places : most, new Set());
  const words = own.flatMap((word, place) => [
    place ? " " : "",
    el("span", { class: shared.has(place) ? "shared" : "other" }, word),
  ]);
  return el("span", { dir: "auto", lang: language }, ...words);
}

function wordsOf(text) {
  return text.split(/\s+/u).filter(Boolean);
}

/** Places of the longest common subsequence in the first of two lists. */
export function commonPlaces(one, other) {
  const longest = Array.from({ length: one.length + 1 }, () => Array(other.length + 1).fill(0));
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      longest[i][j] = one[i] === other[j]
        ? longest[i + 1][j + 1] + 1
        : Math.max(longest[i + 1][j], longest[i][j + 1]);
    }
  }
  const places = new Set();
  let [i, j] = [0, 0];
  while (i < one.length && j < other.length) {
    if (one[i] === other[j]) {
      places.add(i);
      i++;
      j++;
    } else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  }
  return places;
}
