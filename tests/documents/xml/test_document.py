"""XML files as documents: only what is translated changes, also within each other."""

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Segment
from nmt.documents.xml.document import Span, XmlDocument
from nmt.documents.xml.file import Edit, escape_text, read_xml

XML = "<?xml version='1.0'?>\r\n<a b = 'ü'><c>größer</c></a>\n".encode()


def written(translation: Marked) -> str:
    return escape_text(translation.text)


def test_a_document_changes_only_what_is_translated() -> None:
    xml = read_xml(XML)
    (c,) = xml.root.elements()
    document = XmlDocument(xml)
    place = xml.attribute(xml.root, "b")
    assert place
    first = document.translate(*place, Segment(Marked("ü"), xml.place(place[0])), written)
    second = document.translate(c.inner_begin, c.inner_end, Segment(Marked("größer")), written)
    document.follow(xml.set_attribute(c, "state", "state", "new"), second)
    document.follow(xml.set_attribute(xml.root, "lang", "lang", "de"))
    assert (first, second) == (0, 1)
    assert document.segments[0].place == "line 2"
    assert document.join([None, Marked("größer")]).content == xml.content
    assert document.join([Marked("<"), None]).content == xml.content.replace(
        "<a b = 'ü'".encode(), b"<a lang=\"de\" b = '&lt;'"
    )
    assert b'<c state="new">1</c>' in document.join([None, Marked("1")]).content


def test_parts_within_others_are_translated() -> None:
    xml = read_xml(b"<p>one<img><p>two<i>3</i></p></img></p>")
    image = next(xml.root.elements())
    inner = next(image.elements())
    number = next(inner.elements())
    document = XmlDocument(xml)

    def around(translation: Marked) -> list[str | Span]:
        return [Span(image.begin, image.end), translation.text]

    document.translate(xml.root.inner_begin, xml.root.inner_end, Segment(Marked("one")), around)
    document.translate(inner.inner_begin, number.begin, Segment(Marked("two")), written)
    document.follow(Edit(number.inner_begin, number.inner_end, "4"))
    one, two = Marked("eins"), Marked("zwei")
    whole = "<p><img><p>{}<i>4</i></p></img>eins</p>"
    assert document.join([one, two]).content == whole.format("zwei").encode()
    assert document.join([one, None]).content == whole.format("two").encode()
    assert document.join([None, two]).content == b"<p>one<img><p>zwei<i>4</i></p></img></p>"
    assert document.join([None, None], is_changed=True).content == xml.content.replace(b"3", b"4")


def test_a_segment_may_have_two_places() -> None:
    xml = read_xml(b"<a><b>x</b><b>x</b></a>")
    document = XmlDocument(xml)
    first, second = xml.root.elements()
    number = document.translate(first.inner_begin, first.inner_end, Segment(Marked("x")), written)
    document.repeat(second.inner_begin, second.inner_end, number, written)
    assert document.join([Marked("y")]).content == b"<a><b>y</b><b>y</b></a>"
