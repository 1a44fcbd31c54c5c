"""Strings of a catalogue: escapes, and how the lines of a long string are broken."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from nmt.formats.subtitles.width import is_wide, width_of

COLUMNS = 79  # of a line, quotation marks and keyword counted, as xgettext writes it
TOO_LONG = 90  # columns of a line with spaces, in files that break none
SHORT_ESCAPES = {
    **{"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"},
    **{'"': '"', "\\": "\\"},
}
ESCAPED = {value: f"\\{key}" for key, value in SHORT_ESCAPES.items()}
ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,8})|(.))", re.DOTALL)
TO_ESCAPE = re.compile(r'[\a\b\f\n\r\t\v"\\]')
# Where a line may end: after spaces, and beside a wide character unless a mark of punctuation
# follows it.
WORD = re.compile(r"[^ ]* *")


class UnknownEscapeError(ValueError):
    """A backslash stands before a character that it does not escape."""


def unescaped(text: str) -> str:
    """Return the text of a string; raises UnknownEscapeError."""
    return ESCAPE.sub(character_of, text) if "\\" in text else text


def character_of(found: re.Match[str]) -> str:
    """Return the character of an escape: by a letter, or by an octal or hexadecimal number."""
    octal, hexadecimal, letter = found.groups()
    if letter is None:
        return chr((int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF)
    if letter not in SHORT_ESCAPES:
        raise UnknownEscapeError(found[0])
    return SHORT_ESCAPES[letter]


def escaped(text: str) -> str:
    """Return a text as it is written between quotation marks."""
    return TO_ESCAPE.sub(lambda found: ESCAPED[found[0]], text)


def written(keyword: str, text: str, columns: int, line_end: str = "\n") -> str:
    """Return a keyword and its string, broken after line breaks and at this many columns.

    columns: 0 breaks no long lines.
    """
    lines = lines_of(text)
    if len(lines) == 1 and (not columns or width_of(f'{keyword} "{lines[0]}"') <= columns):
        return f'{keyword} "{lines[0]}"'
    broken = [each for line in lines for each in pieces(line, columns)]
    return line_end.join([f'{keyword} ""', *(f'"{each}"' for each in broken)])


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, escaped, each with its line break."""
    return [escaped(each) for each in re.findall(r"[^\n]*\n|[^\n]+", text)] or [""]


def pieces(line: str, columns: int) -> Iterator[str]:
    """Break an escaped line into pieces of so many columns with their quotation marks."""
    if not columns:
        yield line
        return
    piece, width = "", 2
    for word in words(line):
        if piece and width + width_of(word) > columns:
            yield piece
            piece, width = "", 2
        piece += word
        width += width_of(word)
    yield piece


def words(line: str) -> Iterator[str]:
    """Yield the parts of a line that are not broken, each with the spaces after it."""
    for word in WORD.findall(line):
        if word.isascii():
            if word:
                yield word
            continue
        begin = 0
        for place in range(1, len(word)):
            if is_wide(word[place - 1]) and word[place].isalnum():
                yield word[begin:place]
                begin = place
        yield word[begin:]


def columns_of(strings: Iterable[Sequence[str]]) -> int:
    """Return the columns at which a file breaks its strings; 0: it breaks none.

    strings: the lines of each string as they stand between quotation marks.
    """
    longest, fits = 0, COLUMNS
    for lines in strings:
        for line, following in pairwise(lines):
            if line and not line.endswith("\\n"):
                longest = max(longest, width_of(line) + 2)
                fits = min(fits, width_of(line) + 1 + width_of(WORD.findall(following)[0]))
        if any(" " in line.strip() and width_of(line) > TOO_LONG for line in lines):
            return 0
    return min(COLUMNS, max(fits, longest)) if longest else COLUMNS
