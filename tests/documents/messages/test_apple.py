"""Strings of macOS and iOS: values are translated; keys, comments, escapes and layout stay."""

import plistlib

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.documents.messages.apple import read_strings, read_stringsdict
from nmt.errors import NmtError

STRINGS = rb"""/* Title of
   the window */
"title" = "Open \"%@\"";
// "old" = "Old text";
"a = b; /* c */"="Say // it\nnow \U00fc"  ;
NSName = "Some name";
"id" = "42";
"It is its own text";
"two lines" = "First line
second line";
key = value;
"""


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def one(content: str, translation: str) -> str:
    document = read_strings(content.encode(), DEFAULTS)
    return document.join([Marked(translation)] * len(document.segments)).content.decode()


def test_values_are_segments() -> None:
    document = read_strings(STRINGS, DEFAULTS)
    expected = ['Open "%@"', "Say // it", "now ü", "Some name", "First line", "second line"]
    assert texts(document) == expected
    assert [each.context for each in document.segments][:2] == ["title", "a = b; /* c */"]
    assert [each.place for each in document.segments][3:5] == ["line 6", "line 9"]


@pytest.mark.parametrize(
    "content",
    [STRINGS, STRINGS.decode().replace("\n", "\r\n").encode("utf-16"), b"", b"/**/ //"],
    ids=["utf-8", "utf-16", "empty", "comments"],
)
def test_a_translation_equal_to_its_source_changes_no_byte(content: bytes) -> None:
    document = read_strings(content, DEFAULTS)
    assert document.join([each.source for each in document.segments]).content == content
    assert document.join([None] * len(document.segments)).content == content


def test_characters_are_escaped() -> None:
    assert one('"a" = "Some text"; /* c */', 'a "b" \\ \n\tü') == (
        '"a" = "a \\"b\\" \\\\ \\n\\tü"; /* c */'
    )
    assert one('"a" = "Some\ntext";', "x") == '"a" = "x\nx";'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'"a" = "b";\n"c" = "d;\n', 'line 2: the text has no closing "'),
        (b'"a" = "b";\n/* c', r"line 2: the comment has no closing \*/"),
        (b'"a" = "b"\n"c" = "d";', "line 2: 'c' is not expected here; an entry is"),
        (b'"a" = ;', "line 1: ';' is not expected here"),
        (b'"a" = "b";\n"c" = "d"', "line 2: the entry has no ; at its end; add it"),
        (b'{ "a" = "b"; }', "line 1: '{' is not expected here"),
        ('"a" = "b";'.encode("utf-16-le"), "line 1: there is a NUL character"),
        (b'"a" =\n"\xff";', "line 2: the bytes at offset 7"),
    ],
    ids=["quote", "comment", "semicolon", "no-value", "end", "dictionary", "utf-16", "encoding"],
)
def test_what_is_no_entry_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read_strings(content, DEFAULTS)


STRINGSDICT = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>count.files</key>
  <dict>
    <key>NSStringLocalizedFormatKey</key>
    <string>Found %#@files@</string>
    <key>files</key>
    <dict>
      <key>NSStringFormatSpecTypeKey</key>
      <string>NSStringPluralRuleType</string>
      <key>NSStringFormatValueTypeKey</key>
      <string>d</string>
      <key>one</key>
      <string>%d file</string>
      <key>other</key>
      <string>%d files</string>
    </dict>
  </dict>
</dict>
</plist>
"""


def test_texts_are_segments() -> None:
    segments = read_stringsdict(STRINGSDICT, DEFAULTS).segments
    assert [(each.source.text, each.context) for each in segments] == [
        ("Found %#@files@", "count.files.NSStringLocalizedFormatKey"),
        ("%d file", "count.files.files.one"),
        ("%d files", "count.files.files.other"),
    ]
    assert segments[0].source.mark_texts() == ["%#@files@"]


def test_equal_plural_texts_change_no_byte() -> None:
    document = read_stringsdict(STRINGSDICT, Options(target_language="pl"))
    assert document.join([each.source for each in document.segments]).content == STRINGSDICT
    assert document.join([None] * 3).content == STRINGSDICT


def test_plural_forms_are_added() -> None:
    document = read_stringsdict(STRINGSDICT, Options(target_language="pl"))
    joined = document.join([None, Marked("%d plik"), Marked("%d <pliku>")])
    rules = plistlib.loads(joined.content)["count.files"]["files"]
    assert {each: rules[each] for each in ("one", "few", "many", "other")} == {
        "one": "%d plik",
        "few": "%d <pliku>",
        "many": "%d <pliku>",
        "other": "%d <pliku>",
    }
    assert b"\n      <key>few</key>\n      <string>%d &lt;pliku&gt;</string>\n" in joined.content


def test_the_places_of_variables_are_marks() -> None:
    content = (
        b"<plist><dict><key>a</key><dict><key>NSStringLocalizedFormatKey</key>"
        b"<string>Of %#@all@ are %1#@some@ and %2$#@others@</string></dict></dict></plist>"
    )
    (segment,) = read_stringsdict(content, DEFAULTS).segments
    assert segment.source.mark_texts() == ["%#@all@", "%1#@some@", "%2$#@others@"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"bplist00", "it is a binary property list; convert it with plutil"),
        (b"<plist><array/></plist>", "line 1: the root is <plist>, but that of a property list"),
        (b"<plist>\n<dict>", "line 2: the XML is not well-formed"),
    ],
    ids=["binary", "array", "cut"],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read_stringsdict(content, DEFAULTS)
