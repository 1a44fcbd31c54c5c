"""Choose dev and test sets that have no near duplicate in the training text or in each other.

`nmt split`, `nmt init` and `nmt train SOURCE TARGET` hold out pairs by this rule.
"""

from array import array
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy
from numpy.typing import NDArray

from nmt.config import Recipe
from nmt.corpora.examine import Places, hash_text
from nmt.corpora.pairs import Names, check_paths, row, text_outputs
from nmt.corpora.segment import Segment
from nmt.errors import NmtError, UsageError
from nmt.system.log import Notify, progress_bar
from nmt.text.corpus import DataFolder, Pair, ParallelText, read_pairs
from nmt.text.facts import Hashes, pair_hashes
from nmt.text.lines import read_lines

Labels = NDArray[numpy.intp]


def groups_of(sides: Hashes) -> Labels:
    """Return the place of the first pair of each pair's group (n,).

    sides (2, n): hashes of the segments of source and target. Two pairs are in one group if their
    sources or their targets have equal hashes, or if a chain of such pairs connects them.
    """
    labels = numpy.arange(sides.shape[1])
    # The other pairs, most of a usual corpus, are groups of their own.
    members = numpy.flatnonzero(is_repeated(sides[0]) | is_repeated(sides[1]))
    labels[members] = members[connected(sides[:, members])]
    return labels


def is_repeated(hashes: Hashes) -> NDArray[numpy.bool_]:
    """Return which hashes occur more than once (n,)."""
    order = hashes.argsort(kind="stable")
    ordered = hashes[order]
    is_equal = ordered[1:] == ordered[:-1]
    found = numpy.zeros(len(hashes), numpy.bool_)
    found[order[1:][is_equal]] = True
    found[order[:-1][is_equal]] = True
    return found


def connected(sides: Hashes) -> Labels:
    """Return the place of the first pair of each pair's group, as `groups_of` does."""
    labels = numpy.arange(sides.shape[1])
    indexes = [numpy.unique(side, return_inverse=True)[1] for side in sides]
    orders = [index.argsort(kind="stable") for index in indexes]
    while True:
        before = labels
        for index, order in zip(indexes, orders, strict=True):
            labels = least_of(labels, index, order)
        labels = labels[labels]  # halves the rest of a chain
        if (labels == before).all():
            return labels


def least_of(labels: Labels, index: Places, order: Places) -> Labels:
    """Return for each pair the least label of the pairs with the same number in `index` (n,).

    order: the places of `index`, sorted by number.
    """
    if not len(labels):
        return labels
    starts = numpy.flatnonzero(numpy.diff(index[order], prepend=-1))
    least: Labels = numpy.minimum.reduceat(labels[order], starts)[index]
    return least


