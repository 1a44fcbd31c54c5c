"""A parser reads back what is escaped."""

from xml.etree import ElementTree

import pytest

from nmt.documents.xml.file import cdata, escape_attribute, escape_text

TEXT = "a<b>&\"'\t\n\r\n]]>ä😀"


@pytest.mark.parametrize("quote", ["'", '"'], ids=["single", "double"])
def test_a_parser_reads_back_what_is_escaped(quote: str) -> None:
    xml = f"<a b={quote}{escape_attribute(TEXT)}{quote}>{escape_text(TEXT)}</a>"
    root = ElementTree.fromstring(xml)
    assert root.text == TEXT
    assert root.attrib == {"b": TEXT}


def test_cdata_holds_its_own_end() -> None:
    assert ElementTree.fromstring(f"<a>{cdata('x]]>y]]>')}</a>").text == "x]]>y]]>"


def test_characters_that_xml_cannot_hold_are_dropped() -> None:
    for escape in (escape_text, escape_attribute):
        assert escape("a\0\x0b\x1f\ud800\uffffb") == "ab"
    assert ElementTree.fromstring(cdata("a\0b").join(["<a>", "</a>"])).text == "ab"
