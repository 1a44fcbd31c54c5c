"""Beginnings: what an output must begin with, token by token.

The words before the last one are given tokens. The last word may end inside a word of the output,
where a text's own tokens would end too: it may be any tokens whose text agrees with it.
"""

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nmt.text.tokenizer import SPACE, SubwordModel


@dataclass(frozen=True)
class Beginning:
    """What an output must begin with; it is false if that is nothing."""

    ids: tuple[int, ...] = ()  # the tokens of the whole text
    forced: int = 0  # how many of them are given; any tokens that agree with the rest may follow
    # At each byte of the rest, the tokens that may come and the byte after them, at most the last.
    ways: tuple[Mapping[int, int], ...] = ()
    fewest: tuple[float, ...] = (0,)  # tokens from each byte of the rest, and from its end, on

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

    def __init__(self, subwords: SubwordModel, never: Collection[int]) -> None:
        """`never`: ids that are no output."""
        self._texts = [*map(text_of, [subwords] * len(subwords), range(len(subwords)))]
        left = (each for each in range(len(subwords)) if each not in never)
        ordered = sorted((self._texts[each], each) for each in left)
        self._ordered = [text for text, _ in ordered]
        self._ids = [each for _, each in ordered]
        self._longest = max(map(len, self._ordered), default=0)
        self._by_text: dict[bytes, list[int]] = {}
        for text, each in ordered:
            self._by_text.setdefault(text, []).append(each)

    def beginning(self, ids: tuple[int, ...]) -> Beginning:
        """Return the beginning whose last word, of the text of these tokens, may go on."""
        first_of_word = [at for at, each in enumerate(ids) if self._texts[each].startswith(MARK)]
        forced = first_of_word[-1] if first_of_word else 0
        ways, fewest = self._ways(b"".join(self._texts[each] for each in ids[forced:]))
        if fewest[0] == math.inf:
            return Beginning.of_tokens(ids)
        return Beginning(ids, forced, ways, fewest)

    def _ways(self, rest: bytes) -> tuple[tuple[dict[int, int], ...], tuple[float, ...]]:
        """Return `Beginning.ways` and `Beginning.fewest` for a text."""
        end = len(rest)
        ways: list[dict[int, int]] = [{} for _ in rest]
        fewest = [math.inf] * end + [0.0]
        for start in reversed(range(end)):
            found = dict.fromkeys(self._that_begin_with(rest[start:]), end)
            for after in range(start + 1, min(end, start + self._longest + 1)):
                found |= dict.fromkeys(self._by_text.get(rest[start:after], ()), after)
            ways[start] = found
            fewest[start] = 1 + min((fewest[after] for after in found.values()), default=math.inf)
        return tuple(ways), tuple(fewest)

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
