"""The tree of an XML file: its parts are where they say, and hostile files are refused."""

import tracemalloc

import pytest

from nmt.documents.xml.file import DEEPEST, Element, Other, Text, parse
from nmt.errors import NmtError

SOURCE = (
    '<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "a.dtd">\n'
    '<a xmlns="urn:u" xmlns:v="urn:w" v:x="&lt;1" b=">2"><b/>ä &amp; x\r\n<b></b >'
    "<![CDATA[u]]v]]><v:c>y</v:c><!-- c --><?p i?>z&nbsp;</a>\n<!-- x -->"
).encode()


def parts(element: Element) -> list[object]:
    """Return the source of each child."""
    return [SOURCE[each.begin : each.end].decode() for each in element.children]


def test_parts_are_where_they_say() -> None:
    root = parse(SOURCE)
    assert parts(root) == [
        *("<b/>", "ä &amp; x\r\n", "<b></b >", "<![CDATA[u]]v]]>", "<v:c>y</v:c>"),
        *("<!-- c -->", "<?p i?>", "z&nbsp;"),
    ]
    assert SOURCE[root.inner_end : root.end] == b"</a>"
    assert root.children[0].begin == root.inner_begin


def test_names_and_attributes_have_their_namespaces() -> None:
    root = parse(SOURCE)
    assert root.name == "{urn:u}a"
    assert root.attributes == {"{urn:w}x": "<1", "b": ">2"}
    assert [each.name for each in root.elements()] == ["{urn:u}b", "{urn:u}b", "{urn:w}c"]
    assert [each.name for each in root.all("{urn:u}a", "{urn:w}c")] == ["{urn:u}a", "{urn:w}c"]
    assert root.child("{urn:w}c") is not None
    assert root.child("c") is None


def test_texts_have_no_escapes() -> None:
    root = parse(SOURCE)
    texts = [each for each in root.children if isinstance(each, Text)]
    assert [each.text for each in texts] == ["ä & x\n", "u]]v", "z\xa0"]
    assert [each.is_cdata for each in texts] == [False, True, False]
    assert root.text() == "ä & x\nu]]vyz\xa0"
    assert sum(isinstance(each, Other) for each in root.children) == 2


def test_an_empty_tag_is_told_from_an_empty_element() -> None:
    first, second = parse(SOURCE).elements("{urn:u}b")
    assert first.is_empty_tag
    assert first.inner_begin == first.inner_end == first.end
    assert not second.is_empty_tag
    assert SOURCE[second.inner_end : second.end] == b"</b >"


def test_a_large_file_can_be_read_in_little_memory() -> None:
    seen = []

    def ended(element: Element) -> None:
        seen.append(element.name)
        element.children.clear()

    source = b"<a>" + b"<b>text<c/></b>" * 20_000 + b"</a>"
    tracemalloc.start()
    parse(source, ended)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen[:2] == ["c", "b"]
    assert len(seen) == 40_001
    assert peak < 10e6  # the `b` elements without their children


BOMB = '<!DOCTYPE a [<!ENTITY b "{}">{}]><a>&b;</a>'
LEVELS = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", r"line 1: the XML is not well-formed \(no element found, column 1\)"),
        ("<a>\n<b></a>", r"line 2: the XML is not well-formed \(mismatched tag"),
        ("<a>\n&nbsp;</a>", r"line 2: the XML is not well-formed \(undefined entity"),
        ("<v:a/>", r"line 1: the XML is not well-formed \(unbound prefix"),
        ("<a/>\nx", "line 2: the XML is not well-formed"),
        ("<a>\0</a>", "line 1: the XML is not well-formed"),
        ('<!DOCTYPE a SYSTEM "a.dtd">\n<a>&c;</a>', "line 2: the entity 'c' is not declared here"),
        ("\n" + BOMB.format("x" * 9, LEVELS), "line 2: the DOCTYPE has declarations between"),
        (
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
            "line 1: the DOCTYPE has declarations between",
        ),
        ("<!DOCTYPE a [%p;]><a/>", "line 1: the DOCTYPE has declarations between"),
        ("\n<a>" * 100_000, f"line {DEEPEST + 1}: elements are nested more than {DEEPEST} deep"),
    ],
    ids=lambda value: "" if "line" not in value else value.split(": ")[1][:40],
)
def test_refused_files_name_their_line(source: str, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        parse(source.encode())


def test_the_number_of_parts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.documents.xml.file.MOST_PARTS", 10)
    parse(b"<a>" + b"<b/>" * 9 + b"</a>")
    with pytest.raises(NmtError, match="line 1: the XML has more than 10 elements and texts"):
        parse(b"<a>" + b"<b/>" * 10 + b"</a>")
