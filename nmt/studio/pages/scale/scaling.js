/** The charts of all runs: loss by parameters, training pairs and operations. */

const COLOURS = ["source", "target", "good"]; // of the recipes, in their order

/** Return the charts, as `showChart` takes them. */
export function chartsOf({ runs, checks, laws }) {
  const ended = (rows) => rows.filter(({ state, loss }) => state === "finished" && loss !== null);
  const whole = ended(runs).filter(({ share }) => share === 1);
  const shared = new Set(runs.filter(({ share }) => share < 1).map(({ size }) => size));
  const ofShares = ended(runs).filter(({ size }) => shared.has(size));
  const chart = (title, over, rows, predicted, groupOf) => ({
    title,
    over,
    series: Object.keys(laws).flatMap((recipe, place) => {
      const own = (all) => all.filter((row) => row.recipe === recipe);
      const curves = laws[recipe].curves.filter((curve) => curve.over === over);
      const colour = COLOURS[place % COLOURS.length];
      return [
        ...curves.map((curve, number) => ({
          ...curve,
          label: `${groupOf(recipe, curve.size)}, law`,
          colour,
          kind: "law",
          dashed: number > 0,
        })),
        ...pointsOf(own(rows), own(predicted), over, colour, groupOf),
      ];
    }),
  });
  const check = ended(checks);
  const byName = (recipe) => recipe;
  const bySize = (recipe, size) => `${recipe} ${size}`;
  return [
    chart("Loss by parameters N, whole corpus", "N", whole, check, byName),
    chart("Loss by training pairs D, by size", "D", ofShares, [], bySize),
    chart("Loss by operations", "operations", ended(runs), check, byName),
  ];
}

/** Return a series of points for each name and each kind of run. */
function pointsOf(rows, checks, over, colour, groupOf) {
  const groups = new Map();
  const add = (row, kind, note) => {
    const label = `${groupOf(row.recipe, row.size)}${note}`;
    if (!groups.has(label)) groups.set(label, { label, kind, colour, rows: [] });
    groups.get(label).rows.push(row);
  };
  for (const row of rows) {
    if (row.end === "patience") add(row, "run", "");
    else add(row, "short", ", ended by updates");
  }
  for (const row of checks) add(row, "check", ", predicted");
  return [...groups.values()].map(({ rows: all, ...series }) => {
    const sorted = meansOf(all, over);
    return { ...series, x: sorted.map(([x]) => x), value: sorted.map(([, y]) => y) };
  });
}

/** Return [place, loss] in order; runs with several seeds at one place are one point. */
function meansOf(rows, over) {
  const losses = new Map();
  for (const row of rows) losses.set(row[over], [...(losses.get(row[over]) ?? []), row.loss]);
  return [...losses].map(([x, all]) => [x, all.reduce((sum, y) => sum + y, 0) / all.length])
    .sort(([one], [other]) => one - other);
}
