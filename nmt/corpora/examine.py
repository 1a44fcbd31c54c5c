"""Examine the pairs of a text, block by block, on all cores if it is large."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import chain, islice
from typing import Any

import numpy
from numpy.typing import NDArray

from nmt.config import TokenizerSettings
from nmt.corpora.detectors import CheckLimits, Norms, learn_norms
from nmt.corpora.findings import (
    CHECKED,
    SHOWN,
    Example,
    Finding,
    Severity,
    choose_detectors,
    faults,
    found,
)
from nmt.corpora.pairs import Pair, Refused, Row, Text, read_leniently
from nmt.corpora.presets import RARE_SHARE
from nmt.corpora.segment import WITHOUT_SPACES, Segment
from nmt.corpora.slips import Traits, common_prefixes
from nmt.errors import NmtError
from nmt.system.log import progress_bar
from nmt.system.pools import ProcessPool, Result
from nmt.system.threads import processor_count
from nmt.text.encode import Chunk, chunks_of
from nmt.text.facts import Hashes, pair_hashes
from nmt.text.learning import learn_subwords, most_tokens
from nmt.text.tokenizer import UNK, Tokenizer

HASH_BYTES = 8
LONGEST = 100  # words; the last bin of a histogram also counts longer segments

Counts = NDArray[numpy.int64]


@dataclass(frozen=True)
class Context:
    """Hold what every block of a text is examined with."""

    norms: Norms
    common: frozenset[str]  # beginnings of words that are no evidence of a pair
    by_character: tuple[bool, bool]  # whether a side's length is counted in characters


@dataclass(frozen=True)
class BlockFacts:
    """Hold the findings of a block of n pairs."""

    counts: dict[str, int]  # pairs by kind of fault
    examples: dict[str, list[Example]]  # the first ones of each kind
    usable: NDArray[numpy.bool_]  # (n,) whether both sides have text
    exact: Hashes  # (2, n): of the segments of source and target
    folded: Hashes  # (2, n): of the segments without case, punctuation, spaces and digits
    lengths: Counts  # (2, LONGEST + 1): segments by number of words
    words: Counts  # (2,)
    characters: Counts  # (2,)
    traits: tuple[Traits, Traits]


def examine(chunk: Chunk, refused: frozenset[int], context: Context) -> BlockFacts:
    """Return what is in a chunk. refused: places of pairs that training would refuse."""
    known = choose_detectors(CHECKED)
    counts: dict[str, int] = {}
    examples: dict[str, list[Example]] = {}
    sides = [[Segment(text) for text in side] for side in (chunk.sources, chunk.targets)]
    for place, (source, target) in enumerate(zip(*sides, strict=True)):
        if place in refused:
            continue
        for kind, reason in faults(source, target, known, context.norms).items():
            counts[kind] = counts.get(kind, 0) + 1
            shown = examples.setdefault(kind, [])
            if len(shown) < SHOWN:
                example = Example(chunk.first_line + place, reason)
                shown.append(example.with_texts(source.text, target.text))
    sizes = [
        sizes_of(side, by_character)
        for side, by_character in zip(sides, context.by_character, strict=True)
    ]
    usable = [
        not (source.is_blank or target.is_blank) for source, target in zip(*sides, strict=True)
    ]
    source, target = (Traits.of(side, context.common) for side in sides)
    return BlockFacts(
        counts,
        examples,
        numpy.array(usable, numpy.bool_),
        numpy.array([[hash_text(each.text) for each in side] for side in sides], numpy.uint64),
        numpy.array([[hash_text(each.folded) for each in side] for side in sides], numpy.uint64),
        numpy.array(
            [numpy.bincount(each.clip(max=LONGEST), minlength=LONGEST + 1) for each in sizes]
        ),
        numpy.array([each.sum() for each in sizes]),
        numpy.array([sum(len(each.text) for each in side) for side in sides]),
        (source, target),
    )


def sizes_of(segments: Sequence[Segment], by_character: bool) -> Counts:
    """Return the number of words of segments, or of characters other than white space."""
    if by_character:
        return numpy.array([len("".join(each.text.split())) for each in segments], numpy.int64)
    return numpy.array([len(each.text.split()) for each in segments], numpy.int64)


def hash_text(text: str) -> int:
    """Return the hash of a text; it is the same in every process."""
    # Half of a surrogate pair cannot come from UTF-8, but from a character reference in .sgm.
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
    )


LISTED = 200  # places among which the examples are the first ones

Places = NDArray[numpy.intp]


@dataclass(frozen=True)
class Repeats:
    """Which of n hashes repeat an earlier one."""

    places: Places  # of the repetitions, in order
    firsts: Places  # where each was first


def repeats_of(hashes: Hashes) -> Repeats:
    """Return which hashes repeat earlier ones."""
    order = hashes.argsort(kind="stable")
    ordered = hashes[order]
    is_new = numpy.ones(len(ordered), numpy.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    starts = numpy.flatnonzero(is_new)
    firsts = order[starts[is_new.cumsum() - 1]]
    chosen = ~is_new
    places, firsts = order[chosen], firsts[chosen]
    by_place = places.argsort()
    return Repeats(places[by_place], firsts[by_place])


def repeated(exact: Hashes, folded: Hashes, lines: Places, limits: CheckLimits) -> list[Finding]:
    """Return the findings about repetition in a text.

    exact, folded: hashes of the sides (2, n). lines: the line of each pair, from 1.
    """
    size = exact.shape[1]
    pairs = repeats_of(pair_hashes(exact))
    near = repeats_of(pair_hashes(folded))
    is_exact = numpy.zeros(size, numpy.bool_)
    is_exact[pairs.places] = True
    only_near = ~is_exact[near.places]
    near = Repeats(near.places[only_near], near.firsts[only_near])
    findings = []
    for kind, repeats in (("duplicates", pairs), ("near_duplicates", near)):
        many = len(repeats.places) > limits.repeated_share * size
        examples = [
            Example(int(lines[place]), f"as in line {lines[first]:,}")
            for place, first in zip(repeats.places[:SHOWN], repeats.firsts[:SHOWN], strict=True)
        ]
        severity: Severity | None = "warning" if many else None
        if kind == "duplicates" and len(repeats.places) > limits.useless_share * size:
            severity = "error"
        findings += found(kind, len(repeats.places), size, examples, severity=severity)
    once = numpy.flatnonzero(~is_exact)
    for kind, side in (("several_targets", 0), ("several_sources", 1)):
        findings += ambiguous(kind, exact[side][once], lines[once], size)
    return findings


def ambiguous(kind: str, hashes: Hashes, lines: Places, size: int) -> list[Finding]:
    """Return the finding about different pairs that have one side in common."""
    repeats = repeats_of(hashes)
    groups = len(numpy.unique(repeats.firsts))
    examples = [
        Example(int(lines[place]), f"as in line {lines[first]:,}")
        for place, first in zip(repeats.places[:SHOWN], repeats.firsts[:SHOWN], strict=True)
    ]
    return found(kind, len(repeats.places) + groups, size, examples)


class Index:
    """Finds hashes among many."""

    def __init__(self, hashes: Hashes) -> None:
        self._order = hashes.argsort(kind="stable")
        self._sorted = hashes[self._order]

    def find(self, wanted: Hashes) -> Places:
        """Return the place of each hash, the first one if there are several; -1 if it is absent."""
        if not len(self._sorted):
            return numpy.full(len(wanted), -1)
        places = numpy.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return numpy.where(self._sorted[places] == wanted, self._order[places], -1)


@dataclass(frozen=True)
class Sources:
    """The sources of a text with something on both sides, as hashes."""

    name: str  # of the text
    exact: Hashes  # (n,)
    folded: Hashes  # (n,) without case, punctuation, spaces and digits
    lines: Places  # (n,) from 1

    @cached_property
    def indexes(self) -> tuple[Index, Index]:
        """Indexes of `exact` and `folded`."""
        return Index(self.exact), Index(self.folded)


def overlaps(held_out: Sources, training: Sequence[Sources], limits: CheckLimits) -> list[Finding]:
    """Return the findings about the sources of a dev or test set that training texts contain."""
    size = len(held_out.lines)
    details: tuple[dict[int, str], dict[int, str]] = ({}, {})  # by place: exact, near
    for text in training:
        hashes = (held_out.exact, held_out.folded)
        for known, index, each in zip(details, text.indexes, hashes, strict=True):
            where = index.find(each)
            for place in numpy.flatnonzero(where >= 0):
                line = text.lines[where[place]]
                known.setdefault(int(place), f"its source is in line {line:,} of {text.name}")
    exact, near = details
    near = {place: detail for place, detail in near.items() if place not in exact}
    severity: Severity | None = None
    if len(exact) + len(near) > limits.overlap_share * size:
        severity = "error"
    findings = []
    for kind, known in (("overlap", exact), ("near_overlap", near)):
        examples = [
            Example(int(held_out.lines[place]), known[place]) for place in sorted(known)[:SHOWN]
        ]
        findings += found(kind, len(known), size, examples, severity=severity)
    return findings


CHUNKS_ALONE = 2  # for up to 2 chunks, starting processes takes longer than they save


@dataclass(frozen=True)
class Usable:
    """Hashes of the n pairs of a text that have something on both sides."""

    exact: Hashes  # (2, n): of the segments of source and target
    folded: Hashes  # (2, n): without case, punctuation, spaces and digits
    lines: Places  # (n,) from 1

    def sources(self, name: str) -> Sources:
        """Return the hashes of the sources; `name` stands for the text in messages."""
        return Sources(name, self.exact[0], self.folded[0], self.lines)


@dataclass(frozen=True)
class Examined:
    """The facts of a whole text."""

    refused: Refused
    blocks: list[BlockFacts]  # at least one

    @property
    def pairs(self) -> int:
        """Number of pairs: lines that both files have."""
        return sum(len(block.usable) for block in self.blocks)

    def total(self, name: str) -> Counts:
        """Return the sum of a field of the blocks: `words`, `characters` or `lengths`."""
        total: Counts = numpy.sum([getattr(block, name) for block in self.blocks], axis=0)
        return total

    def usable(self) -> Usable:
        """Return the hashes of the pairs with something on both sides."""
        chosen = numpy.flatnonzero(numpy.concatenate([block.usable for block in self.blocks]))
        exact = numpy.concatenate([block.exact for block in self.blocks], axis=1)[:, chosen]
        folded = numpy.concatenate([block.folded for block in self.blocks], axis=1)[:, chosen]
        return Usable(exact, folded, chosen + 1)

    def traits(self) -> tuple[Traits, Traits]:
        """Return the traits of the segments of both sides."""
        source, target = (
            Traits.joined([block.traits[side] for block in self.blocks]) for side in (0, 1)
        )
        return source, target


def context_of(sample: Sequence[Pair], limits: CheckLimits) -> Context:
    """Return what a text is examined with, learned from a sample of it."""
    pairs = [(Segment(source), Segment(target)) for source, target in sample]
    norms = learn_norms(pairs, limits)
    common = frozenset[str]().union(*map(common_prefixes, zip(*pairs, strict=True)))
    first, second = (bool(scripts & WITHOUT_SPACES) for scripts in norms.scripts)
    return Context(norms, common, (first, second))


def examine_text(text: Text, context: Context, count: int | None = None) -> Examined:
    """Examine the pairs of a text; errors are those of `read_leniently`.

    count: of the pairs, if it is known, for the progress bar.
    """
    refused = Refused()
    blocks = []
    what = f"check {text.name}"
    with progress_bar(total=count, unit="pair", unit_scale=True, desc=what) as bar:
        for block in examined_blocks(chunks_of(read_leniently(text, refused)), refused, context):
            blocks.append(block)
            bar.update(len(block.usable))
    return Examined(refused, blocks or [examine(Chunk(1, [], []), frozenset(), context)])


def examined_blocks(
    chunks: Iterator[Chunk], refused: Refused, context: Context
) -> Iterator[BlockFacts]:
    """Yield the facts of chunks in order."""
    return in_processes(
        examine,
        ((chunk, refused.between(chunk.first_line, len(chunk)), context) for chunk in chunks),
        "checks the corpus",
    )


def in_processes(
    function: Callable[..., Result], tasks: Iterator[tuple[Any, ...]], what: str
) -> Iterator[Result]:
    """Yield the results of a function in the order of its tasks; many run in one process a core.

    tasks: the arguments; only a few are taken ahead of the results. what: what they do, for the
    error if a process is killed.
    """
    first = [*islice(tasks, CHUNKS_ALONE + 1)]
    workers = processor_count()
    if len(first) <= CHUNKS_ALONE or workers == 1:
        for task in chain(first, tasks):
            yield function(*task)
        return
    work, advice = f"process that {what}", "run the same command again"
    with closing(ProcessPool(workers, are_new=True, work=work, advice=advice)) as pool:
        yield from pool.starmap(function, chain(first, tasks))


LEARNED_TOKENS = 8_000  # for text without a vocabulary: that of the tuned recipes for small corpora
LEARNED_PAIRS = 50_000  # of the sample, to learn them from: 2 seconds
RARE_PAIRS = 2  # of the sample: a character in so few of them is rare
LEAST_SAMPLE = 1_000  # pairs; in a smaller sample, many characters are rare by chance


@dataclass(frozen=True)
class Coverage:
    """Describe how a vocabulary covers the pairs of a sample."""

    pairs: int
    pieces_per_word: tuple[float, float]  # of source and target; without spaces: per character
    learned_tokens: int = 0  # of a vocabulary learned from a sample of the text; 0: the recipe's


def coverage_of(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    limits: CheckLimits,
    has_words: tuple[bool, bool] = (True, True),
    by_character: tuple[bool, bool] = (False, False),
) -> tuple[Coverage, list[Finding]]:
    """Return the coverage of a sample, and what is wrong with it.

    has_words: whether a side has words that a vocabulary should not spell in small pieces.
    by_character: whether a side is written without spaces, so that its characters are counted.
    """
    ratios = []
    unknown: dict[int, str] = {}  # by place in the sample
    sides = zip(("source", "target"), tokenizer.sides, (1, 2), by_character, strict=True)
    for name, model, place, is_counted in sides:
        side = [str(row[place]) for row in rows]
        encoded = model.encode(side)
        words = sum(len("".join(parts) if is_counted else parts) for parts in map(str.split, side))
        ratios.append(sum(map(len, encoded)) / max(1, words))
        for number, ids in enumerate(encoded):
            if UNK in ids:
                symbols = " ".join(dict.fromkeys(model.unknown(side[number])))
                unknown.setdefault(number, f"{symbols} in the {name}")
    examples = [
        Example(rows[number][0], unknown[number]).with_texts(*rows[number][1:])
        for number in sorted(unknown)[:SHOWN]
    ]
    is_rare = len(unknown) <= limits.unknown_share * len(rows)
    severity: Severity = "note" if is_rare else "warning"
    findings = found("unknown_characters", len(unknown), len(rows), examples, severity=severity)
    small = [
        Example(0, f"{ratio:.2f} pieces for each word of the {name}")
        for name, ratio, counts in zip(("source", "target"), ratios, has_words, strict=True)
        if counts and ratio > limits.most_pieces
    ]
    findings += found("pieces", len(small), 2, small)
    return Coverage(len(rows), (ratios[0], ratios[1])), findings


def learned_tokenizer(rows: Sequence[Row]) -> Tokenizer:
    """Return a vocabulary of LEARNED_TOKENS, or as many as the sample allows.

    Raises NmtError if the sample is too small for any, or has too many distinct characters.
    """
    few = rows[:: -(-len(rows) // LEARNED_PAIRS)]
    segments = [text for row in few for text in row[1:]]
    settings = TokenizerSettings(LEARNED_TOKENS, character_coverage=1 - RARE_SHARE)
    try:
        subwords = learn_subwords(segments, settings)
    except NmtError:
        most = most_tokens(segments, settings.character_coverage)
        if most >= LEARNED_TOKENS:
            raise  # the text has more distinct characters than that
        subwords = learn_subwords(segments, replace(settings, vocab_size=most))
    return Tokenizer(subwords.model)


def learned_coverage(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    limits: CheckLimits,
    by_character: tuple[bool, bool] = (False, False),
) -> Coverage:
    """Return the coverage by a vocabulary of `learned_tokenizer`, which has no faults of a text.

    by_character: as for `coverage_of`.
    """
    coverage, _ = coverage_of(rows, tokenizer, limits, by_character=by_character)
    return replace(coverage, learned_tokens=len(tokenizer))


def rare_characters(rows: Sequence[Row]) -> list[Finding]:
    """Return the finding about characters that are in RARE_PAIRS pairs of a sample or fewer."""
    if len(rows) < LEAST_SAMPLE:
        return []
    counts = Counter(chain.from_iterable({*source, *target} for _, source, target in rows))
    rare = {character for character, count in counts.items() if count <= RARE_PAIRS}
    details = {
        place: " ".join(sorted(rare.intersection((*row[1], *row[2]))))
        for place, row in enumerate(rows)
        if not rare.isdisjoint(row[1]) or not rare.isdisjoint(row[2])
    }
    examples = [
        Example(rows[place][0], details[place]).with_texts(*rows[place][1:])
        for place in [*details][:SHOWN]
    ]
    return found("rare_characters", len(details), len(rows), examples)
