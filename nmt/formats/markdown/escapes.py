"""Escape what would be markup in the text of a translation."""

import re

# How much is escaped: nothing; what often is markup; every character that can be.
NOTHING, OFTEN, ALL = LEVELS = range(3)

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
OFTEN_MARKUP = re.compile(
    r"(\\(?=[!-/:-@\[-`{-~])|[`*\[\]]|~~|<(?=[a-zA-Z/!?])|&(?=#?\w+;)|\$"
    r"|(?<![^\W_])_|_(?![^\W_])|\{(?=[\w:.#%]))"
)
BEGINS_BLOCK = re.compile(r"[-+*](?=\s|$)|#{1,6}(?=\s|$)|[>%:~]|=+$|-+$|\+{3}|\(")
DEFINITION = re.compile(r"[:~](?=\s|$)")
NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def escaped(text: str, level: int) -> str:
    """Return a text with a backslash before what may be markup in it."""
    if level == NOTHING:
        return text
    if level == OFTEN:
        return OFTEN_MARKUP.sub(r"\\\1", text)
    # Tables do not see the backslash before a pipe in their only column.
    return PUNCTUATION.sub(r"\\\1", text).replace("\\|", "&#124;")


def escaped_begin(text: str, level: int) -> str:
    """Return an escaped text that does not begin a list, a heading or a quotation.

    level: that at which the text was escaped.
    """
    if level == NOTHING:
        # After a paragraph, this would be its definition; the parser does not see it alone.
        return "\\" + text if DEFINITION.match(text) else text
    if found := NUMBER.match(text):
        return f"{found[1]}\\{text[len(found[1]) :]}"
    return "\\" + text if BEGINS_BLOCK.match(text) else text
