"""Encode segments word by word, and each distinct word once, which takes a fraction of the time.

No token of a BPE vocabulary reaches over a space, so a segment's ids are those of its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count

import numpy
from numpy.typing import NDArray

from nmt.text.tokenizer import SubwordModel

MOST_IDS = 4_000_000  # of known words; with their texts some 200 MB, then all are forgotten


@dataclass(frozen=True)
class EncodedSide:
    """The ids of segments end to end."""

    ids: NDArray[numpy.int32]
    lengths: NDArray[numpy.int64]  # (n,) tokens


class WordCache:
    """A subword model with the ids of the words that it has encoded."""

    def __init__(self, model: SubwordModel) -> None:
        self._model = model
        self._by_word = model.encodes_word_by_word()
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}  # of words, in the order of the arrays
        self._ids = numpy.empty(0, numpy.int32)  # of all words end to end
        self._ends = numpy.zeros(1, numpy.int64)  # where each word ends in them, after a 0

    def encode(self, segments: Sequence[str], threads: int = 1) -> EncodedSide:
        """Return what `SubwordModel.encode` returns for the segments."""
        if not self._by_word:
            return flat(self._model.encode(segments, threads))
        lines = ["" if segment.isspace() else segment for segment in segments]
        return self._join([line.split(" ") for line in lines], threads)

    def _join(self, lines: Sequence[list[str]], threads: int) -> EncodedSide:
        words = [*chain.from_iterable(lines)]
        self._learn(words, threads)
        number_of = self._numbers.__getitem__
        numbers = numpy.fromiter(map(number_of, words), numpy.int64, len(words))
        starts = self._ends[numbers]
        lengths = self._ends[numbers + 1] - starts
        ends = lengths.cumsum()
        places = numpy.arange(lengths.sum()) + numpy.repeat(starts - ends + lengths, lengths)
        last = numpy.fromiter(map(len, lines), numpy.int64, len(lines)).cumsum() - 1
        return EncodedSide(self._ids[places], numpy.diff(ends[last], prepend=0))

    def _learn(self, words: Sequence[str], threads: int) -> None:
        """Encode the words that are not known."""
        if len(self._ids) > MOST_IDS:
            self._forget()
        new = [*set(words).difference(self._numbers)]
        encoded = flat(self._model.encode_words(new, threads))
        self._numbers.update(zip(new, count(len(self._numbers)), strict=False))
        self._ends = numpy.concatenate([self._ends, len(self._ids) + encoded.lengths.cumsum()])
        self._ids = numpy.concatenate([self._ids, encoded.ids])


def flat(rows: Sequence[Sequence[int]]) -> EncodedSide:
    """Return rows of ids end to end."""
    lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
    ids = numpy.fromiter(chain.from_iterable(rows), numpy.int32, int(lengths.sum()))
    return EncodedSide(ids, lengths)
