"""XML files: parts are where they say and are replaced; other bytes stay; some are refused."""

import codecs
from xml.etree import ElementTree

import pytest

from nmt.decoding.translator.marked import Edit, Marked
from nmt.documents.document import Own, Segment
from nmt.documents.xml.tree import (
    DEEPEST,
    Characters,
    Other,
    XmlDocument,
    cdata,
    escape_attribute,
    escape_text,
    read_xml,
)
from nmt.errors import NmtError

SOURCE = (
    '<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "a.dtd">\n'
    '<a xmlns="urn:u" xmlns:v="urn:w" v:x="&lt;1" b=">2"><b/>ä &amp; x\r\n<b></b >'
    "<![CDATA[u]]v]]><v:c>y</v:c><!-- c --><?p i?>z&nbsp;</a>\n<!-- x -->"
).encode()


def test_parts_are_where_they_say() -> None:
    root = read_xml(SOURCE).root
    assert [SOURCE[child.begin : child.end].decode() for child in root.children] == [
        *("<b/>", "ä &amp; x\r\n", "<b></b >", "<![CDATA[u]]v]]>", "<v:c>y</v:c>"),
        *("<!-- c -->", "<?p i?>", "z&nbsp;"),
    ]
    assert SOURCE[root.inner_end : root.end] == b"</a>"
    assert root.children[0].begin == root.inner_begin


def test_names_and_attributes_have_their_namespaces() -> None:
    root = read_xml(SOURCE).root
    assert root.name == "{urn:u}a"
    assert root.attributes == {"{urn:w}x": "<1", "b": ">2"}
    assert [element.name for element in root.elements()] == ["{urn:u}b", "{urn:u}b", "{urn:w}c"]
    assert [element.name for element in root.all("{urn:u}a", "{urn:w}c")] == [
        "{urn:u}a",
        "{urn:w}c",
    ]
    assert root.child("{urn:w}c") is not None
    assert root.child("c") is None


def test_texts_have_no_escapes() -> None:
    root = read_xml(SOURCE).root
    texts = [child for child in root.children if isinstance(child, Characters)]
    assert [text.text for text in texts] == ["ä & x\n", "u]]v", "z\xa0"]
    assert [text.is_cdata for text in texts] == [False, True, False]
    assert root.text() == "ä & x\nu]]vyz\xa0"
    assert sum(isinstance(child, Other) for child in root.children) == 2


def test_an_empty_tag_is_told_from_an_empty_element() -> None:
    first, second = read_xml(SOURCE).root.elements("{urn:u}b")
    assert first.is_empty_tag
    assert first.inner_begin == first.inner_end == first.end
    assert not second.is_empty_tag
    assert SOURCE[second.inner_end : second.end] == b"</b >"


