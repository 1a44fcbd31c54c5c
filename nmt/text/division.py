"""Divide plain parallel files into parts of whole lines, which processes read at the same time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

from nmt.errors import NmtError
from nmt.system.pools import ProcessPool
from nmt.text.corpus import is_sgm, note_carriage_returns, split_lines
from nmt.text.lines import MAX_LINE_BYTES, SHOWN_LINES, LineNumbers, decode_lines
from nmt.text.manifest import LineIndex, Manifest
from nmt.text.opening import MAGIC, open_raw

PART_PAIRS = 100_000  # a smaller corpus is not divided
MAX_PARTS = 128  # files are kept open for each part, and a batch reads from most of them
BLOCK_BYTES = 1 << 20  # counted at once
RANGE_BYTES = 64 << 20  # counted by a process at once


@dataclass(frozen=True)
class Part:
    """Consecutive lines of a source and a target file."""

    first_line: int  # from 1
    pairs: int
    starts: tuple[int, ...]  # the byte at which the first line begins in each file


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a file, of about `BLOCK_BYTES`."""

    start: int  # byte
    end: int
    lines: int
    with_returns: int  # lines that hold carriage returns, not counting one at the end
    shown: tuple[int, ...]  # the first of them, counted from 0


def divide(paths: Sequence[Path], manifest: Manifest, pool: ProcessPool) -> list[Part]:
    """Return the parts of two parallel files, found by counting lines on all cores.

    Returns no parts if the text must be read as a whole: it is small, compressed, no plain text or
    does not align. Counts are kept in the manifest.
    """
    if len(paths) != 2 or any(path.suffix in MAGIC or is_sgm(path) for path in paths):
        return []
    if min(path.stat().st_size for path in paths) <= PART_PAIRS:  # a line has a byte or more
        return []
    counted = [manifest.line_index(path) or count_file(path, pool) for path in paths]
    for path, index in zip(paths, counted, strict=True):
        manifest.set_line_index(path, index)
    lines = counted[0].lines
    if lines <= PART_PAIRS or lines != counted[1].lines:
        return []
    size = part_size(lines)
    return [
        Part(first + 1, min(size, lines - first), starts)
        for first, starts in zip(
            range(0, lines, size),
            zip(*(index.starts for index in counted), strict=True),
            strict=True,
        )
    ]


def part_size(lines: int) -> int:
    """Return the pairs of each part of a corpus; only the last part has fewer."""
    return max(PART_PAIRS, -(-lines // MAX_PARTS))


def read_part(paths: Sequence[Path], part: Part) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a part; errors are those of `nmt.text.corpus.read_pairs`."""
    count = 0
    sides = [read_lines(path, start, part) for path, start in zip(paths, part.starts, strict=True)]
    for source, target in zip(*sides, strict=False):
        count += 1
        yield source, target
    if count != part.pairs:
        raise NmtError(
            f"{' or '.join(map(str, paths))} changed while it was read; run the same command again"
        )


def read_lines(path: Path, start: int, part: Part) -> Iterator[str]:
    """Yield the lines of a part from one of its files, which begin at byte `start`."""
    with open_raw(path) as stream:
        stream.seek(start)
        lines = islice(split_lines(stream, str(path)), part.pairs)
        yield from decode_lines(lines, str(path), first=part.first_line)


def count_file(path: Path, pool: ProcessPool) -> LineIndex:
    """Count the lines of a file and find where its parts begin; note odd carriage returns.

    Returns a count of 0 for a file with a line that is too long: reading it is an error.
    """
    size = path.stat().st_size
    starts = range(0, size, RANGE_BYTES)
    ranges = [(path, start, min(start + RANGE_BYTES, size)) for start in starts]
    if len(ranges) == 1:
        results = [count_lines(*ranges[0])]
    else:
        results = [*pool.starmap(count_lines, ranges)]
    blocks: list[Block] = []
    for result in results:
        if result is None:
            return LineIndex(0)
        blocks += result
    note_carriage_returns(str(path), numbers_of_returns(blocks))
    return find_starts(path, blocks)


def count_lines(path: Path, start: int, end: int) -> list[Block] | None:
    """Count the lines that begin in a range of bytes; None if one is too long."""
    blocks = []
    with open_raw(path) as stream:
        position = start
        if start:
            stream.seek(start - 1)
            skipped = stream.readline(MAX_LINE_BYTES + 1)
            if len(skipped) > MAX_LINE_BYTES:
                return None
            position += len(skipped) - 1
        while position < end and (content := stream.read(min(BLOCK_BYTES, end - position))):
            if not content.endswith(b"\n"):
                rest = stream.readline(MAX_LINE_BYTES + 1)
                if len(rest) > MAX_LINE_BYTES:
                    return None
                content += rest
            lines = content.count(b"\n") + (not content.endswith(b"\n"))
            odd = lines_with_returns(content)
            next_position = position + len(content)
            blocks.append(Block(position, next_position, lines, len(odd), tuple(odd[:SHOWN_LINES])))
            position = next_position
    return blocks


def lines_with_returns(content: bytes) -> list[int]:
    """Return which lines, from 0, hold a carriage return besides one at the end."""
    if content.count(b"\r") == content.count(b"\r\n"):
        return []
    lines = content.split(b"\n")
    return [number for number, line in enumerate(lines) if b"\r" in line.removesuffix(b"\r")]


def numbers_of_returns(blocks: Sequence[Block]) -> LineNumbers:
    """Return the line numbers, from 1, that have carriage returns in them."""
    found, before = LineNumbers(), 1
    for block in blocks:
        for number in block.shown:
            found.add(before + number)
        found.count += block.with_returns - len(block.shown)
        before += block.lines
    return found


def find_starts(path: Path, blocks: Sequence[Block]) -> LineIndex:
    """Return the number of lines in the blocks of a file, and the byte where each part begins."""
    before = [0, *accumulate(block.lines for block in blocks)]  # lines before each block
    starts = []
    with open_raw(path) as stream:
        for line in range(0, before[-1], part_size(before[-1])):
            place = bisect_right(before, line) - 1
            stream.seek(blocks[place].start)
            content = stream.read(blocks[place].end - blocks[place].start)
            skipped = content.split(b"\n", line - before[place])[:-1]
            starts.append(blocks[place].start + sum(len(each) + 1 for each in skipped))
    return LineIndex(before[-1], tuple(starts))
