"""Markdown: pages of documentation, README files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Finding, Options
from nmt.documents.encoding import decode
from nmt.documents.marks.never_text import MARKDOWN_LINES, MDX_CODE
from nmt.documents.marks.templates import Templates
from nmt.documents.nested import NestedDocument
from nmt.documents.pages.markdown_blocks import Block, BlockReader, blocks_of
from nmt.documents.pages.markdown_parser import lines_of


@dataclass
class MarkdownDocument(NestedDocument):
    """A page whose blocks are compared with those of its translation."""

    blocks: list[Block] = field(default_factory=list)

    def hidden_text(self, translations: Sequence[Marked | None]) -> tuple[str, list[Finding]]:
        """Return the page with a translation of each segment; see `NestedDocument.text`.

        Each text is read again when it is written, but alone. What it makes of the lines before and
        after it is found here.
        """
        text, findings = super().hidden_text(translations)
        for before, after in zip_longest(self.blocks, blocks_of(lines_of(text))):
            if before is None or after is None or before.name != after.name:
                line = (before or after).line
                message = "the translated page has another block here; compare it with the source"
                findings.append(Finding(f"line {line}", message))
                break
        return text, findings


def read(content: bytes, options: Options) -> Document:
    """Return the document of a page; the text of a block is a segment.

    Raises NmtError if the packages that parse Markdown are not installed.
    """
    return read_page(content, options, MARKDOWN_LINES)


def read_page(content: bytes, options: Options, code: re.Pattern[str]) -> Document:
    """Return the document of a page; code: what is no text, besides code of templates."""
    text, encoding = decode(content)
    templates = Templates(text, code)
    text = templates.text
    lines = lines_of(text)
    document = MarkdownDocument(encoding, templates, blocks=blocks_of(lines))
    reader = BlockReader(text, document, options)
    reader.read(lines)
    reader.keep_to(len(text))
    return document


def read_mdx(content: bytes, options: Options) -> Document:
    """Return the document of a page, as that of Markdown."""
    return read_page(content, options, MDX_CODE)
