/** Where the scene is seen from, and how the view moves. */

const FLY_MS = 900;
const ANGLES = { overview: [-0.3, 0.16], near: [0.22, 0.14] }; // yaw and pitch
const ROOM = { overview: 1.17, near: 1.3 }; // of a picture around its box
const MAP = { room: 190, from: 700 }; // pixels that the map takes, if the picture is so wide
const LEAST_HEIGHT = 56;
const NEAR = [460, 260]; // width and height of a box that takes in the inputs of a block
const TALL = 400; // of a block that is not shown as a whole
const ROWS = 44; // of such a block that are shown

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** A view {x, y, height, yaw, pitch}: the middle of the picture, its height in cells, two angles. */
export class Camera {
  constructor(box, size) {
    this.size = size;
    this.view = this.towards(box, "overview");
  }

  /** Return the view that shows a box. */
  towards({ left, right, bottom, top }, kind) {
    const { width, height } = this.size();
    const map = width > MAP.from ? MAP.room : 0;
    const tall = Math.max(top - bottom, (right - left) * height / (width - map));
    const [yaw, pitch] = ANGLES[kind];
    const seen = Math.max(LEAST_HEIGHT, tall * ROOM[kind]);
    const aside = map / 2 * seen / height;
    const middle = { x: (left + right) / 2 + aside, y: (bottom + top) / 2 };
    return { ...middle, height: seen, yaw, pitch };
  }

  /** Move to a view; at once if the reader wants no motion, or does not see it. */
  fly(target, isSeen) {
    this.target = target;
    this.from = { ...this.view };
    this.started = still.matches || !isSeen ? -Infinity : performance.now();
  }

  /** Move on; return whether the view still moves. */
  advance() {
    if (!this.target) return false;
    const share = Math.min(1, (performance.now() - this.started) / FLY_MS);
    const eased = share < 0.5 ? 4 * share ** 3 : 1 - (2 - 2 * share) ** 3 / 2;
    for (const [key, to] of Object.entries(this.target)) {
      const from = this.from[key];
      this.view[key] = key === "height" ? from * (to / from) ** eased : from + (to - from) * eased;
    }
    if (share === 1) this.target = null;
    return share < 1;
  }

  /** Turn by pixels of a drag. */
  turn(right, down) {
    this.target = null;
    this.view.yaw = Math.max(-1.3, Math.min(1.3, this.view.yaw - right / 250));
    this.view.pitch = Math.max(-0.6, Math.min(1.2, this.view.pitch + down / 250));
  }

  /** Move by pixels of a drag. */
  pan(right, down) {
    const unit = this.view.height / this.size().height;
    this.target = null;
    this.view.x -= right * unit;
    this.view.y += down * unit;
  }

  /** Zoom; on the way, where the view goes to. */
  zoom(factor) {
    const view = this.target ?? this.view;
    view.height = Math.max(20, Math.min(2e4, view.height * factor));
  }
}

/** Return the box around a block and those of its inputs that are near; `row` is in its middle. */
export function surroundings({ place }, inputs, row) {
  let box = place;
  if (place.top - place.bottom > TALL) {
    const middle = place.top - row * place.cell[1];
    const [left, right] = [place.left - 20, place.right + 20];
    box = { left, right, bottom: middle - ROWS / 2, top: middle + ROWS / 2 };
  }
  for (const input of inputs) {
    const both = around([box, input.place]);
    if (both.right - both.left < NEAR[0] && both.top - both.bottom < NEAR[1]) box = both;
  }
  return box;
}

/** Return the box around boxes. */
export function around(boxes) {
  return {
    left: Math.min(...boxes.map(({ left }) => left)),
    right: Math.max(...boxes.map(({ right }) => right)),
    bottom: Math.min(...boxes.map(({ bottom }) => bottom)),
    top: Math.max(...boxes.map(({ top }) => top)),
  };
}
