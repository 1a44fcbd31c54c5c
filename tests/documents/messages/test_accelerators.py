"""Accelerators: one letter of a label, whatever the language."""

import pytest

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.messages.message import Accelerator, put_in, taken_out


@pytest.mark.parametrize(
    ("label", "text", "accelerator"),
    [
        ("&File", "File", ("&", "F")),
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
    ids=[
        "menu",
        "middle",
        "gtk",
        "brackets",
        "name",
        "and",
        "entity",
        "two",
        "escaped",
        "name",
        "capitals",
        "digits",
    ],
)
def test_one_sign_before_a_letter_is_taken_out(
    label: str, text: str, accelerator: tuple[str, str] | None
) -> None:
    found = taken_out(Marked(label))
    assert found.text.text == text
    assert found.accelerator == (accelerator and Accelerator(*accelerator))


@pytest.mark.parametrize(
    ("text", "language", "result"),
    [
        ("Datei", "de", "&Datei"),
        ("Das Feld", "de", "Das &Feld"),  # the same letter at the start of a word
        ("Öffnen", "de", "Ö&ffnen"),
        ("ファイル...", "ja", "ファイル(&F)..."),
        ("%F", "de", "%F"),  # a placeholder has no letter
    ],
    ids=["first", "word", "inside", "japanese", "placeholder"],
)
def test_the_sign_is_put_before_a_letter(text: str, language: str, result: str) -> None:
    marks = (Mark(0, 2, is_text=True),) if text.startswith("%") else ()
    made = put_in(Marked(text, marks), Accelerator("&", "f"), language)
    assert made.text == result


def test_marks_move_with_the_text() -> None:
    made = put_in(Marked("Zeige %s", (Mark(6, 8, is_text=True),)), Accelerator("_", "Z"), "de")
    assert made.text == "_Zeige %s"
    assert made.mark_texts() == ["%s"]
    assert taken_out(made).text == Marked("Zeige %s", (Mark(6, 8, is_text=True),))
