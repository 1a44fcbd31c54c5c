"""Declare the limits of the checks, and learn what is usual in a corpus."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from math import log, sqrt
from statistics import median
from typing import Any

from nmt.config.setting import check_value, setting
from nmt.corpora.segment import Segment, usual_scripts
from nmt.errors import NmtError, UsageError, suggestion
from nmt.text.facts import OVERLAP_SHARE, REPEATED_SHARE


@dataclass(frozen=True)
class CheckLimits:
    """Say when something counts as a fault.

    The values come from clean text: Multi30k and Tatoeba (English-German) and WMT's newstest.
    `benchmarks/corpus_damage.py` measures what they find and which clean pairs they take for
    faults. In clean text, 0.3 % of the pairs exceed `max_deviation`, none of 8,000 segments exceeds
    `language_probability`, and no slip is found.
    """

    max_deviation: float = setting(
        3.75,
        "standard deviations by which a target's length may differ from the expected one",
        (1, 1000),
    )
    most_characters: int = setting(
        1500,
        "characters of the longest segment; longer ones do not show what is usual",
        (1, 10**7),
    )
    most_word_characters: int = setting(
        40, "characters of the longest word, for the filter long_word of `nmt clean`", (1, 10**7)
    )
    least_letters: float = setting(
        0.5,
        "least share of letters among the characters, for the filter few_letters of `nmt clean`",
        (0, 1),
    )
    language_evidence: float = setting(
        6.0,
        "log of the odds at which a side's words are those of the other language; e^6 is 400 to 1",
        (1, 1000),
    )
    foreign_share: float = setting(
        0.5,
        "a segment is reported if more than this share of its letters is in unusual scripts",
        (0, 1),
    )
    usual_share: float = setting(
        0.1, "a script with this share of a side's letters is usual there", (0, 1)
    )
    repeated_share: float = setting(
        REPEATED_SHARE, "above this share of repeated pairs, the note becomes a warning", (0, 1)
    )
    overlap_share: float = setting(
        OVERLAP_SHARE,
        "above this share of a dev or test set, its overlap with the training text is an error",
        (0, 1),
    )
    unrelated_share: float = setting(
        0.5, "above this share of unrelated pairs, the warning becomes an error", (0, 1)
    )
    useless_share: float = setting(
        0.99, "above this share of repeated pairs, the finding is an error", (0, 1)
    )
    unknown_share: float = setting(
        0.001,
        "above this share of pairs with unknown characters, the note becomes a warning",
        (0, 1),
    )
    most_pieces: float = setting(
        2.5,
        "in scripts with spaces, a vocabulary with more pieces per word is reported as small",
        (1, 1000),
    )
    slip_evidence: float = setting(
        25.0,
        "log of the odds above which a slip is reported",
        (1, 10_000),
    )
    sample_pairs: int = setting(
        20_000,
        "number of pairs in the sample, which is spread over the corpus",
        (100, 10_000_000),
    )
    language_probability: float = setting(
        0.9,
        "probability, by py3langid, above which a segment counts as in a third language",
        (0, 1),
    )
    language_characters: int = setting(
        20,
        "shorter segments are not examined for a third language, which is uncertain in them",
        (1, 10_000),
    )
    language_sample: int = setting(
        2_000,
        "number of pairs of the sample that py3langid examines; 0: none",
        (0, 1_000_000),
    )


# The limits that one filter of `nmt clean` uses.
OF_FILTERS = {
    "max_deviation": "length_ratio",
    "language_evidence": "language",
    "foreign_share": "script",
    "usual_share": "script",
    "most_word_characters": "long_word",
    "least_letters": "few_letters",
    "language_probability": "other_language",
    "language_characters": "other_language",
    "language_sample": "other_language",
}
# The limits of faults that belong to no pair: `nmt clean` removes nothing for them.
OF_CHECK = (
    "repeated_share",
    "overlap_share",
    "unrelated_share",
    "useless_share",
    "unknown_share",
    "most_pieces",
    "slip_evidence",
)
NOT_CHECKED = dict.fromkeys(
    ("most_word_characters", "least_letters"), "it is for a filter of `nmt clean --also`"
)


def not_cleaned(filters: Container[str]) -> dict[str, str]:
    """Return the limits that `nmt clean` does not use with these filters, each with the reason."""
    others = {
        name: f"the filter {each} is off"
        for name, each in OF_FILTERS.items()
        if each not in filters
    }
    return others | dict.fromkeys(OF_CHECK, "it is for `nmt check`")


def limits_of(changes: Sequence[str], unused: Mapping[str, str]) -> CheckLimits:
    """Return the limits with changes such as "max_deviation=5".

    unused: the limits that have no effect, each with the reason. Raises UsageError for one of them,
    for an unknown name, and for a value that does not fit.
    """
    declared = {each.name: each for each in fields(CheckLimits)}
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise UsageError(f"--limit {change!r} is not NAME=VALUE, such as max_deviation=5")
        if name not in declared:
            raise UsageError(f"no limit {name!r}{suggestion(name, declared)}")
        if name in unused:
            raise UsageError(f"--limit {name} has no effect here: {unused[name]}")
        try:
            value = int(text) if isinstance(declared[name].default, int) else float(text)
            values[name] = check_value(f"--limit {name}", value, declared[name])
        except ValueError as error:
            kind = "a whole number" if isinstance(declared[name].default, int) else "a number"
            raise UsageError(f"--limit {name}={text!r} is not {kind}") from error
        except NmtError as error:
            raise UsageError(str(error)) from error
    return replace(CheckLimits(), **values)


NORMAL_MEDIAN = 0.6745  # of the distance from the mean, in standard deviations
LEAST_SPREAD = 0.3  # of the deviation, for text whose sides are almost equally long
LEAST_COUNT = 2  # a rarer word says nothing about its side's language
MOST_ODDS = 4.0  # of one word, as a logarithm: a name may be on one side by chance
LEAST_ODDS = 0.7  # of a word that is kept; others are about as frequent on both sides

Segments = tuple[Segment, Segment]  # source and target


@dataclass(frozen=True)
class Norms:
    """Hold the usual values that the pairs of a corpus are compared with."""

    ratio: float  # characters of all targets / characters of all sources
    spread: float  # standard deviation of `deviation` around 0
    scripts: tuple[frozenset[str], frozenset[str]]  # of source and target
    words: dict[str, float]  # log of how much more frequent in sources than in targets

    def deviation(self, source: str, target: str) -> float:
        """Return how many standard deviations a target is longer than expected; see `excess`."""
        return excess(source, target, self.ratio) / self.spread

    def source_odds(self, segment: Segment) -> float:
        """Return the log of the odds that a segment's words are those of sources."""
        return sum(self.words.get(word, 0.0) for word in segment.words)


