"""Messages with numbers of Apple: texts are translated, and the target's plural forms are added."""

import plistlib

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import DEFAULTS, Options
from nmt.documents.messages.apple import read_stringsdict
from nmt.errors import NmtError

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


def test_a_translation_equal_to_its_source_changes_no_byte() -> None:
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
