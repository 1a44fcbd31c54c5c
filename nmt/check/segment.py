"""A segment with what several detectors ask about it, found once."""

import re

WORD = re.compile(r"[^\W\d_]+")  # runs of letters


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
