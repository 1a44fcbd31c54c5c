"""Choose dev and test sets that have no near duplicate in the training text or in each other.

`nmt split`, `nmt init` and `nmt train SOURCE TARGET` hold out pairs by this rule.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest
from pathlib import Path
from typing import IO

import numpy
from numpy.typing import NDArray

from nmt.config import Recipe
from nmt.corpora.faults.examine import hash_text
from nmt.corpora.faults.segment import Segment
from nmt.corpora.pairs import Names, check_paths, row, shown, text_outputs
from nmt.errors import NmtError, UsageError
from nmt.system.log import Notify
from nmt.text.bpe_dropout import mix_bits
from nmt.text.encode import begins_document
from nmt.text.facts import Hashes, pair_hashes
from nmt.text.reading.corpus import DataFolder, Pair, ParallelText
from nmt.text.reading.lines import read_lines

Labels = NDArray[numpy.intp]


def find_groups(sides: Hashes) -> Labels:
    """Return the index of the first pair of each pair's group (n,).

    sides (2, n): hashes of the segments of source and target, or one row for each language. Two
    pairs are in one group if they have an equal hash in one row, or if a chain of such pairs
    connects them.
    """
    labels = numpy.arange(sides.shape[1])
    # The other pairs, most of a usual corpus, are groups of their own.
    members = numpy.flatnonzero(numpy.any([*map(is_repeated, sides)], axis=0))
    if not len(members):
        return labels
    indexes = [numpy.unique(side[members], return_inverse=True)[1] for side in sides]
    orders = [index.argsort(kind="stable") for index in indexes]
    firsts = before = numpy.arange(len(members))
    while True:
        for index, order in zip(indexes, orders, strict=True):
            # The least label of the pairs that have the same segment on this side.
            starts = numpy.flatnonzero(numpy.diff(index[order], prepend=-1))
            firsts = numpy.minimum.reduceat(firsts[order], starts)[index]
        firsts = firsts[firsts]  # halves the rest of a chain
        if (firsts == before).all():
            labels[members] = members[firsts]
            return labels
        before = firsts


def is_repeated(hashes: Hashes) -> NDArray[numpy.bool_]:
    """Return which hashes occur more than once (n,)."""
    _, inverse, counts = numpy.unique(hashes, return_inverse=True, return_counts=True)
    return counts[inverse] > 1


SETS = ("train", "dev", "test")
REMOVED = "removed"
OUTCOMES = (*SETS, REMOVED)  # by the index of a set; -1: removed
HELD_OUT_SHARE = 1 / 20  # of the groups go into the dev set, and as many into the test set
MOST_HELD_OUT = 1000  # pairs in each of them; scores of 1,000 pairs are steady within a point
LARGEST_GROUP = 10  # pairs; of a larger one, all but one would be lost, so it stays in train


@dataclass(frozen=True)
class Sizes:
    """Hold the numbers of pairs to hold out; None: chosen by the size of the corpus."""

    dev: int | None = None
    test: int | None = None
    seed: int = 1  # another one draws other pairs

    def choose(self, pairs: int) -> tuple[int, int]:
        """Return how many of these pairs the dev set gets, and how many the test set."""
        share = min(MOST_HELD_OUT, max(1, int(pairs * HELD_OUT_SHARE)))
        dev, test = (share if size is None else size for size in (self.dev, self.test))
        return dev, test


@dataclass(frozen=True)
class Plan:
    """Assign each pair to a set."""

    sets: NDArray[numpy.int8]  # (n,) indices of OUTCOMES; -1: removed
    firsts: Labels  # (n,) the pair that stands for its group, from 0; -1: an unusable pair
    name: str  # of the corpus
    whole: tuple[str, ...] = ("train",)  # sets whose documents are whole

    def part(self, pairs: slice) -> "Plan":
        """Return the plan of one of several corpora."""
        return Plan(self.sets[pairs], self.firsts[pairs], self.name)

    def training(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs of a corpus that are left for training."""
        return (pair for kind, pair in label_pairs(pairs, self) if kind == "train")


