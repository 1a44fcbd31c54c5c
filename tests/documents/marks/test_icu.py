"""Messages of ICU: what is translated in them, and the message put together again."""

import pytest

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.marks.icu import DEEPEST, IcuMessage

FILES = "{n, plural, =0 {No files} one {# file} other {# files}}"
NESTED = "{g, select, female {She has {n, plural, one {# cat} other {# cats}}} other {They}}"


def texts(message: str) -> list[str]:
    return [each.text for each in IcuMessage.of(Marked(message)).texts()]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Hello {name}", ["Hello {name}"]),
        (FILES, ["{n}", "No files", "# file", "# files"]),
        (f"a {FILES} b {FILES}", ["a {n} b {n1}", *["No files", "# file", "# files"] * 2]),
        (f"You have {FILES} in {{n}}.", ["You have {n1} in {n}.", "No files", "# file", "# files"]),
        (NESTED, ["{g}", "She has {n}", "# cat", "# cats", "They"]),
        ("{n, selectordinal, offset:1 one {#st} other {#th}}", ["{n}", "#st", "#th"]),
        ("don''t {n, select, other {it''s '{x}'}}", ["don't {n}", "it's '{x}'"]),
        ("{n, plural, one {x} other {y}", ["{n, plural, one {x} other {y}"]),
        ("{n, plural, one {x} one {y}}", ["{n, plural, one {x} one {y}}"]),
        ("{n, choice, 0#none}", ["{n, choice, 0#none}"]),
    ],
)
def test_what_is_translated(message: str, expected: list[str]) -> None:
    assert texts(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        FILES,
        NESTED,
        f"a {FILES} b {FILES} c",
        "l''a {n, select, other {l''b '{x}' #}}",
        "'{",
        "}{",
        "",
    ],
)
def test_nothing_changes_if_nothing_is_translated(message: str) -> None:
    source = IcuMessage.of(Marked(message))
    assert source.join(source.texts()) == Marked(message)


def test_translations_are_put_back() -> None:
    message = IcuMessage.of(Marked(f"You have {FILES}."))
    whole, *inner = message.texts()
    assert whole.mark_texts() == ["{n}"]
    assert inner[1].mark_texts() == ["#"]
    around = Marked("{n} hast du.", (Mark(0, 3),))
    made = message.join([around, *(Marked(each) for each in ("Keine", "# Datei", "# Dateien"))])
    assert made.text == "{n, plural, =0 {Keine} one {# Datei} other {# Dateien}} hast du."


def test_an_argument_that_is_lost_leaves_the_message() -> None:
    message = IcuMessage.of(Marked(f"You have {FILES}."))
    assert message.join([Marked("Du hast."), *message.texts()[1:]]) == message.source


def test_an_apostrophe_quotes_no_argument() -> None:
    """Two apostrophes stand for one before a brace; everywhere if the source writes two."""
    message = IcuMessage.of(Marked("of {n} in {m}"))
    read = Marked("l'{n} d'un '{m}", (Mark(2, 5, is_text=True), Mark(12, 15, is_text=True)))
    assert message.join([read]).text == "l''{n} d'un ''{m}"
    message = IcuMessage.of(Marked("it''s '{x}'"))
    (read,) = message.texts()
    assert read.mark_texts() == ["'{x}'"]
    assert message.join([Marked("l'a '{x}'", (Mark(4, 9),))]).text == "l''a '{x}'"


def test_marks_of_the_format_stay_in_their_messages() -> None:
    text = "{n, select, other {<b>x</b>}}"
    places = [(text.index(each), len(each)) for each in ("<b>", "</b>")]
    source = Marked(text, tuple(Mark(begin, begin + length) for begin, length in places))
    message = IcuMessage.of(source)
    assert message.texts()[1].mark_texts() == ["<b>", "</b>"]
    assert message.join(message.texts()) == source
    crossed = Marked(text, (Mark(5, 20),))
    assert IcuMessage.of(crossed).texts() == [crossed]


@pytest.mark.parametrize(
    ("language", "missing"),
    [("de", []), ("ja", []), ("pl", ["few", "many"]), ("sl", ["two", "few"]), ("xx", [])],
)
def test_categories_that_the_target_needs(language: str, missing: list[str]) -> None:
    assert IcuMessage.of(Marked(f"a {FILES}")).missing_categories(language) == missing
    assert IcuMessage.of(Marked("a {n}")).missing_categories(language) == []


def test_an_exact_number_counts_as_its_category() -> None:
    message = IcuMessage.of(Marked("{n, plural, =1 {a file} other {# files}}"))
    assert message.missing_categories("de") == []
    assert message.missing_categories("pl") == ["few", "many"]


def test_deep_messages_stay_as_they_are() -> None:
    deep = "{a, select, other {" * 1000 + "x" + "}}" * 1000
    message = IcuMessage.of(Marked(deep))
    assert len(message.texts()) == DEEPEST + 1
    assert message.join(message.texts()) == Marked(deep)
