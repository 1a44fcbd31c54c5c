/** The page of `nmt scale`: sections of charts, tables and paragraphs, made from its data. */

import { byId, el } from "../dom.js";
import { startPage } from "../flow.js";
import { table } from "../tables.js";

const { nmt, command, sections } = JSON.parse(byId("data").textContent);

byId("command").append(el("code", command));
byId("made").textContent = `Created by nmt ${nmt}. Curves are drawn by uPlot (MIT).`;
document.querySelector("main").append(...sections.map(({ id, name, title, lead }) =>
  el("details", { open: true, id, "data-name": name }, el("h2", title), el("p.lead", lead))
));
startPage();
for (const section of sections) show(byId(`${section.id}-view`), section);

function show(view, { tables, texts }) {
  view.append(
    ...texts.map((text) => el("p.hint", text)),
    ...tables.map(({ heads, rows, texts: columns }) => table(heads, rows, columns)),
  );
}
