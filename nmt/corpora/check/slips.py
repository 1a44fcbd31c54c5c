"""Find the lines where two parallel files slip against each other.

If one file lacks a line, the target of each later source is one line above or below.
The offset between the files is followed from line to line by dynamic programming: evidence that the
segments at an offset are pairs counts for it, and a change of the offset costs what `slip_evidence`
says. A further state stands for text whose sides do not belong together at all.
"""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.evidence import MOST_LINES, Evidence, Floats, Ints, Sides, learn_evidence

STEP = 10  # lines whose evidence is added up before the search
STRETCH = 2_000  # lines, after which offsets around the latest one are considered
REACH = 3  # offsets to each side of it, besides a likely one that is farther
FEWEST_LINES = 100  # of a corpus in which evidence can be learned
# A whole text is unrelated below these nats of evidence for a pair, and this correlation of log
# lengths, at the offsets found. Multi30k and Tatoeba have at least 0.6 and 0.86, and if 50 lines
# are lost, 0.09 and 0.5. If one side is shuffled, sorted or reversed, they have at most 0.08 and
# 0.26 from 300 pairs on, but for one of 40 cases. In lists of words or titles, lengths and numbers
# tell no pairs, so segments must have these mean numbers of characters on the longer and the
# shorter side: Chinese sentences are short.
UNRELATED_EVIDENCE = 0.12
UNRELATED_CORRELATION = 0.3
FEWEST_UNRELATED = 300  # lines
LEAST_LENGTHS = (20, 8)


@dataclass(frozen=True)
class Slip:
    """A place from which on the files have another offset."""

    line: int  # of the source, counted from 1: the first one with the new offset
    before: int  # the target's line - the source's line
    after: int


@dataclass(frozen=True)
class Stretch:
    """Consecutive lines of the source whose targets are not near them."""

    first: int  # counted from 1
    last: int


@dataclass(frozen=True)
class Course:
    """Describe how two files are aligned: slips and unrelated stretches."""

    slips: tuple[Slip, ...]
    unrelated: tuple[Stretch, ...]
    misplaced: int  # sources whose target is on another line


def follow(sides: Sides, least_evidence: float) -> Course:
    """Return the slips between two files. least_evidence: log of the odds to believe in one."""
    if min(len(sides.source), len(sides.target)) < FEWEST_LINES:
        return Course((), (), 0)
    evidence = learn_evidence(sides)
    offsets = Search(sides, evidence, least_evidence).offsets()
    if are_unrelated(offsets, sides, evidence):
        return Course((), (Stretch(1, len(sides.source)),), 0)
    return course_of(offsets, sides, evidence)


