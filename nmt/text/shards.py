"""Encoded pairs on disk: flat integer arrays, memory-mapped if large, so that they need no memory.

A shard NAME of n pairs is three files of little-endian integers:

- NAME.ids: token ids of source 0, target 0, source 1, target 1 and so on, end to end (uint16, or
  uint32 for more than 65,536 tokens in the vocabulary).
- NAME.offsets: where each of these 2n segments starts in NAME.ids, and the total (int64).
- NAME.lines: the line number of each pair in its text file, counted from 1 (uint32).
"""

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy
from numpy.typing import NDArray

from nmt.errors import DamagedError, NmtError
from nmt.system.atomic import atomic_paths
from nmt.system.files import check_regular, compute_sha256, is_present, reading
from nmt.text.manifest import Stamp, Step

Ids = NDArray[numpy.unsignedinteger[Any]]
Integers = NDArray[numpy.int64]
OFFSET: "numpy.dtype[numpy.int64]" = numpy.dtype("<i8")
LINE: "numpy.dtype[numpy.uint32]" = numpy.dtype("<u4")
ENDINGS = ("ids", "offsets", "lines")
Number = TypeVar("Number", bound=numpy.generic)
WHAT = "the prepared corpus"
SMALL = 64 << 20  # bytes; a smaller file is read into memory, where nothing can happen to it
BLOCK_PAIRS = 1 << 20  # pairs whose lengths are computed at once, to bound memory


def id_type(vocab_size: int) -> "numpy.dtype[numpy.unsignedinteger[Any]]":
    """Return the narrowest integer type that holds every token id."""
    return numpy.dtype("<u2") if vocab_size <= 65_536 else numpy.dtype("<u4")


@dataclass(frozen=True)
class EncodedPairs:
    """Encoded pairs in memory, n of them, in a shard's layout; cleaning has kept them."""

    ids: Ids  # source 0, target 0, source 1, ... end to end
    lengths: Integers  # (2n,) tokens of source 0, target 0, source 1, ...
    lines: Integers  # (n,) line numbers in the text, from 1
    counts: dict[str, int] = field(default_factory=dict)  # pairs by the verdict of cleaning


@dataclass(frozen=True)
class FlatSegments:
    """Encoded segments of one language, n of them, end to end."""

    ids: NDArray[numpy.signedinteger[Any]]
    lengths: Integers  # (n,) tokens

    def rows(self, indices: Integers) -> "FlatSegments":
        """Return some of the segments."""
        lengths = self.lengths[indices]
        return FlatSegments(stretches(self.ids, self.lengths.cumsum()[indices], lengths), lengths)

    def split(self) -> list[list[int]]:
        """Return the ids of each segment."""
        parts = numpy.split(self.ids, self.lengths.cumsum()[:-1]) if len(self.lengths) else []
        return [part.tolist() for part in parts]

    def backwards(self) -> "FlatSegments":
        """Return the segments in the same order, each with its last token first."""
        ends = self.lengths.cumsum()
        mirrors = numpy.repeat(2 * ends - self.lengths - 1, self.lengths)  # first + last index
        return FlatSegments(self.ids[mirrors - numpy.arange(len(self.ids))], self.lengths)


def without_controls(
    segments: FlatSegments, controls: Sequence[int]
) -> tuple[FlatSegments, Integers]:
    """Return what follows the last control token of each segment, and the tokens before it (n,).

    controls: ids of tags, languages and the separator. The rest of a segment is its own text,
    without the opening and the context.
    """
    if not len(controls):
        return segments, numpy.zeros_like(segments.lengths)
    ends = segments.lengths.cumsum()
    near = numpy.flatnonzero(segments.ids <= max(controls))  # a learned vocabulary has them first
    indices = numpy.append(near[numpy.isin(segments.ids[near], controls)], -1)
    last = indices[numpy.searchsorted(indices[:-1], ends) - 1]  # before each end; -1: none
    before = numpy.maximum(last + 1 - ends + segments.lengths, 0)
    lengths = segments.lengths - before
    return FlatSegments(stretches(segments.ids, ends, lengths), lengths), before


