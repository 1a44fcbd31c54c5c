"""Find the lines where two parallel files slip against each other.

If one file lacks a line, the target of each later source is one line above or below.
The offset between the files is followed from line to line by dynamic programming: evidence that the
segments at an offset are pairs counts for it, and a change of the offset costs what `slip_evidence`
says. A further state stands for text whose sides do not belong together at all.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Self
from zlib import crc32

import numpy
from numpy.typing import NDArray

from nmt.corpora.segment import Segment

NUMBER = re.compile(r"\d+")
MARKS = re.compile("[,;:\"'()\u2013\u2014\u2018-\u201e\u00ab\u00bb-]")
MOST_MARKS = 3  # more count as so many
PREFIX = 4  # letters that cognates begin with, such as "comp" of computer
COMMON_SHARE = 0.01  # of the segments; a prefix in more of them says little
BITS = 64  # of a signature
FINALS = {".": 1, "\u3002": 1, "?": 2, "\uff1f": 2, "!": 3, "\uff01": 3}
LETTER, OTHER = 4, 0
FINAL_KINDS = 5

POPULATION = numpy.array([number.bit_count() for number in range(256)], numpy.uint8)


@dataclass(frozen=True)
class Traits:
    """The traits of the n segments of one side."""

    lengths: NDArray[numpy.float32]  # characters
    numbers: NDArray[numpy.uint32]  # a hash of the numbers in the segment; 0: none
    finals: NDArray[numpy.uint8]  # the kind of the last character
    marks: NDArray[numpy.uint8]  # punctuation marks inside, at most `MOST_MARKS`
    prefixes: NDArray[numpy.uint64]  # a bit for each rare beginning of a word

    @classmethod
    def of(cls, segments: Sequence[Segment], common: frozenset[str]) -> Self:
        """Return the traits of segments; common: prefixes to leave out."""
        return cls(
            numpy.array([len(each.text) for each in segments], numpy.float32),
            numpy.array([numbers_of(each.text) for each in segments], numpy.uint32),
            numpy.array([final_of(each.text) for each in segments], numpy.uint8),
            numpy.array(
                [min(MOST_MARKS, len(MARKS.findall(each.text))) for each in segments], numpy.uint8
            ),
            numpy.array([prefixes_of(each.words, common) for each in segments], numpy.uint64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the traits of consecutive parts of a text."""
        return cls(
            *(
                numpy.concatenate([getattr(part, each.name) for part in parts])
                for each in fields(cls)
            )
        )

    def __len__(self) -> int:
        return len(self.lengths)


def numbers_of(text: str) -> int:
    """Return a hash of the numbers in a text, in any order; 0 if it has none."""
    found = NUMBER.findall(text)
    return crc32(" ".join(sorted(found)).encode()) or 1 if found else 0


def final_of(text: str) -> int:
    """Return the kind of a text's last character: full stop, question, exclamation, letter."""
    last = text[-1:]
    return FINALS.get(last, LETTER if last.isalnum() else OTHER)


def prefixes_of(words: Iterable[str], common: frozenset[str]) -> int:
    """Return a signature of the beginnings of words that are not common."""
    signature = 0
    for word in words:
        if len(word) >= PREFIX and (prefix := word[:PREFIX]) not in common:
            signature |= bit_of(prefix)
    return signature


@lru_cache(maxsize=100_000)
def bit_of(prefix: str) -> int:
    """Return the bit that stands for a beginning of words, and for others."""
    return 1 << (crc32(prefix.encode("utf-8", "surrogatepass")) % BITS)


def common_prefixes(segments: Sequence[Segment]) -> frozenset[str]:
    """Return the beginnings of words that are in many of some segments."""
    counts = Counter(
        prefix
        for segment in segments
        for prefix in {word[:PREFIX] for word in segment.words if len(word) >= PREFIX}
    )
    most = max(1.0, COMMON_SHARE * len(segments))
    return frozenset(prefix for prefix, count in counts.items() if count > most)


