"""Write characters as the text or the attributes of XML."""

import re

# Characters that XML 1.0 cannot hold, not even as a reference.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
TEXT_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
# A parser reads a tab or a line end in an attribute as a space, unless it is a reference.
ATTRIBUTE_ESCAPES = TEXT_ESCAPES | {'"': "&quot;", "'": "&#39;", "\n": "&#10;", "\t": "&#9;"}
TEXT_TABLE = str.maketrans(TEXT_ESCAPES)
ATTRIBUTE_TABLE = str.maketrans(ATTRIBUTE_ESCAPES)


def escape_text(text: str) -> str:
    """Return characters as the content of an element; those that XML cannot hold are dropped."""
    return FORBIDDEN.sub("", text).translate(TEXT_TABLE)


def escape_attribute(text: str) -> str:
    """Return characters as the value of an attribute, between quotes of either kind."""
    return FORBIDDEN.sub("", text).translate(ATTRIBUTE_TABLE)


def cdata(text: str) -> str:
    """Return characters as CDATA sections: two, if the characters hold the end of one."""
    inner = FORBIDDEN.sub("", text).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{inner}]]>"
