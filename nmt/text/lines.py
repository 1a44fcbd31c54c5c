"""Split bytes into lines and decode them, in bounded memory; errors name the line.

Only a line feed ends a line. Files, compressed files, pipes and stdin are all split here, so that
an endless line is an error everywhere.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from nmt.errors import NmtError
from nmt.system.files import kind_of

MAX_LINE_BYTES = 10_000_000  # a longer line is no text: a device, a binary file, a bomb
ENDLESS_BYTES = 1_000_000_000  # of a line: its end is waited for no longer
BYTE_ORDER_MARK = "\ufeff"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF_16 = re.compile(rb"(?:[^\0]\0){2,}|(?:\0[^\0]){2,}\0?")  # of letters from Latin scripts

SHOWN_LINES = 5  # in a message
UNKNOWN_KINDS = ("", "empty", "a text file")  # of `kind_of`

Line = bytes | None  # None stands for a line that is too long, whose bytes are dropped
OnBadLine = Callable[[int, NmtError], None]  # takes the line's number and what is wrong with it


class LineNumbers:
    """A count of lines, with the numbers of the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []

    def add(self, number: int) -> None:
        """Count a line."""
        self.count += 1
        if len(self._first) < SHOWN_LINES:
            self._first.append(number)

    def __str__(self) -> str:
        """Return a phrase such as "lines 2, 7" or "lines 1, 2, 3, 4, 5 and 95 more"."""
        numbers = ", ".join(map(str, self._first))
        more = self.count - len(self._first)
        return f"line{'s' * (self.count > 1)} {numbers}" + (f" and {more:,} more" if more else "")


class LineSplitter:
    """Splits bytes into lines as they arrive, and drops those of a line that is too long.

    Raises NmtError for a line that does not end, such as that of /dev/zero.
    """

    def __init__(self, name: str) -> None:
        """`name` stands for the lines in messages."""
        self._name = name
        self._count = 0  # of the lines that have ended
        self._parts: list[bytes] = []  # of the line whose end has not been read
        self._size = 0  # of that line so far, bytes

    def add(self, block: bytes) -> list[Line]:
        """Take bytes, fewer than a line may have; return lines that are complete or too long."""
        first, *more = block.split(b"\n")
        lines: list[Line] = []
        self._append(first, lines)
        if more:
            self._count += len(more)
            *complete, begun = more
            lines += [*self._finish(), *complete]
            self._append(begun, lines)
        return lines

    def end(self) -> list[Line]:
        """Return the last line, which has no line feed, if there is one."""
        return self._finish() if self._size else []

    def _append(self, part: bytes, lines: list[Line]) -> None:
        was_short = self._size <= MAX_LINE_BYTES
        self._size += len(part)
        if self._size > ENDLESS_BYTES:
            raise NmtError(
                f"{self._name}, line {self._count + 1}: no end after {ENDLESS_BYTES / 1e9:g} GB;"
                " name a text file"
            )
        if self._size <= MAX_LINE_BYTES:
            self._parts.append(part)
        elif was_short:
            self._parts.clear()
            lines.append(None)

    def _finish(self) -> list[Line]:
        """Return the line in progress; nothing if it was too long, which has been returned."""
        lines: list[Line] = [b"".join(self._parts)] if self._size <= MAX_LINE_BYTES else []
        self._parts, self._size = [], 0
        return lines


def stop_at_bad_line(number: int, error: NmtError) -> None:
    """Raise the error for a line that cannot be read."""
    raise error


def decode_lines(
    lines: Iterable[Line], name: str, on_bad: OnBadLine = stop_at_bad_line, first: int = 1
) -> Iterator[str]:
    """Yield lines as text, without carriage returns at their ends and byte-order mark.

    If line 1 is UTF-16, all lines are bad ones.

    Args:
        lines: UTF-8 without line feeds.
        name: stands for them in messages.
        on_bad: receives a line that is not UTF-8 or too long; if it returns, the line is blank.
        first: number of the first line.
    """
    in_utf_16 = False
    for number, line in enumerate(lines, start=first):
        text = ""
        in_utf_16 = in_utf_16 or (number == 1 and line is not None and is_utf_16(line))
        if line is None or in_utf_16:
            on_bad(number, bad_line(name, number, line, in_utf_16=in_utf_16))
        else:
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                on_bad(number, bad_line(name, number, line, error.start))
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        yield text.removesuffix("\r")


def is_utf_16(line: bytes) -> bool:
    """Return whether the first line of a file looks like UTF-16; it may be valid UTF-8 too."""
    return line.startswith(UTF_16_MARKS) or UTF_16.fullmatch(line) is not None


def bad_line(
    name: str, number: int, line: Line, byte: int = 0, *, in_utf_16: bool = False
) -> NmtError:
    """Return the error for a line that is too long, or not UTF-8 from a byte on.

    in_utf_16: the file is in UTF-16.
    """
    place = f"{name}, line {number}"
    if line is None:
        return NmtError(
            f"{place}: longer than {MAX_LINE_BYTES / 1e6:g} MB; write one segment on each line"
        )
    if in_utf_16:
        return NmtError(
            f"{place}: not UTF-8: looks like UTF-16; convert with `iconv -f UTF-16 -t UTF-8`"
        )
    if number == 1 and (kind := kind_of(line)) not in UNKNOWN_KINDS:
        advice = f"the file is {kind}"
    elif b"\0" in line:
        advice = "it looks like a binary file"
    else:
        advice = (
            "correct the line, or if the whole file has another encoding, convert it, for example"
            " with `iconv -f WINDOWS-1252 -t UTF-8`"
        )
    return NmtError(f"{place}: not valid UTF-8 (byte {byte + 1} of the line); {advice}")
