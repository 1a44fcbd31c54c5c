"""Catalogues: messages that need a translation get one, and all other bytes stay."""

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import polib
import pytest

from nmt.documents.document import DEFAULTS, Options
from nmt.documents.messages.po import read
from nmt.documents.messages.po_syntax import columns_of, escaped, unescaped, written
from nmt.errors import NmtError
from tests.documents.filling import filled, shouted
from tests.documents.samples import SAMPLES

MENU = (SAMPLES / "menu.po").read_bytes()
TEMPLATE = (SAMPLES / "template.pot").read_bytes()
GERMAN = Options("en", "de")
RUSSIAN = Options("en", "ru")

PACKAGES = Path(sysconfig.get_path("purelib"))
INSTALLED = sorted(each for each in PACKAGES.rglob("*.po*") if each.suffix in (".po", ".pot"))
FEW = INSTALLED[::60]


def problems(content: bytes, folder: Path) -> str:
    """Return what msgfmt has against a catalogue, "" for nothing, or if it is not installed."""
    program = shutil.which("msgfmt")
    if program is None:
        return ""
    path = folder / "made.po"
    path.write_bytes(content)
    command = [program, "--check", "--use-fuzzy", "--output-file", "/dev/null", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def check(content: bytes, folder: Path) -> None:
    """Assert that polib and msgfmt accept a catalogue."""
    polib.pofile(content.decode())
    assert problems(content, folder) == ""


def entry(*lines: str) -> bytes:
    """Return a catalogue with a header and one entry."""
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
    return (header + "\n".join(lines) + "\n").encode()


def test_untranslated_and_fuzzy_messages_are_segments() -> None:
    document = read(MENU, GERMAN)
    assert [(each.source.text, each.place, each.context) for each in document.segments] == [
        ('Open the folder "%s"…', "line 25", ""),
        ("Print", "line 30", "verb"),
        ("Print", "line 35", "heading"),
        ("%d file was saved.", "line 40", ""),
        ("%d files were saved.", "line 40", ""),
        ("Usage: edit [OPTION]... [FILE]", "line 46", ""),
        (
            "Edits the file in the window that was used last, and makes a new one if there is none"
            " yet.",
            "line 46",
            "",
        ),
        ("open a new window", "line 46", ""),
    ]
    assert document.segments[0].syntax == {"printf", "tags"}
    assert document.segments[1].syntax == {"python", "brace", "tags"}  # as nothing is stated


def test_all_messages_are_segments_on_demand() -> None:
    texts = [each.source.text for each in read(MENU, Options(translates_all=True)).segments]
    assert texts[0] == "File"  # without its accelerator
    assert texts[-1] == "100% of the disk is used"
    assert read(MENU, Options(translates_all=True)).segments[-1].syntax == {"brace", "tags"}


@pytest.mark.parametrize("translates_all", [False, True], ids=["new", "all"])
@pytest.mark.parametrize("content", [MENU, TEMPLATE], ids=["menu", "template"])
def test_without_translations_no_byte_changes(content: bytes, translates_all: bool) -> None:
    for each in (content, content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content):
        document = read(each, Options("en", "de", translates_all=translates_all))
        assert document.join([None] * len(document.segments)).content == each


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
    assert [each for each in new if each not in old] == [
        r'msgstr "Den Ordner \"%s\" öffnen …"',
        r'msgstr[0] "%d Datei wurde gesichert.\n"',
        r'msgstr[1] "%d Dateien wurden gesichert.\n"',
    ]
    assert '#| msgid "Open the file %s"' not in new
    assert new[new.index("#: src/save.c:40") + 1] == "#, fuzzy, c-format"
    assert len(new) == len(old) - 1
    assert joined.findings == ()


def test_paragraphs_are_wrapped_as_in_the_source() -> None:
    joined = filled(
        read(MENU, GERMAN),
        {
            "Edits the file in the window that was used last, and makes a new one if there is none"
            " yet.": "Bearbeitet die Datei in dem Fenster, das zuletzt benutzt wurde, und öffnet"
            " sonst ein neues.",
            "open a new window": "öffnet ein neues Fenster",
        },
    )
    made = next(
        each for each in polib.pofile(joined.content.decode()) if each.msgid.startswith("Usage")
    )
    assert made.fuzzy
    assert made.msgstr.split("\n") == [
        "Usage: edit [OPTION]... [FILE]",
        "",
        "Bearbeitet die Datei in dem Fenster, das zuletzt benutzt wurde, und",
        "öffnet sonst ein neues.",
        "  -n, --new   öffnet ein neues Fenster",
        "  --version",
        "",
    ]


def test_a_template_becomes_a_catalogue(tmp_path: Path) -> None:
    texts = {
        "One file": "ein",
        "%(count)d files": "%(count)d Dateien",
        "The folder {name} has no room for the files, so that nothing was copied into it.": "Im"
        " Ordner {name} ist kein Platz mehr für die Dateien, also wurde nichts kopiert.",
    }
    made = filled(read(TEMPLATE, GERMAN), texts).content
    check(made, tmp_path)
    text = made.decode()
    assert '"Language: de\\n"' in text
    assert '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"' in text
    assert "charset=UTF-8" in text
    assert '"PO-Revision-Date: YEAR-MO-DA HO:MI+ZONE\\n"' in text
    assert text.count("fuzzy") == 2  # not that of the header
    assert re.findall("msgstr.*", text)[1:3] == [
        'msgstr[0] "ein"',
        'msgstr[1] "%(count)d Dateien"',
    ]
    assert max(map(len, text.splitlines())) <= 79


def test_forms_for_several_numbers_take_the_text_with_the_number(tmp_path: Path) -> None:
    made = filled(read(TEMPLATE, RUSSIAN), {"%(count)d files": "%(count)d X"}).content
    check(made, tmp_path)
    assert made.decode().count('"%(count)d X"') == 3  # "One file" would stand for 21 too
    numbered = TEMPLATE.replace(b"One file", b"%(count)d file")
    document = read(numbered, RUSSIAN)
    assert [each.source.text for each in document.segments][:2] == [
        "%(count)d file",
        "%(count)d files",
    ]
    joined = filled(document, {"%(count)d file": "%(count)d A", "%(count)d files": "%(count)d B"})
    assert re.findall(r'msgstr\[.\] "%\(count\)d (.)"', joined.content.decode()) == ["A", "B", "B"]


def test_a_language_with_one_form_has_one() -> None:
    document = read(TEMPLATE, Options("en", "ja"))
    assert document.segments[0].source.text == "%(count)d files"
    made = filled(document, {"%(count)d files": "%(count)d 個"}).content.decode()
    assert re.findall(r"msgstr\[.*", made) == ['msgstr[0] "%(count)d 個"']


def test_what_is_translated_of_a_plural_stays() -> None:
    content = MENU.replace(b'msgstr[1] ""', b'msgstr[1] "%d Dateien gesichert.\\n"')
    document = read(content, GERMAN)
    assert "%d files were saved." not in [each.source.text for each in document.segments]
    made = filled(document, {"%d file was saved.": "%d Datei gesichert."}).content.decode()
    assert '"%d Dateien gesichert.\\n"' in made
    assert '"%d Datei gesichert.\\n"' in made


def test_a_catalogue_without_header_gets_one(tmp_path: Path) -> None:
    made = filled(read(b'# A.\nmsgid "Print"\nmsgstr ""\n', GERMAN), {"Print": "Drücken"}).content
    check(made, tmp_path)
    assert made.decode().endswith('# A.\n#, fuzzy\nmsgid "Print"\nmsgstr "Drücken"\n')
    assert 'msgstr ""\n"MIME-Version: 1.0\\n"\n' in made.decode()


def test_the_first_message_is_fuzzy_and_not_the_new_header() -> None:
    made = filled(read(b'msgid "Print"\nmsgstr ""\n', GERMAN), {"Print": "Drucken"}).content
    assert made.decode().startswith('msgid ""\nmsgstr ""\n"MIME-Version')
    assert made.decode().endswith('\n#, fuzzy\nmsgid "Print"\nmsgstr "Drucken"\n')


def test_comments_between_forms_are_kept() -> None:
    content = (
        b'msgid ""\nmsgstr ""\n"Language: de\\n"\n'
        b'"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
        b'msgid "a file"\nmsgid_plural "files"\nmsgstr[0] ""\n# keep me\nmsgstr[1] "Dateien"\n'
    )
    made = filled(read(content, GERMAN), {"a file": "eine Datei"}).content.decode()
    assert made.endswith('msgstr[0] "eine Datei"\n# keep me\nmsgstr[1] "Dateien"\n')


def test_another_language_and_equal_messages_are_found() -> None:
    content = MENU.replace(b"Language: de", b"Language: fr") + b'\nmsgid "&File"\nmsgstr ""\n'
    joined = filled(read(content, GERMAN), {"Print": "Drucken"})
    assert [each.message for each in joined.findings] == [
        "the message of line 18 is repeated here",
        "the file is for French, but the translations are in German",
    ]


def test_equal_messages_are_found_though_nothing_is_translated() -> None:
    content = entry('msgid "a"', 'msgstr "b"', 'msgid "a"', 'msgstr "b"', 'msgid "c"', 'msgstr ""')
    joined = read(content, Options("en", "fr")).join([None])
    assert [finding.place for finding in joined.findings] == ["line 6"]
    assert joined.content == content


def test_a_translation_that_equals_its_source_is_written() -> None:
    made = filled(read(entry('msgid "Radio"', 'msgstr ""'), GERMAN), {"Radio": "Radio"}).content
    assert made.endswith(b'#, fuzzy\nmsgid "Radio"\nmsgstr "Radio"\n')


def test_the_encoding_of_the_header_counts() -> None:
    content = MENU.decode().replace("UTF-8", "ISO-8859-1").replace("…", "...")
    joined = filled(read(content.encode("latin-1"), GERMAN), {"Print": "Drücken"})
    assert "Drücken" in joined.content.decode("latin-1")


def test_an_encoding_on_the_line_of_msgstr_counts() -> None:
    content = entry('msgid "Prüfen"', 'msgstr ""').replace(b"UTF-8", b"cp1252")
    content = content.replace("ü".encode(), "ü".encode("cp1252"))
    assert read(content, GERMAN).segments[0].source.text == "Prüfen"


def test_domains_have_their_own_headers() -> None:
    content = MENU + b'\ndomain "other"\n' + TEMPLATE + b'\ndomain "third"\nmsgid "a"\nmsgstr ""\n'
    joined = filled(read(content, RUSSIAN), {"%(count)d files": "%(count)d X", "a": "b"})
    text = joined.content.decode()
    assert text.startswith(MENU.decode())
    assert text.count("Language: ru") == 2
    assert text.index('domain "third"') < text.rindex("MIME-Version") < text.rindex('msgid "a"')


def test_line_ends_and_the_flag_no_wrap_are_kept() -> None:
    content = entry("#, no-wrap", 'msgid "Print"', 'msgstr ""').replace(b"\n", b"\r\n")
    made = filled(read(content, GERMAN), {"Print": "lang " * 30 + "Wort"}).content
    assert made.count(b"\n") == made.count(b"\r\n") == content.count(b"\n") + 2  # of the header
    assert b"#, fuzzy, no-wrap\r\n" in made


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['msgid "a"', "", 'msgid "b"', 'msgstr ""'], "line 6: msgid stands where msgid_plural"),
        (['msgid "a"', 'msgstr "b'], "line 5: the string does not end on its line"),
        (['msgid "a"'], "line 4: the entry ends without msgstr"),
        (['msgid "a"', "msgstr"], "line 5: msgstr has no string"),
        (['msgid "a"', 'msgid_plural "b"', 'msgstr[1] ""'], "line 6: msgstr[1] stands where"),
        (['msgid "a"', 'msgid_plural "b"', 'msgstr ""'], "line 6: msgstr stands where msgstr[]"),
        (['msgid "a\\q"', 'msgstr ""'], "line 4: '\\\\q' in a string is no escape"),
        (["hello"], "line 4: 'hello' is no part of a catalogue"),
        (['"a"', "[0]"], "line 5: [0] stands where a keyword"),
    ],
    ids=["order", "open", "end", "empty", "form", "plural", "escape", "word", "index"],
)
def test_errors_name_the_line(lines: list[str], message: str) -> None:
    with pytest.raises(NmtError) as caught:
        read(entry(*lines), DEFAULTS)
    assert str(caught.value).startswith(message)


