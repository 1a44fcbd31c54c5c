"""Divide a corpus into training, dev and test text that have no near duplicates in common."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from nmt.check.block import hash_of
from nmt.check.repeats import Hashes, pair_hashes
from nmt.check.segment import Segment
from nmt.cleaning.files import Names, check_paths, row, text_outputs
from nmt.cleaning.groups import Labels, groups_of
from nmt.errors import NmtError
from nmt.system.log import progress_bar
from nmt.text.given_text import GivenText, Pair
from nmt.text.held_out import HELD_OUT_SHARE, MOST_HELD_OUT

COMMAND = "split"
SETS = ("train", "dev", "test")
REMOVED = "removed"
LARGEST_GROUP = 10  # pairs; of a larger one, all but one would be lost, so it stays in train
# The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), which makes hashes independent of
# each other for another seed.
SHIFTS, FACTORS = (30, 27, 31), (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Numbers = NDArray[numpy.int8]


@dataclass(frozen=True)
class SplitTask:
    """The input of `nmt split`."""

    text: GivenText
    prefix: str  # of the files to write
    dev: int | None = None  # pairs; None: chosen by the size of the corpus
    test: int | None = None
    seed: int = 1


@dataclass(frozen=True)
class SplitResult:
    """Count the pairs that were written."""

    pairs: dict[str, int]  # by set, and those that were removed
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Plan:
    """Assign each pair to a set."""

    places: Numbers  # (n,) indices of SETS; -1: removed
    firsts: Labels  # (n,) of each pair's group, from 0; -1: an empty side


def split(task: SplitTask) -> SplitResult:
    """Divide a corpus and write the sets; errors are those of `GivenText.check` and `plan`."""
    task.text.check()
    names = Names.of(task.prefix, task.text.paths)
    kinds = [kind for kind in SETS if kind == "train" or getattr(task, kind) != 0]
    paths = {kind: names.sides(kind) for kind in kinds}
    files = {**paths, REMOVED: (names.path(f"{REMOVED}.tsv"),)}
    check_paths(files, COMMAND, task.text.paths)
    sides, usable = near_hashes(shown(task.text, "read"))
    chosen = plan(sides, usable, task)
    counts = dict.fromkeys((*kinds, REMOVED), 0)
    pairs = shown(task.text, "write")
    with text_outputs(files, COMMAND) as streams:
        streams[REMOVED][0].write(row("line", "reason", "source", "target"))
        for number, (place, first, pair) in enumerate(
            zip(chosen.places, chosen.firsts, pairs, strict=True), start=1
        ):
            kind = SETS[place] if place >= 0 else REMOVED
            counts[kind] += 1
            if kind == REMOVED:
                reason = "empty side" if first < 0 else f"in a group with line {first + 1}"
                streams[REMOVED][0].write(row(number, reason, *pair))
            else:
                for stream, text in zip(streams[kind], pair, strict=True):
                    stream.write(f"{text}\n")
    return SplitResult(counts, tuple(path for each in files.values() for path in each))


def shown(text: GivenText, what: str) -> Iterator[Pair]:
    """Yield the pairs of a text with a progress bar that counts them."""
    yield from progress_bar(iterable=text.pairs(), unit="pair", unit_scale=True, desc=what)


def near_hashes(pairs: Iterator[Pair]) -> tuple[Hashes, NDArray[numpy.bool_]]:
    """Return hashes of both sides (2, n) that near duplicates share, and who has text (n,)."""
    hashes = array("Q"), array("Q")
    usable = bytearray()
    for pair in pairs:
        segments = [Segment(text) for text in pair]
        for side, segment in zip(hashes, segments, strict=True):
            side.append(hash_of(segment.folded))
        usable.append(not any(segment.is_blank for segment in segments))
    sides = [numpy.frombuffer(side, numpy.uint64) for side in hashes]
    return numpy.stack(sides), numpy.frombuffer(usable, numpy.bool_)


def plan(sides: Hashes, usable: NDArray[numpy.bool_], task: SplitTask) -> Plan:
    """Choose the pairs of dev and test sets.

    sides (2, n), usable (n,): see `near_hashes`. Groups of pairs are drawn with a chance that grows
    with the number of their different pairs. The first pair of a drawn group is held out, and the
    others are removed, as are pairs with an empty side. The groups that are drawn do not depend on
    the order of the corpus.

    Raises NmtError if there are too few groups.
    """
    rows = numpy.flatnonzero(usable)
    groups = groups_of(sides[:, rows])
    firsts = numpy.full(len(usable), -1)
    firsts[rows] = rows[groups]
    starts, members, sizes = numpy.unique(groups, return_inverse=True, return_counts=True)
    keys = mixed(pair_hashes(sides[:, rows]), task.seed)
    least = numpy.full(len(starts), numpy.iinfo(numpy.uint64).max)
    numpy.minimum.at(least, members, keys)
    small = numpy.flatnonzero(sizes <= LARGEST_GROUP)
    drawn = rows[starts[small[least[small].argsort(kind="stable")]]]
    share = min(MOST_HELD_OUT, max(1, int(len(starts) * HELD_OUT_SHARE)))
    dev, test = (share if size is None else size for size in (task.dev, task.test))
    if dev + test > len(drawn) or dev + test >= len(starts):
        raise NmtError(
            f"{task.text.source} has {len(drawn):,} groups of near duplicates that can be held out,"
            f" too few for {dev + test:,} pairs and a training text; lower --dev and --test"
        )
    sets = numpy.zeros(len(usable), numpy.int8)
    sets[drawn[:dev]] = SETS.index("dev")
    sets[drawn[dev : dev + test]] = SETS.index("test")
    is_first = firsts == numpy.arange(len(usable))
    removed = ~usable | (~is_first & (sets[firsts] > 0))
    return Plan(numpy.where(removed, numpy.int8(-1), sets), firsts)


def mixed(hashes: Hashes, seed: int) -> Hashes:
    """Return hashes in another order for each seed."""
    numbers: Hashes = hashes + numpy.uint64(seed % 2**64)
    for shift, factor in zip(SHIFTS, (*FACTORS, 1), strict=True):
        numbers = (numbers ^ (numbers >> numpy.uint64(shift))) * numpy.uint64(factor)
    return numbers
