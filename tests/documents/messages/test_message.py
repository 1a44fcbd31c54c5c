"""Messages: paragraphs and lines are translated, and what is around them stays."""

import pytest

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import NO_SYNTAX
from nmt.documents.messages.message import Accelerator, Text, put_in, taken_out
from tests.documents.documents import marked


def text_in(source: Marked) -> Text:
    return Text.parse(source, 0, NO_SYNTAX, None)


LIST = "This is a list of what a program may do:"
WRAPPED = "The file was saved into the new folder\nof the other program."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("\n  Print: \n", ["Print:"]),
        ("One.\nTwo", ["One.", "Two"]),
        (f"{WRAPPED}\n", [WRAPPED.replace("\n", " ")]),
        (f"{LIST}\nread\n- write\n", [LIST, "read", "write"]),
        ("  -a, --all   show all\n  --help\n", ["show all"]),
        ("%d\n---\n", ["%d"]),
    ],
)
def test_lines_with_words_are_parts(text: str, parts: list[str]) -> None:
    message = text_in(Marked(text))
    assert [part.text for part in message.texts()] == parts
    assert message.join([None] * len(parts)).text == text


def test_a_wrapped_sentence_is_wrapped_again() -> None:
    made = text_in(Marked(f"{WRAPPED}\n\nEnd\n")).join([Marked("wort " * 12 + "ende."), None]).text
    lines = made.split("\n")
    assert lines[-3:] == ["", "End", ""]
    assert max(map(len, lines)) <= WRAPPED.index("\n")
    assert " ".join(lines[:-3]) == "wort " * 12 + "ende."


def test_a_line_break_within_tags_is_a_mark() -> None:
    source = marked("<b>One.\nTwo.</b>\nThree.", {"<b>": Kind.OPEN, "</b>": Kind.CLOSE})
    texts = text_in(source).texts()
    assert [text.text for text in texts] == ["<b>One.\nTwo.</b>", "Three."]
    assert texts[0].mark_texts() == ["<b>", "\n", "</b>"]
    assert text_in(source).join(texts) == Marked(source.text, texts[0].marks)


def test_a_mark_at_the_start_or_end_belongs_to_the_words() -> None:
    (text,) = text_in(marked(" %s  is  %d \n", {"%s": Kind.ALONE, "%d": Kind.ALONE})).texts()
    assert text == Marked("%s  is  %d", (Mark(0, 2), Mark(8, 10)))


def test_a_line_does_not_end_within_a_placeholder() -> None:
    text = Text.parse(Marked(WRAPPED), 0, frozenset({"tags"}), None)
    words, tag = "wort " * 7, "<a href='x' title='a long title'>"
    made = text.filled({0: Marked(f"{words}{tag} ende")})
    assert made is not None
    assert made.text == f"{words.strip()}\n{tag} ende"


@pytest.mark.parametrize(
    ("label", "text", "accelerator"),
    [
        ("E&xit", "Exit", ("&", "x")),
        ("Save _As", "Save As", ("_", "A")),
        ("ファイル(&F)", "ファイル", ("&", "F")),
        ("a_name", "a_name", None),
        ("black & white", "black & white", None),
        ("R&amp;B", "R&amp;B", None),
        ("&one &two", "&one &two", None),
        ("a&&b", "a&&b", None),
        ("AT&T is a firm", "AT&T is a firm", None),
        ("E&XIT", "EXIT", ("&", "X")),
        ("SHA-2&56", "SHA-256", ("&", "5")),
    ],
)
def test_one_sign_before_a_letter_is_taken_out(
    label: str, text: str, accelerator: tuple[str, str] | None
) -> None:
    assert taken_out(Marked(label)) == (accelerator and (Marked(text), accelerator))


@pytest.mark.parametrize(
    ("text", "language", "result"),
    [
        ("Datei", "de", "&Datei"),
        ("Das Feld", "de", "Das &Feld"),  # the same letter at the start of a word
        ("Öffnen", "de", "Ö&ffnen"),
        ("ファイル...", "ja", "ファイル(&F)..."),
        ("%F", "de", "%F"),  # a placeholder has no letter
    ],
)
def test_the_sign_is_put_before_a_letter(text: str, language: str, result: str) -> None:
    marks = (Mark(0, 2, is_text=True),) if text.startswith("%") else ()
    made = put_in(Marked(text, marks), Accelerator("&", "f"), language)
    assert made.text == result
    # Marks move with the text.
    source = Marked("Zeige %s", (Mark(6, 8, is_text=True),))
    made = put_in(source, Accelerator("_", "Z"), "de")
    assert (made.text, made.mark_texts()) == ("_Zeige %s", ["%s"])
    assert taken_out(made) == (source, ("_", "Z"))
