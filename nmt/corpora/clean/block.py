"""Clean a block of consecutive pairs; blocks are cleaned in several processes at once."""

from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.block import hash_of
from nmt.corpora.check.detectors import Detector, detectors, faults
from nmt.corpora.check.reading import Pair
from nmt.corpora.check.segment import Segment
from nmt.corpora.clean.repair import repaired
from nmt.corpora.clean.rules import ALWAYS, UNREADABLE, Rules
from nmt.text.encode import Chunk
from nmt.text.facts import Hashes, pair_hashes


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
    for place, original in enumerate(zip(chunk.sources, chunk.targets, strict=True)):
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
            (*(hash_of(each.text) for each in segments), *(hash_of(s.folded) for s in segments))
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
    return (source, target), tuple({*first, *second})


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
