"""Units of a text, which marks stand beside: words, or characters of a script without spaces.

A unit has a core, and may have punctuation before and after it: a mark may stand on either side.
"""

import re
from dataclasses import dataclass, field

from nmt.decoding.translator.symbols import CLOSERS, OPENERS
from nmt.text.words import UNSPACED

WIDE_OPENERS, WIDE_CLOSERS = "\u300c\u300e\uff08\u300a\u3010", "\u300d\u300f\uff09\u300b\u3011"
BEFORE = OPENERS + WIDE_OPENERS
AFTER = CLOSERS + WIDE_CLOSERS + "\u3001\uff0c\uff0e\uff01\uff1f\uff1a\uff1b"
UNIT = re.compile(
    rf"[{re.escape(BEFORE)}]*[{UNSPACED}][{re.escape(AFTER)}]*|(?:(?![{UNSPACED}])\S)+"
)
ANY_UNSPACED = re.compile(f"[{UNSPACED}]")

CHUNKS = 3  # of a unit: what stands before its core, the core, what stands after it


@dataclass(frozen=True)
class Units:
    """The units of a text, each in three chunks; most have nothing before and after the core."""

    text: str
    spans: list[tuple[int, int, int, int]] = field(default_factory=list)  # ends of the chunks

    @classmethod
    def of(cls, text: str) -> "Units":
        """Find the units of a text."""
        units = cls(text)
        for found in UNIT.finditer(text):
            unit = found[0]
            begin = found.start() + len(unit) - len(unit.lstrip(BEFORE))
            end = found.start() + len(unit.rstrip(AFTER))
            if end <= begin:  # punctuation alone
                begin, end = found.span()
            units.spans.append((found.start(), begin, end, found.end()))
        return units

    def __len__(self) -> int:
        return len(self.spans)

    def chunk(self, place: int) -> str:
        """Return a chunk: three for each unit, one after the other."""
        span = self.spans[place // CHUNKS]
        return self.text[span[place % CHUNKS] : span[place % CHUNKS + 1]]

    def space_before(self, unit: int) -> str:
        """Return the white space before a unit."""
        return self.text[self.spans[unit - 1][3] if unit else 0 : self.spans[unit][0]]

    def has_no_spaces(self, unit: int) -> bool:
        """Return whether a unit is of a script without spaces."""
        return ANY_UNSPACED.search(self.text, *self.spans[unit][::3]) is not None
