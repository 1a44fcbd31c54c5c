"""Encoded pairs on disk: flat integer arrays, memory-mapped, so that memory stays flat.

A shard NAME is two files. NAME.ids holds the piece ids of source 0, target 0, source 1, target 1
and so on, end to end (little-endian uint16, or uint32 beyond 65,536 pieces). NAME.offsets holds the
2n + 1 places (little-endian int64) where they begin, the total last.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

from nmt.errors import NmtError

Ids = NDArray[numpy.unsignedinteger[Any]]
OFFSET: "numpy.dtype[numpy.int64]" = numpy.dtype("<i8")
Number = TypeVar("Number", bound=numpy.generic)


def id_type(vocab_size: int) -> "numpy.dtype[numpy.unsignedinteger[Any]]":
    """The narrowest integer that holds every piece id."""
    return numpy.dtype("<u2") if vocab_size <= 65_536 else numpy.dtype("<u4")


@dataclass(frozen=True)
class Shard:
    """n encoded pairs, memory-mapped."""

    ids: Ids
    offsets: NDArray[numpy.int64]  # (2n + 1,)

    def __len__(self) -> int:
        return (len(self.offsets) - 1) // 2

    def lengths(self) -> tuple[NDArray[numpy.int32], NDArray[numpy.int32]]:
        """Source and target lengths in tokens, without EOS: two arrays (n,)."""
        each = numpy.diff(self.offsets).astype(numpy.int32)
        return each[0::2], each[1::2]

    def pair(self, index: int) -> tuple[list[int], list[int]]:
        """The ids of one pair."""
        begin, middle, end = self.offsets[2 * index : 2 * index + 3]
        return self.ids[begin:middle].tolist(), self.ids[middle:end].tolist()


class ShardWriter:
    """Writes a shard pair by pair; nothing appears under its name before `finish`."""

    def __init__(self, folder: Path, name: str, vocab_size: int) -> None:
        self._final = [folder / f"{name}.ids", folder / f"{name}.offsets"]
        self._partial = [path.with_name(f"{path.name}.partial") for path in self._final]
        self._dtype = id_type(vocab_size)
        self._streams = [path.open("wb") for path in self._partial]
        self._streams[1].write(numpy.zeros(1, OFFSET).tobytes())
        self._total = 0

    def add(self, pairs: Iterable[tuple[list[int], list[int]]]) -> None:
        """Append encoded pairs."""
        sides = [side for pair in pairs for side in pair]
        if not sides:
            return
        lengths = numpy.fromiter(map(len, sides), OFFSET, len(sides))
        flat = numpy.fromiter((each for side in sides for each in side), self._dtype)
        self._streams[0].write(flat.tobytes())
        self._streams[1].write((self._total + numpy.cumsum(lengths)).astype(OFFSET).tobytes())
        self._total += int(lengths.sum())

    def finish(self) -> None:
        """Give the files their names."""
        for stream, partial, final in zip(self._streams, self._partial, self._final, strict=True):
            stream.close()
            partial.replace(final)

    def discard(self) -> None:
        """Remove what was written so far."""
        for stream, partial in zip(self._streams, self._partial, strict=True):
            stream.close()
            partial.unlink(missing_ok=True)


@contextmanager
def new_shard(folder: Path, name: str, vocab_size: int) -> Iterator[ShardWriter]:
    """A writer whose shard appears when the block ends well; NmtError if the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writer = ShardWriter(folder, name, vocab_size)
        try:
            yield writer
            writer.finish()
        finally:
            writer.discard()
    except OSError as error:
        raise NmtError(
            f"cannot write the prepared corpus {folder / name}: {error.strerror or error}"
        ) from error


def open_shard(folder: Path, name: str, vocab_size: int) -> Shard:
    """Map a shard into memory; raises NmtError if its two files don't belong together."""
    dtype = id_type(vocab_size)
    try:
        offsets = map_array(folder / f"{name}.offsets", OFFSET)
        ids = map_array(folder / f"{name}.ids", dtype)
    except (OSError, ValueError) as error:
        raise NmtError(f"cannot read the prepared corpus {folder / name}: {error}") from error
    if (
        len(offsets) % 2 == 0
        or offsets[-1] != len(ids)
        or (offsets[1:] < offsets[:-1]).any()
        or (len(ids) and int(ids.max()) >= vocab_size)
    ):
        raise NmtError(f"{folder / name}.ids is damaged; remove {folder} and run `nmt prepare`")
    return Shard(ids, offsets)


def map_array(path: Path, dtype: "numpy.dtype[Number]") -> NDArray[Number]:
    """A flat file as a read-only array; one without bytes cannot be mapped."""
    if path.stat().st_size == 0:
        return numpy.zeros(0, dtype)
    return numpy.memmap(path, dtype, mode="r")