SETS = ("train", "dev", "test")
REMOVED = "removed"
KINDS = (*SETS, REMOVED)
HELD_OUT_SHARE = 1 / 20  # of the groups go into the dev set, and as many into the test set
MOST_HELD_OUT = 1000  # pairs in each of them; scores of 1,000 pairs are steady within a point
LARGEST_GROUP = 10  # pairs; of a larger one, all but one would be lost, so it stays in train
SEED = 1  # of the choice, unless another one is given
# The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), which makes hashes independent of
# each other for another seed.
SHIFTS, FACTORS = (30, 27, 31), (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

Numbers = NDArray[numpy.int8]


@dataclass(frozen=True)
class Sides:
    """Hold the hashes of the segments of dev and test sets that exist already, by side."""

    sources: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()

    def __or__(self, other: "Sides") -> "Sides":
        """Return the segments of both."""
        return Sides(self.sources | other.sources, self.targets | other.targets)


@dataclass(frozen=True)
class Rows:
    """Hold the pairs of a corpus as hashes that near duplicates share."""

    sides: Hashes  # (2, n): of source and target
    usable: NDArray[numpy.bool_]  # (n,): whether both sides have text that no given set has


@dataclass(frozen=True)
class Sizes:
    """Hold the numbers of pairs to hold out; None: chosen by the size of the corpus."""

    dev: int | None = None
    test: int | None = None
    seed: int = SEED  # another one draws other pairs


@dataclass(frozen=True)
class Plan:
    """Assign each pair to a set."""

    places: Numbers  # (n,) indices of SETS; -1: removed
    firsts: Labels  # (n,) of each pair's group, from 0; -1: an unusable pair


class PairHasher:
    """Hashes the pairs of a corpus; 16 bytes stay in memory for each pair."""

    def __init__(self, given: Sides | None = None) -> None:
        """Start; given: segments whose near duplicates are left out of the corpus."""
        self._given = given or Sides()
        self._hashes = array("Q")  # source, target, source, target, ...
        self._usable = bytearray()
        self.blank = 0  # pairs with an empty side
        self.overlap = 0  # other pairs with a side that is nearly in a given set

    def add(self, pair: Pair) -> bool:
        """Hash the next pair and return whether it is usable."""
        source, target = (Segment(text) for text in pair)
        first, second = hash_text(source.folded), hash_text(target.folded)
        is_blank = source.is_blank or target.is_blank
        is_given = first in self._given.sources or second in self._given.targets
        self.blank += is_blank
        self.overlap += is_given and not is_blank
        self._hashes.append(first)
        self._hashes.append(second)
        self._usable.append(not (is_blank or is_given))
        return bool(self._usable[-1])

    def rows(self) -> Rows:
        """Return the pairs so far; no pair can be added afterwards."""
        sides = numpy.frombuffer(self._hashes, numpy.uint64).reshape(-1, 2).T
        return Rows(sides, numpy.frombuffer(self._usable, numpy.bool_))

    def segments(self) -> Sides:
        """Return the segments of the pairs so far, as sides of a given set."""
        rows = self.rows()
        first, second = (frozenset(map(int, side[rows.usable])) for side in rows.sides)
        return Sides(first, second)


def hashed(pairs: Iterable[Pair], given: Sides | None = None) -> PairHasher:
    """Return a hasher that has read all pairs."""
    hasher = PairHasher(given)
    for pair in pairs:
        hasher.add(pair)
    return hasher


def hold_out(rows: Rows, sizes: Sizes, *, name: str, fix: str) -> Plan:
    """Choose the pairs of dev and test sets.

    Groups of pairs are drawn with a chance that grows with the number of their different pairs. The
    first pair of a drawn group is held out, and the others are removed, as are unusable pairs. The
    groups that are drawn do not depend on the order of the corpus.

    Raises NmtError if there are too few groups; name: of the corpus; fix: what the user can do.
    """
    chosen = numpy.flatnonzero(rows.usable)
    if not len(chosen):
        raise NmtError(f"{name} has no pair with text on both sides")
    if sizes.dev == sizes.test == 0:
        sets = numpy.where(rows.usable, numpy.int8(0), numpy.int8(-1))
        return Plan(sets, numpy.where(rows.usable, numpy.arange(len(sets)), -1))
    sides = rows.sides if len(chosen) == len(rows.usable) else rows.sides[:, chosen]
    groups = groups_of(sides)
    keys = mixed(pair_hashes(sides), sizes.seed)
    firsts = numpy.full(len(rows.usable), -1)
    firsts[chosen] = chosen[groups]
    least = numpy.full(len(groups), numpy.iinfo(numpy.uint64).max)
    numpy.minimum.at(least, groups, keys)  # by the place of a group's first pair
    del keys
    sizes_of = numpy.bincount(groups, minlength=len(groups))
    count = numpy.count_nonzero(sizes_of)
    small = numpy.flatnonzero((sizes_of > 0) & (sizes_of <= LARGEST_GROUP))
    drawn = chosen[small[least[small].argsort(kind="stable")]]
    share = min(MOST_HELD_OUT, max(1, int(count * HELD_OUT_SHARE)))
    dev, test = (share if size is None else size for size in (sizes.dev, sizes.test))
    if dev + test > len(drawn) or dev + test >= count:
        raise NmtError(
            f"{name} has {len(drawn):,} pair{'s' * (len(drawn) != 1)} that can be held out, too few"
            f" for {dev + test:,} and a training text: near duplicates count as one pair, and more"
            f" than {LARGEST_GROUP} of them are never held out; {fix}"
        )
    sets = numpy.zeros(len(rows.usable), numpy.int8)
    sets[drawn[:dev]] = SETS.index("dev")
    sets[drawn[dev : dev + test]] = SETS.index("test")
    is_first = firsts == numpy.arange(len(firsts))
    removed = ~rows.usable | (~is_first & (sets[firsts] > 0))
    return Plan(numpy.where(removed, numpy.int8(-1), sets), firsts)


def placed(pairs: Iterable[Pair], plan: Plan, name: str) -> Iterator[tuple[str, Pair]]:
    """Yield the pairs of a corpus, each with the name of its set or REMOVED.

    Raises NmtError for another number of pairs than the plan has; name: of the corpus.
    """
    for place, pair in zip_longest(plan.places, pairs):
        if place is None or pair is None:
            raise NmtError(f"{name} changed while it was read; run the command again")
        yield KINDS[place], pair


def mixed(hashes: Hashes, seed: int) -> Hashes:
    """Return hashes in another order for each seed."""
    numbers: Hashes = hashes + numpy.uint64(seed % 2**64)
    for shift, factor in zip(SHIFTS, (*FACTORS, 1), strict=True):
        numbers ^= numbers >> numpy.uint64(shift)
        numbers *= numpy.uint64(factor)
    return numbers


COMMAND = "split"


@dataclass(frozen=True)
class SplitTask:
    """Hold the input of `nmt split`."""

    text: ParallelText
    prefix: str  # of the files to write
    sizes: Sizes = field(default_factory=Sizes)


@dataclass(frozen=True)
class SplitResult:
    """Count the pairs that were written."""

    pairs: dict[str, int]  # by set, and those that were removed
    files: tuple[Path, ...]


def split(task: SplitTask) -> SplitResult:
    """Divide a corpus and write the sets; errors are those of `check` and `hold_out`."""
    task.text.check()
    names = Names.of(task.prefix, task.text.languages, task.text.paths)
    kinds = [kind for kind in SETS if kind == "train" or getattr(task.sizes, kind) != 0]
    paths = {kind: names.sides(kind) for kind in kinds}
    files = {**paths, REMOVED: (names.path(f"{REMOVED}.tsv"),)}
    check_paths(files, task.text.paths)
    check_old_sets([each for kind in SETS if kind not in kinds for each in names.sides(kind)])
    rows = hashed(shown(task.text, "read")).rows()
    name = str(task.text.paths[0])
    plan = hold_out(rows, task.sizes, name=name, fix="lower --dev and --test")
    counts = dict.fromkeys((*kinds, REMOVED), 0)
    pairs = placed(shown(task.text, "write"), plan, name)
    with text_outputs(files) as streams:
        streams[REMOVED][0].write(row("line", "reason", "source", "target"))
        for number, (first, (kind, pair)) in enumerate(
            zip(plan.firsts, pairs, strict=True), start=1
        ):
            counts[kind] += 1
            if kind == REMOVED:
                reason = "empty side" if first < 0 else f"in a group with line {first + 1}"
                streams[REMOVED][0].write(row(number, reason, *pair))
            else:
                for stream, text in zip(streams[kind], pair, strict=True):
                    stream.write(f"{text}\n")
    return SplitResult(counts, tuple(path for each in files.values() for path in each))


def check_old_sets(paths: list[Path]) -> None:
    """Raise UsageError if there is an old file of a set that is not made this time."""
    for path in paths:
        if path.exists():
            raise UsageError(
                f"{path} exists, and the new training text may have its sentences; move it away, or"
                " name another -o"
            )


def shown(text: ParallelText, what: str) -> Iterator[Pair]:
    """Yield the pairs of a text with a progress bar that counts them."""
    yield from progress_bar(iterable=text.pairs(), unit="pair", unit_scale=True, desc=what)


class HeldOut:
    """Hold the segments of dev and test sets, without case, punctuation, spaces and digits."""

    def __init__(self, hashes: Set[int] = frozenset()) -> None:
        """Take the hashes of the segments of both sides."""
        self._hashes = hashes

    @classmethod
    def of(cls, recipe: Recipe, data: DataFolder, notify: Notify) -> "HeldOut":
        """Return the segments of a recipe's sets; notify: receives which set cannot be read."""
        hashes = set[int]()
        for files in (*recipe.data.dev, *recipe.data.test.values()):
            try:
                for pair in read_pairs(files, data, recipe):
                    hashes.update(map(near_hash, (pair.source, pair.target)))
                for name in files.references:
                    hashes.update(map(near_hash, read_lines(data.find(name, recipe))))
            except NmtError as error:
                notify(f"the text is not compared with {files.title}: {error}")
        return cls(hashes)

    def __contains__(self, text: str) -> bool:
        """Return whether a text is that of a segment, nearly."""
        return bool(self._hashes) and near_hash(text) in self._hashes


def near_hash(text: str) -> int:
    """Return a hash that near duplicates share."""
    return hash_text(Segment(text).folded)
