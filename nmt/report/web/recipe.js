/** The third block: settings beside the paper's, and beside those of other runs. */

import { el } from "../../pages/dom.js";

/** Draw both tables. */
export function showRecipe(view, runs) {
  view.append(...deviations(runs), ...Object.keys(runs[0].settings).map((name) => all(runs, name)));
}

function deviations(runs) {
  const beside = runs.map((run) => {
    const name = runs.length > 1 ? `${run.name}: ` : "";
    const { row, deviations: own } = run.paper;
    return el(
      "p",
      { class: "beside" },
      own.length === 0
        ? `${name}no deviation, this is the paper's ${row}.`
        : `${name}${own.length} deviations from the paper's ${row}, which is nearest.`,
    );
  });
  const known = new Map();
  for (const run of runs) for (const each of run.paper.deviations) known.set(each.setting, each);
  if (known.size === 0) return beside;
  const rows = [...known.values()].map((each) => {
    const values = runs.map((run) =>
      run.paper.deviations.find((own) => own.setting === each.setting)?.value ?? each.paper
    );
    return el(
      "tr",
      { class: differ(values) ? "differs" : null },
      el("th", { scope: "row" }, el("code", {}, each.setting)),
      ...values.map((value) =>
        el("td", { class: value === each.paper ? "soft" : null }, el("code", {}, value))
      ),
      el("td", { class: "soft" }, el("code", {}, each.paper)),
      el("td", { class: "soft" }, each.source ?? "not in the paper"),
      el("td", { class: "soft" }, each.meaning),
    );
  });
  const names = runs.length > 1 ? runs.map((run) => run.name) : ["this run"];
  const table = el(
    "table",
    { class: "deviations" },
    head(["setting", ...names, "paper", "where", "what it is"]),
    el("tbody", {}, ...rows),
  );
  return [...beside, el("div", { class: "scroll" }, table)];
}

function all(runs, section) {
  const keys = Object.keys(runs[0].settings[section]);
  const rows = keys.map((key) => {
    const values = runs.map((run) => run.settings[section]?.[key] ?? "–");
    return el(
      "tr",
      { class: differ(values) ? "differs" : null },
      el("th", { scope: "row" }, el("code", {}, key)),
      ...values.map((value) => el("td", { class: "value" }, el("code", {}, value))),
    );
  });
  const names = runs.length > 1 ? runs.map((run) => run.name) : ["value"];
  return el(
    "details",
    { class: "section" },
    el("summary", {}, el("code", {}, `[${section}]`)),
    el(
      "div",
      { class: "scroll" },
      el("table", {}, head(["setting", ...names]), el("tbody", {}, ...rows)),
    ),
  );
}

function head(names) {
  return el("thead", {}, el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name))));
}

function differ(values) {
  return new Set(values).size > 1;
}
