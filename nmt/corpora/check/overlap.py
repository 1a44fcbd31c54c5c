"""Find the segments of dev and test sets that are in the training text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy

from nmt.corpora.check.finding import SHOWN, Example, Finding, found
from nmt.corpora.check.kinds import Severity
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.repeats import Places
from nmt.text.facts import Hashes


class Index:
    """Finds hashes among many."""

    def __init__(self, hashes: Hashes) -> None:
        self._order = hashes.argsort(kind="stable")
        self._sorted = hashes[self._order]

    def find(self, wanted: Hashes) -> Places:
        """Return the place of each hash, the first one if there are several; -1 if it is absent."""
        if not len(self._sorted):
            return numpy.full(len(wanted), -1)
        places = numpy.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return numpy.where(self._sorted[places] == wanted, self._order[places], -1)


@dataclass(frozen=True)
class Sources:
    """The sources of a text with something on both sides, as hashes."""

    name: str  # of the text
    exact: Hashes  # (n,)
    folded: Hashes  # (n,) without case, punctuation, spaces and digits
    lines: Places  # (n,) from 1

    @cached_property
    def indexes(self) -> tuple[Index, Index]:
        """Indexes of `exact` and `folded`."""
        return Index(self.exact), Index(self.folded)


def overlaps(held_out: Sources, training: Sequence[Sources], limits: CheckLimits) -> list[Finding]:
    """Return the findings about the sources of a dev or test set that training texts contain."""
    size = len(held_out.lines)
    details: tuple[dict[int, str], dict[int, str]] = ({}, {})  # by place: exact, near
    for text in training:
        hashes = (held_out.exact, held_out.folded)
        for known, index, each in zip(details, text.indexes, hashes, strict=True):
            where = index.find(each)
            for place in numpy.flatnonzero(where >= 0):
                line = text.lines[where[place]]
                known.setdefault(int(place), f"its source is in line {line:,} of {text.name}")
    exact, near = details
    near = {place: detail for place, detail in near.items() if place not in exact}
    severity: Severity | None = None
    if len(exact) + len(near) > limits.overlap_share * size:
        severity = "error"
    findings = []
    for kind, known in (("overlap", exact), ("near_overlap", near)):
        examples = [
            Example(int(held_out.lines[place]), known[place]) for place in sorted(known)[:SHOWN]
        ]
        findings += found(kind, len(known), size, examples, severity=severity)
    return findings
