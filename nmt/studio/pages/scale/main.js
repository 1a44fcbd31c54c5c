/** The page of `nmt scale`: charts of all runs, and sections of tables and charts from its data. */

import { byId, el } from "../dom.js";
import { startPage } from "../flow.js";
import { table } from "../tables.js";
import { showChart } from "./charts.js";
import { chartsOf } from "./scaling.js";

const data = JSON.parse(byId("data").textContent);

for (const { id, title } of data.sections) {
  // Other measurements have no place of their own.
  if (byId(id)) continue;
  byId("rules").before(el("details", { open: true, id, "data-name": title }, el("h2", title)));
}
startPage();
byId("rules-view").append(document.querySelector("#rules ul"));
for (const section of [{ id: "scaling", charts: chartsOf(data) }, ...data.sections]) {
  showSection(byId(`${section.id}-view`), section);
}

function showSection(view, { charts = [], texts = [], tables = [] }) {
  const boxes = charts.map(() => el("div"));
  view.append(
    ...texts.map((text) => el("p.hint", text)),
    ...(charts.length ? [el("div.charts", ...boxes)] : []),
    ...tables.filter(({ rows }) => rows.length)
      .map(({ heads, rows }) => table(heads, rows, textColumns(rows), "figures")),
  );
  charts.forEach((chart, place) => showChart(boxes[place], chart));
}

/** Return the columns that hold texts: a number begins with a digit or is missing. */
function textColumns(rows) {
  return [...rows[0].keys()].filter((place) => rows.some((row) => !/^[-−–\d]/.test(row[place])));
}
