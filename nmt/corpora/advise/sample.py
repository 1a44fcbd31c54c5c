"""Take a sample of a corpus and encode it in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy

from nmt.config import DataSettings, TokenizerSettings
from nmt.corpora.check.reading import Pair
from nmt.errors import NmtError
from nmt.text.encode import Encoder, chunks_of
from nmt.text.learning import learn_subwords
from nmt.text.shards import LINE, OFFSET, Shard
from nmt.text.tokenizer import SubwordModel, Tokenizer

MOST_CHARACTERS = 8_000_000  # of a sample: SentencePiece learns from them in a few seconds


class Sampler:
    """Sample a stream of pairs evenly.

    It holds every k-th pair with text on both sides. Whenever it is full, every other pair is
    dropped and k doubles.
    """

    def __init__(self, most_pairs: int, most_characters: int = MOST_CHARACTERS) -> None:
        self._most_pairs, self._most_characters = most_pairs, most_characters
        self._step = 1
        self._seen = 0
        self._characters = 0
        self.pairs: list[Pair] = []

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs of a stream as they are, and sample them."""
        for pair in pairs:
            self._add(pair)
            yield pair

    def _add(self, pair: Pair) -> None:
        if not (pair[0].strip() and pair[1].strip()):
            return
        if self._seen % self._step == 0:
            self.pairs.append(pair)
            self._characters += sum(map(len, pair))
        self._seen += 1
        while len(self.pairs) > 1 and (
            len(self.pairs) > self._most_pairs or self._characters > self._most_characters
        ):
            self.pairs = self.pairs[::2]
            self._step *= 2
            self._characters = sum(len(side) for pair in self.pairs for side in pair)


def learn_from(pairs: Sequence[Pair], settings: TokenizerSettings) -> Tokenizer:
    """Learn one tokenizer, or one for each language, from a sample.

    If the sample is too small for so many tokens, the vocabulary is smaller. Raises NmtError if
    there is none at all.
    """

    def learned(sides: slice) -> SubwordModel:
        return learn_subwords((side for pair in pairs for side in pair[sides]), settings)

    try:
        if settings.joint:
            return Tokenizer(learned(slice(2)).model)
        return Tokenizer.from_two(learned(slice(0, 1)), learned(slice(1, 2)))
    except NmtError:
        smaller = settings.vocab_size * 3 // 4
        if smaller < 1:
            raise
        return learn_from(pairs, replace(settings, vocab_size=smaller))


def encoded(pairs: Sequence[Pair], tokenizer: Tokenizer, limits: DataSettings) -> Shard:
    """Return the pairs that cleaning keeps, encoded in memory."""
    encoder = Encoder(tokenizer)
    chunks = [
        encoder.encode(chunk, limits, "", threads=1).pairs for chunk in chunks_of(iter(pairs))
    ]
    lengths = numpy.concatenate([each.lengths for each in chunks])
    offsets = numpy.zeros(len(lengths) + 1, OFFSET)
    lengths.cumsum(out=offsets[1:])
    lines = numpy.concatenate([each.lines for each in chunks]).astype(LINE)
    return Shard(numpy.concatenate([each.ids for each in chunks]), offsets, lines)
