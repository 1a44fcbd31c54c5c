"""Catalogues: messages that need a translation get one, and all other bytes stay."""

import re
import shutil
import subprocess

import polib
import pytest

from nmt.documents.document import Options
from nmt.documents.messages.po import read
from nmt.documents.messages.po_syntax import escaped, find_columns, unescaped, written
from tests.documents.documents import filled, texts
from tests.documents.samples import SAMPLES

MENU = (SAMPLES / "menu.po").read_bytes()
TEMPLATE = (SAMPLES / "template.pot").read_bytes()
GERMAN = Options("en", "de")
RUSSIAN = Options("en", "ru")
LAST_USED = (
    "Edits the file in the window that was used last, and makes a new one if there is none yet."
)


def check(content: bytes) -> None:
    """Assert that polib accepts a catalogue, and msgfmt where it is installed."""
    polib.pofile(content.decode())
    if shutil.which("msgfmt"):
        command = ["msgfmt", "--check", "--use-fuzzy", "--output-file", "/dev/null", "-"]
        subprocess.run(command, input=content, check=True)


def entry(*lines: str) -> bytes:
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    return (header + "\n".join(lines) + "\n").encode()


def translated(content: bytes, translations: dict[str, str], options: Options = GERMAN) -> str:
    return filled(read(content, options), translations).content.decode()


def test_untranslated_and_fuzzy_messages_are_segments() -> None:
    segments = read(MENU, GERMAN).segments
    assert [(segment.source.text, segment.place, segment.context) for segment in segments] == [
        ('Open the folder "%s"…', "line 25", ""),
        ("Print", "line 30", "verb"),
        ("Print", "line 35", "heading"),
        ("%d file was saved.", "line 40", ""),
        ("%d files were saved.", "line 40", ""),
        ("Usage: edit [OPTION]... [FILE]", "line 46", ""),
        (LAST_USED, "line 46", ""),
        ("open a new window", "line 46", ""),
    ]
    assert segments[0].syntax == {"printf", "tags"}
    assert segments[1].syntax == {"python", "brace", "tags"}  # as nothing is stated
    everything = read(MENU, Options(translates_all=True))
    assert texts(everything)[0] == "File"  # without its accelerator
    assert texts(everything)[-1] == "100% of the disk is used"
    assert everything.segments[-1].syntax == {"brace", "tags"}


def test_translations_are_fuzzy_and_all_else_stays() -> None:
    joined = filled(
        read(MENU, GERMAN),
        {
            'Open the folder "%s"…': 'Den Ordner "%s" öffnen …',
            "%d file was saved.": "%d Datei wurde gesichert.",
            "%d files were saved.": "%d Dateien wurden gesichert.",
        },
    )
    old, new = MENU.decode().splitlines(), joined.content.decode().splitlines()
    assert [line for line in new if line not in old] == [
        r'msgstr "Den Ordner \"%s\" öffnen …"',
        r'msgstr[0] "%d Datei wurde gesichert.\n"',
        r'msgstr[1] "%d Dateien wurden gesichert.\n"',
    ]
    assert '#| msgid "Open the file %s"' not in new
    assert new[new.index("#: src/save.c:40") + 1] == "#, fuzzy, c-format"
    assert len(new) == len(old) - 1
    assert joined.findings == ()


def test_a_template_becomes_a_catalogue() -> None:
    no_room = "The folder {name} has no room for the files, so that nothing was copied into it."
    new = {
        "One file": "ein",
        "%(count)d files": "%(count)d Dateien",
        no_room: "Im Ordner {name} ist kein Platz mehr für die Dateien, also nichts kopiert.",
    }
    text = translated(TEMPLATE, new)
    check(text.encode())
    assert '"Language: de\\n"' in text
    assert '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"' in text
    assert "charset=UTF-8" in text
    assert '"PO-Revision-Date: YEAR-MO-DA HO:MI+ZONE\\n"' in text
    assert text.count("fuzzy") == 2  # not that of the header
    forms = ['msgstr[0] "ein"', 'msgstr[1] "%(count)d Dateien"']
    assert re.findall("msgstr.*", text)[1:3] == forms
    assert max(map(len, text.splitlines())) <= 79


def test_forms_for_several_numbers_take_the_text_with_the_number() -> None:
    made = translated(TEMPLATE, {"%(count)d files": "%(count)d X"}, RUSSIAN)
    check(made.encode())
    assert made.count('"%(count)d X"') == 3  # "One file" would stand for 21 too
    numbered = TEMPLATE.replace(b"One file", b"%(count)d file")
    both = {"%(count)d file": "%(count)d A", "%(count)d files": "%(count)d B"}
    assert texts(read(numbered, RUSSIAN))[:2] == [*both]
    made = translated(numbered, both, RUSSIAN)
    assert re.findall(r'msgstr\[.\] "%\(count\)d (.)"', made) == ["A", "B", "B"]


def test_a_language_with_one_form_has_one() -> None:
    japanese = Options("en", "ja")
    assert texts(read(TEMPLATE, japanese))[0] == "%(count)d files"
    made = translated(TEMPLATE, {"%(count)d files": "%(count)d 個"}, japanese)
    assert re.findall(r"msgstr\[.*", made) == ['msgstr[0] "%(count)d 個"']


