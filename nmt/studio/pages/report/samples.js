/** The third section: translations of fixed dev segments at every validation. */

import { el, slider } from "../dom.js";

const AVERAGE = Infinity; // the stop of the average comes after every update

/** Draw the segments and the slider over validations. */
export function showSamples(view, runs) {
  const stops = [...new Set(runs.flatMap((run) => run.samples.map(stopOf)))];
  stops.sort((one, other) => one - other);
  if (stops.length === 0) {
    const validated = runs.some((run) => run.curves.dev.loss.updates.length > 0);
    const kept = "The validations of this run have no translations.";
    view.append(el("p.note", validated ? kept : "No validation yet."));
    return;
  }
  const sources = segmentsOf(runs);
  const list = el("div.samples");
  const draw = (place) =>
    list.replaceChildren(...sources.map((each) => segment(each, stops[place], runs.length > 1)));
  const last = stops.length - 1;
  view.append(
    el(
      "div.controls",
      slider({
        name: "Validation",
        min: 0,
        max: last,
        step: 1,
        value: last,
        show: (place) => nameOf(stops[place]),
        change: draw,
      }),
    ),
    list,
  );
  draw(last);
}

function stopOf(validation) {
  return validation.kind === "average" ? AVERAGE : validation.update;
}

function nameOf(stop) {
  return stop === AVERAGE ? "average" : `update ${stop.toLocaleString("en")}`;
}

/**
 * Return each segment once, with the translations of each run. A segment that is in the dev set
 * twice stays two segments: equal ones are numbered.
 */
function segmentsOf(runs) {
  const found = new Map();
  for (const run of runs) {
    for (const validation of run.samples) {
      const seen = new Map();
      for (const { source, references, translation } of validation.samples) {
        const alike = JSON.stringify([run.languages, source, references]);
        seen.set(alike, (seen.get(alike) ?? 0) + 1);
        const name = `${seen.get(alike)} ${alike}`;
        const segment = found.get(name) ??
          { source, references, languages: run.languages, versions: new Map() };
        found.set(name, segment);
        const versions = segment.versions.get(run.name) ?? [];
        segment.versions.set(run.name, versions);
        versions.push({ stop: stopOf(validation), text: translation });
      }
    }
  }
  return [...found.values()];
}

function segment({ source, references, languages, versions }, stop, many) {
  return el(
    "article.sample",
    line("source", languages[0], source),
    ...references.map((text) => line("reference", languages[1], text)),
    ...[...versions].map(([name, every]) =>
      translation(many ? name : "translation", every, references, languages[1], stop)
    ),
  );
}

function line(name, language, text) {
  return el(
    "p",
    { class: `line ${name}` },
    el("span.name", name),
    el("span", { dir: "auto", lang: language }, text),
  );
}

/** Show the translation of the last validation up to a stop, and a list of all versions. */
function translation(name, every, references, language, stop) {
  const now = every.findLast((version) => version.stop <= stop);
  const changed = every.filter((version, place) => version.text !== every[place - 1]?.text);
  return el(
    "div.translation",
    el(
      "p.line",
      el("span.name", { title: name }, name),
      now ? marked(now.text, references, language) : el("span", "–"),
    ),
    changed.length > 1 ? versionList(changed, references, language) : null,
  );
}

function versionList(versions, references, language) {
  const items = versions.map(({ stop, text }) =>
    el(
      "li",
      el("span.name", stop === AVERAGE ? "average" : stop.toLocaleString("en")),
      marked(text, references, language),
    )
  );
  return el("details.versions", el("summary", `${versions.length} versions`), el("ol", ...items));
}

/** Show a text; words that the nearest reference has in the same order are highlighted. */
function marked(text, references, language) {
  const own = wordsOf(text);
  const shared = references.map((reference) => commonPlaces(own, wordsOf(reference)))
    .reduce((most, places) => places.size > most.size ? places : most, new Set());
  const words = own.flatMap((word, place) => [
    place ? " " : "",
    el("span", { class: shared.has(place) ? "shared" : "target" }, word),
  ]);
  return el("span", { dir: "auto", lang: language }, ...words);
}

function wordsOf(text) {
  return text.split(/\s+/u).filter(Boolean);
}

/** Return the places in the first list of the longest common subsequence of both lists. */
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
