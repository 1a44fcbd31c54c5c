"""Target prefixes: what an output must begin with, token by token.

The words before the last one are given tokens. The last word may end inside a word of the output:
its own tokens would end there too, so one that goes on beyond it may take the place of the last.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from unicodedata import normalize

from nmt.errors import UsageError
from nmt.system.arguments import check_surrogates
from nmt.text.subwords.tokenizer import SPACE, UNK, SubwordModel

MARK = SPACE.encode()  # begins a word


@dataclass(frozen=True)
class TargetPrefix:
    """The first tokens that an output must have; it is false if there are none."""

    ids: tuple[int, ...] = ()  # the tokens of the whole text
    forced: int = 0  # how many of them are given; what follows them has a choice
    # At each position after them: the tokens that may come, and the position after each of them,
    # at most the last one.
    ways: tuple[Mapping[int, int], ...] = ()
    fewest: tuple[int, ...] = (0,)  # tokens from each position, and from the last one, on
    context: int = 0  # how many of the first tokens stand before the output and are no part of it

    @classmethod
    def of_tokens(cls, ids: tuple[int, ...]) -> "TargetPrefix":
        """Return a prefix whose tokens are all given."""
        return cls(ids, len(ids))

    def after(self, context: tuple[int, ...]) -> "TargetPrefix":
        """Return the prefix of an output that the decoder writes after a context."""
        if not context:
            return self
        forced = len(context) + self.forced
        return replace(self, ids=context + self.ids, forced=forced, context=len(context))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def longest(self) -> int:
        """Return the most tokens that the prefix may take."""
        return self.forced + len(self.ways)

    def allowed(self, tokens: Sequence[int], limit: int) -> Sequence[int]:
        """Return the tokens that may follow an output's tokens; none: the prefix is complete.

        limit: the most tokens after the context, EOS counted. A longer rest would not fit.
        """
        if len(tokens) < self.forced:
            return self.ids[len(tokens) : len(tokens) + 1]
        position = 0
        for token in tokens[self.forced :]:
            if position == len(self.ways):
                break
            # The beam may keep slots without a hypothesis, with any token.
            position = self.ways[position].get(token, len(self.ways))
        if position == len(self.ways):
            return ()
        room = self.context + limit - len(tokens) - 2  # EOS and this token are two
        return [token for token, after in self.ways[position].items() if self.fewest[after] <= room]


NO_PREFIX = TargetPrefix()


class PrefixEncoder:
    """Encodes the texts that outputs must begin with in the vocabulary of the target language."""

    def __init__(self, subwords: SubwordModel, never: Collection[int], eos: int) -> None:
        """`never`: ids that are no output. eos: the id of the end."""
        self._subwords, self._never, self._eos = subwords, never, eos

    def encode(self, prefixes: Sequence[str], first_line: int) -> list[TargetPrefix]:
        """Return what each output begins with; an empty list if that is nothing for all of them.

        The last word of a prefix may go on, unless a space follows it. first_line: the line number
        of the first prefix. Raises UsageError, which names the line, for a prefix that the
        vocabulary or UTF-8 cannot write.
        """
        if not any(prefixes):
            return []
        for line, prefix in enumerate(prefixes, first_line):
            check_surrogates(prefix, f"prefix {line}")
        texts = [" ".join(prefix.splitlines()).rstrip() for prefix in prefixes]
        found = []
        for line, (prefix, text, ids) in enumerate(
            zip(prefixes, texts, self._subwords.encode(texts), strict=True), first_line
        ):
            if UNK in ids:
                symbols = self._subwords.unknown(text)
                # The vocabulary may write a character as others, which the user has not typed.
                typed = normalize("NFC", prefix)
                is_typed = all(symbol in typed for symbol in symbols)
                unknown = ", ".join(symbols) if is_typed else text
                raise UsageError(
                    f"line {line}: the prefix has characters that are not in the vocabulary:"
                    f" {unknown}; leave them out"
                )
            if not ids:
                found.append(NO_PREFIX)
            elif prefix[-1].isspace():
                found.append(self.with_whole_word(tuple(ids)))
            else:
                found.append(self.with_open_word(tuple(ids)))
        return found

    def with_open_word(self, ids: tuple[int, ...]) -> TargetPrefix:
        """Return the prefix with the text of these tokens, whose last word may go on.

        The output has these tokens, or the first of them and then one that goes on beyond the text.
        More freedom does harm: a model that has to spell a word in tokens that it never saw in a
        row makes words up.
        """
        texts = [self._texts[token] for token in ids]
        forced = max(
            (index for index, text in enumerate(texts) if text.startswith(MARK)), default=0
        )
        last = ids[forced:]
        ways: list[dict[int, int]] = []
        fewest = [0]
        for index in reversed(range(len(last))):
            rest = b"".join(texts[forced + index :])
            found = dict.fromkeys(self._tokens_with(rest), len(last))
            fewest.insert(0, 1 if found else 1 + fewest[0])
            ways.insert(0, found | {last[index]: index + 1})
        return TargetPrefix(ids, forced, tuple(ways), tuple(fewest))

    def with_whole_word(self, ids: tuple[int, ...]) -> TargetPrefix:
        """Return the prefix with the text of these tokens, after which a word ends."""
        if not self._word_ends:  # a vocabulary without words
            return TargetPrefix.of_tokens(ids)
        return TargetPrefix(ids, len(ids), (self._word_ends,), (0, 0))

    @cached_property
    def _word_ends(self) -> Mapping[int, int]:
        """Return the way on after a whole word, as in `TargetPrefix.ways`: a next word, or EOS."""
        starts = self._tokens_with(MARK)
        return dict.fromkeys([*starts, self._eos], 1) if starts else {}

    def _tokens_with(self, text: bytes) -> list[int]:
        """Return the tokens whose texts begin with a text."""
        first = last = bisect_left(self._ordered, (text, -1))
        while last < len(self._ordered) and self._ordered[last][0].startswith(text):
            last += 1
        return [token for _, token in self._ordered[first:last]]

    @cached_property
    def _ordered(self) -> list[tuple[bytes, int]]:
        """Return the tokens of outputs, in the order of their texts."""
        none = {*self._never, self._eos}
        return sorted((text, token) for token, text in enumerate(self._texts) if token not in none)

    @cached_property
    def _texts(self) -> list[bytes]:
        """Return the text of each token in UTF-8, U+2581 for a space; it may be a single byte."""
        texts = []
        for token in range(len(self._subwords)):
            piece = self._subwords.piece(token)
            is_byte = piece.startswith("<0x") and self._subwords.is_byte(piece)
            texts.append(bytes([int(piece[1:-1], 16)]) if is_byte else piece.encode())
        return texts
