"""Upper case, title case and typos."""

from random import Random

import pytest

from nmt.text.changing.letters import misspell, title_case, upper_case, with_typos
from nmt.text.changing.units import units_of


@pytest.mark.parametrize(
    ("language", "text", "upper"),
    [
        ("de", "Die Straße.", "DIE STRASSE."),
        ("tr", "bir kişi", "BİR KİŞİ"),
        ("tr-TR", "bir", "BİR"),
        ("tur", "bir", "BİR"),
        ("el", "ένα", "ΈΝΑ"),
        ("ja", "犬 a", "犬 A"),
    ],
)
def test_upper_case(language: str, text: str, upper: str) -> None:
    assert upper_case(units_of(text), language).text == upper


def test_title_case_changes_first_letters_alone() -> None:
    assert title_case(units_of("the dog's e-mail, iOS"), "en").text == "The Dog's E-mail, IOS"


def test_a_typo_is_one_edit_of_neighbouring_letters() -> None:
    seen = set()
    for seed in range(200):
        word = misspell("Planet", Random(seed))
        assert 5 <= len(word) <= 7
        assert sum(a != b for a, b in zip(word, "Planet", strict=False)) >= 1
        seen.add(word)
    assert {"lPanet", "lanet", "PPlanet", "Olanet"} <= seen


def test_about_one_word_of_ten_has_a_typo_and_at_least_one() -> None:
    text = units_of("several dogs are running 12345 on green grass, near trees.")
    counts = []
    for seed in range(400):
        changed = with_typos(text, Random(seed))
        assert changed.gaps == text.gaps
        assert changed.units[4] == "12345"
        counts.append(sum(a != b for a, b in zip(changed.units, text.units, strict=True)))
    # 8 words; about 0.8 of them, and 1 instead of 0. Swapping equal letters changes nothing.
    assert 0.9 < sum(counts) / len(counts) < 1.5
    assert with_typos(units_of("12 +"), Random(1)).text == "12 +"
