"""Marks stand at the same place on both sides of a pair."""

import re
from random import Random

import pytest

from nmt.text.changing.mark_places import (
    Edits,
    Links,
    opposite_gap,
    opposite_span,
    put_marks,
    spaces_at,
)
from nmt.text.changing.units import units_of

# "gestern" stands first in German: its link crosses those of all words between.
SOURCE = units_of("The boy saw a dog yesterday.")
TARGET = units_of("Gestern sah der Junge einen Hund.")
LINKS: Links = frozenset({(0, 2), (1, 3), (2, 1), (3, 4), (4, 5), (5, 0), (6, 6)})


def test_a_gap_that_no_link_crosses() -> None:
    found = [opposite_gap(SOURCE, TARGET, LINKS, gap) for gap in range(8)]
    assert found == [0, None, None, None, None, None, 6, 7]
    without = frozenset(LINKS - {(5, 0)})
    found = [opposite_gap(SOURCE, TARGET, without, gap) for gap in range(8)]
    assert found == [0, None, None, 4, 5, 6, 6, 7]


def test_a_span_that_is_linked_with_one_alone() -> None:
    def found(begin: int, end: int) -> range | None:
        return opposite_span(SOURCE, TARGET, LINKS, range(begin, end))

    assert found(0, 2) == range(2, 4)  # the boy, der Junge
    assert found(1, 3) is None  # "boy saw" is "sah ... Junge" with "der" in it
    assert found(0, 3) == range(1, 4)
    assert found(3, 5) == range(4, 6)
    assert found(4, 7) is None  # the end is no word
    assert found(5, 6) == range(1)


@pytest.mark.parametrize(
    ("text", "gap", "spaces"),
    [
        ("A dog.", 0, ("", " ")),
        ("A dog.", 1, (" ", " ")),
        ("A dog.", 2, (" ", "")),
        ("A dog.", 3, (" ", "")),
        ("(dog)", 1, None),
        ("\u72ac\u304c\u8d70\u308b\u3002", 2, ("", "")),
        ("\u72ac\u304c\u8d70\u308b\u3002", 4, ("", "")),
        ("\u72ac\u304c\u8d70\u308b\u3002", 0, ("", "")),
    ],
)
def test_the_spaces_around_an_inserted_mark(
    text: str, gap: int, spaces: tuple[str, str] | None
) -> None:
    assert spaces_at(units_of(text), gap) == spaces


def test_marks_are_put_in() -> None:
    edits = Edits(
        {4: "%s"}, {0: "{0}", 3: "&", 7: "!"}, [(3, 5, "<b>", "</b>"), (4, 5, "<i>", "</i>")]
    )
    assert edits.apply(SOURCE) == "{0} The boy saw & <b>a <i>%s</i></b> yesterday. !"


def test_both_sides_get_the_same_marks_and_tags_balance() -> None:
    changed = 0
    one, other = (units_of(each.text.replace(" a ", " one ")) for each in (SOURCE, TARGET))
    words = {*one.units, *other.units} - {"."}
    for seed in range(300):
        source, target = put_marks(one, other, LINKS, Random(seed), placeholders=True, tags=True)
        marks = [
            sorted(re.sub(rf"\b({'|'.join(words)})\b|[ .]", "", text)) for text in (source, target)
        ]
        assert marks[0] == marks[1], (source, target)
        changed += source != one.text
        for text in (source, target):
            assert_nested(text)
    assert changed > 250


def assert_nested(text: str) -> None:
    """Assert that the tags that are closed in a text are nested in each other."""
    opened: list[str] = []
    names = re.findall(r"</([\w.]+)>", text)
    for slash, name in re.findall(r"<(/?)([\w.]+)[^<>]*(?<!/)>", text):
        if slash:
            while opened and opened[-1] != name:
                assert opened.pop() not in names, text
            assert opened.pop() == name, text
        else:
            opened.append(name)


def test_a_text_without_a_place_stays() -> None:
    empty = units_of("")
    assert put_marks(empty, TARGET, frozenset(), Random(1), placeholders=True, tags=True) == (
        "",
        TARGET.text,
    )
    for seed in range(20):  # without links, there are marks before and after the text alone
        source, _ = put_marks(
            SOURCE, TARGET, frozenset(), Random(seed), placeholders=True, tags=True
        )
        assert SOURCE.text in source
