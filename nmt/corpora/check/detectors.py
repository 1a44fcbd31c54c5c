"""Detectors: each says whether a pair is bad, and why.

`nmt check` counts what they find. Each fault is defined here alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nmt.corpora.check.characters import (
    control_character,
    garbled_text,
    invisible_character,
    markup,
    replacement_character,
)
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.norms import Norms
from nmt.corpora.check.scripts import foreign_script
from nmt.corpora.check.segment import Segment

# A reason, or "" for a pair without this fault.
Reason = Callable[[Segment, Segment], str]
SIDES = ("source", "target")
MOST_NAMES = 3  # different words that both sides have in the same letters


@dataclass(frozen=True)
class Detector:
    """Finds one kind of fault."""

    kind: str  # a key of `nmt.corpora.check.kinds.KINDS`
    reason: Reason


def detectors(norms: Norms, limits: CheckLimits) -> list[Detector]:
    """Return the detectors of faults in a pair, for a corpus with these norms.

    A pair with an empty side has no other fault, so its detector comes first.
    """
    return [
        Detector("empty", empty_side),
        Detector("replacement", partial(of_a_side, replacement_character)),
        # Before the next two: its control characters are parts of letters.
        Detector("mojibake", partial(of_a_side, garbled_text)),
        Detector("control", partial(of_a_side, control_character)),
        Detector("invisible", partial(of_a_side, invisible_character)),
        Detector("markup", partial(of_a_side, markup)),
        Detector("too_long", partial(too_long, limits)),
        Detector("copied", copied),
        Detector("script", partial(wrong_script, norms, limits)),
        Detector("language", partial(wrong_language, norms, limits)),
        Detector("length_ratio", partial(odd_length, norms, limits)),
    ]


def faults(source: Segment, target: Segment, known: list[Detector]) -> dict[str, str]:
    """Return the faults of a pair: a reason by kind."""
    first, *others = known
    if reason := first.reason(source, target):
        return {first.kind: reason}
    return {each.kind: reason for each in others if (reason := each.reason(source, target))}


def of_a_side(find: Callable[[Segment], str], source: Segment, target: Segment) -> str:
    """Return what a function finds in a side, with the side's name."""
    if found := find(source):
        return f"{found} in the source"
    return f"{found} in the target" if (found := find(target)) else ""


def empty_side(source: Segment, target: Segment) -> str:
    """Say which side has nothing but white space."""
    if not (source.is_blank or target.is_blank):
        return ""
    empty = [side for side, each in zip(SIDES, (source, target), strict=True) if each.is_blank]
    return f"{' and '.join(empty)} empty"


def copied(source: Segment, target: Segment) -> str:
    """Say whether the target is the source, apart from case and spaces, and has letters."""
    if source.words != target.words or not source.words:
        return ""
    first, second = (each.text.casefold().split() for each in (source, target))
    return "target equal to source" if first == second else ""


def too_long(limits: CheckLimits, source: Segment, target: Segment) -> str:
    """Say which side has too many characters."""
    for side, segment in zip(SIDES, (source, target), strict=True):
        if len(segment.text) > limits.most_characters:
            return f"{len(segment.text):,} characters in the {side}"
    return ""


def wrong_script(norms: Norms, limits: CheckLimits, source: Segment, target: Segment) -> str:
    """Say which side is in a script that is not usual on it."""
    for side, segment, usual in zip(SIDES, (source, target), norms.scripts, strict=True):
        found = foreign_script(segment.text, usual, limits.foreign_share)
        if found and not is_named(usual, limits, segment, {*source.words} & {*target.words}):
            return f"{found} letters in the {side}"
    return ""


def is_named(
    usual: frozenset[str], limits: CheckLimits, segment: Segment, shared: set[str]
) -> bool:
    """Return whether a side is in its usual script but for a few names that both sides have."""
    if not 0 < len(shared) <= MOST_NAMES:
        return False
    rest = " ".join(word for word in segment.words if word not in shared)
    return bool(rest) and not foreign_script(rest, usual, limits.foreign_share)


def wrong_language(norms: Norms, limits: CheckLimits, source: Segment, target: Segment) -> str:
    """Say which side has the words of the other side's language.

    A pair whose sides are equal is `copied`, which says more.
    """
    if source.words == target.words:
        return ""
    if norms.source_odds(target) > limits.language_evidence:
        return "target in the source's language"
    if norms.source_odds(source) < -limits.language_evidence:
        return "source in the target's language"
    return ""


def odd_length(norms: Norms, limits: CheckLimits, source: Segment, target: Segment) -> str:
    """Say whether a target is much longer or shorter than expected from the source."""
    deviation = norms.deviation(source.text, target.text)
    if abs(deviation) <= limits.max_deviation:
        return ""
    word = "longer" if deviation > 0 else "shorter"
    expected = round(norms.ratio * len(source.text))
    return f"target {word} than expected: {len(target.text)} characters, not about {expected}"
