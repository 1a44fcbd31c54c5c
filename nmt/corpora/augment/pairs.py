"""Join text and translations to pairs, without those that are not good enough to train on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy

from nmt.corpora.augment.held_out import HeldOut
from nmt.corpora.augment.material import Material
from nmt.corpora.augment.verdicts import DUPLICATES, EMPTY, HELD_OUT, REASONS, Verdict
from nmt.corpora.check.block import hash_of
from nmt.corpora.check.reading import Pair, Refused
from nmt.corpora.clean.repetition import SeenHashes
from nmt.corpora.clean.rules import UNREADABLE
from nmt.decoding.files.text_files import kept_path
from nmt.errors import DamagedError
from nmt.text.facts import pair_hashes

GIVEN = 0  # the origin of pairs that are part of the text
BLOCK_PAIRS = 20_000  # whose hashes are compared at once


@dataclass(frozen=True)
class Made:
    """Hold a pair, and why it is left out; no reason: it is kept."""

    origin: int  # GIVEN, or the number of the model, from 1
    line: int  # of the text, from 1
    pair: Pair
    reason: str = ""
    detail: str = ""


def made_pairs(
    material: Material, sides: Sequence[int], translations: Path, held_out: HeldOut
) -> Iterator[Made]:
    """Yield the pairs of a parallel text, then those that each model makes of it, without repeats.

    sides: those that the models read. translations: the output whose kept lines hold the verdicts.
    held_out: lines of which no pair is made.
    """
    found = in_blocks(all_pairs(material, sides, kept_path(translations), held_out))
    seen = SeenHashes()
    for block in found:
        good = [place for place, each in enumerate(block) if not each.reason]
        hashes = [[hash_of(side) for side in block[place].pair] for place in good]
        repeated = seen.add(pair_hashes(numpy.array(hashes, numpy.uint64).reshape(-1, 2).T))
        for place in numpy.array(good, numpy.intp)[repeated]:
            each = block[place]
            block[place] = Made(each.origin, each.line, each.pair, DUPLICATES, REASONS[DUPLICATES])
        yield from block


def in_blocks(pairs: Iterable[Made]) -> Iterator[list[Made]]:
    """Yield pairs in lists."""
    following = iter(pairs)
    while block := [*islice(following, BLOCK_PAIRS)]:
        yield block


def all_pairs(
    material: Material, sides: Sequence[int], kept: Path, held_out: HeldOut
) -> Iterator[Made]:
    """Yield the pairs of a parallel text, then those that each model makes, with repeats.

    kept: a file with the verdicts on the translations of all models, one after the other.
    """
    if material.method.side is None:
        for line, pair, is_unreadable in lines_of(material):
            reason = UNREADABLE if is_unreadable else ""
            if not reason and not all(side.strip() for side in pair):
                reason = EMPTY
            if not reason and any(side in held_out for side in pair):
                reason = HELD_OUT
            yield Made(GIVEN, line, pair, reason, REASONS.get(reason, ""))
    with kept.open(encoding="utf-8", newline="\n") as stream:
        for origin, side in enumerate(sides, start=1):
            for line, pair, is_unreadable in lines_of(material):
                verdict = next_verdict(stream, kept)
                text = (pair[0], verdict.text) if side == 0 else (verdict.text, pair[1])
                reason = UNREADABLE if is_unreadable else verdict.reason
                if not reason and pair[side] in held_out:
                    reason = HELD_OUT
                detail = verdict.detail or REASONS.get(reason, "")
                yield Made(origin, line, text, reason, detail)


def lines_of(material: Material) -> Iterator[tuple[int, Pair, bool]]:
    """Yield the number of each line of a text, its pair, and whether it cannot be read."""
    refused = Refused()
    for line, pair in enumerate(material.pairs(refused), start=1):
        yield line, pair, line in refused.unreadable or line in refused.without_tab


def next_verdict(stream: Iterator[str], kept: Path) -> Verdict:
    """Return the verdict on the next translation; raises DamagedError if there is none."""
    line = next(stream, None)
    if line is None:
        raise DamagedError(f"{kept} has fewer lines than were translated; remove it to start again")
    return Verdict.of_line(line, str(kept))
