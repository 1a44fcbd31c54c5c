"""Detect faults in pairs, by limits and by what is usual in the corpus.

A detector takes a pair and the norms of the corpus, and returns a reason, or "" for a pair without
its fault. `nmt.corpora.faults.findings.KINDS` lists them all.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import chain, compress
from math import log, sqrt
from statistics import median
from typing import Any

from nmt.config.setting import check_value, setting
from nmt.corpora.faults.segment import (
    BLOCKS,
    WITHOUT_SPACES,
    Segment,
    foreign_script,
    usual_scripts,
)
from nmt.decoding.files.quality import number_differences
from nmt.errors import NmtError, UsageError, suggestion
from nmt.recipe.toml import parse_value
from nmt.text.facts import OVERLAP_SHARE, REPEATED_SHARE
from nmt.text.reading.languages import primary


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
        1500, "characters of the longest segment; longer ones do not show what is usual", (1, 10**7)
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
        25.0, "log of the odds above which a slip is reported", (1, 10_000)
    )
    sample_pairs: int = setting(
        20_000, "number of pairs in the sample, which is spread over the corpus", (100, 10_000_000)
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
        2_000, "number of pairs of the sample that py3langid examines; 0: none", (0, 1_000_000)
    )


def change_limits(changes: Sequence[str], unused: Mapping[str, str]) -> CheckLimits:
    """Return the limits with changes such as "max_deviation=5".

    unused: the limits that have no effect, each with the reason. Raises UsageError for one of them,
    for an unknown name, and for a value that does not fit.
    """
    declared = {limit.name: limit for limit in fields(CheckLimits)}
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
            values[name] = check_value(f"--limit {name}", parse_value(text), declared[name])
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
    """Hold the limits and the usual values that the pairs of a corpus are compared with."""

    limits: CheckLimits
    ratio: float  # characters of all targets / characters of all sources
    spread: float  # standard deviation of `excess` around 0
    scripts: tuple[frozenset[str], frozenset[str]]  # of source and target
    words: dict[str, float]  # log of how much more frequent in sources than in targets
    languages: tuple[str, str] = ("", "")  # codes of source and target; "": unknown

    def source_odds(self, segment: Segment) -> float:
        """Return the log of the odds that a segment's words are those of sources."""
        return sum(self.words.get(word, 0.0) for word in segment.words)


def excess(source: int, target: int, ratio: float) -> float:
    """Return (t - r s) / sqrt((t + r s) / 2) for sides of s and t characters and the ratio r.

    If each character of a source becomes a random number of characters of the target, this has a
    normal distribution whose spread does not depend on the length (Gale and Church, 1993, "A
    Program for Aligning Sentences in Bilingual Corpora", section 3).
    """
    expected = ratio * source
    return (target - expected) / sqrt((target + expected) / 2)


def learn_norms(
    pairs: Sequence[Segments], limits: CheckLimits, languages: tuple[str, str] = ("", "")
) -> Norms:
    """Return the norms of a sample of a corpus; languages: the usual ones, if they are known.

    Pairs with an empty side do not count. Nor do those with a very long side, one of which could
    outweigh all others, unless most are long.
    """
    pairs = [pair for pair in pairs if not (pair[0].is_blank or pair[1].is_blank)]
    sizes = [(len(source.text), len(target.text)) for source, target in pairs]
    is_usual = [max(size) <= limits.most_characters for size in sizes]
    if 2 * sum(is_usual) >= len(pairs):
        pairs, sizes = [*compress(pairs, is_usual)], [*compress(sizes, is_usual)]
    first, second = (sum(size[side] for size in sizes) for side in (0, 1))
    ratio = second / first if pairs else 1.0
    middle = median([abs(excess(*size, ratio)) for size in sizes]) if pairs else 1.0
    spread = max(LEAST_SPREAD, middle / NORMAL_MEDIAN)
    texts = ([pair[side].text for pair in pairs] for side in (0, 1))
    source, target = (usual_scripts(side, limits.usual_share) for side in texts)
    return Norms(limits, ratio, spread, (source, target), word_odds(pairs), languages)


def word_odds(pairs: Sequence[Segments]) -> dict[str, float]:
    """Return, for words that tell the sides apart, the log of the ratio of their frequencies.

    If a side has no words, such as one of numbers, no word is of the wrong side.
    """
    counts = [Counter(chain.from_iterable(pair[side].words for pair in pairs)) for side in (0, 1)]
    if not all(counts):
        return {}
    totals = [count.total() + 1 for count in counts]
    odds = {}
    for word in counts[0].keys() | counts[1].keys():
        first, second = (count[word] for count in counts)
        if first + second >= LEAST_COUNT:
            value = log((first + 0.5) / totals[0]) - log((second + 0.5) / totals[1])
            if abs(value) >= LEAST_ODDS:
                odds[word] = max(-MOST_ODDS, min(MOST_ODDS, value))
    return odds