def bits_of(signatures: NDArray[numpy.uint64]) -> NDArray[numpy.uint8]:
    """Return the number of bits that are set in each signature (n,)."""
    contiguous = numpy.ascontiguousarray(signatures)
    bits: NDArray[numpy.uint8] = POPULATION[contiguous.view(numpy.uint8)]
    counts: NDArray[numpy.uint8] = bits.reshape(-1, 8).sum(1, dtype=numpy.uint8)
    return counts


# Of the distance from the expected length, as in `nmt.corpora.check.norms.excess`.
LENGTH_EDGES = numpy.array([0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10], numpy.float32)
MOST_BITS = 3  # of a signature; more count as so many
CATEGORIES = (
    len(LENGTH_EDGES) + 1,
    4,
    FINAL_KINDS**2,
    (MOST_MARKS + 1) ** 2,
    (MOST_BITS + 1) ** 2,
)
LENGTH = 0  # the place of the distance from the expected length among the categories
SORTED_CORRELATION = 0.95  # of places and lengths; titles followed by sentences have less
FAR = 1009  # lines apart: segments that have nothing to do with each other
OUTSIDE = -1.0  # evidence of a counterpart that does not exist
MOST_LINES = 200_000  # to count categories in
WINDOW = 100  # lines whose offset is guessed together by their lengths
JUMP = 5_000  # lines that may be missing at one place
NEAREST = 3  # lines that files may have slipped before anything is known

Floats = NDArray[numpy.float32]
Ints = NDArray[numpy.intp]


@dataclass(frozen=True)
class Sides:
    """The traits of the segments of both sides, which may differ in number."""

    source: Traits
    target: Traits
    ratio: float  # characters of a target for each character of a source

    def categories(self, rows: Ints, columns: Ints) -> list[Ints]:
        """Return the category of each trait of the pairings of source rows with target columns."""
        s, t = self.source, self.target
        numbers = s.numbers[rows], t.numbers[columns]
        some = numbers[0] > 0, numbers[1] > 0
        number = numpy.select([~some[0] & ~some[1], some[0] != some[1]], [0, 1], 2)
        number += (number == 2) & (numbers[0] == numbers[1])
        bits = s.prefixes[rows], t.prefixes[columns]
        most = numpy.minimum(*map(bits_of, bits)).clip(max=MOST_BITS)
        common = bits_of(bits[0] & bits[1]).clip(max=MOST_BITS)
        return [
            numpy.searchsorted(LENGTH_EDGES, self.distances(rows, columns)),
            number.astype(numpy.intp),
            s.finals[rows].astype(numpy.intp) * FINAL_KINDS + t.finals[columns],
            s.marks[rows].astype(numpy.intp) * (MOST_MARKS + 1) + t.marks[columns],
            common.astype(numpy.intp) * (MOST_BITS + 1) + most,
        ]

    def distances(self, rows: Ints, columns: Ints) -> Floats:
        """Return how far the lengths of pairings are from what is expected; see `excess`."""
        expected = self.ratio * self.source.lengths[rows]
        lengths = self.target.lengths[columns]
        scale = numpy.sqrt(numpy.maximum(1, (lengths + expected) / 2))
        distances: Floats = (abs(lengths - expected) / scale).astype(numpy.float32)
        return distances

    def likely_offset(self, rows: Ints, centre: int, reach: int) -> int:
        """Return the offset at which lengths correlate best, between `reach` and `JUMP` of another.

        rows: consecutive ones. centre: the other offset. The correlation at all offsets is one
        product of spectra.
        """
        first, last = int(rows[0]), int(rows[-1])
        begin = max(0, first + centre - JUMP)
        source = centred(self.source.lengths[first : last + 1])
        target = centred(self.target.lengths[begin : last + 1 + centre + JUMP])
        size = len(source) + len(target)
        spectrum = numpy.fft.rfft(target, size) * numpy.fft.rfft(source, size).conj()
        fits = numpy.fft.irfft(spectrum, size)
        offsets = numpy.fft.fftfreq(size, 1 / size).round().astype(numpy.intp) + begin - first
        fits[(abs(offsets - centre) <= reach) | (abs(offsets - centre) > JUMP)] = -numpy.inf
        return int(offsets[fits.argmax()])


