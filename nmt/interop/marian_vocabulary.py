"""The vocabulary of a Marian model: the ids that our special tokens and its pieces get.

Our ids begin with padding, unknown, BOS and EOS; the other pieces keep their order. Marian has no
BOS: its decoder starts from another row of the embeddings, usually that of padding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy

from nmt.errors import DamagedError
from nmt.interop.marian_names import Rows
from nmt.recipe.rules import SPECIAL_TOKENS
from nmt.text.tokenizer import BOS, EOS, PAD, UNK, SubwordModel, Tokenizer

PADDING, UNKNOWN, END = SPECIAL_TOKENS[PAD], SPECIAL_TOKENS[UNK], SPECIAL_TOKENS[EOS]


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of one side and their ids in the model."""

    ids: Mapping[str, int]
    origin: str = field(compare=False)  # the file, for messages

    def check(self, size: int) -> None:
        """Raise DamagedError unless the ids are those of `size` rows and include EOS and UNK."""
        if len(self.ids) != size or {*self.ids.values()} != {*range(size)}:
            raise DamagedError(
                f"{self.origin} does not fit the model: it has {len(self.ids):,} pieces, which"
                f" need the ids 0 to {size - 1:,}, each once"
            )
        for name in (END, UNKNOWN):
            if name not in self.ids:
                raise DamagedError(f"{self.origin} has no piece {name}, which every model needs")

    @property
    def pieces(self) -> list[str]:
        """The pieces that are not special, in the order of their ids."""
        special = (PADDING, UNKNOWN, END)
        return [
            piece for piece in sorted(self.ids, key=self.ids.__getitem__) if piece not in special
        ]

    def rows(self, size: int, start: int) -> list[int]:
        """Return the row of each of our ids, of which there are `size`; -1: there is none.

        start: the row that the decoder starts from.
        """
        special = {PAD: self.ids.get(PADDING, -1), UNK: self.ids[UNKNOWN], BOS: start}
        special[EOS] = self.ids[END]
        rows = [special[each] for each in range(len(special))]
        rows += [self.ids[piece] for piece in self.pieces]
        return rows + [-1] * (size - len(rows))


@dataclass(frozen=True)
class MarianTokenizer:
    """The SentencePiece models and the vocabularies of source and target."""

    models: Sequence[bytes]  # of the source and of the target
    source: Vocabulary
    target: Vocabulary  # equal to that of the source if both languages share one

    def tokenizer(self, origins: Sequence[str]) -> Tokenizer:
        """Return our tokenizer; raises NmtError, naming `origins`, for a damaged model."""
        sides = zip(self.models, (self.source, self.target), origins, strict=True)
        source, target = (
            SubwordModel.with_pieces(model, side.pieces, origin) for model, side, origin in sides
        )
        return Tokenizer.from_two(source, target)

    def rows(self, start: int) -> Rows:
        """Return the rows of the embeddings for our ids; start: that of the decoder's start."""
        size = len(SPECIAL_TOKENS) + max(len(self.source.pieces), len(self.target.pieces))
        source, target = self.source.rows(size, -1), self.target.rows(size, start)
        if self.source == self.target:
            source = target
        return Rows(numpy.array(source, numpy.int64), numpy.array(target, numpy.int64))
