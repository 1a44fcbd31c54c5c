/** The beam's nodes and where they stand in its drawing. */

/**
 * Nodes with their children, and of each step the nodes by log-probability, best first. A node's
 * `row` is its rank in its step; `lasts` is the last step that any of its branch was kept in.
 */
export function growTree(beam) {
  const { parent, step, piece, log_prob, score, fate, wins } = beam.nodes;
  const winning = new Set(wins);
  const nodes = parent.map((above, place) => ({
    place,
    parent: above,
    step: step[place],
    piece: piece[place],
    logProb: log_prob[place],
    score: score[place],
    fate: fate[place],
    wins: winning.has(place),
    children: [],
    lasts: step[place],
  }));
  const steps = [];
  for (const node of nodes) {
    (steps[node.step] ??= []).push(node);
    if (node.parent !== null) nodes[node.parent].children.push(node);
  }
  for (const column of steps) {
    column.sort((one, other) => other.logProb - one.logProb);
    column.forEach((node, row) => node.row = row);
  }
  for (const node of nodes.toReversed()) {
    if (node.parent === null || node.fate === "pruned") continue;
    nodes[node.parent].lasts = Math.max(nodes[node.parent].lasts, node.lasts);
  }
  return { nodes, steps };
}

/** The nodes from the first piece to this one. */
export function pathTo(nodes, node) {
  const path = [];
  for (let each = node; each.parent !== null; each = nodes[each.parent]) path.unshift(each);
  return path;
}
