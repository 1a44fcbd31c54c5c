"""Find characters that do not belong into a text: damage by a program that handled it."""

import re
from functools import cache

from nmt.check.segment import Segment

# C0 but the tab, which is white space; C1; line and paragraph separators.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

# Bidirectional controls and zero-width characters. Scripts other than Latin, Greek and Cyrillic
# need joiners, and emoji too.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    "|(?<=[A-Za-z\u00c0-\u052f])[\u200c\u200d](?=[A-Za-z\u00c0-\u052f])"
)

# Tags of HTML and XML, and character references.
MARKUP = re.compile(
    "</?[A-Za-z][^<>]{0,300}>|<!--|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
)

REPLACEMENT = "\ufffd"

# Encodings that UTF-8 is often mistaken for.
MISTAKEN_FOR = ("latin-1", "cp1252", "cp437", "cp850", "mac_roman")
# In these, the first byte becomes a capital letter, which no word has before what follows it. In
# the others, both bytes may become letters that a word has.
SURE = ("latin-1", "cp1252")
# Characters whose UTF-8 has two or three bytes, and that texts in Latin, Greek and Cyrillic have.
PLAUSIBLE = [
    *map(chr, range(0xA0, 0x180)),
    *map(chr, range(0x386, 0x3CF)),
    *map(chr, range(0x401, 0x460)),
    *"\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2022\u2026\u2039\u203a",
    *"\u20ac\u2122",
]


def control_character(segment: Segment) -> str:
    """Return the name of the first control character; "" if there is none."""
    return "" if segment.text.isprintable() else name_of(CONTROL.search(segment.text))


def invisible_character(segment: Segment) -> str:
    """Return the name of the first zero-width or bidirectional character; "" if there is none."""
    return "" if segment.text.isascii() else name_of(INVISIBLE.search(segment.text))


def markup(segment: Segment) -> str:
    """Return the first tag or character reference; "" if there is none."""
    if "<" not in segment.text and "&" not in segment.text:
        return ""
    found = MARKUP.search(segment.text)
    return found[0] if found else ""


def replacement_character(segment: Segment) -> str:
    """Return the name of U+FFFD, which stands for bytes that were lost; "" if there is none."""
    return "U+FFFD" if REPLACEMENT in segment.text else ""


def garbled_text(segment: Segment) -> str:
    """Return the first characters that are UTF-8 read in another encoding; "" if there are none.

    An a with two dots that was read as Windows-1252 is an A with a tilde and a currency sign.
    """
    if segment.text.isascii():
        return ""
    known = garbled_forms()
    for found in candidates().finditer(segment.text):
        begin = found.start()
        for length in (3, 2):
            form = segment.text[begin : begin + length]
            if form in known:
                return f"{form!r} for {known[form]!r}"
    return ""


@cache
def garbled_forms() -> dict[str, str]:
    """Return what plausible characters look like if their UTF-8 is read in another encoding.

    A form that may be part of a word is left out.
    """
    forms: dict[str, str] = {}
    for encoding in MISTAKEN_FOR:
        for character in PLAUSIBLE:
            form = character.encode().decode(encoding, "ignore")
            is_sure = encoding in SURE or not form.isalpha()
            if len(form) == len(character.encode()) and is_sure:
                forms.setdefault(form, character)
    return forms


@cache
def candidates() -> re.Pattern[str]:
    """Return a pattern of two characters that a garbled form may begin with."""
    first, second = ({form[place] for form in garbled_forms()} for place in (0, 1))
    return re.compile(f"(?=[{re.escape(''.join(first))}][{re.escape(''.join(second))}])")


def name_of(found: re.Match[str] | None) -> str:
    """Return the code point of a character that was found, such as U+200B."""
    return f"U+{ord(found[0]):04X}" if found else ""
