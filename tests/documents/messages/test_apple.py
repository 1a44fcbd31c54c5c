"""Strings of macOS and iOS: values are translated; keys, comments, escapes and layout stay."""

import plistlib

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options
from nmt.documents.messages.apple import read_strings, read_stringsdict
from tests.documents.documents import joined, places, texts
from tests.documents.samples import SAMPLES

STRINGS = (SAMPLES / "app.strings").read_bytes()
STRINGSDICT = (SAMPLES / "count.stringsdict").read_bytes()


def test_values_are_segments() -> None:
    document = read_strings(STRINGS, Options())
    expected = ['Open "%@"', "Say // it", "now ü", "Some name", "First line", "second line"]
    assert texts(document) == expected
    contexts = [segment.context for segment in document.segments]
    assert contexts[:2] == ["title", "a = b; /* c */"]
    assert places(document)[3:5] == ["line 6", "line 9"]
    assert read_strings(b"/**/ //", Options()).join([]).content == b"/**/ //"


def test_characters_are_escaped() -> None:
    one = read_strings(b'"a" = "Some text"; /* c */', Options())
    assert joined(one, 'a "b" \\ \n\tü').decode() == '"a" = "a \\"b\\" \\\\ \\n\\tü"; /* c */'
    assert joined(read_strings(b'"a" = "Some\ntext";', Options()), "x", "x") == b'"a" = "x\nx";'


def test_texts_of_plurals_are_segments() -> None:
    segments = read_stringsdict(STRINGSDICT, Options()).segments
    assert [(segment.source.text, segment.context) for segment in segments] == [
        ("Found %#@files@", "count.files.NSStringLocalizedFormatKey"),
        ("%d file", "count.files.files.one"),
        ("%d files", "count.files.files.other"),
    ]


def test_values_belong_to_the_keys_before_them() -> None:
    content = (
        b"<plist><dict><string>stray</string><key>gone</key><key>a</key><string>A dog.</string>"
        b"<string>stray</string><key>b</key><string>A cat.</string></dict></plist>"
    )
    found = [
        (segment.context, segment.source.text)
        for segment in read_stringsdict(content, Options()).segments
    ]
    assert found == [("a", "A dog."), ("b", "A cat.")]


def test_plural_forms_are_added() -> None:
    document = read_stringsdict(STRINGSDICT, Options(target_language="pl"))
    made = document.join([None, Marked("%d plik"), Marked("%d <pliku>")]).content
    rules = plistlib.loads(made)["count.files"]["files"]
    forms = [rules[name] for name in ("one", "few", "many", "other")]
    assert forms == ["%d plik", *["%d <pliku>"] * 3]
    assert b"\n      <key>few</key>\n      <string>%d &lt;pliku&gt;</string>\n" in made


def test_the_places_of_variables_are_marks() -> None:
    content = (
        b"<plist><dict><key>a</key><dict><key>NSStringLocalizedFormatKey</key>"
        b"<string>Of %#@all@ are %1#@some@ and %2$#@others@</string></dict></dict></plist>"
    )
    (segment,) = read_stringsdict(content, Options()).segments
    assert segment.source.mark_texts() == ["%#@all@", "%1#@some@", "%2$#@others@"]
