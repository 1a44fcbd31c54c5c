"""Electronic books: EPUB 2 and 3. Chapters are pages in XHTML, which the format `html` reads."""

from posixpath import dirname, join, normpath
from urllib.parse import unquote

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Finding, Options, Segment
from nmt.documents.office.package import (
    DUBLIN_CORE,
    Container,
    ContainerDocument,
    damaged,
    local,
    translate_text,
)
from nmt.documents.pages import html
from nmt.documents.xml.document import XmlDocument
from nmt.documents.xml.file import Element, XmlFile, read_xml
from nmt.errors import NmtError

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
SIGNATURES = "META-INF/signatures.xml"
SIGNED = Finding(SIGNATURES, "the book was signed; its translation has no signature")
XHTML, NCX = "application/xhtml+xml", "application/x-dtbncx+xml"
# Ways to encrypt fonts, which no reader needs a right for.
FONT_ALGORITHMS = frozenset(
    {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}
)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a book; a paragraph of a chapter is a segment.

    These are translated: the chapters in the order of reading, the tables of contents, the title
    and the description. The language is stated in the description of the book.
    """
    container = Container(content)
    refuse_encrypted(container)
    warnings = [SIGNED] if SIGNATURES in container else []
    document = ContainerDocument(container, warnings)
    package = package_name(container)
    about = read_xml(container.read(package))
    for name, kind in texts_of(about, package):
        if name not in container:
            warnings.append(Finding(name, f"{package} names this text, but the book lacks it"))
        else:
            text = container.read(name)
            is_page = kind == XHTML
            document.add(name, text, html.read(text, options) if is_page else read_contents(text))
    document.add(package, about.content, read_description(about, options))
    return document


def refuse_encrypted(container: Container) -> None:
    """Raise NmtError if anything but fonts is encrypted."""
    if ENCRYPTION not in container:
        return
    for element in read_xml(container.read(ENCRYPTION)).root.all():
        algorithm = element.attributes.get("Algorithm", "")
        if local(element.name) == "EncryptionMethod" and algorithm not in FONT_ALGORITHMS:
            raise NmtError("the book is encrypted (DRM); use a copy without DRM")


def package_name(container: Container) -> str:
    """Return the name of the member that describes the book; raises DamagedError without one."""
    for element in read_xml(container.read(CONTAINER)).root.all():
        name = element.attributes.get("full-path", "")
        if local(element.name) == "rootfile" and name:
            return name
    raise damaged(f"{CONTAINER} names no description of the book")


def texts_of(about: XmlFile, package: str) -> list[tuple[str, str]]:
    """Return the names of the pages in the order of reading, then of other texts; their types."""
    items = {}
    order = []
    for element in about.root.all():
        if local(element.name) == "item":
            href = unquote(element.attributes.get("href", ""))
            name = normpath(join(dirname(package), href))
            items[element.attributes.get("id", "")] = name, element.attributes.get("media-type", "")
        elif local(element.name) == "itemref":
            order.append(element.attributes.get("idref", ""))
    found = [items[each] for each in (*order, *items) if each in items]
    return [each for each in dict.fromkeys(found) if each[1] in {XHTML, NCX}]


def read_contents(content: bytes) -> XmlDocument:
    """Return the document of a table of contents of EPUB 2."""
    document = XmlDocument(read_xml(content))
    for element in document.xml.root.all():
        if local(element.name) == "text":
            add(document, element)
    return document


def read_description(about: XmlFile, options: Options) -> XmlDocument:
    """Return the document of the description of a book."""
    document = XmlDocument(about)
    languages = []
    for element in about.root.all():
        if element.name in {f"{DUBLIN_CORE}title", f"{DUBLIN_CORE}description"}:
            add(document, element)
        elif element.name == f"{DUBLIN_CORE}language":
            languages.append(element)
    if languages and options.target_language:
        document.follow_text(languages[0], options.target_language)
    return document


def add(document: XmlDocument, element: Element) -> None:
    """Translate the text of an element."""
    place = document.xml.place(element.begin)
    text = Marked(" ".join(element.text().split()))
    translate_text(document, element, Segment(text, place))