SIDES = ("source", "target")
Find = Callable[[Segment, Segment, Norms], str]


def in_side(find: Callable[[Segment, CheckLimits], str]) -> Find:
    """Return a detector of what a function finds in a side by these limits."""

    def reason(source: Segment, target: Segment, norms: Norms) -> str:
        if found := find(source, norms.limits):
            return f"{found} in the source"
        return f"{found} in the target" if (found := find(target, norms.limits)) else ""

    return reason


def in_text(find: Callable[[str], str]) -> Find:
    """Return a detector of what a function finds in the text of a side."""
    return in_side(lambda segment, _: find(segment.text))


def empty_side(source: Segment, target: Segment, _: Norms) -> str:
    """Say which side has nothing but white space."""
    if not (source.is_blank or target.is_blank):
        return ""
    if source.is_blank and target.is_blank:
        return "source and target empty"
    return "source empty" if source.is_blank else "target empty"


def copied(source: Segment, target: Segment, _: Norms) -> str:
    """Say whether the target is the source, apart from case and spaces, and has letters."""
    if source.words != target.words or not source.words:
        return ""
    is_equal = source.text.casefold().split() == target.text.casefold().split()
    return "target equal to source" if is_equal else ""


def too_long(segment: Segment, limits: CheckLimits) -> str:
    """Return the number of characters if there are too many; else ""."""
    size = len(segment.text)
    return f"{size:,} characters" if size > limits.most_characters else ""


def wrong_script(source: Segment, target: Segment, norms: Norms) -> str:
    """Say which side is in a script that is not usual on it."""
    for side, segment, usual in zip(SIDES, (source, target), norms.scripts, strict=True):
        found = foreign_script(segment.text, usual, norms.limits.foreign_share)
        if found and not is_named(segment, usual, {*source.words} & {*target.words}, norms.limits):
            return f"{found} letters in the {side}"
    return ""


MOST_NAMES = 3  # different words that both sides have in the same letters


def is_named(
    segment: Segment, usual: frozenset[str], shared: set[str], limits: CheckLimits
) -> bool:
    """Return whether a side is in its usual script but for a few names that both sides have."""
    if not 0 < len(shared) <= MOST_NAMES:
        return False
    rest = " ".join(word for word in segment.words if word not in shared)
    return bool(rest) and not foreign_script(rest, usual, limits.foreign_share)


def wrong_language(source: Segment, target: Segment, norms: Norms) -> str:
    """Say which side has the words of the other side's language.

    A pair whose sides are equal is `copied`, which says more.
    """
    if source.words == target.words:
        return ""
    if norms.source_odds(target) > norms.limits.language_evidence:
        return "target in the source's language"
    if norms.source_odds(source) < -norms.limits.language_evidence:
        return "source in the target's language"
    return ""


def odd_length(source: Segment, target: Segment, norms: Norms) -> str:
    """Say whether a target is much longer or shorter than expected from the source."""
    deviation = excess(len(source.text), len(target.text), norms.ratio) / norms.spread
    if abs(deviation) <= norms.limits.max_deviation:
        return ""
    word = "longer" if deviation > 0 else "shorter"
    expected = round(norms.ratio * len(source.text))
    return f"target {word} than expected: {len(target.text)} characters, not about {expected}"


Identify = Callable[[str], tuple[str, float]]  # the code of a text's language, its probability

# ISO 639 codes of languages that the package confuses in short sentences.
RELATED = [
    {"bs", "hr", "sr", "sl"},
    {"da", "no", "nn", "nb", "sv", "fo"},
    {"ms", "id", "jv"},
    {"cs", "sk"},
    {"zh", "wuu", "yue"},
    {"en", "pcm"},
    {"nl", "af", "fy"},
    {"de", "lb"},
    {"es", "gl", "an", "ext", "ca"},
    {"it", "vec", "lij"},
    {"fr", "wa", "gcf", "gcr"},
    {"ru", "uk", "be", "bg", "mk"},
]


@cache
def load_identifier() -> Identify:
    """Return the identifier, loaded once in each process.

    Raises NmtError if the package is not installed.
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise NmtError(
            "third languages need the package py3langid: pip install 'attention-nmt[check]'"
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        code, probability = identifier.classify(text)
        return str(code), float(probability)

    return identify


def usual_languages(pairs: Sequence[tuple[str, str]], identify: Identify) -> tuple[str, str]:
    """Return the most frequent language of each side of a sample; "" if there is no pair."""
    sides = zip(*pairs, strict=True) if pairs else ()
    counts = [Counter(identify(text)[0] for text in side) for side in sides]
    source, target = (count.most_common(1)[0][0] for count in counts) if counts else ("", "")
    return source, target


def third_language(source: Segment, target: Segment, norms: Norms) -> str:
    """Say which side is in a language that is usual on neither side."""
    known = norms.languages, norms.limits, load_identifier()
    return foreign_language(source.text, 0, *known) or foreign_language(target.text, 1, *known)


def foreign_language(
    text: str, side: int, usual: tuple[str, str], limits: CheckLimits, identify: Identify
) -> str:
    """Say whether the language of a side's text is probable and usual on neither side."""
    if len(text) < limits.language_characters:
        return ""
    (code, probability), own = identify(text), usual[side]
    if code in usual or related(own, code) or probability <= limits.language_probability:
        return ""
    return f"{code} in the {SIDES[side]}, not {own}"


