"""Find faults that only `nmt clean` looks for, and only if a user asks for them.

Each of them also removes good pairs of some kinds of text. OpusFilter (MIT) has the same rules,
which are a few lines each, but it would install 20 packages, from pandas to scikit-learn.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial

from nmt.corpora.check.detectors import SIDES, Detector, of_a_side
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.reading import Row
from nmt.corpora.check.scripts import BLOCKS, WITHOUT_SPACES
from nmt.corpora.check.segment import Segment
from nmt.corpora.check.third_language import (
    Identify,
    foreign_language,
    load_identifier,
    named_languages,
    usual_languages,
)
from nmt.decoding.files.quality import number_differences

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
