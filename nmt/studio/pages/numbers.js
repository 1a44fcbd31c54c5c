/** Format numbers for readers. */

const MINUS = "\u2212";

/** Format a number with `digits` decimal places and a real minus sign. */
export function fixed(number, digits = 3) {
  if (number === null || number === undefined || Number.isNaN(number)) return "–";
  if (!Number.isFinite(number)) return number > 0 ? "∞" : `${MINUS}∞`;
  const text = number.toFixed(digits);
  if (Number(text) === 0) return text.replace("-", "");
  return text.replace("-", MINUS);
}

/** Format a share of 1 in per cent. */
export function percent(share) {
  const value = 100 * share;
  return `${value > 0 && value < 0.01 ? "<\u00a00.01" : value.toFixed(value < 10 ? 2 : 1)}\u00a0%`;
}

/** Format an integer in groups of three digits. */
export function grouped(number) {
  return Math.round(number).toLocaleString("en");
}
