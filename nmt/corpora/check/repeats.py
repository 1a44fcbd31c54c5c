"""Find pairs that repeat others, by hashes in arrays: 10 million pairs fit into memory."""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.finding import SHOWN, Example, Finding, found
from nmt.corpora.check.kinds import Severity
from nmt.corpora.check.limits import CheckLimits
from nmt.text.facts import Hashes, pair_hashes

LISTED = 200  # places among which the examples are the first ones

Places = NDArray[numpy.intp]


@dataclass(frozen=True)
class Repeats:
    """Which of n hashes repeat an earlier one."""

    places: Places  # of the repetitions, in order
    firsts: Places  # where each was first


def repeats_of(hashes: Hashes) -> Repeats:
    """Return which hashes repeat earlier ones."""
    order = hashes.argsort(kind="stable")
    ordered = hashes[order]
    is_new = numpy.ones(len(ordered), numpy.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    starts = numpy.flatnonzero(is_new)
    firsts = order[starts[is_new.cumsum() - 1]]
    chosen = ~is_new
    places, firsts = order[chosen], firsts[chosen]
    by_place = places.argsort()
    return Repeats(places[by_place], firsts[by_place])


def repeated(exact: Hashes, folded: Hashes, lines: Places, limits: CheckLimits) -> list[Finding]:
    """Return the findings about repetition in a text.

    exact, folded: hashes of the sides (2, n). lines: the line of each pair, from 1.
    """
    size = exact.shape[1]
    pairs = repeats_of(pair_hashes(exact))
    near = repeats_of(pair_hashes(folded))
    is_exact = numpy.zeros(size, numpy.bool_)
    is_exact[pairs.places] = True
    only_near = ~is_exact[near.places]
    near = Repeats(near.places[only_near], near.firsts[only_near])
    findings = []
    for kind, repeats in (("duplicates", pairs), ("near_duplicates", near)):
        many = len(repeats.places) > limits.repeated_share * size
        examples = [
            Example(int(lines[place]), f"as in line {lines[first]:,}")
            for place, first in zip(repeats.places[:SHOWN], repeats.firsts[:SHOWN], strict=True)
        ]
        severity: Severity | None = "warning" if many else None
        if kind == "duplicates" and len(repeats.places) > limits.useless_share * size:
            severity = "error"
        findings += found(kind, len(repeats.places), size, examples, severity=severity)
    once = numpy.flatnonzero(~is_exact)
    for kind, side in (("several_targets", 0), ("several_sources", 1)):
        findings += ambiguous(kind, exact[side][once], lines[once], size)
    return findings


def ambiguous(kind: str, hashes: Hashes, lines: Places, size: int) -> list[Finding]:
    """Return the finding about different pairs that have one side in common."""
    repeats = repeats_of(hashes)
    groups = len(numpy.unique(repeats.firsts))
    examples = [
        Example(int(lines[place]), f"as in line {lines[first]:,}")
        for place, first in zip(repeats.places[:SHOWN], repeats.firsts[:SHOWN], strict=True)
    ]
    return found(kind, len(repeats.places) + groups, size, examples)
