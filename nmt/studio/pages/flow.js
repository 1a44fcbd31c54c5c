/** The bar with the sections of a page: mark the current one, fold and unfold all. */

/** Mark the section that is in view. */
export function followSections() {
  const links = [...document.querySelectorAll("nav.flow a")];
  const bar = links[0].closest("ol");
  const sections = links.map((link) => document.querySelector(link.hash));
  const mark = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < 120);
    const here = links[passed.length - 1];
    if (here?.hasAttribute("aria-current")) return;
    for (const link of links) link.removeAttribute("aria-current");
    here?.setAttribute("aria-current", "true");
    bar.scrollLeft = here ? here.offsetLeft - bar.offsetLeft - bar.clientWidth / 3 : 0;
  };
  links.forEach((link, index) => link.addEventListener("click", () => sections[index].open = true));
  addEventListener("scroll", mark, { passive: true });
  mark();
}

/** Let a button fold all sections, or unfold them if all are folded. */
export function foldAll(button) {
  const sections = [...document.querySelectorAll("main > details")];
  const name = () => {
    const open = sections.some((section) => section.open);
    button.textContent = open ? "Fold all" : "Unfold all";
  };
  button.addEventListener("click", () => {
    const open = sections.some((section) => section.open);
    for (const section of sections) section.open = !open;
    name();
  });
  for (const section of sections) section.addEventListener("toggle", name);
  name();
}