BOMB = '<!DOCTYPE a [<!ENTITY b "{}">{}]><a>&b;</a>'
LEVELS = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", r"line 1: the XML is not well-formed \(no element found, column 1\)"),
        ("<a>\n<b></a>", r"line 2: the XML is not well-formed \(mismatched tag"),
        ("<a>\n&nbsp;</a>", r"line 2: the XML is not well-formed \(undefined entity"),
        ("<a/>\nx", "line 2: the XML is not well-formed"),
        ('<!DOCTYPE a SYSTEM "a.dtd">\n<a>&c;</a>', "line 2: the entity 'c' is not declared here"),
        ("\n" + BOMB.format("x" * 9, LEVELS), "line 2: the DOCTYPE has declarations between"),
        (
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
            "line 1: the DOCTYPE has declarations between",
        ),
        ("<!DOCTYPE a [%p;]><a/>", "line 1: the DOCTYPE has declarations between"),
        ("\n<a>" * 100_000, f"line {DEEPEST + 1}: elements are nested more than {DEEPEST} deep"),
        ("<?xml version='1.0' encoding='klingon'?><a/>", "there is no encoding 'klingon'"),
        ("<?xml version='1.0' encoding='idna'?><a/>", "there is no encoding 'idna'"),
    ],
    ids=lambda value: "" if "line" not in value else value.split(": ")[1][:40],
)
def test_refused_files_name_their_line(source: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read_xml(source.encode())


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.documents.xml.tree.MOST_PARTS", 10)
    read_xml(b"<a>" + b"<b/>" * 9 + b"</a>")
    with pytest.raises(NmtError, match="line 1: the XML has more than 10 elements and texts"):
        read_xml(b"<a>" + b"<b/>" * 10 + b"</a>")
    monkeypatch.setattr("nmt.documents.xml.tree.MOST_BYTES", 10 * 2**20)
    with pytest.raises(NmtError, match="the XML has 11 MB, more than the limit of 10 MB"):
        read_xml(b"<a>" + b" " * 11 * 2**20 + b"</a>")


XML = (
    "<?xml version='1.0' encoding='{}'?>\r\n<a b = 'ü'  xmlns:v='w' v:b=\"x>\" ><c>größer</c></a>\n"
)


def edited(xml: XmlDocument, *edits: Edit) -> bytes:
    xml.add(Segment(Marked("old")))
    for edit in edits:
        xml.change(*edit)
    return xml.join([Marked("new")]).content


@pytest.mark.parametrize(
    ("declared", "codec", "mark"),
    [
        *(("UTF-8", "utf-8", b""), ("ISO-8859-1", "latin-1", b""), ("windows-1252", "cp1252", b"")),
        ("utf-16", "utf-8", b""),  # wrongly
        ("iso-8859-1", "utf-8-sig", b""),  # the mark counts
        ("iso-8859-1", "utf-16-le", codecs.BOM_UTF16_LE),
        ("iso-8859-1", "utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
def test_encodings_are_kept(declared: str, codec: str, mark: bytes) -> None:
    content = mark + XML.format(declared).encode(codec)
    xml = read_xml(content)
    (c,) = xml.root.elements()
    assert c.text() == "größer"
    assert xml.join([]).content == content
    changed = mark + XML.format(declared).replace("größer", "ä").encode(codec)
    assert edited(xml, Edit(c.inner_begin, c.inner_end, "ä")) == changed


def test_characters_that_the_encoding_lacks_become_references() -> None:
    xml = read_xml(XML.format("ascii").replace("ü", "u").replace("größer", "x").encode())
    (c,) = xml.root.elements()
    made = edited(xml, Edit(c.inner_begin, c.inner_end, "größer"))
    assert b"<c>gr&#246;&#223;er</c>" in made
    assert ElementTree.fromstring(made)[0].text == "größer"


def test_attributes_are_replaced_added_and_removed() -> None:
    xml = read_xml(XML.format("utf-8").encode())
    (c,) = xml.root.elements()
    xml.set_attribute(xml.root, "b", "'&")
    xml.set_attribute(xml.root, "new", '"')
    xml.set_attribute(c, "d", "3")
    made = edited(xml)
    assert b'<a new="&quot;" b = \'&#39;&amp;\'  xmlns:v=\'w\' v:b="x>" ><c d="3">gr' in made
    again = read_xml(made)
    again.remove_attribute(again.root, "b", range(1))
    again.remove_attribute(again.root, "none", range(1))
    assert b"<a new=\"&quot;\"  xmlns:v='w'" in edited(again)


def test_an_empty_tag_gets_a_content_and_attributes() -> None:
    xml = read_xml(b"<v:a xmlns:v='w'>\n  <v:b/><c d='e' /></v:a>")
    b, c = xml.root.elements()

    def written(own: Own) -> str:
        return own[0].text

    for element in (b, c):
        xml.change_content(element, range(1), written)
        xml.set_attribute(element, "f", "g", range(1))
    assert edited(xml) == (
        b"<v:a xmlns:v='w'>\n  <v:b f=\"g\">new</v:b><c f=\"g\" d='e' >new</c></v:a>"
    )
    assert (xml.space_before(b), xml.space_before(c)) == ("\n  ", "")
    assert xml.written_name(b) == "v:b"


TEXT = "a<b>&\"'\t\n\r\n]]>ä😀"


@pytest.mark.parametrize("quote", ["'", '"'], ids=["single", "double"])
def test_a_parser_reads_back_what_is_escaped(quote: str) -> None:
    xml = f"<a b={quote}{escape_attribute(TEXT)}{quote}>{escape_text(TEXT)}</a>"
    root = ElementTree.fromstring(xml)
    assert root.text == TEXT
    assert root.attrib == {"b": TEXT}


def test_cdata_holds_its_own_end_and_what_xml_cannot_hold_is_dropped() -> None:
    assert ElementTree.fromstring(f"<a>{cdata('x]]>y]]>' + chr(0))}</a>").text == "x]]>y]]>"
    for escape in (escape_text, escape_attribute):
        assert escape("a\0\x0b\x1f\ud800\uffffb") == "ab"
