"""Rows of token ids, padded to one length, as NumPy arrays.

Dimensions: B segments, S source positions.
"""

from collections.abc import Sequence
from itertools import chain

import numpy
from numpy.typing import NDArray

from nmt.text.shards import FlatSegments
from nmt.text.tokenizer import EOS, PAD

Integers = NDArray[numpy.int64]


def flatten(rows: Sequence[Sequence[int]]) -> FlatSegments:
    """Return rows of ids end to end."""
    lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
    ids = numpy.fromiter(chain.from_iterable(rows), numpy.int64, int(lengths.sum()))
    return FlatSegments(ids, lengths)


def source_rows(sources: Sequence[Sequence[int]]) -> Integers:
    """Return encoded source segments as the encoder reads them: (B, S), with EOS, padded."""
    return rows_with_eos(flatten(sources))


def rows_with_eos(segments: FlatSegments, multiple: int = 1) -> Integers:
    """Return segments as rows with EOS at their ends, padded: (B, longest + 1).

    multiple: more padding makes the width a multiple of this.
    """
    lengths = segments.lengths
    width = -(-(int(lengths.max()) + 1) // multiple) * multiple
    padded = numpy.full((len(lengths), width), PAD, numpy.int64)
    padded[numpy.arange(width) < lengths[:, None]] = segments.ids
    padded[numpy.arange(len(lengths)), lengths] = EOS
    return padded
