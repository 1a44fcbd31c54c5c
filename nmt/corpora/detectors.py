"""Detect bad pairs: each detector says whether a pair has a fault, and why."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from nmt.corpora.findings import SHOWN, Example, Finding, found
from nmt.corpora.norms import CheckLimits, Norms
from nmt.corpora.pairs import Row
from nmt.corpora.segment import (
    BLOCKS,
    WITHOUT_SPACES,
    Segment,
    control_character,
    foreign_script,
    garbled_text,
    invisible_character,
    markup,
    replacement_character,
)
from nmt.decoding.files.quality import number_differences
from nmt.errors import NmtError
from nmt.text.languages import primary

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


FEWEST_NAMED = 20  # segments that tell the usual language of a side


def load_identifier() -> Identify:
    """Return the identifier; raises NmtError if the package is not installed."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise NmtError(
            "third languages need the package py3langid; in the checkout: pip install '.[check]'"
        ) from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        code, probability = identifier.classify(text)
        return str(code), float(probability)

    return identify


def other_languages(
    rows: Sequence[Row],
    declared: tuple[str, str],
    identify: Identify,
    limits: CheckLimits,
) -> list[Finding]:
    """Return the findings about the languages of a sample.

    rows: the sample. declared: the languages that the recipe or the names of the
    files state; "" if unknown.
    """
    named = named_languages(rows, identify)
    usual = usual_languages(named)
    details: dict[int, str] = {}
    texts = [row[1] for row in rows], [row[2] for row in rows]
    for name, own, side, segments in zip(("source", "target"), usual, named, texts, strict=True):
        for place, (language, text) in enumerate(zip(side, segments, strict=True)):
            if len(text) < limits.language_characters:
                continue
            if code := foreign_language(language, own, usual, limits):
                details.setdefault(place, f"{code} in the {name}, not {own}")
    examples = [
        Example(rows[place][0], detail).with_texts(*rows[place][1:])
        for place, detail in [*details.items()][:SHOWN]
    ]
    wrong = [
        f"the {name} is {own}, not {code}"
        for name, own, code, side in zip(("source", "target"), usual, declared, texts, strict=True)
        if code and differs(own, code) and count_long(side, limits) >= FEWEST_NAMED
    ]
    return [
        *found("other_language", len(details), len(rows), examples),
        *found("declared_language", len(wrong), 2, [Example(0, each) for each in wrong]),
    ]


def count_long(segments: Sequence[str], limits: CheckLimits) -> int:
    """Return how many segments are long enough to name their language."""
    return sum(len(each) >= limits.language_characters for each in segments)