def centred(lengths: Floats) -> Floats:
    """Return the logarithms of lengths, less their mean."""
    logs = numpy.log(lengths + 1)
    return (logs - logs.mean()).astype(numpy.float32) if len(logs) else logs


@dataclass(frozen=True)
class Evidence:
    """The evidence of each category of each trait."""

    tables: tuple[Floats, ...]

    def of(self, sides: Sides, rows: Ints, offset: int) -> Floats:
        """Return the evidence that source rows are pairs of targets `offset` lines below them.

        A row whose counterpart would be outside of the text is evidence against the offset.
        """
        columns = rows + offset
        inside = (columns >= 0) & (columns < len(sides.target))
        found = numpy.full(len(rows), OUTSIDE, numpy.float32)
        found[inside] = self.total(sides, rows[inside], columns[inside])
        return found

    def total(self, sides: Sides, rows: Ints, columns: Ints) -> Floats:
        """Return the evidence that source rows are pairs of target columns."""
        categories = sides.categories(rows, columns)
        found = numpy.zeros(len(rows), numpy.float32)
        for table, each in zip(self.tables, categories, strict=True):
            found += table[each]
        return found


def learn_evidence(sides: Sides) -> Evidence:
    """Return the evidence of the categories in a corpus, which may have slipped.

    In a corpus that is sorted by length, lengths are no evidence: neighbours have equal ones.
    """
    size = min(len(sides.source), len(sides.target), MOST_LINES)
    rows = numpy.arange(size)
    is_sorted = any(
        is_sorted_by_length(each.lengths[:size]) for each in (sides.source, sides.target)
    )
    pairs = sides.categories(*((rows, rows) if is_sorted else guessed_pairs(sides, rows)))
    unrelated = sides.categories(rows, (rows + min(FAR, size // 2)) % size)
    tables = []
    for count, first, second in zip(CATEGORIES, pairs, unrelated, strict=True):
        shares = [
            (numpy.bincount(each, minlength=count) + 1) / (len(each) + count)
            for each in (first, second)
        ]
        tables.append(numpy.log(shares[0] / shares[1]).astype(numpy.float32))
    if is_sorted:
        tables[LENGTH][:] = 0
    return Evidence(tuple(tables))


def is_sorted_by_length(lengths: Floats) -> bool:
    """Return whether the order of the lines is that of their lengths, or the opposite one.

    It is if the rank correlation of place and length (Spearman's) is almost 1 or -1.
    """
    _, inverse, counts = numpy.unique(lengths, return_inverse=True, return_counts=True)
    if len(lengths) < WINDOW or len(counts) < 2:
        return False
    ranks = (numpy.cumsum(counts) - (counts - 1) / 2)[inverse]  # equal lengths share their mean
    return abs(float(numpy.corrcoef(numpy.arange(len(lengths)), ranks)[0, 1])) >= SORTED_CORRELATION


def guessed_pairs(sides: Sides, rows: Ints) -> tuple[Ints, Ints]:
    """Return rows with their columns, if each window has the offset that fits lengths best."""
    windows = len(rows) // WINDOW
    if not windows:
        return rows, rows
    rows = rows[: windows * WINDOW]
    offsets = numpy.array(sorted(range(-NEAREST, NEAREST + 1), key=abs))  # 0 wins a tie
    last = len(sides.target) - 1
    misfit = numpy.stack(
        [
            sides.distances(rows, (rows + offset).clip(0, last)).reshape(windows, WINDOW).mean(1)
            for offset in offsets
        ]
    )
    best = offsets[misfit.argmin(0)].repeat(WINDOW)
    return rows, (rows + best).clip(0, last)


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
