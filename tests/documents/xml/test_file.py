"""XML files: parts are replaced, and every other byte stays, in any encoding."""

import codecs
from xml.etree import ElementTree

import pytest

from nmt.documents.xml.file import Edit, XmlFile, read_xml
from nmt.errors import NmtError

XML = (
    "<?xml version='1.0' encoding='{}'?>\r\n<a b = 'ü'  xmlns:v='w' v:b=\"x>\" ><c>größer</c></a>\n"
)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("ISO-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("utf-16", "utf-8"),
    ],
    ids=["utf-8", "latin-1", "cp1252", "wrongly-utf-16"],
)
def test_declared_encodings_are_kept(name: str, codec: str) -> None:
    content = XML.format(name).encode(codec)
    xml = read_xml(content)
    (c,) = xml.root.elements()
    assert c.text() == "größer"
    assert xml.edited([]) == content
    edited = xml.edited([Edit(c.inner_begin, c.inner_end, "ä")])
    assert edited == content.replace("größer".encode(codec), "ä".encode(codec))


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_byte_order_marks_are_kept(codec: str) -> None:
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(codec, b"")
    content = mark + XML.format("iso-8859-1").encode(codec)
    xml = read_xml(content)
    (c,) = xml.root.elements()
    edited = xml.edited([Edit(c.inner_begin, c.inner_end, "größer")])
    assert edited == content


def test_characters_that_the_encoding_lacks_become_references() -> None:
    xml = read_xml(XML.format("ascii").replace("ü", "u").replace("größer", "x").encode())
    (c,) = xml.root.elements()
    edited = xml.edited([Edit(c.inner_begin, c.inner_end, "größer")])
    assert b"<c>gr&#246;&#223;er</c>" in edited
    assert ElementTree.fromstring(edited)[0].text == "größer"


@pytest.fixture
def xml() -> XmlFile:
    return read_xml(XML.format("utf-8").encode())


def test_attributes_are_replaced_and_added(xml: XmlFile) -> None:
    edits = [
        xml.set_attribute(xml.root, "b", "b", "'&"),
        xml.set_attribute(xml.root, "{w}b", "v:b", "2"),
        xml.set_attribute(xml.root, "new", "new", '"'),
        xml.set_attribute(next(xml.root.elements()), "d", "d", "3"),
    ]
    edited = xml.edited(edits).decode()
    assert '<a new="&quot;" b = \'&#39;&amp;\'  xmlns:v=\'w\' v:b="2" ><c d="3">größer' in edited


def test_edits_may_not_overlap(xml: XmlFile) -> None:
    assert xml.edited([Edit(60, 60, "1"), Edit(60, 60, "2")]).count(b"12") == 1
    with pytest.raises(ValueError, match="two edits of byte 61"):
        xml.edited([Edit(61, 64, ""), Edit(60, 62, "")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "there is no encoding 'klingon'"),
        (b"<?xml version='1.0' encoding='idna'?><a/>", "there is no encoding 'idna'"),
        (b"<a>\n\xff</a>", "line 2: the bytes at offset 4 are not utf-8"),
        (b"\n\n<a>", "line 3: the XML is not well-formed"),
    ],
    ids=["unknown", "not-of-files", "not-utf-8", "not-well-formed"],
)
def test_files_that_cannot_be_read(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read_xml(content)


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.documents.xml.file.MOST_BYTES", 10 * 2**20)
    with pytest.raises(NmtError, match="the XML has 11 MB, more than the limit of 10 MB"):
        read_xml(b"<a>" + b" " * 11 * 2**20 + b"</a>")