def named_languages(
    rows: Sequence[Row], identify: Identify
) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Return what the identifier says about the sources, and about the targets."""
    return [identify(row[1]) for row in rows], [identify(row[2]) for row in rows]


def usual_languages(
    named: tuple[list[tuple[str, float]], list[tuple[str, float]]],
) -> tuple[str, str]:
    """Return the most frequent language of each side; "" for an empty side."""
    source, target = (
        Counter(code for code, _ in side).most_common(1)[0][0] if side else "" for side in named
    )
    return source, target


def foreign_language(
    language: tuple[str, float], own: str, usual: tuple[str, str], limits: CheckLimits
) -> str:
    """Return the code of a language that is probable and usual on neither side; else "".

    language: what the identifier says. own: the usual language of this side.
    """
    code, probability = language
    is_known = code in usual or related(own, code)
    return code if not is_known and probability > limits.language_probability else ""


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
GREEK_MARK = ";"  # of a question
# Letters of scripts without spaces end a word, too: a run of them is not one long word.
BETWEEN_SPACES = re.compile(
    f"[\\s{''.join(BLOCKS[each] for each in sorted(WITHOUT_SPACES))}\u3000-\u303f\uff00-\uffef]+"
)
# What may follow a question mark: closing signs, exclamation marks, an ellipsis.
CLOSING = re.compile(
    r"(?:[\s\"'\u2019\u201c\u201d\u201e\u00bb\u00ab\u203a\u2039)\]\u300d\u300f\uff09\u3011\u300b\u3009!\uff01\u2026]"
    r"|\.{2,}+)+$"
)
FEW_CHARACTERS = 20  # among which what follows a question mark is looked for
FEWEST_WORDS = 9  # of a side that repeats its words
OTHER_LANGUAGE = "other_language"

# In the order in which they are applied, after those of `nmt check`.
OPTIONAL = {
    OTHER_LANGUAGE: "pairs with a side in a third language",
    "numbers": "pairs whose numbers differ",
    "question": "pairs of which only one side ends as a question",
    "long_word": "pairs with a very long word, such as a web address",
    "few_letters": "pairs with a side that is mostly digits and signs",
    "repetitive": "pairs with a side that repeats a few words",
}


def optional_detectors(
    names: Sequence[str], limits: CheckLimits, sample: Sequence[Row]
) -> list[Detector]:
    """Return the detectors with these names.

    sample: of the corpus; it shows the usual languages. Raises NmtError if `other_language` is
    among the names and py3langid is not installed.
    """
    reasons: dict[str, Callable[[Segment, Segment], str]] = {
        "numbers": other_numbers,
        "question": one_question,
        "long_word": partial(of_a_side, partial(long_word, limits)),
        "few_letters": partial(of_a_side, partial(few_letters, limits)),
        "repetitive": partial(of_a_side, repetitive),
    }
    if OTHER_LANGUAGE in names:
        most = limits.language_sample or len(sample)
        few = sample[:: -(-len(sample) // most)] if sample else ()
        usual = usual_languages(named_languages(few, load_identifier()))
        reasons[OTHER_LANGUAGE] = partial(third_language, usual, limits)
    return [Detector(name, reasons[name]) for name in OPTIONAL if name in names]


@cache
def identifier() -> Identify:
    """Return the identifier of languages, loaded once in each process."""
    return load_identifier()


def third_language(
    usual: tuple[str, str], limits: CheckLimits, source: Segment, target: Segment
) -> str:
    """Say which side is in a language that is usual on neither side."""
    for name, own, segment in zip(SIDES, usual, (source, target), strict=True):
        if len(segment.text) < limits.language_characters:
            continue
        if code := foreign_language(identifier()(segment.text), own, usual, limits):
            return f"{code} in the {name}, not {own}"
    return ""


def other_numbers(source: Segment, target: Segment) -> str:
    """Say which numbers differ: on both sides, or long ones on one side."""
    if not any(each.isdigit() for each in source.text + target.text):
        return ""
    missing, added = number_differences(source.text, target.text)
    is_long = any(sum(map(str.isdigit, each)) >= LONG_NUMBER for each in (*missing, *added))
    if not (is_long or (missing and added)):
        return ""
    sides = zip(SIDES, (missing, added), strict=True)
    return "; ".join(f"{', '.join(each)} only in the {side}" for side, each in sides if each)


def one_question(source: Segment, target: Segment) -> str:
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
    return text.endswith(QUESTION_MARKS) or (text.endswith(GREEK_MARK) and is_greek(text))


def is_greek(text: str) -> bool:
    """Return whether most letters of a text are Greek."""
    return 2 * len(GREEK.findall(text)) > sum(map(str.isalpha, text))


def long_word(limits: CheckLimits, segment: Segment) -> str:
    """Return the size of a word that is too long; "" if there is none."""
    most = limits.most_word_characters
    if len(segment.text) <= most:
        return ""
    longest = max(map(len, BETWEEN_SPACES.split(segment.text)))
    return f"a word of {longest:,} characters" if longest > most else ""


def few_letters(limits: CheckLimits, segment: Segment) -> str:
    """Return the share of letters among the characters if it is too small; else ""."""
    characters = "".join(segment.text.split())
    letters = sum(map(len, segment.words))
    if not characters or letters >= limits.least_letters * len(characters):
        return ""
    return f"{100 * letters / len(characters):.0f} % letters"


def repetitive(segment: Segment) -> str:
    """Return how many words are different if they are less than a third; else ""."""
    words, different = len(segment.words), len({*segment.words})
    if words < FEWEST_WORDS or 3 * different >= words:
        return ""
    return f"{different} different words among {words}"
