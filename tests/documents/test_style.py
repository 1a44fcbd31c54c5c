"""Final marks and capitals: hand-made pairs; no rule changes a mark or loses a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Edit, Kind, Marked
from nmt.documents.document import Options
from nmt.documents.style import MARKS, after, find_names, sentence_case
from tests.documents.documents import QUICK, marked

TAGS = {"<b>": Kind.OPEN, "</b>": Kind.CLOSE, "%s": Kind.ALONE, "`a B`": Kind.ALONE}


def finished(pair: str, source: str, translation: str, *, is_heading: bool = False) -> str:
    """Return the text of a translation after all rules; pair: such as en-de."""
    source_language, target_language = pair.split("-", 1)
    options = Options(source_language, target_language)
    text = marked(source, TAGS)
    result = after(text, marked(translation, TAGS), options, is_heading=is_heading)
    assert result == marked(result.text, TAGS)
    return result.text


def given_to_model(source: str, names: frozenset[str] = frozenset(), language: str = "en") -> str:
    return sentence_case(marked(source, TAGS), language, names).text


@pytest.mark.parametrize(
    ("pair", "source", "translation", "expected"),
    [
        # Spaces around the text.
        ("en-de", "  One\n", "Eins ", "  Eins\n"),
        ("en-xx", "  One\n", "Eins. ", "  Eins.\n"),
        ("en-de", "Say “yes”.", 'Sag "ja" .', 'Sag "ja" .'),
        # The final mark.
        ("en-de", "Open %s", "%s öffnen.", "%s öffnen"),
        ("en-de", "Name:", "Name", "Name:"),
        ("en-fr", "Name:", "Nom", "Nom\u00a0:"),
        ("en-zh", "Name:", "名称", "名称："),
        ("en-de", "<b>Name</b>:", "<b>Name</b>", "<b>Name</b>:"),
        ("en-de", "<b>Name:</b>", "<b>Name</b>", "<b>Name:</b>"),
        ("en-de", "Wait...", "Warte.", "Warte..."),
        ("en-de", "It works.", "Es geht", "Es geht."),
        ("en-hi", "It works.", "यह चलता है", "यह चलता है।"),
        ("en-th", "It works.", "ใช้งานได้", "ใช้งานได้"),
        ("en-el", "Is it?", "Είναι", "Είναι;"),
        ("en-de", "And so on", "und so weiter usw.", "Und so weiter usw."),
        ("en-de", "Mails etc.", "Mails und so weiter", "Mails und so weiter"),
        ("en-de", "The 3rd", "Am 3.", "Am 3."),
        ("en-de", "Version 3", "Version 3.", "Version 3"),
        ("en-es", "Open it?", "Abrir.", "Abrir."),  # "¿" would be missing
        ("en-de", "Guess who", "Wer ist es?", "Wer ist es?"),
        ("en-de", "He said “go.”", "Er sagte „geh“.", "Er sagte „geh“."),
        # The case of the first letter.
        ("en-fr", "<b>Open</b> file", "<b>ouvrir</b> le fichier", "<b>Ouvrir</b> le fichier"),
        ("en-fr", "open file", "Ouvrir le fichier", "ouvrir le fichier"),
        ("en-de", "file name", "Dateiname", "Dateiname"),
        ("en-fr", "near Paris", "Paris à côté", "Paris à côté"),
        ("fr-en", "lundi", "Monday", "Monday"),
        ("en-de", "The npm package", "npm als Paket", "npm als Paket"),
        ("en-de", "The phone", "iPhone", "iPhone"),
        ("en-nl", "Ice", "ijs", "IJs"),
        ("en-tr", "Work", "iş", "İş"),
        ("en-fr", "%s Files", "%s fichiers", "%s fichiers"),
        ("zh-fr", "文件", "fichier", "fichier"),
        ("en-ka", "File", "ფაილი", "ფაილი"),
    ],
)
def test_spaces_final_marks_and_the_first_letter_are_those_of_the_source(
    pair: str, source: str, translation: str, expected: str
) -> None:
    assert finished(pair, source, translation) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Getting Started With Files", "Getting started with files"),
        ("Using the HTTP API on GitHub", "Using the HTTP API on GitHub"),
        ("Step-by-Step: The Built-In `a B` Tool", "Step-by-step: The built-in `a B` tool"),
        ("What I’m Doing on Monday", "What I’m doing on Monday"),
        ("Files of the European Union in use here", "Files of the European Union in use here"),
        ("GETTING <b>STARTED</b> WITH %s", "Getting <b>started</b> with %s"),
        ("FAQ", "FAQ"),
    ],
)
def test_headings_are_read_in_sentence_case(source: str, expected: str) -> None:
    assert given_to_model(source) == expected


def test_only_english_has_title_case() -> None:
    for title, language in (
        ("Erste Schritte Mit Dateien", "de"),
        ("Getting Started With Files", ""),
    ):
        assert given_to_model(title, language=language) == title


def test_names_of_the_file_keep_their_capitals() -> None:
    names = find_names([Marked("Run it with Docker. Files are, if Docker runs, in files.")])
    assert names == {"Docker"}
    assert given_to_model("Running Docker Files", names) == "Running Docker files"


@pytest.mark.parametrize(
    ("pair", "source", "translation", "expected"),
    [
        ("en-de", "GETTING STARTED", "Erste Maße", "ERSTE MASSE"),
        ("en-de", "<b>USING</b> `a B`", "<b>Mit</b> `a B`", "<b>MIT</b> `a B`"),
        ("en-tr", "FILES", "işler", "İŞLER"),
        ("en-el", "FILES", "αρχεία", "ΑΡΧΕΙΑ"),
        ("en-de", "FAQ", "Fragen", "Fragen"),
    ],
)
def test_headings_in_capitals_stay_in_capitals(
    pair: str, source: str, translation: str, expected: str
) -> None:
    assert finished(pair, source, translation, is_heading=True) == expected


PIECES = [*"aB5 .。!?:;,\n“”„\"'’‘()é你…\u00a0«»ßİ", "Hello ", "ij", "...", *TAGS]
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@QUICK
@given(texts, texts, st.sampled_from(sorted(MARKS)), st.booleans())
def test_every_mark_stays(source: str, translation: str, language: str, is_heading: bool) -> None:
    text, target = marked(source, TAGS), marked(translation, TAGS)
    for options in (Options("en", language), Options(language, language)):
        read = sentence_case(text, options.source_language)
        result = after(text, target, options, is_heading=is_heading)
        assert read.mark_texts() == text.mark_texts()
        assert result.mark_texts() == target.mark_texts()
        assert [mark.kind for mark in result.marks] == [mark.kind for mark in target.marks]


def test_what_is_written_between_two_marks_is_in_neither() -> None:
    text = marked("<b></b>", TAGS)
    assert text.edited([Edit(3, 3, "x")]) == marked("<b>x</b>", TAGS)
