/** The page of `nmt check`: read the report and draw each text with its findings. */

import { byId, el, rowHead, table } from "../dom.js";
import { grouped, percent } from "../numbers.js";

const data = JSON.parse(byId("data").textContent);

byId("texts").append(...data.texts.map((text, place) => section(text, place + 1)));
if (data.advice) byId("texts").append(advice(data.advice));
byId("skipped").append(
  ...data.skipped.map(({ what, why }) => el("li", `Not checked: ${what} (${why})`)),
);

function section(text, number) {
  return el(
    "details",
    { open: true },
    el(
      "summary",
      el("span.number", String(number)),
      el("h2", text.name),
      el("span.ref", `${grouped(text.pairs)} pairs`),
    ),
    el("p.lead", text.files.join(" + ")),
    facts(text),
    lengths(text.histogram),
    ...(text.findings.length
      ? text.findings.map((one) => finding(one, text.unit))
      : [el("p.finding", "Nothing was found.")]),
  );
}

function facts({ pairs, words, histogram, scripts, coverage }) {
  const means = words.map((total) => (total / Math.max(1, pairs)).toFixed(1)).join(" and ");
  const units = [...new Set(histogram.units)].join(" and ");
  const unit = [...new Set(histogram.units.map((each) => each.replace(/s$/, "")))].join(" or ");
  const known = [...new Set(scripts.map((side) => side.join("/") || "no"))].join(" and ");
  const text = `On average ${means} ${units} in source and target. ${known} script.`;
  if (!coverage) return el("p.facts", text);
  const pieces = coverage.pieces_per_word.map((each) => each.toFixed(2)).join(" and ");
  const learned = coverage.learned_tokens
    ? ` with ${grouped(coverage.learned_tokens)} tokens learned from a sample`
    : "";
  return el("p.facts", `${text} ${pieces} pieces for each ${unit}${learned}.`);
}

function lengths({ units, labels, source, target }) {
  const most = Math.max(1, ...source, ...target);
  const cells = (counts, place, side) => [
    el("td.n", grouped(counts[place])),
    el(
      "td.bar",
      el("span", { class: `${side} fill`, style: { width: `${100 * counts[place] / most}%` } }),
    ),
  ];
  const side = (name) => el("th", { scope: "colgroup", colspan: 2 }, name);
  const rows = labels.map((label, place) => [
    el("th.n", { scope: "row" }, label),
    ...cells(source, place, "source"),
    ...cells(target, place, "target"),
  ]);
  const heads = ["length", side(`source, ${units[0]}`), side(`target, ${units[1]}`)];
  return table(heads, rows, [0], "lengths");
}

function finding({ kind, severity, title, count, of, examples, fix }, unit) {
  return el(
    "section.finding",
    { "data-kind": kind },
    el("h3", el("span", { class: `severity ${severity}` }, severity), title),
    el("p.facts", `${grouped(count)} of ${grouped(of)}, ${percent(count / of)}`),
    ...examples.map((one) => example(one, unit)),
    el("p", `Fix: ${fix}`),
  );
}

function example({ line, detail, source, target }, unit) {
  const place = line ? `${unit} ${grouped(line)}` : "";
  const shown = source || target;
  return el(
    "div.example",
    el("p.facts", [place, detail].filter(Boolean).join(": ")),
    shown ? el("p.source", { dir: "auto" }, source) : null,
    shown ? el("p.target", { dir: "auto" }, target) : null,
  );
}

function advice({ pairs, advised, notes, differences }) {
  const row = ({ topic, advice, reason }) =>
    el("tr", rowHead(topic), el("td", advice), el("td.soft", reason));
  const difference = ({ name, recipe, advice }) =>
    el("li", `The recipe has ${name}=${recipe}, not ${advice}.`);
  return el(
    "details",
    { open: true, id: "advice" },
    el("summary", el("h2", "advice"), el("span.ref", `${grouped(pairs)} pairs`)),
    el("p.lead", "Settings for this corpus, and the time on the machine that checked it"),
    el("div.scroll", el("table", el("tbody", ...advised.map(row)))),
    ...notes.map((note) => el("p.facts", note)),
    differences.length ? el("ul", ...differences.map(difference)) : null,
  );
}
