"""Tables with tabs between the cells: `.tsv`."""

from nmt.formats.document import Document, Options
from nmt.formats.resources.table import Form, read_table


def read(content: bytes, options: Options) -> Document:
    """Return the document of a table; see `read_table`. Only a cell with quotes keeps them."""
    return read_table(content, options, Form("\t", has_quotes=False))
