"""Choose what is removed from a corpus and repaired in it, and do that block by block."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy
from numpy.typing import NDArray

from nmt.corpora.detectors import OPTIONAL, Detector, detectors, faults
from nmt.corpora.examine import hash_text, repeats_of
from nmt.corpora.findings import KINDS
from nmt.corpora.norms import CheckLimits, Norms, Segments, learn_norms
from nmt.corpora.segment import Segment, repaired
from nmt.errors import UsageError, suggestion
from nmt.text.corpus import Pair
from nmt.text.encode import Chunk
from nmt.text.facts import Hashes, pair_hashes

UNREADABLE = "unreadable"
ALWAYS = {
    UNREADABLE: "pairs with a line that is not UTF-8, is longer than 10 MB or has no tab",
    "empty": KINDS["empty"].title,
}
CROSS_ENTROPY = "cross_entropy"  # not among FILTERS, because it needs models
# In the order in which they are applied; a pair counts for the first one that removes it.
DEFAULT_FILTERS = (
    "replacement",
    "mojibake",
    "control",
    "invisible",
    "markup",
    "too_long",
    "copied",
    "script",
    "language",
    "length_ratio",
    "duplicates",
    "near_duplicates",
)
FILTERS = (*DEFAULT_FILTERS[:-2], *OPTIONAL, *DEFAULT_FILTERS[-2:])


@dataclass(frozen=True)
class Rules:
    """Hold the repairs and filters for each pair."""

    norms: Norms
    limits: CheckLimits
    filters: tuple[str, ...]  # from FILTERS, in order
    repair: bool
    with_ftfy: bool
    more: tuple[Detector, ...] = ()  # those of OPTIONAL that are asked for


@dataclass(frozen=True)
class Models:
    """Name two models that score pairs, and say which pairs to keep."""

    model: Path  # from source to target: a run folder or a .safetensors file
    reverse_model: Path
    device: str = "auto"
    keep_share: float | None = None  # of the pairs that other filters leave: the best ones
    least_score: float | None = None  # of a pair to keep
    writes_scores: bool = False


def chosen_filters(
    only: str | None, without: str | None = None, also: str | None = None
) -> tuple[str, ...]:
    """Return the filters to apply, in their order.

    only, without, also: names with commas between them; None: the default ones, and none. Raises
    UsageError for a name that is no filter, and for one to leave out that is not on.
    """
    wanted = DEFAULT_FILTERS if only is None else names_of(only, "--only")
    unwanted = () if without is None else names_of(without, "--without")
    more = () if also is None else names_of(also, "--also")
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


def names_of(text: str, option: str) -> Sequence[str]:
    """Return the names of filters in an option's text; an empty text has none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name in ALWAYS:
            raise UsageError(f"{option} {name}: pairs like this are always removed; leave it out")
        if name not in FILTERS:
            raise UsageError(f"{option}: no filter {name!r}{suggestion(name, FILTERS)}")
    return names


@dataclass(frozen=True)
class Rejected:
    """Hold a pair that is removed, and the reason."""

    line: int  # from 1
    kind: str  # a filter
    reason: str
    pair: Pair  # as it was


@dataclass(frozen=True)
class Repair:
    """Describe how a pair was repaired."""

    original: Pair
    names: tuple[str, ...]  # from `nmt.corpora.clean.repair.REPAIRS`


@dataclass(frozen=True)
class CleanBlock:
    """Hold a block of pairs after all filters except those of repetition."""

    pairs: list[Pair]  # k pairs that are left, repaired
    lines: NDArray[numpy.intp]  # (k,) from 1
    exact: Hashes  # (k,)
    folded: Hashes  # (k,) without case, punctuation, spaces and digits
    rejected: list[Rejected]  # in order
    repairs: dict[int, Repair]  # by place among `pairs`


def clean_block(chunk: Chunk, refused: frozenset[int], rules: Rules) -> CleanBlock:
    """Repair and filter a chunk. refused: places of pairs that cannot be read."""
    known = chosen_detectors(rules)
    pairs: list[Pair] = []
    lines: list[int] = []
    hashes: list[tuple[int, ...]] = []  # exact, then folded, of both sides
    rejected: list[Rejected] = []
    repairs: dict[int, Repair] = {}
    for place, original in enumerate(map(Pair, chunk.sources, chunk.targets)):
        line = chunk.first_line + place
        if place in refused:
            rejected.append(Rejected(line, UNREADABLE, "see `nmt check`", original))
            continue
        pair, names = repaired_pair(original, rules)
        segments = Segment(pair[0]), Segment(pair[1])
        if found := faults(*segments, known):
            reason = "; ".join(found.values())
            rejected.append(Rejected(line, next(iter(found)), reason, original))
            continue
        if names:
            repairs[len(pairs)] = Repair(original, names)
        pairs.append(pair)
        lines.append(line)
        hashes.append(
            (*(hash_text(each.text) for each in segments), *(hash_text(s.folded) for s in segments))
        )
    sides = numpy.array(hashes, numpy.uint64).reshape(-1, 4).T
    exact, folded = pair_hashes(sides[:2]), pair_hashes(sides[2:])
    return CleanBlock(pairs, numpy.array(lines, numpy.intp), exact, folded, rejected, repairs)


def chosen_detectors(rules: Rules) -> list[Detector]:
    """Return the detectors of the filters that are on, except those of repetition."""
    chosen = (*ALWAYS, *rules.filters)
    known = detectors(rules.norms, rules.limits)
    return [*(each for each in known if each.kind in chosen), *rules.more]


