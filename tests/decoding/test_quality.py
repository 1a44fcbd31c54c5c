"""Each quality flag is raised by an output made to fail it, and not by a good one.

Numbers are compared however they are written.
"""

from dataclasses import replace

import pytest

from nmt.decoding.files.quality import (
    CHECKS,
    Checked,
    find_flags,
    find_numbers,
    number_differences,
)
from nmt.decoding.translator.repetition import word_loop


def checked(
    source: str,
    translation: str,
    *,
    log_prob: float = -1.0,
    unknown: tuple[str, ...] = (),
) -> Checked:
    """Return a pair whose tokens are its words, and the end of the segment."""
    tokens = len(translation.split()) + 1
    return Checked(source, translation, len(source.split()) + 1, tokens, log_prob, unknown)


def names(pair: Checked) -> list[str]:
    return [*find_flags(pair)]


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("The old woman reads a letter .", "Die alte Frau liest einen Brief ."),
        ("!!! --- ...", "!!! --- ..."),
        ("https://example.org/a b@c.de 17 kg", "https://example.org/a b@c.de 17 kg"),
        ("Barack Obama , New York Times", "Barack Obama , New York Times"),
        ("ha ha ha ha ha", "ha ha ha ha ha"),
        ("He is very , very old .", "Er ist sehr , sehr alt ."),
        ("The couscous costs 1,000,000 !", "Das Couscous kostet 1000000 !"),
        ("that which which they say", "das, was die, die die Leute kennen, sagen"),
    ],
)
def test_good_translations_have_no_flags(source: str, translation: str) -> None:
    assert find_flags(checked(source, translation)) == {}


def test_an_empty_translation_has_one_flag() -> None:
    assert find_flags(checked("3 old women read", "")) == {"empty": {}}
    assert find_flags(checked("3 old women read", " \u2009")) == {"empty": {}}


def test_a_segment_without_tokens_has_none() -> None:
    """A zero-width space is text to Python, but nothing to a model."""
    for source in ("", "\u200b"):
        blank = Checked(source, "", 0, 0, 0.0)
        assert find_flags(blank) == {}
        assert (blank.length_ratio, blank.token_log_prob) == (1, 0)


@pytest.mark.parametrize(
    ("source_tokens", "tokens", "ratio"),
    [(10, 25, None), (10, 26, 2.6), (25, 10, None), (26, 10, 0.385), (1, 7, None)],
)
def test_length(source_tokens: int, tokens: int, ratio: float | None) -> None:
    """The longer side may have 2 times the tokens of the other, and 5 more: 25 for 10."""
    expected = {} if ratio is None else {"length": {"ratio": ratio}}
    assert find_flags(Checked("a", "b", source_tokens, tokens, 0.0)) == expected


def test_a_copied_line_has_no_length() -> None:
    """The model read and wrote nothing; the other checks compare the texts."""
    link = Checked("https://example.org/a", "https://example.org/a", 0, 0, 0.0)
    assert (find_flags(link), link.length_ratio) == ({}, 1)
    text = "ein alter hund bellt"
    assert names(Checked(text, text, 0, 0, 0.0)) == ["copy"]


@pytest.mark.parametrize(
    ("translation", "unit", "times"),
    [
        ("der der der der Hund bellt", "der", 4),
        ("Ja, ja. JA - ja ja !", "", 0),  # a dash between
        ("Ja, ja. JA! (ja)", "ja", 4),
        ("er liest den Brief liest den Brief .", "liest den brief", 2),
        ("der Hund der Hund .", "", 0),
        ("ein Bostonononon .", "on", 4),
        ("ein Bostonon .", "", 0),
        ("ein Haaaaaaa .", "a", 7),
    ],
)
def test_repetition(translation: str, unit: str, times: int) -> None:
    expected = {"repetition": {"text": unit, "times": times}} if times else {}
    assert find_flags(checked("the old dog barks at night", translation)) == expected


def test_what_the_source_repeats_too_is_no_loop() -> None:
    assert names(checked("no no no no no", "nein nein nein nein nein")) == []
    assert names(checked("no no no no", "nein nein nein nein nein")) == ["repetition"]
    assert names(checked("Hahahahaha !", "Hahahahaha !")) == []