def test_a_rule_that_is_none_is_an_error() -> None:
    content = MENU.replace(b"nplurals=2; plural=(n != 1)", b"nplurals=2; plural=n")
    with pytest.raises(NmtError, match=r"line 3: the plural rule .* gives 2 the form 2"):
        read(content, GERMAN)


def check_file(path: Path, folder: Path) -> None:
    """Assert what is promised of a catalogue: identity, and that the translated one compiles."""
    content = path.read_bytes()
    for options in (GERMAN, Options("en", "pl", translates_all=True)):
        document = read(content, options)
        assert document.join([None] * len(document.segments)).content == content
    document = read(content, GERMAN)
    made = shouted(document).content
    # Some translators have made mistakes in messages that stay.
    assert problems(content, folder) or not problems(made, folder)
    before, after = polib.pofile(content.decode()), polib.pofile(made.decode())
    assert [(each.msgid, each.msgctxt, each.comment, each.occurrences) for each in before] == [
        (each.msgid, each.msgctxt, each.comment, each.occurrences) for each in after
    ]
    again = read(made, GERMAN)  # all are fuzzy, and as many
    assert len(again.segments) == len(document.segments)


@pytest.mark.parametrize("path", FEW, ids=lambda each: str(each.relative_to(PACKAGES)))
def test_installed_catalogues(path: Path, tmp_path: Path) -> None:
    check_file(path, tmp_path)


@pytest.mark.slow
def test_all_installed_catalogues(tmp_path: Path) -> None:
    assert len(INSTALLED) > 300
    for path in INSTALLED:
        check_file(path, tmp_path)


def test_a_catalogue_may_have_carriage_returns_alone() -> None:
    content = b'# A comment\rmsgid "One file"\rmsgstr ""\r'
    assert [segment.source.text for segment in read(content, DEFAULTS).segments] == ["One file"]


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