def repaired_pair(pair: Pair, rules: Rules) -> tuple[Pair, tuple[str, ...]]:
    """Return a pair after repair, and the names of what was repaired."""
    if not rules.repair:
        return pair, ()
    (source, first), (target, second) = (repaired(text, with_ftfy=rules.with_ftfy) for text in pair)
    return Pair(source, target), tuple({*first, *second})


def without_places(block: CleanBlock, reasons: dict[int, tuple[str, str]]) -> CleanBlock:
    """Return a block whose pairs at some places are rejected; reasons: filter, reason by place."""
    if not reasons:
        return block
    rejected = [
        Rejected(
            int(block.lines[place]),
            kind,
            reason,
            block.repairs[place].original if place in block.repairs else block.pairs[place],
        )
        for place, (kind, reason) in reasons.items()
    ]
    pairs, repairs = list[Pair](), dict[int, Repair]()
    for place, pair in enumerate(block.pairs):
        if place not in reasons:
            if place in block.repairs:
                repairs[len(pairs)] = block.repairs[place]
            pairs.append(pair)
    rest = numpy.delete(numpy.arange(len(block.pairs)), [*reasons])
    return replace(
        block,
        pairs=pairs,
        lines=block.lines[rest],
        exact=block.exact[rest],
        folded=block.folded[rest],
        rejected=sorted([*block.rejected, *rejected], key=lambda each: each.line),
        repairs=repairs,
    )


USUAL = ("script", "language", "length_ratio")  # the filters that compare with what is usual
MOST_ROUNDS = 20
NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())

# By the hash of the source, and what near duplicates have in common on each side.
Sample = dict[tuple[int, str, str], Segments]


def draw_sample(pairs: Iterable[Pair], rules: Rules) -> Sample:
    """Return up to twice `sample_pairs` pairs that the other filters leave, repaired.

    Pairs whose source has a low hash are drawn. Of near duplicates, the first one is drawn.
    """
    known = [each for each in chosen_detectors(rules) if each.kind not in USUAL]
    sample, limit = Sample(), 1 << 32
    for original in pairs:
        if (number := source_hash(original[0], rules)) >= limit:
            continue
        pair, _ = repaired_pair(original, rules)
        source, target = Segment(pair[0]), Segment(pair[1])
        key = number, source.folded, target.folded
        if key not in sample and not faults(source, target, known):
            sample[key] = source, target
        if len(sample) > 2 * rules.limits.sample_pairs:
            limit //= 2
            sample = below(limit, sample)
    return sample


def source_hash(text: str, rules: Rules) -> int:
    """Return a hash of a source's letters after repair, which near duplicates have in common."""
    if text.isascii():
        return crc32(text.lower().encode().translate(None, NO_LETTERS))
    text = repaired(text, with_ftfy=rules.with_ftfy)[0] if rules.repair else text
    letters = "".join(Segment(text).words)
    return crc32(unicodedata.normalize("NFC", letters).encode("utf-8", "surrogatepass"))


def below(limit: int, sample: Sample) -> Sample:
    """Return the pairs with a hash below a limit."""
    return {key: pair for key, pair in sample.items() if key[0] < limit}


def with_usual_norms(sample: Sample, rules: Rules) -> Rules:
    """Return rules whose norms are those of the pairs of a sample that these rules leave.

    If more than `sample_pairs` are left, half of them is enough: a corpus that has lost up to half
    of its pairs is then judged by the same sample.
    """
    while True:
        left = pairs = [*sample.values()]
        for _ in range(MOST_ROUNDS):
            before, rules = left, replace(rules, norms=learn_norms(left, rules.limits))
            known = [
                each
                for each in detectors(rules.norms, rules.limits)
                if each.kind in USUAL and each.kind in rules.filters
            ]
            left = [pair for pair in pairs if not any(each.reason(*pair) for each in known)]
            if left == before:
                break
        if len(left) <= rules.limits.sample_pairs:
            return rules
        sample = below(1 << (max(sample)[0].bit_length() - 1), sample)


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
        repeated = numpy.zeros(len(hashes), numpy.bool_)
        repeated[repeats_of(hashes).places] = True
        for run in self._runs:
            places = numpy.searchsorted(run, hashes).clip(max=len(run) - 1)
            repeated |= run[places] == hashes
        if len(new := hashes[~repeated]):
            self._runs.append(numpy.sort(new))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            second = self._runs.pop()
            self._runs[-1] = numpy.sort(numpy.concatenate([self._runs[-1], second]))
        return repeated


class Repetition:
    """Removes the pairs of consecutive blocks that repeat earlier pairs."""

    def __init__(self, filters: tuple[str, ...]) -> None:
        """Apply those of `filters` that are in REASONS."""
        self._seen = {name: SeenHashes() for name in REASONS if name in filters}

    def without(self, block: CleanBlock) -> CleanBlock:
        """Return a block without the pairs that repeat a pair of this or an earlier block."""
        hashes = {"duplicates": block.exact, "near_duplicates": block.folded}
        reasons: dict[int, tuple[str, str]] = {}
        for name, seen in self._seen.items():
            for place in numpy.flatnonzero(seen.add(hashes[name])):
                reasons.setdefault(int(place), (name, REASONS[name]))
        return without_places(block, reasons)
