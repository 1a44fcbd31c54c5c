"""Sentences with marks are translated in one of several ways; what fails is flagged."""

from collections.abc import Callable, Sequence

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.translation import Candidate, Request, Translation
from nmt.documents.marks.checks import added_placeholders, mark_problems, number_problems
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.translate import Placed, translate_marked
from tests.decoding.marking import marked

Answer = Callable[[Request], Sequence[str]]


def placed(answer: Answer, texts: Sequence[str], asked: list[list[str]]) -> list[Placed]:
    """Translate texts by a model of which a test says the candidates, marks included."""

    def translate(requests: Sequence[Request]) -> list[Translation]:
        asked.append([each.text for each in requests])
        return [
            Translation(
                tuple(
                    Candidate(text, 0.0, 0.0, marks=marked(text).marks if each.marks else ())
                    for text in answer(each)
                )
            )
            for each in requests
        ]

    return translate_marked([*map(marked, texts)], translate)


def only(answer: Answer, text: str) -> Placed:
    (found,) = placed(answer, [text], [])
    assert found.flags or found.text == marked(found.text.text)
    return found


def test_what_one_way_loses_the_next_one_places() -> None:
    asked: list[list[str]] = []
    texts = ["Open %s", "one <b>two", "%s", "Open %s"]
    found = placed(lambda each: ["Ouvre %s"] if each.marks else ["Ouvre", "%s %s"], texts, asked)
    assert [len(each.candidates) for each in found] == [1, 0, 0, 1]
    assert found[2] == Placed(marked("%s"))
    # One call for each way, with what the ways before failed for.
    assert asked == [["Open %s", "one <b>two", "Open %s"], ["one", "two"]]


def test_the_texts_between_marks_are_translated_apart() -> None:
    found = only(
        lambda each: [each.text.upper() if not each.marks else "oh"], "see <b>the %s</b>, now"
    )
    assert (found.text.text, found.flags) == ("SEE <b>THE %s</b>, NOW", ())
    assert found.candidates == ()


def test_what_no_way_keeps_is_flagged() -> None:
    found = only(lambda each: [f"{each.text} %s"], "see %s")
    assert found.text.text == "see %s %s"
    assert found.flags == ("%s occurs too often",)


def test_a_candidate_that_keeps_the_numbers_is_better() -> None:
    candidates = ["J'ai 6 %s", "J'ai 5", "J'ai 5 %s"]
    assert only(lambda _: candidates, "I have 5 %s").text.text == "J'ai 5 %s"
    assert only(lambda _: ["6 ans", "5 ans"], "5 years").text.text == "5 ans"
    found = only(lambda _: ["6 %s ans", "7 %s ans"], "5 %s years")
    assert (found.text.text, len(found.candidates)) == ("6 %s ans", 2)
    assert found.flags == ("the number 5 is missing", "the number 6 is not in the source")


def test_a_sentence_without_marks_or_words() -> None:
    found = only(lambda _: ["un"], "one")
    assert (found.text, found.flags) == (Marked("un"), ())
    assert only(lambda _: ["un"], "<b>%s</b> 5") == Placed(marked("<b>%s</b> 5"))
    found = only(lambda _: [""], "one")
    assert found.flags == ("the translation is empty",)


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
