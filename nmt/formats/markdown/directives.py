"""Find the Markdown inside directives, such as notes."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.formats.html.elements import names
from nmt.formats.markdown.places import Line, inner_lines

if TYPE_CHECKING:
    from markdown_it.token import Token

# Directives of MyST, and the containers of other programs, whose content is Markdown.
WITH_TEXT = names(
    "admonition attention card caution danger details dropdown epigraph error figure grid"
    " grid-item grid-item-card hint important info list-table margin note pull-quote question"
    " seealso sidebar success tab-item tab-set table tip todo topic versionadded versionchanged"
    " deprecated warning"
)
INFO = re.compile(r"\{?([\w-]+)\}?")
OPTION = re.compile(r"[ \t]*:[\w-]+:(?:[ \t]|$)")
OPTIONS_END = "---"


def content_of(token: "Token", own: Sequence[Line]) -> list[Line]:
    """Return the lines of Markdown inside a fence: none if it is code.

    own: the lines of the fence. Its options stay.
    """
    info = token.info.strip()
    name = INFO.match(info)
    is_directive = info.startswith("{") or token.type == "colon_fence"
    if not is_directive or name is None or name[1].lower() not in WITH_TEXT:
        return []
    lines = inner_lines(token.content, own[1:]) or []
    return lines[options(lines) :]


def options(lines: Sequence[Line]) -> int:
    """Return how many lines at the begin of a directive are its options."""
    if lines and lines[0].text.rstrip() == OPTIONS_END:
        ends = (n for n, each in enumerate(lines) if n and each.text.rstrip() == OPTIONS_END)
        return next(ends, -1) + 1
    count = 0
    while count < len(lines) and OPTION.match(lines[count].text):
        count += 1
    return count
