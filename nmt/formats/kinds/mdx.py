"""MDX: pages of Markdown with components and expressions of JavaScript, which stay."""

from nmt.formats.document import Document, Options
from nmt.formats.kinds.markdown import read_page
from nmt.formats.marking.placeholders import MDX_CODE


def read(content: bytes, options: Options) -> Document:
    """Return the document of a page, as that of Markdown."""
    return read_page(content, options, MDX_CODE)
