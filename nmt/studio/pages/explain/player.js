/** Controls that go through steps: back, play, forward and a slider. */

import { el, signButton } from "../dom.js";

export class Player {
  /**
   * Steps are 0 to `last`, and `go(step, plays)` shows one. unit: what a step is called. range: the
   * name of the slider. While it plays, `first` milliseconds pass before a step, then `pause()`.
   */
  constructor({ last, unit, range, first, pause, go }) {
    Object.assign(this, { last, first, pause, go, step: null, timer: null });
    this.back = signButton(`One ${unit} back`, "←", () => go(this.step - 1));
    this.on = signButton(`One ${unit} forward`, "→", () => go(this.step + 1));
    this.play = signButton("Play", "▶", () => this.toggle());
    this.buttons = el("div.choice", this.back, this.play, this.on);
    this.shown = el("output.soft");
    this.range = el("input", {
      type: "range",
      min: 0,
      max: last,
      "aria-label": range,
      on: { input: () => go(Number(this.range.value)) },
    });
  }

  toggle() {
    if (this.timer) return this.stop();
    if (this.step === this.last) this.go(0);
    this.name("❚❚", "Pause");
    this.timer = setTimeout(() => this.next(), this.first);
  }

  next() {
    if (!this.play.isConnected) return this.stop();
    this.timer = setTimeout(() => this.next(), this.pause());
    this.go(this.step + 1, true);
    if (this.step === this.last) this.stop();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.name("▶", "Play");
  }

  name(sign, name) {
    this.play.textContent = sign;
    this.play.setAttribute("aria-label", name);
  }

  /** Show a step in the controls: its name for screen readers, and the text beside the slider. */
  show(step, name, text) {
    this.step = step;
    this.range.value = String(step);
    this.range.setAttribute("aria-valuetext", name);
    this.shown.textContent = text;
    this.back.disabled = step === 0;
    this.on.disabled = step === this.last;
  }
}