class HashedPairs:
    """Hold the pairs of corpora as hashes that near duplicates share, in 18 bytes for each."""

    def __init__(self, pairs: Iterable[Pair] = (), given: "HashedPairs | None" = None) -> None:
        """Hash pairs; given: those of dev and test sets, whose near duplicates are not usable."""
        self._given = given.segments() if given else (frozenset[int](), frozenset[int]())
        self._hashes = array("Q")  # source, target, source, target, ...
        self._usable = bytearray()
        self._begins = bytearray()  # whether each pair begins a document
        self._languages: list[tuple[str, str]] = []  # of corpora that were read
        self._stops: list[int] = []  # their numbers of pairs, added up
        self.blank = 0  # pairs with an empty side
        self.overlap = 0  # other pairs with a side that is nearly in a given set
        for pair in pairs:
            self.add(pair)

    def add(self, pair: Pair) -> bool:
        """Hash the next pair, before `sides` or `usable` are read; return whether it is usable."""
        source, target = (Segment(text) for text in pair)
        first, second = hash_text(source.folded), hash_text(target.folded)
        is_blank = source.is_blank or target.is_blank
        is_given = first in self._given[0] or second in self._given[1]
        self.blank += is_blank
        self.overlap += is_given and not is_blank
        self._hashes.append(first)
        self._hashes.append(second)
        self._usable.append(not (is_blank or is_given))
        self._begins.append(begins_document(*pair))
        return bool(self._usable[-1])

    def read(self, languages: tuple[str, str], pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Hash the pairs of the next of several corpora; yield the usable ones."""
        yield from filter(self.add, pairs)
        self._languages.append(languages)
        self._stops.append(len(self._usable))

    @property
    def corpora(self) -> list[slice]:
        """Return which pairs belong to each corpus."""
        stops = self._stops or [len(self._usable)]
        return [slice(*ends) for ends in pairwise([0, *stops])]

    @property
    def columns(self) -> Hashes:
        """Return the hashes by language (languages, n); for a single corpus, those of `sides`.

        Where a pair has no segment in a language, a number stands that no other pair has.
        """
        if len(self._languages) < 2:
            return self.sides
        codes = [*dict.fromkeys(chain.from_iterable(self._languages))]
        numbers = numpy.arange(len(self._usable), dtype=numpy.uint64)
        columns: Hashes = numpy.tile(numbers, (len(codes), 1))
        for languages, pairs in zip(self._languages, self.corpora, strict=True):
            for code, side in zip(languages, self.sides, strict=True):
                columns[codes.index(code), pairs] = side[pairs]
        return columns

    @property
    def sides(self) -> Hashes:
        """Return the hashes (2, n) of source and target."""
        return numpy.frombuffer(self._hashes, numpy.uint64).reshape(-1, 2).T

    @property
    def usable(self) -> NDArray[numpy.bool_]:
        """Return whether both sides have text that no given set has (n,)."""
        return numpy.frombuffer(self._usable, numpy.bool_)

    @property
    def documents(self) -> Labels:
        """Return the number of each pair's document (n,)."""
        return numpy.frombuffer(self._begins, numpy.bool_).cumsum()

    def segments(self) -> tuple[frozenset[int], frozenset[int]]:
        """Return the hashes of the sources and the targets of given and usable pairs."""
        source, target = (
            known.union(map(int, side[self.usable]))
            for known, side in zip(self._given, self.sides, strict=True)
        )
        return source, target


def hold_out(corpus: HashedPairs, sizes: Sizes, *, names: Sequence[str], fix: str) -> Plan:
    """Choose the pairs of dev and test sets.

    Groups of pairs are drawn with a chance that grows with the number of their different pairs. The
    first pair of a drawn group is held out, and the others are removed, as are unusable pairs. The
    groups that are drawn do not depend on the order of the corpus. Each of several corpora gets its
    sets. A group that several have is in the same set of all, with its first pair of each.

    Raises NmtError if there are too few groups; names: of the corpora; fix: what the user can do.
    """
    usable, sides, columns = corpus.usable, corpus.sides, corpus.columns
    all_names = ", ".join(names)
    chosen = numpy.flatnonzero(usable)
    if not len(chosen):
        raise NmtError(f"{all_names} has no pair with text on both sides")
    if sizes.dev == sizes.test == 0:
        sets = numpy.where(usable, numpy.int8(0), numpy.int8(-1))
        return Plan(sets, numpy.where(usable, numpy.arange(len(sets)), -1), all_names)
    if len(chosen) < len(usable):
        sides, columns = sides[:, chosen], columns[:, chosen]
    groups = find_groups(columns)
    keys = mixed(pair_hashes(sides), sizes.seed)
    firsts = numpy.full(len(usable), -1)
    firsts[chosen] = chosen[groups]
    least = numpy.full(len(groups), numpy.iinfo(numpy.uint64).max)
    numpy.minimum.at(least, groups, keys)  # by the index of a group's first pair
    del keys
    members = numpy.bincount(groups, minlength=len(groups))  # pairs of each group
    largest = LARGEST_GROUP * len(corpus.corpora)
    small = numpy.flatnonzero((members > 0) & (members <= largest))
    drawn = chosen[small[least[small].argsort(kind="stable")]]
    sets = numpy.zeros(len(usable), numpy.int8)  # of groups, at their first pairs
    is_first = numpy.zeros(len(usable), numpy.bool_)  # of its group in its corpus
    for name, pairs in zip(names, corpus.corpora, strict=True):
        own = find_firsts(firsts, pairs)
        is_first[own[own >= 0]] = True
        here, count = drawn[own[drawn] >= 0], numpy.count_nonzero(own >= 0)
        dev, test = sizes.choose(int(count))
        if dev + test > len(here) or dev + test >= count:
            raise NmtError(
                f"{name} has {len(here):,} pair{'s' * (len(here) != 1)} that can be held out, too"
                f" few for {dev + test:,} and a training text: near duplicates count as one pair,"
                f" and more than {largest} of them are never held out; {fix}"
            )
        for kind, size in ((SETS.index("dev"), dev), (SETS.index("test"), test)):
            missing = size - numpy.count_nonzero(sets[here] == kind)  # others drew the rest
            sets[here[sets[here] == 0][: max(0, missing)]] = kind
    removed = ~usable | (~is_first & (sets[firsts] > 0))
    return Plan(numpy.where(removed, numpy.int8(-1), sets[firsts]), firsts, all_names)


def hold_out_documents(corpus: HashedPairs, sizes: Sizes, *, name: str, notify: Notify) -> Plan:
    """Choose the documents of dev and test sets of a single corpus.

    Documents are drawn until a set has its size. Pairs of the training text that nearly equal one
    of a drawn document are removed, except for groups that `hold_out` would leave there: so
    frequent a sentence is no test. notify: receives how many such pairs of the dev set are near
    duplicates of the test set, because drawn documents stay whole. Raises NmtError if there are too
    few documents.
    """
    chosen = numpy.flatnonzero(corpus.usable)
    if not len(chosen):
        raise NmtError(f"{name} has no pair with text on both sides")
    sides, documents = corpus.sides[:, chosen], corpus.documents[chosen]
    least = numpy.full(documents[-1] + 1, numpy.iinfo(numpy.uint64).max)
    numpy.minimum.at(least, documents, mixed(pair_hashes(sides), sizes.seed))
    lengths = numpy.bincount(documents)
    order = least.argsort(kind="stable")[: numpy.count_nonzero(lengths)]
    kinds, ends, start = numpy.zeros(len(lengths), numpy.int8), lengths[order].cumsum(), 0
    for kind, size in zip(SETS[1:], sizes.choose(len(chosen)), strict=True):
        before = ends[start - 1] if start else 0
        stop = int(numpy.searchsorted(ends, before + size)) + 1 if size else start
        if stop >= len(order):
            raise NmtError(
                f"{name} has {len(order):,} document{'s' * (len(order) != 1)}, too few for a {kind}"
                f" set of {size:,} pairs and a training text; lower --dev and --test; a blank line"
                " in both files ends a document"
            )
        kinds[order[start:stop]] = SETS.index(kind)
        start = stop
    groups, sets = find_groups(sides), kinds[documents]
    last = numpy.zeros(len(groups), numpy.int8)  # the last set that has a pair of each group
    numpy.maximum.at(last, groups, sets)
    is_small = numpy.bincount(groups, minlength=len(groups)) <= LARGEST_GROUP
    is_last = sets == last[groups]
    is_leak = ~is_last & is_small[groups]
    assigned = numpy.full(len(corpus.usable), numpy.int8(-1))
    assigned[chosen] = numpy.where(is_leak & (sets == 0), -1, sets)
    if shared := numpy.count_nonzero(is_leak & (sets > 0)):
        notify(
            f"pairs of the dev set that nearly equal pairs of the test set: {shared:,}; they stay,"
            " so that documents are whole"
        )
    holders = numpy.zeros(len(groups), numpy.intp)  # a pair of each group in its last set
    holders[groups[is_last]] = chosen[is_last]
    firsts = numpy.full(len(assigned), -1)
    firsts[chosen] = holders[groups]
    return Plan(assigned, firsts, name, SETS)


def find_firsts(firsts: Labels, pairs: slice) -> Labels:
    """Return, at the index of a group's first pair, that of its first pair in a corpus; else -1."""
    own = firsts[pairs]
    indices = numpy.flatnonzero(own >= 0)[::-1]  # the last of several values stays
    found = numpy.full(len(firsts), -1)
    found[own[indices]] = indices + pairs.start
    return found


def label_pairs(pairs: Iterable[Pair], plan: Plan) -> Iterator[tuple[str, Pair]]:
    """Yield the pairs of a corpus, each with the name of its set or REMOVED.

    Raises NmtError for another number of pairs than the plan has.
    """
    for index, pair in zip_longest(plan.sets, pairs):
        if index is None or pair is None:
            raise NmtError(f"{plan.name} changed while it was read; run the command again")
        yield OUTCOMES[index], pair


def mixed(hashes: Hashes, seed: int) -> Hashes:
    """Return hashes in another order for each seed."""
    return mix_bits(hashes + numpy.uint64(seed % 2**64))


def split(
    text: ParallelText, prefix: str, sizes: Sizes, notify: Notify, *, by_document: bool = False
) -> tuple[dict[str, int], list[Path]]:
    """Divide a corpus; return how many pairs are in each set and removed, and the new files.

    prefix: of the files to write. notify: as for `hold_out_documents`. by_document: hold out whole
    documents. Errors are those of `check` and `hold_out`.
    """
    text.check()
    names = Names.for_text(prefix, text)
    unwanted = [kind for kind in ("dev", "test") if getattr(sizes, kind) == 0]
    files: dict[str, Sequence[Path]] = {
        kind: names.sides(kind) for kind in SETS if kind not in unwanted
    }
    files[REMOVED] = [names.path(f"{REMOVED}.tsv")]
    check_paths(files, text.paths)
    for path in chain.from_iterable(map(names.sides, unwanted)):
        if path.exists():
            raise UsageError(
                f"{path} exists, and the new training text may have its sentences; move it away, or"
                " name another -o"
            )
    corpus = HashedPairs(shown(text.pairs(), "read"))
    name = str(text.paths[0])
    if by_document:
        plan = hold_out_documents(corpus, sizes, name=name, notify=notify)
    else:
        plan = hold_out(corpus, sizes, names=[name], fix="lower --dev and --test")
    with text_outputs(files) as streams:
        streams[REMOVED][0].write(row("line", "reason", "source", "target"))
        return write_sets(text, plan, streams), [*chain.from_iterable(files.values())]


def write_sets(
    text: ParallelText, plan: Plan, streams: Mapping[str, Sequence[IO[str]]]
) -> dict[str, int]:
    """Write the pairs of a corpus into its sets; return the numbers of pairs by set.

    A blank line ends each document of the training text. The other sets have single pairs, unless
    the plan holds out whole documents. streams: of source and target, by set; there may be one of a
    table of REMOVED pairs.
    """
    counts, number = dict.fromkeys(streams, 0), 0
    documents = dict[str, int]()  # the last one of each set
    pairs = shown(text.pairs(), "write")
    for line, (kind, pair) in enumerate(label_pairs(pairs, plan), start=1):
        number += begins_document(*pair)
        if kind not in counts or not any(map(str.strip, pair)):  # the end of a document
            continue
        counts[kind] += 1
        if kind == REMOVED:
            first = plan.firsts[line - 1]
            reason = "empty side" if first < 0 else f"in a group with line {first + 1}"
            streams[REMOVED][0].write(row(line, reason, *pair))
        else:
            is_new = documents.get(kind, number) != number
            documents[kind] = number
            end = "\n" * (is_new and kind in plan.whole)
            for stream, segment in zip(streams[kind], pair, strict=True):
                stream.write(f"{end}{segment}\n")
    return counts


def read_held_out(recipe: Recipe, data: DataFolder, notify: Notify) -> frozenset[int]:
    """Return the hashes of the segments of a recipe's dev and test sets, as by `near_hash`.

    notify: receives which set cannot be read.
    """
    hashes = set[int]()
    for files in (*recipe.data.dev, *recipe.data.test.values()):
        try:
            for pair in data.text(files, recipe).pairs():
                hashes.update(map(near_hash, (pair.source, pair.target)))
            for name in files.references:
                hashes.update(map(near_hash, read_lines(data.find(name, recipe))))
        except NmtError as error:
            notify(f"the text is not compared with {files.title}: {error}")
    return frozenset(hashes)


def near_hash(text: str) -> int:
    """Return a hash that near duplicates share."""
    return hash_text(Segment(text).folded)
