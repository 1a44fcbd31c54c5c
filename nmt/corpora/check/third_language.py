"""Name the languages of a sample with py3langid, an optional package (BSD-3-Clause).

A side in the other side's language is found without the package, in every pair
(`nmt.corpora.check.detectors.wrong_language`).
"""

from collections import Counter
from collections.abc import Callable, Sequence

from nmt.corpora.check.finding import SHOWN, Example, Finding, found
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.reading import Row
from nmt.errors import NmtError
from nmt.text.languages import primary

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
