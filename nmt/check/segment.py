"""A segment with what several detectors ask about it, found once."""

import re
import unicodedata


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
        # The text without case, punctuation, the width of spaces and digits, which near duplicates
        # have in common. A text without letters stays as it is.
        self.folded = " ".join(self.words) or text
        self.is_blank = not self.words and not text.strip()  # has nothing but white space
