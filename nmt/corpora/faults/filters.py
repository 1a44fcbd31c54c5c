"""Choose what is removed from a corpus and repaired in it, and do that block by block."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from zlib import crc32

import numpy
from numpy.typing import NDArray

from nmt.corpora.faults.detectors import Norms, Segments, learn_norms
from nmt.corpora.faults.examine import first_indices, hash_pair
from nmt.corpora.faults.findings import (
    ALWAYS,
    DEFAULT_FILTERS,
    FILTERS,
    KINDS,
    UNREADABLE,
    choose_detectors,
    faults,
)
from nmt.corpora.faults.segment import Segment, repaired
from nmt.errors import UsageError, suggestion
from nmt.text.encode import Chunk
from nmt.text.facts import Hashes
from nmt.text.reading.corpus import Pair


def choose_filters(
    only: str | None, without: str | None = None, also: str | None = None
) -> tuple[str, ...]:
    """Return the filters to apply, in their order.

    only, without, also: names with commas between them; None: the default ones, and none. Raises
    UsageError for a name that is no filter, and for one to leave out that is not on.
    """
    wanted = DEFAULT_FILTERS if only is None else parse_names(only, "--only")
    unwanted = () if without is None else parse_names(without, "--without")
    more = () if also is None else parse_names(also, "--also")
    for name in more:
        if name in wanted:
            raise UsageError(f"--also {name}: this filter is on already; leave it out")
    for name in unwanted:
        for given, option in ((more, "--also"), (() if only is None else wanted, "--only")):
            if name in given:
                raise UsageError(f"--without {name}, but {option} names it; leave out one of them")
        if name not in wanted:
            why = "this filter is off unless --also adds it"
            why = why if only is None else "--only leaves it out already"
            raise UsageError(f"--without {name}: {why}; leave the option out")
    return tuple(name for name in FILTERS if name in (*wanted, *more) and name not in unwanted)


def parse_names(text: str, option: str) -> Sequence[str]:
    """Return the names of filters in an option's text; an empty text has none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name in ALWAYS:
            raise UsageError(f"{option} {name}: pairs like this are always removed; leave it out")
        if name not in FILTERS:
            raise UsageError(f"{option}: no filter {name!r}{suggestion(name, FILTERS)}")
    return names


@dataclass(frozen=True)
class Rules:
    """Hold the repairs and filters for each pair."""

    norms: Norms  # `learn_norms([], limits)` until they are learned
    filters: tuple[str, ...]  # from FILTERS, in order
    repair: bool = True
    with_ftfy: bool = False  # repair mojibake


@dataclass(frozen=True)
class Rejected:
    """Hold a pair that is removed, and the reason."""

    line: int  # from 1
    kind: str  # a filter
    reason: str
    pair: Pair  # as it was


class Kept(NamedTuple):
    """Hold a pair that the filters so far have left."""

    line: int  # from 1
    original: Pair
    pair: Pair  # repaired
    repairs: tuple[str, ...]  # names from REPAIRS
    exact: int  # hash
    folded: int  # hash without case, punctuation, spaces and digits


@dataclass(frozen=True)
class CleanBlock:
    """Hold a block of pairs after some filters."""

    kept: list[Kept]
    rejected: list[Rejected]  # in order

    def without(self, reasons: dict[int, tuple[str, str]]) -> "CleanBlock":
        """Return the block with some pairs rejected; reasons: filter and reason by index."""
        if not reasons:
            return self
        kept, rejected = list[Kept](), [*self.rejected]
        for index, pair in enumerate(self.kept):
            if index in reasons:
                rejected.append(Rejected(pair.line, *reasons[index], pair.original))
            else:
                kept.append(pair)
        return CleanBlock(kept, sorted(rejected, key=lambda pair: pair.line))


def clean_block(chunk: Chunk, refused: frozenset[int], rules: Rules) -> CleanBlock:
    """Repair and filter a chunk by all filters but those of repetition.

    refused: indices of pairs that cannot be read.
    """
    known = choose_detectors((*ALWAYS, *rules.filters))
    kept, rejected = list[Kept](), list[Rejected]()
    for index, original in enumerate(map(Pair, chunk.sources, chunk.targets)):
        line = chunk.first_line + index
        if index in refused:
            rejected.append(Rejected(line, UNREADABLE, "see `nmt check`", original))
            continue
        pair, repairs = repaired_pair(original, rules)
        source, target = Segment(pair[0]), Segment(pair[1])
        if found := faults(source, target, known, rules.norms):
            reason = "; ".join(found.values())
            rejected.append(Rejected(line, next(iter(found)), reason, original))
            continue
        exact, folded = hash_pair(*pair), hash_pair(source.folded, target.folded)
        kept.append(Kept(line, original, pair, repairs, exact, folded))
    return CleanBlock(kept, rejected)


