"""Strings of catalogues: escapes both ways, and lines broken as xgettext breaks them."""

import pytest

from nmt.documents.messages.po_syntax import columns_of, escaped, unescaped, written


def test_escapes_come_back() -> None:
    text = '"a"\\b\n\t\r\a\b\f\v é'
    assert unescaped(escaped(text)) == text
    assert unescaped(r"\x41\101\12") == "AA\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ['msgstr "short"']),
        ("", ['msgstr ""']),
        ("line\n", ['msgstr "line\\n"']),
        ("a\nb", ['msgstr ""', '"a\\n"', '"b"']),
        ("abc defgh ijkl mn opqr", ['msgstr ""', '"abc defgh ijkl mn "', '"opqr"']),
        ("漢字漢字漢字漢字、漢", ['msgstr ""', '"漢字漢字漢字漢字、"', '"漢"']),
        ("w" * 30, ['msgstr ""', f'"{"w" * 30}"']),
    ],
    ids=["short", "empty", "one", "two", "long", "wide", "word"],
)
def test_long_strings_are_broken(text: str, lines: list[str]) -> None:
    assert written("msgstr", text, 20).split("\n") == lines


def test_the_columns_of_a_file_are_found() -> None:
    words = "word " * 40
    for columns in (60, 76, 79):
        lines = [each.strip('"') for each in written("msgid", words, columns).split("\n")[1:]]
        assert columns - 5 <= columns_of([lines, ["short"]]) <= 79
        again = written("msgid", words, columns_of([lines])).split("\n")[1:]
        assert [each.strip('"') for each in again] == lines
    assert columns_of([[words]]) == 0
    assert columns_of([]) == 79
