"""Decide what happens to lines that cannot be read: stop, leave them out, or leave them blank."""

from collections.abc import Iterable, Iterator, Sequence

from nmt.decoding.translator.requests import Request
from nmt.errors import NmtError
from nmt.system.log import Notify
from nmt.system.pools import Item
from nmt.text.lines import LineNumbers

ACTIONS = ("error", "skip", "blank")


class BadLines:
    """The lines of a text that are not UTF-8 or too long, and what is done about them."""

    def __init__(self, action: str = "error", first_line: int = 1) -> None:
        """Take one of `ACTIONS`: raise an error, leave the lines out, or leave them blank.

        first_line: the first line that is translated; bad lines before it do not matter.
        """
        self._action, self._first_line = action, first_line
        self._lines = LineNumbers()
        self._first: NmtError | None = None
        self._skipped: set[int] = set()  # numbers of lines to leave out that are not yet written
        self._blank: set[int] = set()  # numbers of bad lines that are not yet asked for

    def add(self, number: int, error: NmtError) -> None:
        """Record a line that is read as a blank line; raises the error if the action is "error"."""
        if number < self._first_line:
            return
        if self._action == "error":
            raise NmtError(f"{error} (or go on with --on-bad-line skip or blank)") from error
        self._lines.add(number)
        self._first = self._first or error
        self._blank.add(number)
        if self._action == "skip":
            self._skipped.add(number)

    def asked_for(
        self, chunks: Iterable[Sequence[Request]], first_line: int
    ) -> Iterator[Sequence[Request]]:
        """Yield chunks of requests, of which those of bad lines ask for nothing."""
        for chunk in chunks:
            numbers = range(first_line, first_line + len(chunk))
            bad = self._blank.intersection(numbers)
            self._blank -= bad
            pairs = zip(numbers, chunk, strict=True)
            yield (
                [Request("") if each in bad else request for each, request in pairs]
                if bad
                else chunk
            )
            first_line = numbers.stop

    def kept(self, numbers: range) -> Sequence[int]:
        """Return the numbers of lines that are not left out; before their texts are written."""
        if not self._skipped:
            return numbers
        return [number for number in numbers if number not in self._skipped]

    def without_skipped(self, items: Sequence[Item], first_line: int) -> Sequence[Item]:
        """Return what to write for lines of the source, without that of lines to leave out."""
        if not self._skipped:
            return items
        numbers = range(first_line, first_line + len(items))
        kept = [items[number - first_line] for number in self.kept(numbers)]
        self._skipped.difference_update(numbers)
        return kept

    def tell(self, notify: Notify) -> None:
        """Print how many lines were bad and where, if there were any."""
        if self._first is None:
            return
        what = f"{self._lines}, which cannot be read (the first: {self._first})"
        if self._action == "skip":
            notify(f"left out {what}; output lines no longer match input lines")
        else:
            notify(f"blank output for {what}")