def differs(found: str, stated: str) -> bool:
    """Return whether a code of the package is of another language than a stated code.

    stated: such as de, pt-BR or spa. The package has codes of two letters for languages that have
    one, so an unknown code of three letters cannot be compared with them.
    """
    code = primary(stated)
    return len(code) == len(found) and code != found and not related(found, code)


def related(first: str, second: str) -> bool:
    """Return whether two languages are too close to tell short sentences apart."""
    return any(first in group and second in group for group in RELATED)


LONG_NUMBER = 3  # digits; smaller numbers are often spelled out on one side only
QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e", "\u1367")
ARMENIAN_MARK = "\u055e"  # stands in the word that is asked for
ARMENIAN_STOP = "\u0589"
GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
GREEK_MARK = ";"
# Letters of scripts without spaces end a word, too: a run of them is not one long word.
UNSPACED = "".join(BLOCKS[script] for script in sorted(WITHOUT_SPACES))
BETWEEN_SPACES = re.compile(f"[\\s{UNSPACED}\u3000-\u303f\uff00-\uffef]+")
# What may follow a question mark: closing signs, exclamation marks, an ellipsis.
CLOSING = re.compile(
    r"(?:[\s\"'\u2019\u201c\u201d\u201e\u00bb\u00ab\u203a\u2039)\]\u300d\u300f\uff09\u3011\u300b\u3009!\uff01\u2026]"
    r"|\.{2,}+)+$"
)
FEW_CHARACTERS = 20  # among which what follows a question mark is looked for
FEWEST_WORDS = 9  # of a side that repeats its words


def other_numbers(source: Segment, target: Segment, _: Norms) -> str:
    """Say which numbers differ: on both sides, or long ones on one side."""
    if not any(map(str.isdigit, source.text + target.text)):
        return ""
    missing, added = number_differences(source.text, target.text)
    is_long = any(sum(map(str.isdigit, number)) >= LONG_NUMBER for number in (*missing, *added))
    if not (is_long or (missing and added)):
        return ""
    sides = zip(SIDES, (missing, added), strict=True)
    return "; ".join(f"{', '.join(some)} only in the {side}" for side, some in sides if some)


def one_question(source: Segment, target: Segment, _: Norms) -> str:
    """Say which side alone ends with a question mark."""
    first, second = map(is_question, (source, target))
    if first == second:
        return ""
    return f"only the {SIDES[0] if first else SIDES[1]} ends as a question"


def is_question(segment: Segment) -> bool:
    """Return whether a text ends in a question mark, or asks in Armenian."""
    last = segment.text.rstrip(f"{ARMENIAN_STOP}: ").rpartition(ARMENIAN_STOP)[2]
    if ARMENIAN_MARK in last:
        return True
    end = CLOSING.search(segment.text[-FEW_CHARACTERS:])
    text = segment.text[: len(segment.text) - len(end[0])] if end else segment.text
    if text.endswith(GREEK_MARK):  # a question mark if most letters are Greek
        return 2 * len(GREEK.findall(text)) > sum(map(str.isalpha, text))
    return text.endswith(QUESTION_MARKS)


def long_word(segment: Segment, limits: CheckLimits) -> str:
    """Return the size of a word that is too long; "" if there is none."""
    most = limits.most_word_characters
    if len(segment.text) <= most:
        return ""
    longest = max(map(len, BETWEEN_SPACES.split(segment.text)))
    return f"a word of {longest:,} characters" if longest > most else ""


def few_letters(segment: Segment, limits: CheckLimits) -> str:
    """Return the share of letters among the characters if it is too small; else ""."""
    characters = "".join(segment.text.split())
    letters = sum(map(len, segment.words))
    if not characters or letters >= limits.least_letters * len(characters):
        return ""
    return f"{100 * letters / len(characters):.0f} % letters"


def repetitive(segment: Segment, _: CheckLimits) -> str:
    """Return how many words are different if they are less than a third; else ""."""
    words, different = len(segment.words), len({*segment.words})
    if words < FEWEST_WORDS or 3 * different >= words:
        return ""
    return f"{different} different words among {words}"