def bounds(lengths: Integers) -> Integers:
    """Return where n stretches of these lengths start, and where the last one ends: (n + 1,)."""
    return numpy.concatenate([[0], lengths.cumsum()])


def stretches(ids: NDArray[Number], ends: Integers, lengths: Integers) -> NDArray[Number]:
    """Return stretches of ids end to end; ends, lengths: of each stretch."""
    indices = numpy.arange(lengths.sum()) + numpy.repeat(ends - lengths.cumsum(), lengths)
    found: NDArray[Number] = ids[indices]
    return found


def flatten(
    rows: Sequence[Sequence[int]], dtype: type[numpy.signedinteger[Any]] = numpy.int64
) -> FlatSegments:
    """Return encoded segments end to end, with ids of a data type."""
    lengths = numpy.fromiter(map(len, rows), numpy.int64, len(rows))
    return FlatSegments(
        numpy.fromiter(chain.from_iterable(rows), dtype, int(lengths.sum())), lengths
    )


@dataclass(frozen=True)
class MappedFile:
    """A file that is mapped into memory; reading past the end of a truncated one kills the process.

    The kernel sends SIGBUS. Python cannot turn it into an error: a handler in Python runs after the
    instruction that failed, which fails again and again. So the size is checked before reading.
    """

    path: Path
    content: mmap.mmap

    def check_size(self) -> None:
        """Raise DamagedError if the file is shorter than what is mapped."""
        # The size of the file that was opened, even if another one has its name now.
        if self.content.size() < len(self.content):
            raise DamagedError(
                f"{self.path} was truncated while it was in use; the same command creates it again"
            )


@dataclass(frozen=True)
class Shard:
    """Encoded pairs on disk, n of them; large files are memory-mapped."""

    ids: Ids
    offsets: Integers  # (2n + 1,)
    lines: NDArray[numpy.uint32]  # (n,)
    files: tuple[MappedFile, ...] = ()
    path: Path = Path()  # of the ids, for messages

    def check_files(self) -> None:
        """Raise DamagedError if a mapped file was cut; call this before reading."""
        for file in self.files:
            file.check_size()

    def __len__(self) -> int:
        return len(self.lines)

    def lengths(self) -> Iterator[tuple[Integers, Integers]]:
        """Yield source and target lengths in tokens without EOS, `BLOCK_PAIRS` pairs at a time."""
        for start in range(0, len(self), BLOCK_PAIRS):
            end = min(start + BLOCK_PAIRS, len(self))
            lengths = numpy.diff(self.offsets[2 * start : 2 * end + 1])
            yield lengths[0::2], lengths[1::2]

    def pairs(self, indices: Integers) -> tuple[Ids, Integers]:
        """Return the ids of pairs end to end, and the lengths of source 0, target 0, source 1, ...

        indices (m,): the pairs in the wanted order.
        """
        starts, ends = self.offsets[2 * indices], self.offsets[2 * indices + 2]
        sources = self.offsets[2 * indices + 1] - starts
        totals = ends - starts
        ids = stretches(self.ids, ends, totals)
        return ids, numpy.stack([sources, totals - sources], 1).reshape(-1)

    def sides(self, indices: Integers) -> tuple[FlatSegments, FlatSegments]:
        """Return the sources and the targets of pairs; raises DamagedError for a cut file."""
        self.check_files()
        ids, lengths = self.pairs(indices)
        return split_sides(ids.astype(numpy.int64), lengths)


def split_sides(ids: Integers, lengths: Integers) -> tuple[FlatSegments, FlatSegments]:
    """Return sources and targets of ids end to end: source 0, target 0, source 1, and so on."""
    is_target = are_targets(lengths)
    return FlatSegments(ids[~is_target], lengths[0::2]), FlatSegments(ids[is_target], lengths[1::2])