def are_unrelated(offsets: list[int | None], sides: Sides, evidence: Evidence) -> bool:
    """Return whether the sides belong together no more than if one of them were shuffled.

    offsets: of steps, as found; lines without one count as they stand.
    """
    rows = numpy.arange(0, len(sides.source), 1 + len(sides.source) // MOST_LINES)
    columns = rows + numpy.array([each or 0 for each in offsets])[rows // STEP]
    inside = (columns >= 0) & (columns < len(sides.target))
    rows, columns = rows[inside], columns[inside]
    sizes = numpy.stack([sides.source.lengths[rows], sides.target.lengths[columns]])
    has_text = (sizes > 0).all(0)
    sizes, rows, columns = sizes[:, has_text], rows[has_text], columns[has_text]
    if sizes.shape[1] < FEWEST_UNRELATED or (numpy.ptp(sizes, axis=1) == 0).any():
        return False  # equal lengths say nothing
    if (numpy.sort(sizes.mean(1))[::-1] < LEAST_LENGTHS).any():
        return False
    if evidence.total(sides, rows, columns).mean() >= UNRELATED_EVIDENCE:
        return False
    # In text whose direction changes from line to line, short sides may be beside long ones.
    return abs(float(numpy.corrcoef(numpy.log(sizes))[0, 1])) < UNRELATED_CORRELATION


class Search:
    """The search for the most probable offsets."""

    def __init__(self, sides: Sides, evidence: Evidence, cost: float) -> None:
        """cost: of a change of the offset."""
        self._sides, self._evidence, self._cost = sides, evidence, numpy.float32(cost)
        self._lines = len(sides.source)

    def offsets(self) -> list[int | None]:
        """Return the offset of each step of lines; None where sides are unrelated."""
        latest: int | None = 0  # the files begin together
        centre = 0
        found: list[int | None] = []
        for first in range(0, self._lines, STRETCH):
            rows = numpy.arange(first, min(first + STRETCH, self._lines))
            states = self._states(rows, centre)
            scores = numpy.full(len(states), -self._cost, numpy.float32)
            scores[states.index(latest)] = 0
            scores, origins = advance(scores, self._gains(rows, states), self._cost)
            found += [states[each] for each in traced(scores, origins)]
            latest = found[-1]
            centre = centre if latest is None else latest
        return found

    def _states(self, rows: Ints, centre: int) -> list[int | None]:
        """Return the offsets to consider for some rows, and None for unrelated sides."""
        near = range(centre - REACH, centre + REACH + 1)
        return [*near, self._sides.likely_offset(rows, centre, REACH), None]

    def _gains(self, rows: Ints, states: list[int | None]) -> Floats:
        """Return the evidence (steps, states) of some rows; unrelated sides have none."""
        steps = numpy.arange(0, len(rows), STEP)
        gains = numpy.zeros((len(steps), len(states)), numpy.float32)
        for place, offset in enumerate(states):
            if offset is not None:
                evidence = self._evidence.of(self._sides, rows, offset)
                gains[:, place] = numpy.add.reduceat(evidence, steps)
        return gains


def advance(
    scores: Floats, gains: Floats, cost: numpy.float32
) -> tuple[Floats, NDArray[numpy.int8]]:
    """Return the scores of states after all steps, and each best previous state.

    scores (states,): before the first step. gains (steps, states). cost: of a change of the state.
    """
    origins = numpy.empty(gains.shape, numpy.int8)
    same = numpy.arange(len(scores), dtype=numpy.int8)
    for step, gain in enumerate(gains):
        best = int(scores.argmax())
        changed = scores[best] - cost
        stays = scores >= changed
        origins[step] = numpy.where(stays, same, numpy.int8(best))
        scores = numpy.where(stays, scores, changed) + gain
    return scores, origins


def traced(scores: Floats, origins: NDArray[numpy.int8]) -> list[int]:
    """Return the states of the steps on the way to the best state."""
    state = int(scores.argmax())
    path = []
    for origin in origins[::-1]:
        path.append(state)
        state = int(origin[state])
    return path[::-1]


def course_of(offsets: list[int | None], sides: Sides, evidence: Evidence) -> Course:
    """Return slips and unrelated stretches from the offsets of steps."""
    slips, unrelated = [], []
    lines = len(sides.source)
    latest, misplaced, lost = 0, 0, 0
    for step, offset in enumerate([*offsets, latest if not offsets else offsets[-1]]):
        first = min(step * STEP, lines)
        if step and offsets[step - 1] is None and (offset is not None or step == len(offsets)):
            unrelated.append(Stretch(lost + 1, first))
        if step == len(offsets):
            break
        if offset is None:
            if not step or offsets[step - 1] is not None:
                lost = first
            continue
        misplaced += (min(first + STEP, lines) - first) * (offset != 0)
        if offset != latest:
            line = lost  # the first line after which sides did not belong together
            if not step or offsets[step - 1] is not None:
                line = exact_place(first, latest, offset, sides, evidence)
            slips.append(Slip(line + 1, latest, offset))
            latest = offset
    return Course(tuple(slips), tuple(unrelated), misplaced)


def exact_place(near: int, before: int, after: int, sides: Sides, evidence: Evidence) -> int:
    """Return the row, near another, from which on the offset `after` fits better."""
    first = max(0, near - 3 * STEP)
    rows = numpy.arange(first, min(near + 3 * STEP, len(sides.source)))
    gain = evidence.of(sides, rows, before) - evidence.of(sides, rows, after)
    return first + int(numpy.concatenate([[0], gain.cumsum()]).argmax())
