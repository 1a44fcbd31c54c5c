"""Encoded pairs on disk: flat integer arrays, memory-mapped, so that memory stays flat.

A shard NAME is three files of little-endian integers. NAME.ids holds the piece ids of source 0,
target 0, source 1, target 1 and so on, end to end (uint16, or uint32 beyond 65,536 pieces).
NAME.offsets holds the 2n + 1 places (int64) where they begin, the total last. NAME.lines holds the
n line numbers (uint32, from 1) that the pairs have in their text.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

from nmt.errors import NmtError

Ids = NDArray[numpy.unsignedinteger[Any]]
OFFSET: "numpy.dtype[numpy.int64]" = numpy.dtype("<i8")
LINE: "numpy.dtype[numpy.uint32]" = numpy.dtype("<u4")
ENDINGS = ("ids", "offsets", "lines")
Number = TypeVar("Number", bound=numpy.generic)
BLOCK_PAIRS = 1 << 20  # worked on at once where a whole corpus would take memory


def id_type(vocab_size: int) -> "numpy.dtype[numpy.unsignedinteger[Any]]":
    """The narrowest integer that holds every piece id."""
    return numpy.dtype("<u2") if vocab_size <= 65_536 else numpy.dtype("<u4")


@dataclass(frozen=True)
class EncodedPairs:
    """n pairs in memory, as a shard holds them."""

    ids: Ids  # source 0, target 0, source 1, ... end to end
    lengths: NDArray[numpy.int64]  # (2n,) tokens of source 0, target 0, source 1, ...
    lines: NDArray[numpy.int64]  # (n,) line numbers in the text, from 1


@dataclass(frozen=True)
class Shard:
    """n encoded pairs, memory-mapped."""

    ids: Ids
    offsets: NDArray[numpy.int64]  # (2n + 1,)
    lines: NDArray[numpy.uint32]  # (n,)

    def __len__(self) -> int:
        return len(self.lines)

    def lengths(self) -> Iterator[tuple[NDArray[numpy.int64], NDArray[numpy.int64]]]:
        """Source and target lengths in tokens, without EOS, block by block."""
        for begin in range(0, len(self), BLOCK_PAIRS):
            end = min(begin + BLOCK_PAIRS, len(self))
            each = numpy.diff(self.offsets[2 * begin : 2 * end + 1])
            yield each[0::2], each[1::2]

    def pair(self, index: int) -> tuple[Ids, int]:
        """The ids of one pair, source and target end to end, and the source's length."""
        begin, middle, end = self.offsets[2 * index : 2 * index + 3].tolist()
        return self.ids[begin:end], middle - begin


class ShardWriter:
    """Writes a shard chunk by chunk; nothing appears under its name before `finish`."""

    def __init__(self, folder: Path, name: str, vocab_size: int) -> None:
        self._final = [folder / f"{name}.{ending}" for ending in ENDINGS]
        self._partial = [path.with_name(f"{path.name}.partial") for path in self._final]
        self._types = (id_type(vocab_size), OFFSET, LINE)
        self._streams = [path.open("wb") for path in self._partial]
        self._hashes = [hashlib.sha256() for _ in ENDINGS]
        self._total = 0
        self._write(1, numpy.zeros(1, OFFSET))

    def add(self, pairs: EncodedPairs) -> None:
        """Append encoded pairs."""
        self._write(0, pairs.ids)
        self._write(1, self._total + numpy.cumsum(pairs.lengths))
        self._write(2, pairs.lines)
        self._total += len(pairs.ids)

    def _write(self, index: int, array: NDArray[Any]) -> None:
        content = array.astype(self._types[index]).tobytes()
        self._streams[index].write(content)
        self._hashes[index].update(content)

    def digests(self) -> dict[str, str]:
        """SHA-256 of what was written, by ending."""
        return {name: each.hexdigest() for name, each in zip(ENDINGS, self._hashes, strict=True)}

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


def is_whole(folder: Path, name: str, digests: Mapping[str, str]) -> bool:
    """Whether a shard's files are there, bit for bit as they were written."""
    try:
        for ending in ENDINGS:
            with (folder / f"{name}.{ending}").open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digests[ending]:
                    return False
    except (OSError, KeyError):
        return False
    return True


def open_shard(folder: Path, name: str, vocab_size: int) -> Shard:
    """Map a shard into memory; raises NmtError if its files don't belong together."""
    try:
        offsets = map_array(folder / f"{name}.offsets", OFFSET)
        ids = map_array(folder / f"{name}.ids", id_type(vocab_size))
        lines = map_array(folder / f"{name}.lines", LINE)
    except (OSError, ValueError) as error:
        raise NmtError(f"cannot read the prepared corpus {folder / name}: {error}") from error
    if len(offsets) != 2 * len(lines) + 1 or offsets[-1] != len(ids):
        raise NmtError(f"{folder / name}.ids is damaged; remove {folder} and run `nmt prepare`")
    return Shard(ids, offsets, lines)


def map_array(path: Path, dtype: "numpy.dtype[Number]") -> NDArray[Number]:
    """A flat file as a read-only array; one without bytes cannot be mapped."""
    if path.stat().st_size == 0:
        return numpy.zeros(0, dtype)
    # Slices of a plain array are made three times faster than those of a memmap.
    return numpy.asarray(numpy.memmap(path, dtype, mode="r"))
