"""Terms: what an output must contain, as text and as token ids, in whole words.

A word begins after a space, or after a character that is not part of a word, such as a quotation
mark; it ends before one. Letters, marks, digits and the underscore are parts of words, and hyphens
join them.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nmt.text.tokenizer import UNK, SubwordModel

MARKS = '"('  # one of them shows how a vocabulary cuts a word that follows no space
HYPHENS = "-\u2010\u2011"
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """A term of a source segment and its alternatives, of which the output must contain one."""

    source: str
    targets: tuple[str, ...]  # as the vocabulary writes them: with normalised characters
    anywhere: tuple[Ids, ...]  # of the alternatives after a space
    after_mark: tuple[Ids, ...]  # after a character that is not part of a word, without a space
    at_start: tuple[Ids, ...]  # with a capital letter, which only the first word of an output has

    def is_in(self, text: str) -> bool:
        """Return whether a text contains an alternative in whole words."""
        return any(
            contains(text, target) or begins_with(text, capitalised(target))
            for target in self.targets
        )


def is_part_of_word(character: str) -> bool:
    """Return whether a character is a letter, a combining mark, a digit or an underscore."""
    return character == "_" or unicodedata.category(character)[0] in "LMN"


def goes_on(character: str) -> bool:
    """Return whether a word goes on across a character: it is a part of a word or a hyphen."""
    return character in HYPHENS or is_part_of_word(character)


def capitalised(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def begins_with(text: str, words: str) -> bool:
    """Return whether a text begins with whole words."""
    return text.startswith(words) and not goes_on(text[len(words) :][:1] or " ")


def contains(text: str, words: str) -> bool:
    """Return whether a text contains whole words, next to each other."""
    start = text.find(words)
    while start >= 0:
        if begins_with(text[start:], words) and not (start and goes_on(text[start - 1])):
            return True
        start = text.find(words, start + 1)
    return False


class TermEncoder:
    """Encodes terms with the subword model of the target language."""

    def __init__(self, subwords: SubwordModel) -> None:
        self._subwords = subwords
        encoded = subwords.encode([*MARKS])
        self._marks = [(mark, ids) for mark, ids in zip(MARKS, encoded, strict=True)]

    def encode(self, source: str, targets: Sequence[str]) -> Term:
        """Return a term; its alternatives must be in the vocabulary."""
        anywhere = self._subwords.encode(targets)
        capitals = [each for target in targets if (each := capitalised(target)) != target]
        return Term(
            source,
            tuple(map(self._subwords.decode, anywhere)),
            known(anywhere),
            known(map(self._after_mark, targets)),
            known(self._subwords.encode(capitals)),
        )

    def _after_mark(self, target: str) -> list[int]:
        """Return the ids of a text that follows a mark; none if the vocabulary has no such form."""
        for mark, ids in self._marks:
            together = self._subwords.encode([mark + target])[0]
            if UNK not in together and together[: len(ids)] == ids:
                return together[len(ids) :]
        return []


def known(encoded: Iterable[Sequence[int]]) -> tuple[Ids, ...]:
    """Return the ids of each text without unknown tokens, once."""
    return tuple(dict.fromkeys(tuple(ids) for ids in encoded if ids and UNK not in ids))