def test_what_is_translated_of_a_plural_stays() -> None:
    content = MENU.replace(b'msgstr[1] ""', b'msgstr[1] "%d Dateien gesichert.\\n"')
    assert "%d files were saved." not in texts(read(content, GERMAN))
    made = translated(content, {"%d file was saved.": "%d Datei gesichert."})
    assert '"%d Dateien gesichert.\\n"' in made
    assert '"%d Datei gesichert.\\n"' in made


@pytest.mark.parametrize("comment", ["# A.\n", ""])
def test_a_catalogue_without_header_gets_one(comment: str) -> None:
    made = translated(f'{comment}msgid "Radio"\nmsgstr ""\n'.encode(), {"Radio": "Radio"})
    check(made.encode())
    # A translation that equals its source is written.
    assert made.endswith(f'{comment}#, fuzzy\nmsgid "Radio"\nmsgstr "Radio"\n')
    assert 'msgid ""\nmsgstr ""\n"MIME-Version: 1.0\\n"\n' in made


def test_comments_between_forms_are_kept() -> None:
    content = (
        b'msgid ""\nmsgstr ""\n"Language: de\\n"\n'
        b'"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
        b'msgid "a file"\nmsgid_plural "files"\nmsgstr[0] ""\n# keep me\nmsgstr[1] "Dateien"\n'
    )
    made = translated(content, {"a file": "eine Datei"})
    assert made.endswith('msgstr[0] "eine Datei"\n# keep me\nmsgstr[1] "Dateien"\n')


def test_another_language_and_equal_messages_are_found() -> None:
    content = MENU.replace(b"Language: de", b"Language: fr") + b'\nmsgid "&File"\nmsgstr ""\n'
    joined = filled(read(content, GERMAN), {"Print": "Drucken"})
    assert [finding.message for finding in joined.findings] == [
        "the message of line 18 is repeated here",
        "the file is for French, but the translations are in German",
    ]
    # Equal messages are found though nothing is translated.
    content = entry('msgid "a"', 'msgstr "b"', 'msgid "a"', 'msgstr "b"', 'msgid "c"', 'msgstr ""')
    joined = read(content, Options("en", "fr")).join([None])
    assert [finding.place for finding in joined.findings] == ["line 6"]
    assert joined.content == content


def test_the_encoding_of_the_header_counts() -> None:
    content = MENU.decode().replace("UTF-8", "ISO-8859-1").replace("…", "...").encode("latin-1")
    joined = filled(read(content, GERMAN), {"Print": "Drücken"})
    assert "Drücken" in joined.content.decode("latin-1")
    on_its_line = entry('msgid "Prüfen"', 'msgstr ""').replace(b"UTF-8", b"cp1252")
    content = on_its_line.decode().encode("cp1252")
    assert texts(read(content, GERMAN)) == ["Prüfen"]


def test_domains_have_their_own_headers() -> None:
    content = MENU + b'\ndomain "other"\n' + TEMPLATE + b'\ndomain "third"\nmsgid "a"\nmsgstr ""\n'
    text = translated(content, {"%(count)d files": "%(count)d X", "a": "b"}, RUSSIAN)
    assert text.startswith(MENU.decode())
    assert text.count("Language: ru") == 2
    assert text.index('domain "third"') < text.rindex("MIME-Version") < text.rindex('msgid "a"')


def test_line_ends_and_the_flag_no_wrap_are_kept() -> None:
    content = entry("#, no-wrap", 'msgid "Print"', 'msgstr ""').replace(b"\n", b"\r\n")
    made = filled(read(content, GERMAN), {"Print": "lang " * 30 + "Wort"}).content
    assert made.count(b"\n") == made.count(b"\r\n") == content.count(b"\n") + 2  # of the header
    assert b"#, fuzzy, no-wrap\r\n" in made
    old = b'# A comment\rmsgid "One file"\rmsgstr ""\r'  # carriage returns alone
    assert texts(read(old, Options())) == ["One file"]


def test_escapes_come_back() -> None:
    text = '"a"\\b\n\t\r\a\b\f\v é'
    assert unescaped(escaped(text)) == text
    assert unescaped(r"\x41\101\12") == "AA\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ['msgstr "short"']),
        ("a\nb", ['msgstr ""', '"a\\n"', '"b"']),
        ("abc defgh ijkl mn opqr", ['msgstr ""', '"abc defgh ijkl mn "', '"opqr"']),
        ("漢字漢字漢字漢字、漢", ['msgstr ""', '"漢字漢字漢字漢字、"', '"漢"']),
        ("w" * 30, ['msgstr ""', f'"{"w" * 30}"']),
    ],
)
def test_long_strings_are_broken(text: str, lines: list[str]) -> None:
    assert written("msgstr", text, 20).split("\n") == lines


def test_the_columns_of_a_file_are_found() -> None:
    words = "word " * 40
    for columns in (60, 76, 79):
        lines = [line.strip('"') for line in written("msgid", words, columns).split("\n")[1:]]
        assert columns - 5 <= find_columns([lines, ["short"]]) <= 79
        again = written("msgid", words, find_columns([lines])).split("\n")[1:]
        assert [line.strip('"') for line in again] == lines
    assert find_columns([[words]]) == 0
    assert find_columns([]) == 79
