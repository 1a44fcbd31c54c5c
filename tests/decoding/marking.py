"""Make texts with marks for tests: tags, placeholders and line breaks are found by their form."""

import re

from nmt.decoding.translator.marked import Kind, Mark, Marked

MARK = re.compile(r"%\w|<br/>|\{\w+\}|</?\w>")


def marked(text: str) -> Marked:
    return Marked(
        text, tuple(Mark(*found.span(), find_kind(found[0])) for found in MARK.finditer(text))
    )


def find_kind(mark: str) -> Kind:
    if not mark.startswith("<") or mark.endswith("/>"):
        return Kind.ALONE
    return Kind.CLOSE if mark.startswith("</") else Kind.OPEN
