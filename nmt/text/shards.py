"""Encoded pairs on disk: flat integer arrays, memory-mapped, so that they need no memory.

A shard NAME of n pairs is three files of little-endian integers:

- NAME.ids: token ids of source 0, target 0, source 1, target 1 and so on, end to end (uint16, or
  uint32 for more than 65,536 tokens in the vocabulary).
- NAME.offsets: where each of these 2n segments starts in NAME.ids, and the total (int64).
- NAME.lines: the line number of each pair in its text file, counted from 1 (uint32).
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
BLOCK_PAIRS = 1 << 20  # pairs whose lengths are computed at once, to bound memory


def id_type(vocab_size: int) -> "numpy.dtype[numpy.unsignedinteger[Any]]":
    """Return the narrowest integer type that holds every token id."""
    return numpy.dtype("<u2") if vocab_size <= 65_536 else numpy.dtype("<u4")


@dataclass(frozen=True)
class EncodedPairs:
    """Encoded pairs in memory, n of them, in a shard's layout."""

    ids: Ids  # source 0, target 0, source 1, ... end to end
    lengths: NDArray[numpy.int64]  # (2n,) tokens of source 0, target 0, source 1, ...
    lines: NDArray[numpy.int64]  # (n,) line numbers in the text, from 1


@dataclass(frozen=True)
class FlatSegments:
    """Encoded segments of one language, n of them, end to end."""

    ids: NDArray[numpy.int64]
    lengths: NDArray[numpy.int64]  # (n,) tokens


@dataclass(frozen=True)
class Shard:
    """Encoded pairs on disk, n of them, memory-mapped."""

    ids: Ids
    offsets: NDArray[numpy.int64]  # (2n + 1,)
    lines: NDArray[numpy.uint32]  # (n,)

    def __len__(self) -> int:
        return len(self.lines)

    def lengths(self) -> Iterator[tuple[NDArray[numpy.int64], NDArray[numpy.int64]]]:
        """Yield source and target lengths in tokens without EOS, `BLOCK_PAIRS` pairs at a time."""
        for start in range(0, len(self), BLOCK_PAIRS):
            end = min(start + BLOCK_PAIRS, len(self))
            each = numpy.diff(self.offsets[2 * start : 2 * end + 1])
            yield each[0::2], each[1::2]

    def pair(self, index: int) -> tuple[Ids, int]:
        """Return the ids of one pair, source and target end to end, and the source's length."""
        start, middle, end = self.offsets[2 * index : 2 * index + 3].tolist()
        return self.ids[start:end], middle - start


class ShardWriter:
    """A writer of a shard, chunk by chunk; the files get their names in `finish`."""

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
        """Return the SHA-256 of each file as written so far, by name ending."""
        return {name: each.hexdigest() for name, each in zip(ENDINGS, self._hashes, strict=True)}

    def finish(self) -> None:
        """Close the files and give them their final names."""
        for stream, partial, final in zip(self._streams, self._partial, self._final, strict=True):
            stream.close()
            partial.replace(final)

    def discard(self) -> None:
        """Close and remove the unfinished files, if any remain."""
        for stream, partial in zip(self._streams, self._partial, strict=True):
            stream.close()
            partial.unlink(missing_ok=True)


@contextmanager
def new_shard(folder: Path, name: str, vocab_size: int) -> Iterator[ShardWriter]:
    """Yield a writer whose shard appears when the block ends without an exception.

    Raises NmtError if the files cannot be written.
    """
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


def is_intact(folder: Path, name: str, digests: Mapping[str, str]) -> bool:
    """Return whether a shard's files exist with the SHA-256 `digests` that they were written with.

    digests: by name ending.
    """
    try:
        for ending in ENDINGS:
            with (folder / f"{name}.{ending}").open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digests[ending]:
                    return False
    except (OSError, KeyError):
        return False
    return True


def open_shard(folder: Path, name: str, vocab_size: int) -> Shard:
    """Map a shard into memory; raises NmtError if a file is missing or the files do not match."""
    try:
        offsets = map_array(folder / f"{name}.offsets", OFFSET)
        ids = map_array(folder / f"{name}.ids", id_type(vocab_size))
        lines = map_array(folder / f"{name}.lines", LINE)
    except (OSError, ValueError) as error:
        raise NmtError(
            f"cannot read the prepared corpus {folder / name}: {error}; `nmt prepare` makes it"
        ) from error
    if len(offsets) != 2 * len(lines) + 1 or offsets[-1] != len(ids):
        raise NmtError(f"{folder / name}.ids is damaged; remove {folder} and run `nmt prepare`")
    return Shard(ids, offsets, lines)


def map_array(path: Path, dtype: "numpy.dtype[Number]") -> NDArray[Number]:
    """Return the content of a file as a read-only array; an empty file cannot be mapped."""
    if path.stat().st_size == 0:
        return numpy.zeros(0, dtype)
    # Slicing a plain array is three times as fast as slicing a memmap.
    return numpy.asarray(numpy.memmap(path, dtype, mode="r"))
