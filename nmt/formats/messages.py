"""Messages of programs: their tags and line breaks are marks, and their context is a short path."""

import re
from collections.abc import Sequence

from nmt.decoding.marked import Marked
from nmt.formats.tags import TAG, with_tags

PARTS = re.compile(rf"{TAG.pattern}|\n\s*")
LONGEST_PATH = 200  # characters
LONGEST_KEY = 60


def message(text: str) -> Marked:
    """Return a message with its tags and line breaks as marks; a line break stands alone."""
    return with_tags(text, PARTS) if "<" in text or "\n" in text else Marked(text)


def path_of(keys: Sequence[str]) -> str:
    """Return keys as a path, such as menu.file.open; the beginning of a long one is left out."""
    path = ".".join(each[:LONGEST_KEY] for each in keys)
    return path if len(path) <= LONGEST_PATH else f"...{path[-LONGEST_PATH:]}"
