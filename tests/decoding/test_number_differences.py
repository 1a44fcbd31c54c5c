"""Numbers of a source and its translation are compared, however they are written."""

import random

import pytest

from nmt.decoding.files.number_differences import number_differences, numbers_of

SAME = [
    ("1,000.5", "1.000,5"),
    ("1,000.5", "1 000,5"),
    ("1,000.5", "1\u202f000,5"),
    ("1,000.5", "1'000.5"),
    ("1,000.5", "1\u2019000,5"),
    ("1,000,000", "1.000.000"),
    ("1,000,000", "1000000"),
    ("10,00,000", "1.000.000"),  # India
    ("1,000", "1000"),
    ("1,000", "1,000"),
    ("3.5", "3,5"),
    ("3.50 euros", "3,5 Euro"),
    ("in 2019 300 people", "2019 waren es 300"),
    ("12 345", "12345"),
    ("on page 12 345 people", "345 Leute auf Seite 12"),
    ("the 1st and the 19th", "der 1. und der 19."),
    ("an A4 sheet in a B2B shop", "ein A4-Blatt im B2B-Laden"),
    ("COVID-19", "COVID-19"),
    ("24/12/2024", "24.12.2024"),
    ("2024-12-24", "24.12.2024"),
    ("at 10:30", "um 10.30 Uhr"),
    ("1, 2, 3", "1,2,3"),
    ("\uff11\uff12 %", "12 %"),  # full width
    ("\u0661\u066c\u0660\u0660\u0660\u066b\u0665", "1,000.5"),  # Arabic
    ("5 m\u00b2", "5 m2"),
    ("\u00bd litre", "1/2 Liter"),
    ("007", "7"),
    ("three", "drei"),
    ("4 4 5", "5, 4, 4"),
    ("", ""),
]
DIFFERENT = [
    ("3 dogs", "5 Hunde", ["3"], ["5"]),
    ("3 dogs", "Hunde", ["3"], []),
    ("dogs", "2 Hunde", [], ["2"]),
    ("1,000.5", "1.005", ["1,000.5"], ["1.005"]),
    ("3.5", "35", ["3.5"], ["35"]),
    ("3.5", "5,3", ["3.5"], ["5,3"]),
    ("1.25", "125", ["1.25"], ["125"]),
    ("4 4", "4", ["4"], []),
    ("4", "4 4", [], ["4"]),
    ("an A4 sheet", "ein A5-Blatt", ["4"], ["5"]),
    ("1st", "2.", ["1"], ["2"]),
    ("24/12/2024", "24.11.2024", ["24", "12", "2024"], ["24.11.2024"]),
    ("1,000,000", "1.000.00", ["1,000,000"], ["1.000.00"]),
]


@pytest.mark.parametrize(("source", "translation"), SAME)
def test_these_have_the_same_numbers(source: str, translation: str) -> None:
    assert number_differences(source, translation) == ([], [])
    assert number_differences(translation, source) == ([], [])


@pytest.mark.parametrize(("source", "translation", "missing", "added"), DIFFERENT)
def test_these_differ(source: str, translation: str, missing: list[str], added: list[str]) -> None:
    assert number_differences(source, translation) == (missing, added)
    assert number_differences(translation, source) == (added, missing)


def test_numbers_are_found_as_they_are_written() -> None:
    text = "On 1,000.5 m\u00b2 (1 200 in all), 3rd floor, v1.2.3: 5'10."
    assert numbers_of(text) == ["1,000.5", "2", "1 200", "3", "1.2.3", "5", "10"]


def test_a_text_has_the_numbers_of_its_words_in_any_order() -> None:
    """Two texts with the same numbers in other places and formats do not differ."""
    draw = random.Random(3)
    for _ in range(200):
        values = [draw.randrange(10 ** draw.randint(1, 9)) for _ in range(draw.randint(0, 6))]
        english = " and ".join(f"{value:,}" for value in values)
        draw.shuffle(values)
        german = " und ".join(f"{value:,}".replace(",", ".") for value in values)
        assert number_differences(english, german) == ([], [])
        extra = f"{german} und 12.345.678.901"
        assert number_differences(english, extra) == ([], ["12.345.678.901"])


def test_many_and_long_numbers_take_no_long_time() -> None:
    many = " - ".join(map(str, range(5_000)))
    assert number_differences(many, many) == ([], [])
    assert number_differences("7" * 100_000, "7" * 100_000) == ([], [])
