"""Columns that a text takes on a terminal, and lines that fit into a number of columns."""

import unicodedata


def width_of(text: str) -> int:
    """Return the columns of a text: 2 for wide characters, none for those that combine."""
    if text.isascii():
        return len(text)
    return sum(map(width_of_character, text))


def width_of_character(character: str) -> int:
    """Return the columns of a character."""
    if unicodedata.combining(character):
        return 0
    return 2 if is_wide(character) else 1


def is_wide(character: str) -> bool:
    """Return whether a character takes two columns, as those of Chinese and Japanese do."""
    return unicodedata.east_asian_width(character) in "WF"
