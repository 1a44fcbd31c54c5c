"""Beginnings: what an output must begin with, token by token.

The words before the last one are given tokens. The last word may end inside a word of the output:
its own tokens would end there too, so one that goes on beyond it may take the place of the last.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nmt.text.tokenizer import SPACE, SubwordModel


@dataclass(frozen=True)
class Beginning:
    """Hold what an output must begin with; it is false if that is nothing."""

    ids: tuple[int, ...] = ()  # the tokens of the whole text
    forced: int = 0  # how many of them are given; what follows them has a choice
    # At each place after them, the tokens that may come and the place after each, at most the last.
    ways: tuple[Mapping[int, int], ...] = ()
    fewest: tuple[int, ...] = (0,)  # tokens from each place, and from the last one, on

    @classmethod
    def of_tokens(cls, ids: tuple[int, ...]) -> "Beginning":
        """Return a beginning whose tokens are all given."""
        return cls(ids, len(ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def longest(self) -> int:
        """The most tokens that a beginning may have."""
        return self.forced + len(self.ways)

    def allowed(self, tokens: Sequence[int], limit: int) -> Sequence[int]:
        """Return the tokens that may follow an output's tokens; none: its beginning is complete.

        limit: the most tokens of the output, EOS counted. A longer rest would not fit.
        """
        if len(tokens) < self.forced:
            return self.ids[len(tokens) : len(tokens) + 1]
        place = 0
        for token in tokens[self.forced :]:
            if place == len(self.ways):
                break
            # The beam may keep places without a hypothesis, with any token.
            place = self.ways[place].get(token, len(self.ways))
        if place == len(self.ways):
            return ()
        room = limit - len(tokens) - 2  # EOS and this token are two
        return [token for token, after in self.ways[place].items() if self.fewest[after] <= room]


NO_BEGINNING = Beginning()


class TokenTexts:
    """The texts of a vocabulary's tokens in UTF-8, so that some may be single bytes."""

    def __init__(self, subwords: SubwordModel, never: Collection[int], eos: int) -> None:
        """`never`: ids that are no output. `eos`: the id of the end."""
        self._eos = eos
        self._texts = [*map(text_of, [subwords] * len(subwords), range(len(subwords)))]
        left = (each for each in range(len(subwords)) if each not in {*never, eos})
        ordered = sorted((self._texts[each], each) for each in left)
        self._ordered = [text for text, _ in ordered]
        self._ids = [each for _, each in ordered]

    def open_beginning(self, ids: tuple[int, ...]) -> Beginning:
        """Return the beginning with the text of these tokens, whose last word may go on.

        The output has these tokens, or the first of them and then one that goes on beyond the text.
        More freedom does harm: a model that has to spell a word in tokens that it never saw in a
        row makes words up.
        """
        first_of_word = [at for at, each in enumerate(ids) if self._texts[each].startswith(MARK)]
        forced = first_of_word[-1] if first_of_word else 0
        last = ids[forced:]
        ways: list[dict[int, int]] = []
        fewest = [0]
        for place in reversed(range(len(last))):
            rest = b"".join(self._texts[each] for each in last[place:])
            found = dict.fromkeys(self._that_begin_with(rest), len(last))
            fewest.insert(0, 1 if found else 1 + fewest[0])
            ways.insert(0, found | {last[place]: place + 1})
        return Beginning(ids, forced, tuple(ways), tuple(fewest))

    def whole_beginning(self, ids: tuple[int, ...]) -> Beginning:
        """Return the beginning with the text of these tokens, after which a word ends."""
        if not self._word_ends:  # a vocabulary without words
            return Beginning.of_tokens(ids)
        return Beginning(ids, len(ids), (self._word_ends,), (0, 0))

    @cached_property
    def _word_ends(self) -> Mapping[int, int]:
        """The way on after a whole word, as in `Beginning.ways`: tokens of a next one, or EOS."""
        starts = self._that_begin_with(MARK)
        return dict.fromkeys([*starts, self._eos], 1) if starts else {}

    def _that_begin_with(self, text: bytes) -> list[int]:
        first = last = bisect_left(self._ordered, text)
        while last < len(self._ordered) and self._ordered[last].startswith(text):
            last += 1
        return self._ids[first:last]


MARK = SPACE.encode()


def text_of(subwords: SubwordModel, piece_id: int) -> bytes:
    """Return the text of a token in UTF-8, with U+2581 for a space."""
    piece = subwords.piece(piece_id)
    if piece.startswith("<0x") and subwords.is_byte(piece):
        return bytes([int(piece[1:-1], 16)])
    return piece.encode()