def repaired_pair(pair: Pair, rules: Rules) -> tuple[Pair, tuple[str, ...]]:
    """Return a pair after repair, and the names of what was repaired."""
    if not rules.repair:
        return pair, ()
    (source, first), (target, second) = (repaired(text, with_ftfy=rules.with_ftfy) for text in pair)
    names = tuple({*first, *second})
    return (Pair(source, target) if names else pair), names


MOST_ROUNDS = 20
NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
# The filters that compare with what is usual.
RELATIVE = [name for name, kind in KINDS.items() if kind.is_relative]

# By the hash of the source, and what near duplicates have in common on each side.
Sample = dict[tuple[int, str, str], Segments]


def draw_sample(pairs: Iterable[Pair], rules: Rules) -> Sample:
    """Return up to twice `sample_pairs` pairs that the other filters leave, repaired.

    Pairs whose source has a low hash are drawn. Of near duplicates, the first one is drawn.
    """
    known = choose_detectors({*ALWAYS, *rules.filters}.difference(RELATIVE))
    sample, limit = Sample(), 1 << 32
    for original in pairs:
        if (number := source_hash(original[0], rules)) >= limit:
            continue
        pair, _ = repaired_pair(original, rules)
        source, target = Segment(pair[0]), Segment(pair[1])
        key = number, source.folded, target.folded
        if key not in sample and not faults(source, target, known, rules.norms):
            sample[key] = source, target
        if len(sample) > 2 * rules.norms.limits.sample_pairs:
            limit //= 2
            sample = smaller(sample, limit)
    return sample


def smaller(sample: Sample, limit: int) -> Sample:
    """Return the pairs of a sample whose hash is below a limit; all pairs if there are none."""
    return {key: pair for key, pair in sample.items() if key[0] < limit} or sample


def source_hash(text: str, rules: Rules) -> int:
    """Return a hash of a source's letters after repair, which near duplicates have in common.

    A source without letters, whose near duplicates differ in spaces only, has one of its words.
    """
    if text.isascii():
        letters = text.lower().encode().translate(None, NO_LETTERS)
    else:
        text = repaired(text, with_ftfy=rules.with_ftfy)[0] if rules.repair else text
        segment = Segment(text)
        letters = segment.folded.encode("utf-8", "surrogatepass") if segment.words else b""
    return crc32(letters or b" ".join(text.encode("utf-8", "surrogatepass").split()))


def with_usual_norms(sample: Sample, rules: Rules) -> Rules:
    """Return rules whose norms are those of the pairs of a sample that these rules leave.

    If more than `sample_pairs` are left, half of them is enough: a corpus that has lost up to half
    of its pairs is then judged by the same sample.
    """
    limits, languages = rules.norms.limits, rules.norms.languages
    known = choose_detectors({*rules.filters}.intersection(RELATIVE)).values()
    while True:
        left = pairs = [*sample.values()]
        for _ in range(MOST_ROUNDS):
            before, norms = left, learn_norms(left, limits, languages)
            left = [pair for pair in pairs if not any(find(*pair, norms) for find in known)]
            if left == before:
                break
        few = len(left) <= limits.sample_pairs
        fewer = sample if few else smaller(sample, 1 << max(sample)[0].bit_length() >> 1)
        if fewer is sample:
            return replace(rules, norms=norms)
        sample = fewer


# A near duplicate differs in case, punctuation, spaces or digits.
REASONS = {
    "duplicates": "repeats an earlier pair",
    "near_duplicates": "nearly repeats an earlier pair",
}


class SeenHashes:
    """Hold the hashes that were seen so far, in sorted runs.

    A run is merged with the run before it unless that one is at least twice as long. So there are
    few runs to search, and each hash is merged only a few times.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []  # the longest first

    def add(self, hashes: Hashes) -> NDArray[numpy.bool_]:
        """Add hashes (n,), and return which of them were seen before, or earlier among them."""
        repeated: NDArray[numpy.bool_] = first_indices(hashes) != numpy.arange(len(hashes))
        for run in self._runs:
            indices = numpy.searchsorted(run, hashes).clip(max=len(run) - 1)
            repeated |= run[indices] == hashes
        if len(new := hashes[~repeated]):
            self._runs.append(numpy.sort(new))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            second = self._runs.pop()
            self._runs[-1] = numpy.sort(numpy.concatenate([self._runs[-1], second]))
        return repeated


def without_repetition(
    blocks: Iterable[CleanBlock], filters: Sequence[str]
) -> Iterator[CleanBlock]:
    """Yield blocks without the pairs that repeat a pair of the same or an earlier block."""
    seen = {name: SeenHashes() for name in REASONS if name in filters}
    for block in blocks:
        hashes = {
            "duplicates": [pair.exact for pair in block.kept],
            "near_duplicates": [pair.folded for pair in block.kept],
        }
        reasons: dict[int, tuple[str, str]] = {}
        for name, known in seen.items():
            for index in numpy.flatnonzero(known.add(numpy.array(hashes[name], numpy.uint64))):
                reasons.setdefault(int(index), (name, REASONS[name]))
        yield block.without(reasons)
