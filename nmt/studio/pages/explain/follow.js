/** Follow the selection in a section: at once while it is in view, otherwise when it comes into view. */

/** Call `act` after changes of the selection; return a function that ends this. */
export function follow(selection, view, act) {
  let [isSeen, isLate] = [true, false];
  const catchUp = () => {
    if (isLate) act();
    isLate = false;
  };
  const observer = new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    if (isSeen) catchUp();
  }, { rootMargin: "100px" });
  observer.observe(view);
  addEventListener("beforeprint", catchUp);
  selection.watch(() => {
    isLate = true;
    // The observer reports later than a key can move the focus into the section.
    if (isSeen || view.matches(":hover, :focus-within")) catchUp();
  });
  return () => {
    observer.disconnect();
    removeEventListener("beforeprint", catchUp);
  };
}
