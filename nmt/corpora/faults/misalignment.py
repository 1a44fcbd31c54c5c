"""Find the lines from which on two parallel files are misaligned.

If one file lacks a line, the target of each later source is one line above or below.
The offset between the files is followed from line to line by dynamic programming: evidence that the
segments at an offset are pairs counts for it, and a change of the offset costs what `slip_evidence`
says. A further state stands for text whose sides do not belong together at all. Reports call a
misalignment a slip.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import log
from zlib import crc32

import numpy
from numpy.typing import NDArray

from nmt.corpora.faults.segment import Segment

# The features of a segment: its length, its last character, the marks inside, and whether it has
# some number, or rare beginning of a word, of each bucket. Cognates such as "computer" begin alike.
LENGTH_SCALE = 24  # for the logarithm of the number of characters, so that a byte holds it
FINALS = {".": 1, "\u3002": 1, "?": 2, "\uff1f": 2, "!": 3, "\uff01": 3}
MARKS = re.compile("[,;:\"'()\u2013\u2014\u2018-\u201e\u00ab\u00bb-]")
MOST_MARKS = 4  # more count as so many
NUMBER = re.compile(r"\d+")
PREFIX = 4  # letters of a beginning
COMMON_SHARE = 0.01  # of the segments; a beginning in more of them says little
FIRST_BUCKET, BUCKETS = 5, 16
COLUMNS = FIRST_BUCKET + BUCKETS

Features = NDArray[numpy.uint8]  # (n, COLUMNS)
Floats = NDArray[numpy.float32]
Ints = NDArray[numpy.intp]


def features(segments: Sequence[Segment], common: frozenset[str]) -> Features:
    """Return the features of segments. common: beginnings of words to leave out."""
    content = bytearray(len(segments) * COLUMNS)
    for start, segment in zip(range(0, len(content), COLUMNS), segments, strict=True):
        text = segment.text
        content[start] = min(255, round(LENGTH_SCALE * log(len(text) + 1)))
        if final := FINALS.get(text[-1:]):
            content[start + final] = 1
        content[start + 4] = min(MOST_MARKS, len(MARKS.findall(text)))
        for word in segment.words:
            if len(word) >= PREFIX and (prefix := word[:PREFIX]) not in common:
                content[start + bucket(prefix)] = 1
        for number in NUMBER.findall(text):
            content[start + bucket(number)] = 1
    return numpy.frombuffer(content, numpy.uint8).reshape(-1, COLUMNS)


@lru_cache(maxsize=100_000)
def bucket(token: str) -> int:
    """Return the column of a number or a beginning of a word, which others share."""
    return FIRST_BUCKET + crc32(token.encode("utf-8", "surrogatepass")) % BUCKETS


def common_prefixes(segments: Sequence[Segment]) -> frozenset[str]:
    """Return the beginnings of words that are in many of some segments."""
    counts = Counter(
        prefix
        for segment in segments
        for prefix in {word[:PREFIX] for word in segment.words if len(word) >= PREFIX}
    )
    most = max(1.0, COMMON_SHARE * len(segments))
    return frozenset(prefix for prefix, count in counts.items() if count > most)


WINDOW = 100  # lines whose offset is guessed together, to learn how features correlate
MOST_WINDOWS = 500
NEAREST = 3  # lines by which files may be misaligned before anything is known
MOST_DEVIATIONS = 3.0  # from the mean, of a feature; more count as so many
MOST_CORRELATION = 0.98
NOISE = 2.5  # standard deviations of a correlation that is none
LEAST, MOST = -3.0, 8.0  # evidence of one pair, which may be a free translation
OUTSIDE = -1.0  # evidence of a counterpart that does not exist
STEP = 10  # lines whose evidence is added up before the search
STRETCH = 2_000  # lines, after which offsets around the latest one are considered
REACH = 3  # offsets to each side of it, besides a likely one that is farther
JUMP = 5_000  # lines that may be missing between two lines
SPECTRUM = 20_000  # more than a stretch and the lines in which its targets may be
FEWEST_LINES = 100  # of a corpus in which evidence can be learned
# A whole text is unrelated below these nats of evidence for a pair, and this correlation of log
# lengths, at the offsets found. In lists of words or titles, lengths and numbers tell no pairs, so
# segments must have these numbers of characters, on average, on the longer and the shorter side:
# Chinese sentences are short.
UNRELATED_EVIDENCE = 0.12
UNRELATED_CORRELATION = 0.3
FEWEST_UNRELATED = 300  # lines
LEAST_LENGTHS = (8, 20)


@dataclass(frozen=True)
class Misalignment:
    """Name a line from which on the files have another offset."""

    line: int  # of the source, counted from 1: the first one with the new offset
    before: int  # the target's line - the source's line
    after: int


@dataclass(frozen=True)
class Course:
    """Describe how two files are aligned."""

    misalignments: tuple[Misalignment, ...] = ()
    unrelated: tuple[range, ...] = ()  # lines of the source, from 1, whose targets are not near


class Evidence:
    """Tell how much the segments of two files look like pairs.

    The evidence is the log of how much more probable the features x and y of both segments are in a
    pair. If x and y, less their means and divided by their standard deviations, have a normal
    distribution with the correlation r in pairs and none otherwise, a feature's evidence is
    (r x y - r^2 (x^2 + y^2) / 2) / (1 - r^2) - log(1 - r^2) / 2.
    """

    def __init__(self, sides: Sequence[Features]) -> None:
        """Learn the correlations in lines of each part of a text, which may be misaligned."""
        self._sides = sides
        size = min(map(len, sides))
        starts = numpy.linspace(0, size - WINDOW, min(MOST_WINDOWS, size // WINDOW))
        rows = starts.astype(numpy.intp)[:, None] + numpy.arange(WINDOW)
        samples = [side[rows].reshape(-1, COLUMNS) for side in sides]
        self._means = [sample.mean(0, dtype=numpy.float32) for sample in samples]
        self._scales = [1 / numpy.maximum(sample.std(0), 1e-6) for sample in samples]
        x = self._standard(0, rows)
        products = numpy.stack(
            [
                (x * self._standard(1, (rows + offset).clip(0, len(sides[1]) - 1))).mean(1)
                for offset in sorted(range(-NEAREST, NEAREST + 1), key=abs)  # 0 wins a tie
            ]
        )  # (offsets, windows, columns)
        best = products.sum(2).argmax(0)
        r = products[best, numpy.arange(len(best))].mean(0).clip(0, MOST_CORRELATION)
        r[r < NOISE / numpy.sqrt(rows.size)] = 0
        self._products, self._squares = r / (1 - r**2), r**2 / (1 - r**2) / 2
        self._constant = -numpy.log(1 - r**2).sum() / 2

    def _standard(self, side: int, rows: Ints) -> Floats:
        """Return features of a side less their means, in standard deviations."""
        distances = (self._sides[side][rows] - self._means[side]) * self._scales[side]
        standard: Floats = distances.astype(numpy.float32).clip(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        return standard

    def pairs(self, rows: Ints, offsets: Ints | int) -> Floats:
        """Return the evidence that source rows are pairs of targets `offsets` lines below them."""
        columns = rows + offsets
        is_inside = (columns >= 0) & (columns < len(self._sides[1]))
        x, y = self._standard(0, rows[is_inside]), self._standard(1, columns[is_inside])
        evidence = (x * y) @ self._products - (x**2 + y**2) @ self._squares + self._constant
        found = numpy.full(len(rows), OUTSIDE, numpy.float32)
        found[is_inside] = evidence.clip(LEAST, MOST)
        return found

    def far_pairs(self, rows: Ints, offset: int) -> Floats:
        """Return the evidence for a far offset, at which a copy of the source is none.

        Repeated lines of which some were not translated have copies at a distance.
        """
        columns = (rows + offset).clip(0, len(self._sides[1]) - 1)
        are_copies = (self._sides[0][rows] == self._sides[1][columns]).all(1)
        return numpy.where(are_copies, numpy.float32(0), self.pairs(rows, offset))

    def likely_offset(self, rows: Ints, centre: int) -> int:
        """Return the offset at which lengths correlate best, between `REACH` and `JUMP` of another.

        rows: consecutive ones. centre: the other offset. The correlation at all offsets is one
        product of spectra: of differences, because long segments may be beside long ones.
        """
        first, begin = rows[0], max(0, rows[0] + centre - JUMP)
        near = numpy.arange(begin, min(rows[-1] + 1 + centre + JUMP, len(self._sides[1])))
        lengths = self._standard(0, rows)[:, 0], self._standard(1, near)[:, 0]
        spectra = [numpy.fft.rfft(numpy.diff(side), SPECTRUM) for side in lengths]
        fits = numpy.fft.irfft(spectra[1] * spectra[0].conj(), SPECTRUM)
        distances = numpy.arange(REACH + 1, JUMP + 1)
        offsets = centre + numpy.concatenate([-distances, distances])
        return int(offsets[fits[(offsets + first - begin) % SPECTRUM].argmax()])

    def are_unrelated(self, offsets: Ints) -> bool:
        """Return whether the sides belong together no more than if one of them were shuffled.

        offsets: of all lines, as found; lines without one count as they stand.
        """
        rows = numpy.arange(0, len(offsets), 1 + len(offsets) // (WINDOW * MOST_WINDOWS))
        columns = (rows + offsets[rows]).clip(0, len(self._sides[1]) - 1)
        sizes = self._sides[0][rows, 0], self._sides[1][columns, 0]
        means = sorted(float(numpy.expm1(size / LENGTH_SCALE).mean()) for size in sizes)
        if len(rows) < FEWEST_UNRELATED or any(map(float.__lt__, means, LEAST_LENGTHS)):
            return False
        if min(map(numpy.ptp, sizes)) == 0:
            return False  # equal lengths say nothing
        # In text whose direction changes from line to line, short sides may be beside long ones.
        correlation = abs(float(numpy.corrcoef(*sizes)[0, 1]))
        evidence = self.pairs(rows, offsets[rows]).mean()
        return bool(correlation < UNRELATED_CORRELATION and evidence < UNRELATED_EVIDENCE)

    def find_change(self, near: int, before: int, after: int) -> int:
        """Return the row, near another, from which on the offset `after` fits better."""
        first = max(0, near - 3 * STEP)
        rows = numpy.arange(first, min(near + 3 * STEP, len(self._sides[0])))
        gain = self.pairs(rows, before) - self.pairs(rows, after)
        return first + int(numpy.concatenate([[0], gain.cumsum()]).argmax())


def follow(sides: Sequence[Features], least_evidence: float) -> Course:
    """Return the misalignments of two files. least_evidence: log of the odds to believe in one."""
    lines = len(sides[0])
    if min(map(len, sides)) < FEWEST_LINES:
        return Course()
    evidence = Evidence(sides)
    offsets = find_offsets(evidence, lines, least_evidence)
    if evidence.are_unrelated(
        numpy.array([offset or 0 for offset in offsets]).repeat(STEP)[:lines]
    ):
        return Course(unrelated=(range(1, lines + 1),))
    misalignments, unrelated = list[Misalignment](), list[range]()
    before, first = 0, 0
    for offset, run in groupby(offsets):
        last = min(first + STEP * len([*run]), lines)
        if offset is None:
            unrelated.append(range(first + 1, last + 1))
        elif offset != before:
            if unrelated and unrelated[-1].stop == first + 1:
                line = unrelated[-1].start
            else:
                line = evidence.find_change(first, before, offset) + 1
            misalignments.append(Misalignment(line, before, offset))
            before = offset
        first = last
    return Course(tuple(misalignments), tuple(unrelated))


def find_offsets(evidence: Evidence, lines: int, cost: float) -> list[int | None]:
    """Return the most probable offset of each step of lines; None where sides are unrelated.

    cost: of a change of the offset.
    """
    latest: int | None = 0  # the files begin together
    centre = 0
    found: list[int | None] = []
    for first in range(0, lines, STRETCH):
        rows = numpy.arange(first, min(first + STRETCH, lines))
        near = range(centre - REACH, centre + REACH + 1)
        far = evidence.likely_offset(rows, centre)
        states = [*near, far, None]
        gains = numpy.zeros((-(-len(rows) // STEP), len(states)), numpy.float32)
        found_pairs = [
            *(evidence.pairs(rows, offset) for offset in near),
            evidence.far_pairs(rows, far),
        ]
        for column, gain in enumerate(found_pairs):
            gains[:, column] = numpy.add.reduceat(gain, numpy.arange(0, len(rows), STEP))
        path = best_path(gains, states.index(latest), numpy.float32(cost))
        found += [states[state] for state in path]
        latest = found[-1]
        centre = centre if latest is None else latest
    return found


def best_path(gains: Floats, state: int, cost: numpy.float32) -> list[int]:
    """Return the states of the steps with the greatest gain in all, from a first state on.

    gains (steps, states). cost: of a change of the state.
    """
    same = numpy.arange(gains.shape[1])
    scores = numpy.where(same == state, numpy.float32(0), -cost)
    origins = []
    for gain in gains:
        best = int(scores.argmax())
        stays = scores >= scores[best] - cost
        origins.append(numpy.where(stays, same, best))
        scores = numpy.where(stays, scores, scores[best] - cost) + gain
    path = [int(scores.argmax())]
    for origin in origins[:0:-1]:
        path.append(int(origin[path[-1]]))
    return path[::-1]
