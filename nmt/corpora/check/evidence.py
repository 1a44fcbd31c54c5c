"""Measure how much the traits of two segments say that the segments are a pair.

A trait of a pairing is one of a few categories. Its evidence is the log of the category's share
among pairs divided by its share among unrelated segments, both counted in the corpus itself.
"""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.traits import FINAL_KINDS, MOST_MARKS, Traits, bits_of

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