def are_targets(lengths: Integers) -> NDArray[numpy.bool_]:
    """Return whether each token of pairs is the target's; lengths are those of `Shard.pairs`."""
    return numpy.repeat(numpy.arange(len(lengths)) % 2 == 1, lengths)


class ShardWriter:
    """A writer of a shard, chunk by chunk."""

    def __init__(self, streams: Sequence[IO[bytes]], vocab_size: int) -> None:
        """Prepare to write; streams: the shard's files, in the order of `ENDINGS`."""
        self._streams = streams
        self._types = (id_type(vocab_size), OFFSET, LINE)
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
        return {
            ending: digest.hexdigest() for ending, digest in zip(ENDINGS, self._hashes, strict=True)
        }


@contextmanager
def new_shard(folder: Path, name: str, vocab_size: int) -> Iterator[ShardWriter]:
    """Yield a writer whose shard appears when the block ends without an exception.

    Raises NmtError if the files cannot be written.
    """
    with atomic_paths([folder / f"{name}.{ending}" for ending in ENDINGS]) as partials:
        try:
            with ExitStack() as stack:
                streams = [stack.enter_context(path.open("wb")) for path in partials]
                yield ShardWriter(streams, vocab_size)
        except OSError as error:
            raise NmtError(
                f"cannot write the prepared corpus {folder / name}: {error.strerror or error}"
            ) from error


def stamps(folder: Path, name: str) -> dict[str, Stamp]:
    """Return the size and time of each file of a shard that is there, by name ending.

    Raises NmtError if it cannot be known whether a file is there.
    """
    found = {}
    for ending in ENDINGS:
        path = folder / f"{name}.{ending}"
        if is_present(path):
            status = path.stat()
            found[ending] = Stamp(status.st_size, status.st_mtime_ns)
    return found


def checked(folder: Path, name: str, step: Step) -> Step | None:
    """Return a shard's step with the present sizes and times of its files; None if it is damaged.

    Files whose sizes and times are those that were recorded are trusted. Files of another time,
    such as copies, are hashed. Raises NmtError if a file cannot be read.
    """
    present = stamps(folder, name)
    if len(present) < len(ENDINGS):
        return None
    if present == step.written:
        return step
    paths = {ending: folder / f"{name}.{ending}" for ending in ENDINGS}
    if any(compute_sha256(path, WHAT) != step.sha256.get(ending) for ending, path in paths.items()):
        return None
    return replace(step, written=present)


def open_shard(folder: Path, name: str, vocab_size: int) -> Shard:
    """Open a shard; raises NmtError if a file is missing or the files do not match."""
    path = folder / f"{name}.ids"
    offsets, offsets_file = open_array(folder / f"{name}.offsets", OFFSET)
    ids, ids_file = open_array(path, id_type(vocab_size))
    lines, lines_file = open_array(folder / f"{name}.lines", LINE)
    if len(offsets) != 2 * len(lines) + 1 or offsets[-1] != len(ids):
        raise damaged(path)
    return Shard(ids, offsets, lines, (*ids_file, *offsets_file, *lines_file), path)


def damaged(path: Path) -> DamagedError:
    """Return the error for a damaged file of a shard."""
    return DamagedError(f"{path} is damaged; remove {path.parent} and run `nmt prepare`")


def open_array(
    path: Path, dtype: "numpy.dtype[Number]"
) -> tuple[NDArray[Number], tuple[MappedFile, ...]]:
    """Return the content of a file as a read-only array: read if it is small, else mapped.

    The second result is the mapped file; it is empty if the file was read.
    """
    mapped: tuple[MappedFile, ...] = ()
    fix = "`nmt prepare` creates it"
    check_regular(path, WHAT, fix)
    with reading(WHAT, path, fix), path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size <= SMALL:
            content: bytes | mmap.mmap = stream.read(size)
        else:
            content = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
            mapped = (MappedFile(path, content),)
    if len(content) % dtype.itemsize:
        raise damaged(path)
    # Slicing a plain array is three times as fast as slicing a numpy.memmap.
    return numpy.frombuffer(content, dtype), mapped
