"""Electronic books: EPUB 2 and 3. Chapters are pages in XHTML, which the format `html` reads."""

from posixpath import dirname, join, normpath
from urllib.parse import unquote

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Finding, Options, Segment
from nmt.documents.office.package import DUBLIN_CORE, Element, Package, Tree, damaged, text_in
from nmt.documents.pages import html
from nmt.errors import NmtError

CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"
SIGNATURES = "META-INF/signatures.xml"
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
    package = Package(content)
    refuse_encrypted(package)
    if SIGNATURES in package.members:
        package.warn_signed(SIGNATURES, "book")
    about = description_name(package)
    for name, kind in texts(package.root(about), about):
        if name not in package.members:
            warning = f"{about} names this text, but the book lacks it"
            package.warnings.append(Finding(name, warning))
        elif kind == XHTML:
            package.add_document(name, lambda content: html.read(content, options))
        else:
            package.add(name, read_contents)
    package.add(about, lambda tree: read_description(tree, options))
    return package


def refuse_encrypted(package: Package) -> None:
    """Raise NmtError if anything but fonts is encrypted."""
    if ENCRYPTION not in package.members:
        return
    for element in package.root(ENCRYPTION).iter("{*}EncryptionMethod"):
        if element.get("Algorithm", "") not in FONT_ALGORITHMS:
            raise NmtError("the book is encrypted (DRM); use a copy without DRM")


def description_name(package: Package) -> str:
    """Return the name of the member that describes the book; raises DamagedError without one."""
    for element in package.root(CONTAINER).iter("{*}rootfile"):
        if name := element.get("full-path"):
            return str(name)
    raise damaged(f"{CONTAINER} names no description of the book")


def texts(root: Element, about: str) -> list[tuple[str, str]]:
    """Return the names of the pages in the order of reading, then of other texts; their types.

    root: of the description of the book, whose name is `about`.
    """
    items = {}
    for element in root.iter("{*}item"):
        name = normpath(join(dirname(about), unquote(element.get("href", ""))))
        items[element.get("id", "")] = name, element.get("media-type", "")
    order = [element.get("idref", "") for element in root.iter("{*}itemref")]
    found = [items[identifier] for identifier in (*order, *items) if identifier in items]
    return [text for text in dict.fromkeys(found) if text[1] in {XHTML, NCX}]


def read_contents(tree: Tree) -> None:
    """Add a table of contents of EPUB 2."""
    for element in tree.root.iter("{*}text"):
        add(tree, element)


def read_description(tree: Tree, options: Options) -> None:
    """Add the description of a book."""
    for element in tree.root.iter(f"{DUBLIN_CORE}title", f"{DUBLIN_CORE}description"):
        add(tree, element)
    language = next(tree.root.iter(f"{DUBLIN_CORE}language"), None)
    if language is not None:
        tree.follow_text(language, options.target_language)


def add(tree: Tree, element: Element) -> None:
    """Translate the text of an element."""
    text = Marked(" ".join(text_in(element).split()))
    tree.translate_text(element, Segment(text, f"line {element.sourceline}"))
