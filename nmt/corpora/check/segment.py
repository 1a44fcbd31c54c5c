"""A segment with what several detectors ask about it, found once."""

import re
import unicodedata
from collections.abc import Sequence


def combining_marks() -> str:
    """Return a set of a regular expression: marks that are written over, under or after letters.

    They are vowels in the scripts of India and South-East Asia, but `\\w` does not have them.
    """
    points = [n for n in range(0x300, 0xAC00) if unicodedata.category(chr(n)) in ("Mn", "Mc")]
    return f"[{''.join(map(chr, points))}]"


# Runs of letters with their marks.
WORD = re.compile(rf"[^\W\d_]+(?:{combining_marks()}+[^\W\d_]*)*")


class Segment:
    """One side of a pair."""

    __slots__ = ("folded", "is_blank", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = WORD.findall(text.casefold())  # its runs of letters
        self.folded = folded(self.words) or text  # a text without letters stays as it is
        self.is_blank = not self.words and not text.strip()  # has nothing but white space


def folded(words: Sequence[str]) -> str:
    """Return the letters of a text, which near duplicates have in common.

    Words are joined, because a space, a sign or a digit may also stand inside a word of one of the
    texts. words: of `WORD`, in lower case.
    """
    letters = "".join(words)
    return letters if letters.isascii() else unicodedata.normalize("NFC", letters)
