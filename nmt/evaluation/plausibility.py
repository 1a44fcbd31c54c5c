"""Warn of test sets and translations that are probably wrong or too small.

Each function returns sentences, none if all is well.
"""

from collections.abc import Sequence

from nmt.evaluation.significance import SIGNIFICANT, Exchanges
from nmt.evaluation.test_sets import TestSet

# Bootstrap intervals of n values are too narrow by about sqrt((n - 1) / n) * 1.96 / t(n - 1), with
# t the 97.5 % quantile of Student's distribution: a fifth for n = 9, a third for n = 5.
FEW_SEGMENTS = 10
NEEDED = next(n for n in range(1, 64) if 2 / 2**n < SIGNIFICANT)  # differing segments


def reference_warnings(test: TestSet) -> list[str]:
    """Return warnings about the sources and the references."""
    blank = without_reference(test)
    if all(blank):
        return [f"every reference of {test.name} is blank: the scores are meaningless"]
    if not test.sources:
        return []
    found = one_sided("sources", is_blank(test.sources), "the reference", blank, test)
    found += one_sided("references", blank, "the source", is_blank(test.sources), test)
    if all(source in known for source, known in zip(test.sources, test.references, strict=True)):
        found.append("every reference equals its source: is the file of references the right one?")
    return [f"{test.name}: {each}" for each in found]


def output_warnings(test: TestSet, name: str, outputs: Sequence[str]) -> list[str]:
    """Return warnings about the translations of a system with this name."""
    blank = is_blank(outputs)
    if all(blank):
        return [f"{test.name}: every translation of {name} is blank"]
    unknown = without_reference(test)
    found: list[str] = []
    if not all(unknown):  # which has its own warning
        if test.sources:  # the references were compared with them
            expected = [
                here or there for here, there in zip(unknown, is_blank(test.sources), strict=True)
            ]
        else:
            expected = unknown
            found += one_sided("references", unknown, f"the translation of {name}", blank, test)
        found += one_sided(f"translations of {name}", blank, "the reference", expected, test)
    if test.sources and list(outputs) == test.sources:
        found.append(f"every translation of {name} equals its source")
    return [f"{test.name}: {each}" for each in found]


def size_warnings(
    test: TestSet, names: Sequence[str], outputs: Sequence[Sequence[str]]
) -> list[str]:
    """Return which intervals and p-values come from too few segments.

    names and outputs: of the evaluated system, then of those it is compared with.
    """
    found = []
    count = len(test.references)
    if count == 1:
        found.append("1 segment has no confidence intervals")
    elif count < FEW_SEGMENTS:
        found.append(f"{count} segments are few: the confidence intervals are too narrow")
    for name, other in zip(names[1:], outputs[1:], strict=True):
        exchanges = Exchanges.of(outputs[0], other)
        if exchanges.smallest_p > SIGNIFICANT:
            differing = len(exchanges.differing)
            found.append(
                f"{name} and {names[0]} differ on {differing} of {count} segments: too few to"
                f" compare them, because p cannot be below {exchanges.smallest_p:.4g}"
                f" ({NEEDED} segments are needed for p < {SIGNIFICANT})"
            )
    return [f"{test.name}: {each}" for each in found]


def is_blank(segments: Sequence[str]) -> list[bool]:
    """Return for each segment whether it is empty or only white space."""
    return [not segment.strip() for segment in segments]


def without_reference(test: TestSet) -> list[bool]:
    """Return for each segment whether all its references are blank."""
    return [all(is_blank(references)) for references in test.references]


def one_sided(
    what: str, blank: Sequence[bool], other: str, other_blank: Sequence[bool], test: TestSet
) -> list[str]:
    """Return how many segments are blank on one side only, and the line of the first."""
    pairs = zip(test.lines, blank, other_blank, strict=True)
    lines = [line + 1 for line, here, there in pairs if here and not there]
    if not lines:
        return []
    return [f"{what} blank where {other} is not: {len(lines):,} (first: line {lines[0]})"]
