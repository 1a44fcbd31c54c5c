"""Tables with commas, semicolons or tabs between the cells: `.csv`."""

from nmt.formats.document import Document, Options
from nmt.formats.resources.table import read_table


def read(content: bytes, options: Options) -> Document:
    """Return the document of a table; see `read_table`. The first line shows the delimiter."""
    return read_table(content, options, None)
