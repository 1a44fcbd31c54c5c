"""Terms: what an output must contain, in whole words.

A word begins after a space, or after a character that is not part of a word, such as a quotation
mark; it ends before one. Letters, marks, digits and the underscore are parts of words, and hyphens
join them.
"""

import unicodedata
from dataclasses import dataclass

HYPHENS = "-\u2010\u2011"


@dataclass(frozen=True)
class Term:
    """A term of a source segment and its alternatives, of which the output must contain one."""

    source: str
    targets: tuple[str, ...]  # as the vocabulary writes them: with normalised characters

    def is_in(self, text: str) -> bool:
        """Return whether a text contains an alternative in whole words."""
        return any(
            contains(text, target) or begins_with(text, capitalised(target))
            for target in self.targets
        )


@dataclass(frozen=True)
class TermPlace:
    """A term and where a source segment has it."""

    term: Term
    words: tuple[range, ...]  # the tokens of each of the term's words in a part of the segment

    @property
    def tokens(self) -> range:
        """The tokens of all words."""
        return range(self.words[0].start, self.words[-1].stop)


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
