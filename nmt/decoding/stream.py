"""Read segments as they arrive, in chunks that are large but never wait for more input."""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from nmt.errors import NmtError
from nmt.text.reading.lines import Line, LineSplitter

FIRST_SEGMENTS = 32  # in the first chunk, so that a reader gets the first translations soon
CHUNK_SEGMENTS = 2_000  # in a chunk at most; they are sorted by length together
CHUNK_CHARACTERS = 1_000_000  # likewise, because lines may be long
PATIENCE_SECONDS = 0.02  # to wait for another line of a pipe whose writer may be writing it
READ_BYTES = 1 << 16  # the capacity of a pipe


Segment = TypeVar("Segment", bound=Sized)  # a text, or a pair of texts; its length in characters


@dataclass(frozen=True)
class Source(Generic[Segment]):
    """Segments, and a function that tells whether the next one can be read without waiting."""

    segments: Iterable[Segment]
    # Takes a deadline in seconds of time.monotonic(); True also at the end of the input. The next
    # line of a file can always be read at once.
    is_ready: Callable[[float], bool] = lambda deadline: True


def split_chunks(source: Source[Segment], first: int = FIRST_SEGMENTS) -> Iterator[list[Segment]]:
    """Yield the segments in chunks; a chunk ends as soon as the next segment would be waited for.

    The first chunk, and the first after a pause, has at most `first` segments. Chunks grow up to
    CHUNK_SEGMENTS while segments keep coming.
    """
    segments, size = iter(source.segments), first
    for segment in segments:
        chunk, characters = [segment], len(segment)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(chunk) < size and characters < CHUNK_CHARACTERS and source.is_ready(deadline):
            following = next(segments, None)
            if following is None:
                break
            chunk.append(following)
            characters += len(following)
        size = min(4 * size, CHUNK_SEGMENTS) if len(chunk) == size else first
        yield chunk


class ArrivingLines:
    """The lines of a pipe, a terminal or a file, without line feeds, read as they arrive.

    None stands for a line that is too long.

    Python's own readers cannot tell whether the next line would be waited for.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        """Read an open file descriptor; `name` stands for it in messages."""
        self._descriptor, self._name = descriptor, name
        self._complete: deque[Line] = deque()  # lines that were read but not yet returned
        self._splitter = LineSplitter(name)
        self._at_end = False

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        while not self._complete:
            if self._at_end:
                raise StopIteration
            self._read(None)
        return self._complete.popleft()

    def is_ready(self, deadline: float) -> bool:
        """Return whether the next line, or the end, arrives before a time of time.monotonic()."""
        while not self._complete and not self._at_end:
            if not self._read(max(0.0, deadline - time.monotonic())):
                return False
        return True

    def _read(self, seconds: float | None) -> bool:
        """Read what arrives within some seconds (None: forever); return whether anything did."""
        try:
            # Waiting in select, not in os.read, also works for pipes that another user made
            # non-blocking.
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return False
            data = os.read(self._descriptor, READ_BYTES)
        except OSError as error:
            raise NmtError(f"cannot read {self._name}: {error.strerror}") from error
        self._complete += self._splitter.add(data) if data else self._splitter.end()
        self._at_end = not data
        return True
