/** The fourth section: settings compared with the paper's and with those of other runs. */

import { el, rowHead, table } from "./dom.js";

/** Draw the table of deviations and the tables of all settings. */
export function showRecipe(view, runs) {
  view.append(...deviations(runs), ...Object.keys(runs[0].settings).map((name) => all(runs, name)));
}

function deviations(runs) {
  const comparisons = runs.map((run) => {
    const name = runs.length > 1 ? `${run.name}: ` : "";
    const { row, deviations: own } = run.paper;
    return el(
      "p.comparison",
      own.length === 0
        ? `${name}no deviation from the paper's ${row}.`
        : `${name}${own.length} deviation${own.length > 1 ? "s" : ""} from the paper's ${row}, ` +
          "the nearest row.",
    );
  });
  const every = runs.flatMap((run) => run.paper.deviations);
  if (every.length === 0) return comparisons;
  const names = runs.length > 1 ? runs.map((run) => run.name) : ["this run"];
  const columns = ["setting", ...names, "paper", "place", "meaning"];
  const rows = [...new Set(every.map((each) => each.setting))].map((setting) => {
    const those = every.filter((each) => each.setting === setting);
    const found = runs.map((run) => run.paper.deviations.find((each) => each.setting === setting));
    const values = runs.map((run, place) => found[place]?.value ?? asInThePaper(run, setting));
    const papers = [...new Set(those.map((each) => each.paper))].join(" or ");
    const cells = [
      ...values.map((value, place) => [found[place] ? null : "soft", el("code", value)]),
      ["soft", el("code", papers)],
      ["soft", those[0].source ?? "not in the paper"],
      ["soft", those[0].meaning],
    ];
    const own = cells.map(([kind, content], place) =>
      el("td", { class: kind, "data-name": columns[place + 1] }, content)
    );
    return settingRow(setting, values, own);
  });
  return [...comparisons, table(columns, rows, [...columns.keys()], "deviations")];
}

const CORPORA = ["data.train", "data.dev", "data.test"];

/** Return a setting of a run that does not deviate in it; corpora are not listed by name. */
function asInThePaper(run, setting) {
  const [section, key] = setting.split(".");
  const value = CORPORA.includes(setting) ? undefined : run.settings[section]?.[key];
  return value?.replaceAll('"', "") ?? "as in the paper";
}

function all(runs, section) {
  const keys = Object.keys(runs[0].settings[section]);
  const rows = keys.map((key) => {
    const values = runs.map((run) => run.settings[section]?.[key] ?? "–");
    return settingRow(key, values, values.map((value) => el("td.value", el("code", value))));
  });
  const columns = ["setting", ...(runs.length > 1 ? runs.map((run) => run.name) : ["value"])];
  const name = el("summary", el("code", `[${section}]`));
  return el("details.section", name, table(columns, rows, [...columns.keys()]));
}

/** Return the row of a setting; it is shaded if its values differ. */
function settingRow(name, values, cells) {
  const differ = new Set(values).size > 1;
  return el("tr", { class: differ ? "differs" : null }, rowHead(el("code", name)), ...cells);
}
