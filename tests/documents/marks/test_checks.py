"""Marks and numbers of a source are compared with those of its translation."""

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.marks.checks import added_placeholders, hollow, mark_problems, number_problems
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.marks.tags import with_tags
from tests.decoding.marking import marked


@pytest.mark.parametrize(
    ("source", "translation", "problems"),
    [
        ("a %s b", "%s A B", ()),
        ("a %s b", "A B", ("%s is missing",)),
        ("a %s %s", "%s A", ("%s is missing",)),
        ("a <b>b</b>", "<b>A</b> B", ()),
        ("a <b>b</b>", "</b>A <b>B", ("the tags are not paired as in the source",)),
        (
            "<i>a <b>b</b></i>",
            "<i>a <b>b</i></b>",
            ("the tags are not paired as in the source",),
        ),
        ("a <b>b</b>", "A <b></b>B", ("<b> encloses nothing",)),
        ("a <b></b>", "A <b></b>", ()),
        ("a <b>%s</b>", "A <b>%s</b>", ()),
        ("a %s", "%s", ("the translation is empty",)),
    ],
)
def test_problems_with_marks(source: str, translation: str, problems: tuple[str, ...]) -> None:
    assert mark_problems(marked(source), marked(translation)) == problems


def test_marks_part_numbers() -> None:
    assert number_problems(marked("5<br/>6"), marked("5 und 6")) == ()
    assert number_problems(marked("5%s"), marked("%s 5")) == ()
    assert number_problems(marked("1<b>5</b>"), marked("15 <b>x</b>")) == ()


@pytest.mark.parametrize(
    ("source", "translation", "syntax", "count"),
    [
        ("%s percent of it", "%s % davon", "printf", 1),
        ("50% of %s", "50 % von %s", "printf", 0),
        ("fifty percent", "50 %", "printf", 0),  # no program formats it
        ("a %s", "ein %s %d", "printf", 1),
        ("a {n}", "ein {n} {", "brace", 1),
        ("a {n}", "ein {n} {m}", "brace", 1),
        ("a {n}", "ein {n} %s", "brace", 0),
        ("a man", "ein {Mann}", "tags", 0),
    ],
)
def test_a_placeholder_that_only_the_translation_has_is_flagged(
    source: str, translation: str, syntax: str, count: int
) -> None:
    own, theirs = (
        with_placeholders(Marked(each), frozenset({syntax})) for each in (source, translation)
    )
    kept = [
        each
        for each, text in zip(theirs.marks, theirs.mark_texts(), strict=True)
        if text in own.mark_texts()
    ]
    found = Marked(translation, tuple(kept))
    assert len(added_placeholders(own, found, frozenset({syntax}))) == count


def test_pairs_may_be_deep() -> None:
    """Looking into each pair would take minutes."""
    text = with_tags("<b>" * 20_000 + "<i></i>A" + "</b>" * 20_000)
    assert hollow(text) == {"<i>": 1}
