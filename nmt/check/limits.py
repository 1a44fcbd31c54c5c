"""The thresholds of the checks, each with its source."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from nmt.errors import NmtError, UsageError
from nmt.recipe import suggestion
from nmt.setting import check_value, setting


@dataclass(frozen=True)
class CheckLimits:
    """When something counts as a fault.

    The values come from clean text: Multi30k and Tatoeba (English-German) and WMT's newstest.
    `benchmarks/corpus_damage.py` measures what they find and which clean pairs they take for
    faults. Of the clean pairs, 0.3 % exceed `max_deviation`; none of 8,000 segments exceeds
    `language_probability`; no slip is found.
    """

    max_deviation: float = setting(
        3.5,
        "standard deviations by which a target's length may differ from the expected one",
        (1, 1000),
    )
    language_evidence: float = setting(
        6.0,
        "log of the odds at which a side's words are those of the other language; e^6 is 400 to 1",
        (1, 1000),
    )
    foreign_share: float = setting(
        0.5, "share of a segment's letters in a foreign script that is too much", (0, 1)
    )
    usual_share: float = setting(
        0.05, "a script with this share of a side's letters is one of its own", (0, 1)
    )
    repeated_share: float = setting(
        0.1, "share of the pairs that may repeat others before the note is a warning", (0, 1)
    )
    overlap_share: float = setting(
        0.5, "share of a dev or test set that makes its overlap with train an error", (0, 1)
    )
    unknown_share: float = setting(
        0.001, "share of the pairs with characters outside the vocabulary to warn of", (0, 1)
    )
    most_pieces: float = setting(
        2.5,
        "pieces for each word, in a script with spaces, above which a vocabulary is small",
        (1, 1000),
    )
    slip_evidence: float = setting(
        25.0,
        "log of the odds at which a slip of the files against each other is believed",
        (1, 10_000),
    )
    sample_pairs: int = setting(
        20_000, "pairs, spread over the corpus, that show what is usual in it", (100, 10_000_000)
    )
    language_probability: float = setting(
        0.9,
        "probability, by py3langid, above which a segment counts as in a third language",
        (0, 1),
    )
    language_sample: int = setting(
        2_000, "pairs of the sample whose language a library names; 0 leaves it out", (0, 1_000_000)
    )


def limits_of(changes: Sequence[str]) -> CheckLimits:
    """Return the limits with changes such as "max_deviation=5".

    Raises UsageError for an unknown name or a value that does not fit.
    """
    declared = {each.name: each for each in fields(CheckLimits)}
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise UsageError(f"--limit {change!r} is not NAME=VALUE, such as max_deviation=5")
        if name not in declared:
            raise UsageError(f"no limit {name!r}{suggestion(name, declared)}")
        try:
            value = int(text) if isinstance(declared[name].default, int) else float(text)
            values[name] = check_value(f"--limit {name}", value, declared[name])
        except ValueError as error:
            raise UsageError(f"--limit {name}={text!r} is not a number") from error
        except NmtError as error:
            raise UsageError(str(error)) from error
    return replace(CheckLimits(), **values)
