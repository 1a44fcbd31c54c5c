"""Marks are varied, and any vocabulary that knows their characters can write them."""

from random import Random

from nmt.text.changing.mark_forms import MARK_CHARACTERS, filled, placeholder, tag_pair


def test_marks_have_characters_that_the_vocabulary_gets() -> None:
    random = Random(1)
    for _ in range(2000):
        for mark in (placeholder(random), *tag_pair(random)):
            assert mark.strip() == mark != ""
            assert "  " not in mark
            assert {*mark} <= {*MARK_CHARACTERS, " "}


def test_marks_are_varied() -> None:
    random = Random(1)
    made = [placeholder(random) for _ in range(2000)]
    assert len({*made}) > 1000
    assert {"%s", "{0}", "&amp;"} <= {*made}
    assert all(any(sign in each for each in made) for sign in ("://", "@", "${", "{{", "%(", " km"))


def test_a_tag_is_closed_by_its_name() -> None:
    random = Random(2)
    for _ in range(500):
        begin, close = tag_pair(random)
        if begin.startswith("<"):
            name = begin[1:-1].split()[0]
            assert close == f"</{name}>"


def test_names_and_numbers_are_filled_in() -> None:
    made = filled(r"\N0\09\\N", Random(3))
    assert made.startswith("N")
    assert made[1].isdigit()
    assert made[2] == "0"
    assert "\\" in made
