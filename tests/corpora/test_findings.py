"""Kinds of faults; languages that a library names: a third one, and one that is not declared."""

import sys

import pytest

from nmt.corpora.detectors import CheckLimits, load_identifier, related
from nmt.corpora.findings import (
    CROSS_ENTROPY,
    DEFAULT_FILTERS,
    FILTERS,
    KINDS,
    OTHER_LANGUAGE,
    UNREADABLE,
    Finding,
    other_languages,
)
from nmt.corpora.pairs import Row
from nmt.errors import NmtError

LIMITS = CheckLimits(language_characters=1)


def identify(text: str) -> tuple[str, float]:
    """Return the code that a text begins with, and the probability that it ends with."""
    words = text.split()
    return words[0], float(words[-1])


def rows(*pairs: tuple[str, str]) -> list[Row]:
    return [(10 * number, *pair) for number, pair in enumerate(pairs, start=1)]


def found(given: list[Row], declared: tuple[str, str] = ("en", "de")) -> dict[str, Finding]:
    return {each.kind: each for each in other_languages(given, declared, identify, LIMITS)}


def test_a_third_language_is_named_if_it_is_probable() -> None:
    given = rows(
        *[("en a 1", "de a 1")] * 5,
        ("en a 1", "fr a 0.95"),
        ("fr a 0.5", "de a 1"),  # too improbable
        ("en a 1", "en a 1"),  # the other side's: another detector finds it in all pairs
        ("en a 1", "lb a 1"),  # too close to German
    )
    (finding,) = found(given).values()
    assert (finding.kind, finding.count, finding.of) == ("other_language", 1, 9)
    assert [(each.line, each.detail) for each in finding.examples] == [
        (60, "fr in the target, not de")
    ]


def test_a_side_in_another_language_than_declared_is_named() -> None:
    given = rows(*[("de a 1", "en a 1")] * 20)
    details = [each.detail for each in found(given)["declared_language"].examples]
    assert details == ["the source is de, not en", "the target is en, not de"]
    assert not found(given, ("", ""))
    assert not found(given[1:])  # too few to tell
    assert not found(given, ("deu", "EN-gb"))
    assert len(found(given, ("eng", "ger"))["declared_language"].examples) == 2
    assert not found(given, ("gsw", "enm"))  # the package may have other codes for them


def test_short_segments_are_left_alone() -> None:
    given = rows(*[("en a 1", "de a 1")] * 5, ("en a 1", "fr a 0.95"), ("en a 1", "fr ab 0.95"))
    limits = CheckLimits(language_characters=len("fr ab 0.95"))
    (finding,) = other_languages(given, ("", ""), identify, limits)
    assert [each.line for each in finding.examples] == [70]


def test_languages_that_nobody_can_tell_apart_are_related() -> None:
    assert related("hr", "sr")
    assert not related("de", "en")


def test_py3langid_names_languages() -> None:
    given: list[Row] = [
        (1, "Two men are walking through the park.", "Zwei Männer gehen durch den Park."),
        (2, "The children play in the garden.", "Die Kinder spielen im Garten."),
        (3, "A woman reads a book.", "Une femme lit un livre dans le jardin de sa maison."),
        (4, "She goes home in the evening.", "Sie geht am Abend nach Hause."),
    ]
    (finding,) = other_languages(given, ("en", "de"), load_identifier(), LIMITS)
    assert (finding.kind, [each.line for each in finding.examples]) == ("other_language", [3])


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    load_identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(NmtError, match=r"pip install '\.\[check\]'"):
        load_identifier()


def test_every_kind_says_what_to_do() -> None:
    only_cleaned = {*FILTERS} - {*DEFAULT_FILTERS, OTHER_LANGUAGE} | {UNREADABLE, CROSS_ENTROPY}
    assert {name for name, kind in KINDS.items() if not kind.fix} == only_cleaned
    assert all(kind.title for kind in KINDS.values())