def excess(source: str, target: str, ratio: float) -> float:
    """Return (t - r s) / sqrt((t + r s) / 2) for s and t characters and the ratio r.

    If each character of a source becomes a random number of characters of the target, this has a
    normal distribution whose spread does not depend on the length (Gale and Church, 1993, "A
    Program for Aligning Sentences in Bilingual Corpora", section 3).
    """
    expected = ratio * len(source)
    return (len(target) - expected) / sqrt((len(target) + expected) / 2)


def learn_norms(pairs: Sequence[Segments], limits: CheckLimits) -> Norms:
    """Return the norms of a sample of a corpus.

    Pairs with an empty side do not count. Nor do those with a very long side, one of which could
    outweigh all others, unless most are long.
    """
    pairs = [pair for pair in pairs if not (pair[0].is_blank or pair[1].is_blank)]
    usual = [pair for pair in pairs if max(map(len, texts(pair))) <= limits.most_characters]
    pairs = usual if 2 * len(usual) >= len(pairs) else pairs
    sides = list(zip(*map(texts, pairs), strict=True)) if pairs else [(), ()]
    sizes = [sum(map(len, side)) for side in sides]
    ratio = sizes[1] / sizes[0] if pairs else 1.0
    middle = median([abs(excess(*texts(pair), ratio)) for pair in pairs]) if pairs else 1.0
    source, target = (usual_scripts(side, limits.usual_share) for side in sides)
    spread = max(LEAST_SPREAD, middle / NORMAL_MEDIAN)
    return Norms(ratio, spread, (source, target), word_odds(pairs))


def texts(pair: Segments) -> tuple[str, str]:
    """Return the texts of both sides."""
    return pair[0].text, pair[1].text


def word_odds(pairs: Sequence[Segments]) -> dict[str, float]:
    """Return, for words that tell the sides apart, the log of the ratio of their frequencies."""
    counts = [Counter(chain.from_iterable(pair[side].words for pair in pairs)) for side in (0, 1)]
    totals = [count.total() + 1 for count in counts]
    odds = {}
    for word in counts[0].keys() | counts[1].keys():
        first, second = (count[word] for count in counts)
        if first + second >= LEAST_COUNT:
            value = log((first + 0.5) / totals[0]) - log((second + 0.5) / totals[1])
            if abs(value) >= LEAST_ODDS:
                odds[word] = max(-MOST_ODDS, min(MOST_ODDS, value))
    return odds
