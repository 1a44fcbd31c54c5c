"""Presentations of Microsoft PowerPoint since 2007: Office Open XML, ISO/IEC 29500."""

from nmt.formats.document import Document, Options
from nmt.formats.office.drawing_text import translate_drawing_parts
from nmt.formats.office.office import DRAWING_PARTS, Package

SLIDES = "application/vnd.openxmlformats-officedocument.presentationml."
MACROS = "application/vnd.ms-powerpoint."
MAINS = ("presentation", "slideshow", "template")
MAIN = (
    *(f"{SLIDES}{each}.main+xml" for each in MAINS),
    *(f"{MACROS}{each}.macroEnabled.main+xml" for each in MAINS),
)
TEXTS = (f"{SLIDES}slide+xml", f"{SLIDES}notesSlide+xml", *DRAWING_PARTS)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a presentation; a paragraph is a segment.

    These are translated: shapes, tables, notes, diagrams, titles of charts, descriptions of
    pictures, and the title. Layouts are not: their texts are shown only to who edits them.
    """
    package = Package(content)
    package.main(*MAIN)
    translate_drawing_parts(package, package.parts(*TEXTS), options)
    package.add_properties(options)
    return package.document