@pytest.mark.parametrize(
    ("source", "translation", "share"),
    [
        ("the old dog barks .", "the old dog barks .", 1.0),
        ("the old dog barks .", "the old dog bellt .", 0.75),
        ("the old dog barks .", "the old Hund bellt .", None),
        ("old dog", "old dog", None),
        ("ha ha ha ha dog", "ha ha ha ha dog", None),  # distinct words count
        ("\u4ed6\u662f\u4e2a\u597d\u4eba", "\u4ed6\u662f\u4e2a\u597d\u4eba", 1.0),
    ],
)
def test_copy(source: str, translation: str, share: float | None) -> None:
    expected = {} if share is None else {"copy": {"share": share}}
    assert find_flags(checked(source, translation)) == expected


def test_unknown_symbols_that_are_lost() -> None:
    pair = checked(
        "a \u2603 and a \u2602", "ein \u2602 und", unknown=("\u2603", "\u2602", "\u2603")
    )
    assert find_flags(pair) == {"unknown": {"symbols": ["\u2603"]}}
    unwritten = checked("a snowman", "ein \u2047")
    assert find_flags(unwritten) == {"unknown": {"symbols": ["\u2047"]}}
    assert find_flags(checked("a \u2047", "ein \u2047")) == {}


def test_a_very_low_score() -> None:
    """Three words and the end of the segment: 4 tokens."""
    assert find_flags(checked("the dog barks", "der Hund bellt", log_prob=-4.0)) == {}
    low = checked("the dog barks", "der Hund bellt", log_prob=-4.4)
    assert find_flags(low) == {"score": {"token_log_prob": -1.1}}


def test_every_flag_can_be_raised_together() -> None:
    source = "the dog and 7 cats \u2603"
    translation = "the dog and " * 9
    pair = checked(source, translation, log_prob=-99.0, unknown=("\u2603",))
    assert names(pair) == [*CHECKS][:-1]
    assert names(replace(pair, likeness=0.99)) == [*CHECKS]


def test_a_line_of_5_000_words_takes_no_long_time() -> None:
    text = "the dog barks at night " * 1_000
    assert word_loop(text).times == 1_000
    assert names(checked(text, text)) == ["copy"]


SAME = [
    ("1,000.5", "1.000,5"),
    ("1,000.5", "1\u202f000,5"),
    ("1,000.5", "1\u2019000,5"),
    ("10,00,000", "1.000.000"),  # India
    ("1,000", "1000"),
    ("3.50 euros", "3,5 Euro"),
    ("in 2019 300 people", "2019 waren es 300"),
    ("on page 12 345 people", "345 Leute auf Seite 12"),
    ("the 1st and the 19th", "der 1. und der 19."),
    ("an A4 sheet in a B2B shop", "ein A4-Blatt im B2B-Laden"),
    ("24/12/2024", "24.12.2024"),
    ("1, 2, 3", "1,2,3"),
    ("\uff11\uff12 %", "12 %"),  # full width
    ("\u0661\u066c\u0660\u0660\u0660\u066b\u0665", "1,000.5"),  # Arabic
    ("5 m\u00b2", "5 m2"),
    ("\u00bd litre", "1/2 Liter"),
    ("007", "7"),
    ("4 4 5", "5, 4, 4"),
]
DIFFERENT = [
    ("3 dogs", "Hunde", ["3"], []),
    ("3.5", "5,3", ["3.5"], ["5,3"]),
    ("1.25", "125", ["1.25"], ["125"]),
    ("4 4", "4", ["4"], []),
    ("an A4 sheet", "ein A5-Blatt", ["4"], ["5"]),
    ("24/12/2024", "24.11.2024", ["24", "12", "2024"], ["24.11.2024"]),
    ("1,000,000", "1.000.00", ["1,000,000"], ["1.000.00"]),
]


@pytest.mark.parametrize(
    ("source", "translation", "missing", "added"),
    [*((source, translation, [], []) for source, translation in SAME), *DIFFERENT],
)
def test_which_numbers_differ(
    source: str, translation: str, missing: list[str], added: list[str]
) -> None:
    assert number_differences(source, translation) == (missing, added)
    assert number_differences(translation, source) == (added, missing)


def test_numbers_are_found_as_they_are_written() -> None:
    text = "On 1,000.5 m\u00b2 (1 200 in all), 3rd floor, v1.2.3: 5'10."
    assert find_numbers(text) == ["1,000.5", "2", "1 200", "3", "1.2.3", "5", "10"]


def test_many_and_long_numbers_take_no_long_time() -> None:
    many = " - ".join(map(str, range(5_000)))
    assert number_differences(many, many) == ([], [])
    assert number_differences("7" * 100_000, "7" * 100_000) == ([], [])
