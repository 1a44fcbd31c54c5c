"""Examine the pairs of a text, block by block, on all cores if it is large."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain

import numpy
from numpy.typing import NDArray

from nmt.config import TokenizerSettings
from nmt.corpora.faults.detectors import SIDES, CheckLimits, Norms, learn_norms
from nmt.corpora.faults.findings import (
    CHECKED,
    SHOWN,
    Example,
    Finding,
    Severity,
    choose_detectors,
    faults,
    found,
)
from nmt.corpora.faults.misalignment import Features, common_prefixes, features
from nmt.corpora.faults.segment import WITHOUT_SPACES, Segment
from nmt.corpora.pairs import Refused, Row, learn_from, read_leniently
from nmt.corpora.presets import RARE_SHARE
from nmt.system.log import progress_bar
from nmt.text.encode import Chunk, in_processes, split_into_chunks
from nmt.text.facts import Hashes, pair_hashes
from nmt.text.reading.corpus import Pair, ParallelText
from nmt.text.subwords.tokenizer import UNK, Tokenizer

HASH_BYTES = 8
LONGEST = 100  # words; the last bin of a histogram also counts longer segments
CHUNKS_ALONE = 2  # for up to 2 chunks, starting processes takes longer than they save

Counts = NDArray[numpy.int64]
Ints = NDArray[numpy.intp]


@dataclass(frozen=True)
class Context:
    """Hold what every block of a text is examined with."""

    norms: Norms
    common: frozenset[str]  # beginnings of words that are no evidence of a pair
    by_character: tuple[bool, bool]  # whether a side's length is counted in characters


@dataclass(frozen=True)
class Facts:
    """Hold what is in the n pairs of a block or of a text, of which m have text on both sides."""

    pairs: int
    counts: Counter[str]  # pairs by kind of fault
    examples: dict[str, list[Example]]  # the first ones of each kind in each block
    lines: Ints  # (m,) from 1
    exact: Hashes  # (2, m): of the segments of source and target
    folded: Hashes  # (2, m): of the segments without case, punctuation, spaces and digits
    lengths: Counts  # (2, LONGEST + 1): segments by number of words
    words: Counts  # (2,)
    characters: Counts  # (2,)
    features: tuple[Features, ...]  # of all n segments of source and target
    unit: str = "line"  # what numbers count, as `ParallelText.unit`


def learn_context(rows: Sequence[Row], limits: CheckLimits) -> Context:
    """Return what a text is examined with, learned from a sample of it."""
    pairs = [(Segment(source), Segment(target)) for _, source, target in rows]
    norms = learn_norms(pairs, limits)
    common = frozenset[str]().union(*map(common_prefixes, zip(*pairs, strict=True)))
    first, second = (bool(scripts & WITHOUT_SPACES) for scripts in norms.scripts)
    return Context(norms, common, (first, second))


def examine_text(
    text: ParallelText, context: Context, refused: Refused, count: int | None = None
) -> Facts:
    """Return the facts of a text; errors are those of `read_leniently`, which fills `refused`.

    count: of the pairs, if it is known, for the progress bar.
    """
    chunks = split_into_chunks(read_leniently(text, refused))
    tasks = ((chunk, refused.between(chunk.first_line, len(chunk)), context) for chunk in chunks)
    blocks = []
    what = f"check {text.name}"
    with progress_bar(total=count, unit="pair", unit_scale=True, desc=what) as bar:
        for block in in_processes(examine, tasks, "checks the corpus", CHUNKS_ALONE):
            blocks.append(block)
            bar.update(block.pairs)
    facts = join(blocks or [examine(Chunk(1, [], []), frozenset(), context)])
    return replace(facts, unit=text.unit)


def examine(chunk: Chunk, refused: frozenset[int], context: Context) -> Facts:
    """Return the facts of a chunk. refused: indices of pairs that training would refuse."""
    known = choose_detectors(CHECKED)
    counts = Counter[str]()
    examples: dict[str, list[Example]] = {}
    sides = [[Segment(text) for text in side] for side in (chunk.sources, chunk.targets)]
    usable = []
    for index, (source, target) in enumerate(zip(*sides, strict=True)):
        if not (source.is_blank or target.is_blank):
            usable.append(index)
        if index in refused:
            continue
        for kind, reason in faults(source, target, known, context.norms).items():
            counts[kind] += 1
            shown = examples.setdefault(kind, [])
            if len(shown) < SHOWN:
                example = Example(chunk.first_line + index, reason)
                shown.append(example.with_texts(source.text, target.text))
    sizes = [
        numpy.array([count_words(segment.text, is_counted) for segment in side], numpy.int64)
        for side, is_counted in zip(sides, context.by_character, strict=True)
    ]
    return Facts(
        len(chunk),
        counts,
        examples,
        numpy.array(usable, numpy.intp) + chunk.first_line,
        numpy.array([[hash_text(side[n].text) for n in usable] for side in sides], numpy.uint64),
        numpy.array([[hash_text(side[n].folded) for n in usable] for side in sides], numpy.uint64),
        numpy.array([numpy.bincount(n.clip(max=LONGEST), minlength=LONGEST + 1) for n in sizes]),
        numpy.array([size.sum() for size in sizes]),
        numpy.array([sum(len(segment.text) for segment in side) for side in sides]),
        tuple(features(side, context.common) for side in sides),
    )


def join(blocks: Sequence[Facts]) -> Facts:
    """Return the facts of a text from those of its blocks, of which there is at least one."""
    counts = Counter[str]()
    examples: dict[str, list[Example]] = {}
    for block in blocks:
        counts.update(block.counts)
        for kind, shown in block.examples.items():
            examples.setdefault(kind, []).extend(shown)
    return Facts(
        sum(block.pairs for block in blocks),
        counts,
        examples,
        numpy.concatenate([block.lines for block in blocks]),
        numpy.concatenate([block.exact for block in blocks], axis=1),
        numpy.concatenate([block.folded for block in blocks], axis=1),
        numpy.sum([block.lengths for block in blocks], axis=0),
        numpy.sum([block.words for block in blocks], axis=0),
        numpy.sum([block.characters for block in blocks], axis=0),
        tuple(numpy.concatenate(side) for side in zip(*(b.features for b in blocks), strict=True)),
    )


def count_words(text: str, by_character: bool) -> int:
    """Return the number of words of a text, or of characters other than white space."""
    words = text.split()
    return len("".join(words) if by_character else words)


def hash_text(text: str) -> int:
    """Return the hash of a text; it is the same in every process."""
    # Half of a surrogate pair cannot come from UTF-8, but from a character reference in .sgm.
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
    )


def hash_pair(source: str, target: str) -> int:
    """Return the hash of a pair."""
    return hash_text(f"{source}\0{target}")


def first_indices(hashes: Hashes) -> Ints:
    """Return, for each of n hashes, the index of the first that equals it (n,)."""
    _, firsts, inverse = numpy.unique(hashes, return_index=True, return_inverse=True)
    return firsts[inverse]


def repeated(facts: Facts, limits: CheckLimits) -> list[Finding]:
    """Return the findings about repetition in a text."""
    size = len(facts.lines)
    exact, near = (first_indices(pair_hashes(sides)) for sides in (facts.exact, facts.folded))
    is_once = exact == numpy.arange(size)
    is_near = (near != numpy.arange(size)) & is_once
    findings = []
    for kind, firsts, is_repeat in (
        ("duplicates", exact, ~is_once),
        ("near_duplicates", near, is_near),
    ):
        count = int(numpy.count_nonzero(is_repeat))
        severity: Severity | None = "warning" if count > limits.repeated_share * size else None
        if kind == "duplicates" and count > limits.useless_share * size:
            severity = "error"
        examples = show_repeats(firsts, is_repeat, facts.lines, facts.unit)
        findings += found(kind, count, size, examples, severity=severity)
    lines = facts.lines[is_once]
    for kind, side in (("several_targets", 0), ("several_sources", 1)):
        firsts = first_indices(facts.exact[side][is_once])
        counts = numpy.bincount(firsts)
        examples = show_repeats(firsts, firsts != numpy.arange(len(lines)), lines, facts.unit)
        findings += found(kind, int(counts[counts > 1].sum()), size, examples)
    return findings


def show_repeats(
    firsts: Ints, is_repeat: NDArray[numpy.bool_], lines: Ints, unit: str
) -> list[Example]:
    """Return the first repetitions as examples. firsts: as `first_indices`; lines: by index."""
    return [
        Example(int(lines[index]), f"as in {unit} {lines[firsts[index]]:,}")
        for index in numpy.flatnonzero(is_repeat)[:SHOWN]
    ]


def overlaps(
    held_out: Facts, training: Mapping[str, tuple[Facts, int]], limits: CheckLimits
) -> list[Finding]:
    """Return the findings about sources of a dev or test set that training texts have.

    training: by name, each with its side that is in the language of the sources.
    """
    size = len(held_out.lines)
    exact, near = dict[int, str](), dict[int, str]()  # by index
    for name, (text, side) in training.items():
        for known, ours, theirs in (
            (exact, held_out.exact[0], text.exact[side]),
            (near, held_out.folded[0], text.folded[side]),
        ):
            for index, line in find_lines(ours, theirs, text.lines).items():
                known.setdefault(index, f"its source is in {text.unit} {line:,} of {name}")
    near = {index: detail for index, detail in near.items() if index not in exact}
    many = len(exact) + len(near) > limits.overlap_share * size
    findings = []
    for kind, known in (("overlap", exact), ("near_overlap", near)):
        examples = [
            Example(int(held_out.lines[index]), known[index]) for index in sorted(known)[:SHOWN]
        ]
        severity: Severity | None = "error" if many else None
        findings += found(kind, len(known), size, examples, severity=severity)
    return findings


def find_lines(wanted: Hashes, hashes: Hashes, lines: Ints) -> dict[int, int]:
    """Return, by index among the wanted hashes, the first line of those that others contain.

    lines: of the others.
    """
    if not len(wanted):
        return {}
    ordered = numpy.sort(wanted)  # the few are sorted, not the many
    closest = ordered[numpy.searchsorted(ordered, hashes).clip(max=len(ordered) - 1)]
    same = numpy.flatnonzero(closest == hashes)[::-1]  # the first line of equal ones wins
    known = dict(zip(hashes[same].tolist(), lines[same].tolist(), strict=True))
    return {index: known[value] for index, value in enumerate(wanted.tolist()) if value in known}


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


def measure_coverage(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    limits: CheckLimits,
    by_character: tuple[bool, bool] = (False, False),
    *,
    is_subwords: bool = True,
) -> tuple[Coverage, list[Finding]]:
    """Return the coverage of a sample, and what is wrong with it.

    by_character: whether a side is written without spaces, so that its characters are counted.
    is_subwords: whether tokens should be parts of words that are not small.
    """
    ratios, small = list[float](), list[Example]()
    unknown: dict[int, str] = {}  # by index in the sample
    sides = zip(SIDES, tokenizer.sides, (1, 2), by_character, strict=True)
    for name, model, column, is_counted in sides:
        side = [str(row[column]) for row in rows]
        encoded = model.encode(side)
        words = sum(count_words(text, is_counted) for text in side)
        ratios.append(sum(map(len, encoded)) / max(1, words))
        if is_subwords and not is_counted and ratios[-1] > limits.most_pieces:
            small.append(Example(0, f"{ratios[-1]:.2f} pieces for each word of the {name}"))
        for number, ids in enumerate(encoded):
            if UNK in ids:
                symbols = " ".join(dict.fromkeys(model.unknown(side[number])))
                unknown.setdefault(number, f"{symbols} in the {name}")
    examples = show_rows(rows, unknown)
    is_rare = len(unknown) <= limits.unknown_share * len(rows)
    severity: Severity = "note" if is_rare else "warning"
    findings = found("unknown_characters", len(unknown), len(rows), examples, severity=severity)
    findings += found("pieces", len(small), 2, small)
    return Coverage(len(rows), (ratios[0], ratios[1])), findings


def learn_tokenizer(rows: Sequence[Row]) -> Tokenizer:
    """Return a vocabulary of LEARNED_TOKENS, or as many as the sample allows.

    Raises NmtError if the sample is too small for any, or has too many distinct characters.
    """
    few = [Pair(*row[1:]) for row in rows[:: -(-len(rows) // LEARNED_PAIRS)]]
    return learn_from(few, TokenizerSettings(LEARNED_TOKENS, character_coverage=1 - RARE_SHARE))


def rare_characters(rows: Sequence[Row]) -> list[Finding]:
    """Return the finding about characters that are in RARE_PAIRS pairs of a sample or fewer."""
    if len(rows) < LEAST_SAMPLE:
        return []
    counts = Counter(chain.from_iterable({*source, *target} for _, source, target in rows))
    rare = {character for character, count in counts.items() if count <= RARE_PAIRS}
    details = {
        index: " ".join(sorted(rare.intersection((*row[1], *row[2]))))
        for index, row in enumerate(rows)
        if not rare.isdisjoint(row[1]) or not rare.isdisjoint(row[2])
    }
    examples = show_rows(rows, details)
    return found("rare_characters", len(details), len(rows), examples)


def show_rows(rows: Sequence[Row], details: Mapping[int, str]) -> list[Example]:
    """Return the first rows with details, by index, as examples."""
    return [
        Example(rows[index][0], details[index]).with_texts(*rows[index][1:])
        for index in sorted(details)[:SHOWN]
    ]
