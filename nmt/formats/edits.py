"""Replace parts of a text and keep all others."""

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """A part of a text and what stands there instead; an empty part is an insertion."""

    begin: int
    end: int
    text: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with its edits, which may be in any order and may not overlap."""
    pieces, end = [], 0
    for edit in sorted(edits, key=lambda each: (each.begin, each.end)):
        pieces += [text[end : edit.begin], edit.text]
        end = edit.end
    return "".join([*pieces, text[end:]])
