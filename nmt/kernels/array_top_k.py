"""Find the most probable next tokens of each row, in NumPy; `top_k` does so in tensors.

The plain reference is `partitioned` over the whole vocabulary, which a small one uses. The fast
form searches only the groups of tokens with the greatest maxima. A group is every `groups`-th
token, not neighbours. The maxima of all groups are then maxima of long vectors, which takes a fifth
of the time.

Dimensions: R rows (hypotheses), V tokens, n wanted tokens.
"""

from collections.abc import Sequence

import numpy

from nmt.kernels.rule import FloatArray, IdArray, Rule

GROUP = 32  # tokens of a group, a power of two
BLOCK_BYTES = 1 << 20  # bytes of logits in one block of rows: larger blocks leave the core's cache
MOST_LOG = 60.0  # exp overflows float32 at 88; below -60, it would be zero for some logits


def array_top_tokens(
    logits: FloatArray, rules: Sequence[Rule], count: int
) -> tuple[FloatArray, IdArray]:
    """Return log-probabilities and ids (R, n) of the `count` best tokens, in any order.

    logits: (R, V); they are overwritten. If one of a row's logits is NaN, so are its results.
    """
    rows = max(1, BLOCK_BYTES // (4 * logits.shape[1]))
    firsts = range(0, len(logits), rows)
    blocks = [top_of_block(logits[first : first + rows], rules, count, first) for first in firsts]
    if len(blocks) == 1:
        return blocks[0]
    log_probs, ids = zip(*blocks, strict=True)
    return numpy.concatenate(log_probs), numpy.concatenate(ids)


@numpy.errstate(all="ignore")
def top_of_block(
    logits: FloatArray, rules: Sequence[Rule], count: int, first_row: int
) -> tuple[FloatArray, IdArray]:
    """Return the best tokens of a block of rows; its logits become log-probabilities."""
    logits -= log_totals(logits)
    for rule in rules:
        rule.apply(logits, first_row)
    ids = greatest_places(logits, count)
    return logits[numpy.arange(len(ids))[:, None], ids], ids


def log_totals(logits: FloatArray) -> FloatArray:
    """Return log(sum(exp(logits))) of each row, (R, 1): logits minus it are log-probabilities.

    The maximum is not subtracted first, which saves a pass over the logits. A row whose sum is very
    large or very small is summed again, with its maximum subtracted.
    """
    # A product with ones would be faster, but it rounds by how many rows there are.
    totals: FloatArray = numpy.exp(logits).sum(axis=1, keepdims=True)
    found = numpy.log(totals)
    for row in numpy.flatnonzero(~(numpy.abs(found) < MOST_LOG)):  # NaN, too
        greatest = logits[row].max()
        found[row] = greatest + numpy.log(numpy.exp(logits[row] - greatest).sum())
    return found


def greatest_places(values: FloatArray, count: int) -> IdArray:
    """Return the places (R, n) of the greatest of the values (R, V) of each row, in any order.

    They are in the `count` groups with the greatest maxima, or in the rest that fills no group.
    """
    R, V = values.shape
    groups = V // GROUP
    if count >= groups:
        return partitioned(values, count)
    end = groups * GROUP
    maxima = values[:, :end]
    while maxima.shape[1] > groups:  # halves are long vectors
        half = maxima.shape[1] // 2
        maxima = numpy.maximum(maxima[:, :half], maxima[:, half:])
    best_groups = partitioned(maxima, count)  # (R, n)
    places = best_groups[:, None, :] + numpy.arange(0, end, groups)[:, None]
    places = places.reshape(R, -1)  # (R, GROUP * n)
    if end < V:
        rest = numpy.broadcast_to(numpy.arange(end, V), (R, V - end))
        places = numpy.concatenate([places, rest], axis=1)
    rows = numpy.arange(R)[:, None]
    return places[rows, partitioned(values[rows, places], count)]


def partitioned(values: FloatArray, count: int) -> IdArray:
    """Return the places (R, n) of the greatest of the values of each row; NaN is the greatest."""
    width = values.shape[1]
    return values.argpartition(width - count, axis=1)[:, width - count :]


def descending(values: FloatArray) -> IdArray:
    """Return the order of each row's values (R, n), the greatest first and NaN before it.

    Equal values keep their order.
    """
    reversed_order = values[:, ::-1].argsort(axis=1, kind="stable")[:, ::-1]
    order: IdArray = values.shape[1] - 1 - reversed_order
    return order
