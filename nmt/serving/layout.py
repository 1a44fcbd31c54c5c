"""Divide texts into lines to translate and what stays as it is, and join them again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nmt.decoding.translator.marked import Marked

LINE_BREAK = re.compile(r"(\r?\n)")
Line = str | Marked  # to translate; with its marks if it has some


class Layout(Protocol):
    """A text as what stays as it is, and lines to translate."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Lines to translate."""
        ...

    def candidates(self, found: Sequence[Sequence[Line]], most: int) -> list[str]:
        """Return up to `most` texts, the best first; found: the translations of each line.

        There is always one. There are no more than the line with the fewest translations has.
        """
        ...


def count_of(found: Sequence[Sequence[Line]], most: int) -> int:
    """Return how many texts can be made of the translations of lines, at most `most`."""
    return min([most, *map(len, found)]) if found else 1


def text_of(line: Line) -> str:
    """Return a line as a text, with its marks."""
    return line if isinstance(line, str) else line.text


def marked(line: Line) -> Marked:
    """Return a line with its marks."""
    return Marked(line) if isinstance(line, str) else line


@dataclass(frozen=True)
class TextLayout:
    """A plain text as parts: fixed ones, and the places of lines to translate."""

    fixed: tuple[str, ...]  # before, between and after the lines; one more than there are lines
    lines: tuple[str, ...]

    def join(self, translations: Sequence[str]) -> str:
        """Return the text with a translation in place of each line."""
        whole = [self.fixed[0]]
        for text, after in zip(translations, self.fixed[1:], strict=True):
            whole += (text, after)
        return "".join(whole)

    def candidates(self, found: Sequence[Sequence[Line]], most: int) -> list[str]:
        """Return up to `most` texts; see `Layout.candidates`."""
        ranks = range(count_of(found, most))
        return [self.join([text_of(each[rank]) for each in found]) for rank in ranks]


def layout_of_text(text: str) -> TextLayout:
    """Return the layout of a plain text: as `nmt translate` does, each line is a segment.

    A line without words becomes an empty line. Line breaks are kept.
    """
    fixed, lines = [[""]], list[str]()
    for number, part in enumerate(LINE_BREAK.split(text)):
        if number % 2:
            fixed[-1].append(part)
        elif part.strip():
            lines.append(part.removesuffix("\r"))
            fixed.append([])
    return TextLayout(tuple(map("".join, fixed)), tuple(lines))
