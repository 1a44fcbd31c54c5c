"""Segments as they come: read no further ahead than pays, and no further than is there."""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nmt.errors import NmtError

FIRST_SEGMENTS = 32  # translated first, so that a reader need not wait for more
CHUNK_SEGMENTS = 2_000  # at most, read ahead and sorted by length together
CHUNK_CHARACTERS = 1_000_000  # likewise: lines may be long
PATIENCE_SECONDS = 0.02  # for more of a pipe that has given a line: its writer may be at work
READ_BYTES = 1 << 16  # what a pipe holds


def always(deadline: float) -> bool:
    """Whether a file's next line is there."""
    return True


@dataclass(frozen=True)
class Source:
    """Segments, and whether the next of them, or the end, is there by a time.monotonic()."""

    segments: Iterable[str]
    is_there: Callable[[float], bool] = always


def chunks_of(source: Source, first: int = FIRST_SEGMENTS) -> Iterator[list[str]]:
    """The segments in chunks, none kept back while more of them are awaited.

    The first chunk is small, and so is the first after a pause; those after it grow.
    """
    segments, size = iter(source.segments), first
    for segment in segments:
        chunk, characters = [segment], len(segment)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(chunk) < size and characters < CHUNK_CHARACTERS and source.is_there(deadline):
            following = next(segments, None)
            if following is None:
                break
            chunk.append(following)
            characters += len(following)
        size = min(4 * size, CHUNK_SEGMENTS) if len(chunk) == size else first
        yield chunk


class ArrivingLines:
    """The lines of a pipe, a terminal or a file, without line feeds, read as they arrive.

    Python's own readers do not tell whether they would wait for the next line.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self._name = descriptor, name
        self._whole: deque[bytes] = deque()  # lines that nobody has taken yet
        self._begun: list[bytes] = []  # parts of the line whose end has not come
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._whole:
            if self._ended:
                raise StopIteration
            self._read(None)
        return self._whole.popleft()

    def is_there(self, deadline: float) -> bool:
        """Whether the next line, or the end, comes by then (time.monotonic)."""
        while not self._whole and not self._ended:
            if not self._read(max(0.0, deadline - time.monotonic())):
                return False
        return True

    def _read(self, seconds: float | None) -> bool:
        """Take what comes within that time, None is forever; whether something came."""
        try:
            # Waiting here, not in os.read, serves pipes too that another user made not block.
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return False
            came = os.read(self._descriptor, READ_BYTES)
        except OSError as error:
            raise NmtError(f"cannot read {self._name}: {error.strerror}") from error
        end, *more = came.split(b"\n")
        self._begun.append(end)
        if more:
            *whole, begun = more
            self._whole.append(b"".join(self._begun))
            self._whole += whole
            self._begun = [begun]
        if not came:
            self._ended = True
            if last := b"".join(self._begun):
                self._whole.append(last)
        return True
