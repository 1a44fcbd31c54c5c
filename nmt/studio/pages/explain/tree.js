/** The nodes of the search tree and their rows in its drawing. */

/** Return ((5 + length) / 6)^alpha; length counts EOS. */
export function lengthPenalty(length, alpha) {
  return ((5 + length) / 6) ** alpha;
}

/**
 * Return the nodes with their children, and the nodes of each step by log-probability, best first. A
 * node's `row` is its rank in its step; `lastStep` is the last step of its branch that was not pruned;
 * `share` is the probability of its token, `penalty` that of its length.
 */
export function growTree(beam) {
  const { parent, step, token, log_prob, score, status, wins } = beam.nodes;
  const winning = new Set(wins);
  const nodes = parent.map((above, index) => ({
    index,
    parent: above,
    step: step[index],
    token: token[index],
    logProb: log_prob[index],
    share: Math.exp(log_prob[index] - (log_prob[above] ?? 0)),
    penalty: lengthPenalty(step[index], beam.alpha),
    score: score[index],
    status: status[index],
    wins: winning.has(index),
    children: [],
    lastStep: step[index],
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
    if (node.parent === null || node.status === "pruned") continue;
    nodes[node.parent].lastStep = Math.max(nodes[node.parent].lastStep, node.lastStep);
  }
  return { nodes, steps };
}

/** Return the nodes from the first token to this one. */
export function pathTo(nodes, node) {
  const path = [];
  for (let each = node; each.parent !== null; each = nodes[each.parent]) path.unshift(each);
  return path;
}
