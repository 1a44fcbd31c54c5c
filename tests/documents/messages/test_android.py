r"""Strings of Android: texts are translated; names, references, comments and layout stay."""

from pathlib import Path

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.documents.marks.tags import with_tags
from nmt.documents.messages.android import read
from nmt.documents.registry import FORMATS, find_format
from nmt.errors import NmtError

ANDROID = rb"""<?xml version="1.0" encoding="utf-8"?>
<!-- Texts -->
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">
    <string name="app" translatable="false">My app</string>
    <string name="hello">Hello <b>you</b>, it\'s
        <xliff:g id="n" example="3">%1$d</xliff:g> &amp; \u00fc</string>
    <string name="quoted">"  It's  \"quoted\""</string>
    <string name="data"><![CDATA[Read <a href="x">this</a>\nnow]]></string>
    <string name="same">@string/hello</string>
    <string name="number">12</string><string name="empty"/>
    <string-array name="days"><item>First day</item><item>42</item></string-array>
    <plurals name="files">
        <item quantity="one">%d file</item>
        <item quantity="other">%d files</item>
    </plurals>
</resources>
"""


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def translated(translations: dict[str, Marked], language: str = "de") -> str:
    document = read(ANDROID, Options(target_language=language))
    return document.join([translations.get(each) for each in texts(document)]).content.decode()


HELLO = 'Hello <b>you</b>, it\'s <xliff:g id="n" example="3">%1$d</xliff:g> & ü'


def test_texts_are_segments() -> None:
    document = read(ANDROID, DEFAULTS)
    assert texts(document) == [
        HELLO,
        'It\'s  "quoted"',
        'Read <a href="x">this</a>',
        "now",
        "First day",
        "%d file",
        "%d files",
    ]
    hello = document.segments[0]
    assert hello.source.mark_texts() == [
        "<b>",
        "</b>",
        '<xliff:g id="n" example="3">%1$d</xliff:g>',
    ]
    assert (hello.context, hello.place) == ("hello", "line 5")
    assert document.segments[-1].context == "files.other"


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_translation_equal_to_its_source_changes_no_byte(line_break: bytes) -> None:
    content = ANDROID.replace(b"\n", line_break)
    document = read(content, Options(target_language="pl"))
    assert document.join([each.source for each in document.segments]).content == content
    assert document.join([None] * len(document.segments)).content == content


def test_texts_are_escaped_as_the_source() -> None:
    german = with_tags('<b>Dir</b> "hallo", geht\'s & \n ö @<')
    assert ">" + r"<b>Dir</b> \"hallo\", geht\'s &amp; \n ö @&lt;</string>" in translated(
        {HELLO: german}
    )
    quoted = translated({'It\'s  "quoted"': Marked('Es ist  "so", geht\'s')})
    assert r'>"  Es ist  \"so\", geht' + "'s" + '"</string>' in quoted
    data = translated({'Read <a href="x">this</a>': with_tags("Lies <i/> it's")})
    assert r"<![CDATA[Lies <i/> it\'s\nnow]]></string>" in data
    assert r"<item>\@Erster\u0020</item>" not in translated({"First day": Marked("Tag")})
    assert r"<item>\@Erster\u0020</item>" in translated({"First day": Marked("@Erster ")})


def test_what_is_written_reads_as_the_translation() -> None:
    new = with_tags(' it\'s <b>"x"</b> \\ \t ? @ & > é')
    for text in texts(read(ANDROID, DEFAULTS))[:2]:
        written = translated({text: new}).encode()
        assert new.text.strip() in texts(read(written, DEFAULTS))


def test_a_line_break_stays_after_a_colon() -> None:
    content = rb"<resources><string name='a'>%1$s says:\n\nReason: x y\n%2$s</string></resources>"
    document = read(content, DEFAULTS)
    assert texts(document) == ["%1$s says:", "Reason: x y", "%2$s"]
    upper = [Marked(text.upper()) for text in texts(document)]
    assert rb">%1$S SAYS:\n\nREASON: X Y\n%2$S</string>" in document.join(upper).content


def test_plurals_have_the_forms_of_the_target() -> None:
    written = translated({"%d file": Marked("%d plik"), "%d files": Marked("%d pliku")}, "pl")
    assert written.endswith(
        """
        <item quantity="one">%d plik</item>
        <item quantity="other">%d pliku</item>
        <item quantity="few">%d pliku</item>
        <item quantity="many">%d pliku</item>
    </plurals>
</resources>
"""
    )
    assert 'quantity="few"' not in translated({"%d files": Marked("%d Dateien")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<svg/>", "line 1: the root is <svg>, but that of strings of Android is <resources>"),
        (b"<resources>\n<string>a b</resources>", "line 2: the XML is not well-formed"),
        (b"<!DOCTYPE r [<!ENTITY a 'b'>]><resources>&a;</resources>", "has declarations"),
        (b"<resources>\0</resources>", "line 1: there is a NUL"),
    ],
    ids=["svg", "cut", "entity", "nul"],
)
def test_other_xml_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(content, DEFAULTS)


def test_names_of_files() -> None:
    """Other files whose names only end so are none of Android's."""
    assert find_format(Path("res/values/strings.xml"), None) == FORMATS["android"]
    for name in ("page.strings.xml", "bitarrays.xml", "my-plurals.xml"):
        assert find_format(Path(name), None) is None


def test_many_spaces_take_linear_time() -> None:
    spaces = b" " * 100_000
    document = read(b"<resources><string>a" + spaces + b"bc</string></resources>", DEFAULTS)
    assert document.segments[0].source.text == f"a{spaces.decode()}bc"
