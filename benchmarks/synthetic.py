"""Pairs of random ids with the lengths of news text, models to train on them, and their cost.

A target is its source token by token, each with another id: a model that learns the table of ids
translates, with outputs of natural lengths.
"""

import resource
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from nmt.config import ModelSettings
from nmt.text.batches import Batch, assemble
from nmt.text.shards import FlatSegments

FIRST = 4  # ids below are special
MEAN_LENGTH = 27  # tokens of a line of newstest2014 with the paper's vocabulary, about
SHAPE = 3.2  # of a gamma distribution: most lines have 8 to 60 tokens
LONGEST = 150
NEWSTEST_LINES = 3003
VOCABULARY = 37_000

TINY = ModelSettings(
    encoder_layers=4, decoder_layers=4, d_model=128, d_ff=256, heads=4, d_k=32, d_v=32, dropout=0.3
)
BASE = ModelSettings()
BIG = ModelSettings(d_model=1024, d_ff=4096, heads=16, dropout=0.3)
QUICK = ModelSettings(
    encoder_layers=1, decoder_layers=1, d_model=32, d_ff=64, heads=2, d_k=16, d_v=16
)


@dataclass(frozen=True)
class SyntheticPairs:
    """Pairs like those of `PairDataset`."""

    source_lengths: NDArray[numpy.uint16]  # with EOS
    target_lengths: NDArray[numpy.uint16]
    vocabulary: int
    seed: int = 1

    @classmethod
    def of(cls, count: int, vocabulary: int = VOCABULARY, seed: int = 1) -> "SyntheticPairs":
        """Return pairs of equal lengths on both sides."""
        random = numpy.random.default_rng(seed)
        lengths = random.gamma(SHAPE, MEAN_LENGTH / SHAPE, count).round().clip(1, LONGEST) + 1
        return cls(lengths.astype(numpy.uint16), lengths.astype(numpy.uint16), vocabulary, seed)

    def __len__(self) -> int:
        return len(self.source_lengths)

    def sources(self, indices: NDArray[numpy.int64]) -> FlatSegments:
        """Return the sources of pairs: common ids are more frequent, as words are."""
        lengths = self.source_lengths[indices].astype(numpy.int64) - 1
        random = numpy.random.default_rng([self.seed, int(indices[0]), len(indices)])
        drawn = random.random(int(lengths.sum()))
        ids = (self.vocabulary - FIRST) ** drawn - 1 + FIRST  # frequencies fall as 1 / rank
        return FlatSegments(ids.astype(numpy.int64), lengths)

    def batch(self, indices: NDArray[numpy.int64], epoch: int, multiple: int = 1) -> Batch:
        """Return the pairs with these indices as one batch."""
        source = self.sources(indices)
        target = FlatSegments(self.translated(source.ids), source.lengths)
        padded = {"multiple": multiple} if multiple > 1 else {}  # older versions do not have it
        return assemble(source, target, **padded)

    def translated(self, ids: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
        """Return the target ids of source ids."""
        return FIRST + (ids - FIRST + 7) % (self.vocabulary - FIRST)


def newstest(lines: int = NEWSTEST_LINES, vocabulary: int = VOCABULARY) -> list[list[int]]:
    """Return sources like those of newstest2014, as ids without EOS."""
    pairs = SyntheticPairs.of(lines, vocabulary, seed=2014)
    segments = pairs.sources(numpy.arange(lines))
    ends = segments.lengths.cumsum()
    return [segment.tolist() for segment in numpy.split(segments.ids, ends[:-1])]


class SyntheticSubwords:
    """Stand in for a subword model of so many tokens, none of which is text."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def __len__(self) -> int:
        return self.vocabulary

    @property
    def language_tokens(self) -> tuple[str, ...]:
        """Return no tokens."""
        return ()

    def control_ids(self) -> list[int]:
        """Return no ids."""
        return []

    def tag_ids(self) -> list[int]:
        """Return no ids."""
        return []


class SyntheticTokenizer(SimpleNamespace):
    """Stand in for a tokenizer where a `Translator` is given ids."""

    def __init__(self, subwords: SyntheticSubwords) -> None:
        super().__init__(source=subwords, target=subwords)

    def __len__(self) -> int:
        return len(self.target)


def tokenizer(vocabulary: int) -> Any:
    """Return a stand-in for the tokenizer."""
    return SyntheticTokenizer(SyntheticSubwords(vocabulary))


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all its work; the CPU has when Python goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mib(device: torch.device) -> float:
    """Return the most memory that tensors took on a GPU; on a CPU, that of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
