/** Start a page: read its data, and make its sections, which fold, and the bar that leads to them. */

import { button, byId, el } from "./dom.js";
import { followPointer } from "./reading.js";

/**
 * Return the data of the page. Each section gets a heading, an entry in the bar and a view to draw in,
 * whose id is that of the section and "-view".
 */
export function startPage() {
  const main = document.querySelector("main");
  const sections = [...main.children];
  const links = sections.map((section) => {
    const click = () => section.open = true;
    return el("a", { href: `#${section.id}`, on: { click } }, section.dataset.name);
  });
  sections.forEach((section, place) => {
    const { ref } = section.dataset;
    const title = section.querySelector("h2");
    const number = el("span.number", String(place + 1));
    section.prepend(el("summary", number, title, ref ? el("span.ref", ref) : null));
    section.append(el("div", { id: `${section.id}-view` }));
  });
  const bar = el("ol", ...links.map((link) => el("li", link)));
  main.before(el("nav.flow", { "aria-label": main.dataset.parts }, bar, foldButton(sections)));
  followSections(bar, links, sections);
  followPointer();
  return JSON.parse(byId("data").textContent);
}

/** Mark the section that is in view. */
function followSections(bar, links, sections) {
  const mark = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < 120);
    const here = links[passed.length - 1];
    if (here?.hasAttribute("aria-current")) return;
    for (const link of links) link.removeAttribute("aria-current");
    here?.setAttribute("aria-current", "true");
    bar.scrollLeft = here ? here.offsetLeft - bar.offsetLeft - bar.clientWidth / 3 : 0;
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
}

/** Return a button that folds all sections, or unfolds them if all are folded. */
function foldButton(sections) {
  const isOpen = () => sections.some((section) => section.open);
  const name = () => fold.textContent = isOpen() ? "Fold all" : "Unfold all";
  const click = () => {
    const open = isOpen();
    for (const section of sections) section.open = !open;
    name();
  };
  const fold = button("", { id: "fold-all", on: { click } });
  for (const section of sections) section.addEventListener("toggle", name);
  name();
  return fold;
}
