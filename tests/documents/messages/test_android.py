r"""Strings of Android: texts are translated; names, references, comments and layout stay."""

from pathlib import Path

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options
from nmt.documents.marks.tags import with_tags
from nmt.documents.messages.android import read
from nmt.documents.registry import FORMATS, find_format
from tests.documents.documents import changed_by, texts
from tests.documents.samples import SAMPLES

ANDROID = (SAMPLES / "strings.xml").read_bytes()
HELLO = 'Hello <b>you</b>, it\'s <xliff:g id="n" example="3">%1$d</xliff:g> & ü'
QUOTED, DATA = 'It\'s  "quoted"', 'Read <a href="x">this</a>'


def translated(translations: dict[str, Marked], language: str = "de") -> str:
    document = read(ANDROID, Options(target_language=language))
    return document.join([translations.get(text) for text in texts(document)]).content.decode()


def test_texts_are_segments() -> None:
    document = read(ANDROID, Options())
    assert texts(document) == [HELLO, QUOTED, DATA, "now", "First day", "%d file", "%d files"]
    hello = document.segments[0]
    code = '<xliff:g id="n" example="3">%1$d</xliff:g>'
    assert hello.source.mark_texts() == ["<b>", "</b>", code]
    assert (hello.context, hello.place) == ("hello", "line 5")
    assert document.segments[-1].context == "files.other"


def test_texts_are_escaped_as_the_source() -> None:
    german = with_tags('<b>Dir</b> "hallo", geht\'s & \n ö @<')
    escaped = r">" + r"<b>Dir</b> \"hallo\", geht\'s &amp; \n ö @&lt;</string>"
    assert escaped in translated({HELLO: german})
    quoted = translated({QUOTED: Marked('Es ist  "so", geht\'s')})
    assert r'>"  Es ist  \"so\", geht' + "'s" + '"</string>' in quoted
    data = translated({DATA: with_tags("Lies <i/> it's")})
    assert r"<![CDATA[Lies <i/> it\'s\nnow]]></string>" in data
    assert r"<item>\@Erster\u0020</item>" in translated({"First day": Marked("@Erster ")})


def test_a_line_break_stays_after_a_colon() -> None:
    content = rb"<resources><string name='a'>%1$s says:\n\nReason: x y\n%2$s</string></resources>"
    document = read(content, Options())
    assert texts(document) == ["%1$s says:", "Reason: x y", "%2$s"]
    assert rb">%1$S SAYS:\n\nREASON: X Y\n%2$S</string>" in changed_by(document)


def test_plurals_have_the_forms_of_the_target() -> None:
    written = translated({"%d file": Marked("%d plik"), "%d files": Marked("%d pliku")}, "pl")
    item = '        <item quantity="{}">%d pliku</item>\n'.format
    assert item("other") + item("few") + item("many") + "    </plurals>" in written
    assert 'quantity="few"' not in translated({"%d files": Marked("%d Dateien")})


def test_names_of_files() -> None:
    """Other files whose names only end so are none of Android's."""
    assert find_format(Path("res/values/strings.xml"), None) == FORMATS["android"]
    for name in ("page.strings.xml", "bitarrays.xml", "my-plurals.xml"):
        assert find_format(Path(name), None) is None


def test_many_spaces_take_linear_time() -> None:
    spaces = b" " * 100_000
    document = read(b"<resources><string>a" + spaces + b"bc</string></resources>", Options())
    assert texts(document) == [f"a{spaces.decode()}bc"]
