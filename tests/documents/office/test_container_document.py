"""Zip files as documents: members are translated, and what is lost is reported."""

from io import BytesIO
from zipfile import ZipFile

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Finding, Options
from nmt.documents.office.package import Container, ContainerDocument
from nmt.documents.texts import text
from nmt.documents.xml.document import XmlDocument
from nmt.documents.xml.file import Edit, read_xml


def document() -> ContainerDocument:
    file = BytesIO()
    with ZipFile(file, "w") as target:
        target.writestr("a", "One.\n\nTwo.")
        target.writestr("b", "<a>en</a>")
        target.writestr("c", "Three.")
    container = Container(file.getvalue())
    whole = ContainerDocument(container, [Finding("signature", "the signature is lost")])
    whole.add("c", b"Three.", text.read(b"Three.", Options()))
    xml = XmlDocument(read_xml(b"<a>en</a>"))
    xml.follow(Edit(3, 5, "de"))
    whole.add("b", b"<a>en</a>", xml)
    whole.add("a", b"One.\n\nTwo.", text.read(b"One.\n\nTwo.", Options()))
    return whole


def test_members_are_translated() -> None:
    whole = document()
    assert [each.source.text for each in whole.segments] == ["Three.", "One.", "Two."]
    joined = whole.join([None, Marked("Eins."), Marked("Two.")])
    with ZipFile(BytesIO(joined.content)) as file:
        assert [file.read(name) for name in "abc"] == [b"Eins.\n\nTwo.", b"<a>de</a>", b"Three."]
    assert joined.findings == (Finding("signature", "the signature is lost"),)


def test_without_a_change_the_bytes_are_those_of_the_input() -> None:
    whole = document()
    joined = whole.join([each.source for each in whole.segments])
    assert joined.content == whole.container.changed({})
    assert not joined.findings
