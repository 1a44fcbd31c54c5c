"""Find characters that do not belong into a text: damage by a program that handled it."""

import re
from functools import cache

from nmt.corpora.check.segment import Segment

# C0 but the tab, which is white space; C1; line and paragraph separators.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

# Zero-width characters. Scripts other than Latin, Greek and Cyrillic need joiners, and emoji too.
# Thai, Lao, Burmese and Khmer separate words with a zero-width space. Mongolian has U+180E before
# some vowels.
MONGOLIAN = "[\u1800-\u180d\u180f-\u18af]"
ZERO_WIDTH = (
    "[\u00ad\u2060-\u2064\ufeff]"
    f"|(?<!{MONGOLIAN})\u180e(?!{MONGOLIAN})"
    "|(?<=[A-Za-z\u00c0-\u052f])[\u200c\u200d](?=[A-Za-z\u00c0-\u052f])"
)
WORD_BREAK = "\u200b"
WITH_WORD_BREAKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# Text with letters that are written from right to left needs controls of the direction.
DIRECTION = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
INVISIBLE = re.compile(f"{ZERO_WIDTH}|{WORD_BREAK}|{DIRECTION}")
INVISIBLE_OF_RIGHT_TO_LEFT = re.compile(f"{ZERO_WIDTH}|{WORD_BREAK}")
INVISIBLE_WITH_WORD_BREAKS = re.compile(f"{ZERO_WIDTH}|{DIRECTION}")
INVISIBLE_OF_BOTH = re.compile(ZERO_WIDTH)

# Tags of HTML and XML, and character references. One attribute of a tag has a value: `x <b c> d`
# is no tag.
MARKUP = re.compile(
    "</?[A-Za-z][A-Za-z0-9:-]*(?:\\s+[\\w:-]+\\s*=[^<>]{0,300}"
    "|(?:\\s+[\\w:-]+){2,5}=[^\\s<>][^<>]{0,300}|\\s*/?)>|<!--|<!(?i:doctype)\\s"
    "|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
)

REPLACEMENT = "\ufffd"
# A garbled form that ends in one of these may also be the end of a word in capitals, or a letter
# between quotation marks.
QUOTATION_MARKS = frozenset("\u2018\u2019\u201a\u201c\u201d\u201e\u2039\u203a\xab\xbb")
DASHES = ("\u2013", "\u2014")
PUNCTUATION = QUOTATION_MARKS | {*DASHES, "\u2026"}
# An angstrom with an exponent; the square root of a number with a sign; a brand in capitals.
UNITS = ("\u00c5\u00b2", "\u00c5\u00b3", "\u00c5\u00b0")
ROOT = "\u221a\u00b1"
BRAND = "\u00c5\u00ae"
OPENING = QUOTATION_MARKS | {'"', "'"}

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
    text = segment.text
    if text.isascii() or not INVISIBLE.search(text):
        return ""
    return name_of(invisible(text).search(text))


def invisible(text: str) -> re.Pattern[str]:
    """Return the pattern of zero-width and bidirectional characters that a text does not need."""
    if WORD_BREAK in text and WITH_WORD_BREAKS.search(text):
        return INVISIBLE_OF_BOTH if RIGHT_TO_LEFT.search(text) else INVISIBLE_WITH_WORD_BREAKS
    return INVISIBLE_OF_RIGHT_TO_LEFT if RIGHT_TO_LEFT.search(text) else INVISIBLE


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
            if form in known and not may_be_meant(segment.text, begin, form):
                return f"{form!r} for {known[form]!r}"
    return ""


def may_be_meant(text: str, begin: int, form: str) -> bool:
    """Return whether a form may be a letter and a punctuation mark, in either order.

    The mark may follow a word in capitals or a quotation mark, as in PARA AMANH\u00c3\u2026; or a
    dash comes before a word, as in K\u00f8benhavn\u2013\u00c5rhus and at the start of a speech.
    It may also be a unit, as in 120 \u00c5\u00b3, or a root, as in \u221a\u00b12.
    """
    before, after = text[begin - 1 : begin], text[begin + len(form) :][:1]
    ends_a_word = form[-1] in PUNCTUATION and not after.isalpha()
    after_dash = form[0] in DASHES and form[-1].isalpha() and after not in DASHES
    is_mark = ends_a_word and (before.isupper() or before in OPENING)
    is_unit = form in UNITS and not before.isalpha() and not after.isalpha()
    is_root = form == ROOT and after.isdigit()
    is_brand = form == BRAND and before.isupper() and not after.isalpha()
    return len(form) == 2 and (is_mark or after_dash or is_unit or is_root or is_brand)


@cache
def garbled_forms() -> dict[str, str]:
    """Return what plausible characters look like if their UTF-8 is read in another encoding.

    A form that may be part of a word is left out.
    """
    forms: dict[str, str] = {}
    for encoding in MISTAKEN_FOR:
        for character in PLAUSIBLE:
            form = misread(character, encoding)
            if encoding in SURE or not form.isalpha():
                forms.setdefault(form, character)
    return forms


def misread(character: str, encoding: str) -> str:
    """Return what a character looks like if its UTF-8 is read in another encoding.

    A byte that the encoding lacks becomes the control character of the same number, as in browsers.
    """
    return "".join(
        bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in character.encode()
    )


@cache
def candidates() -> re.Pattern[str]:
    """Return a pattern of two characters that a garbled form may begin with."""
    first, second = ({form[place] for form in garbled_forms()} for place in (0, 1))
    return re.compile(f"(?=[{re.escape(''.join(first))}][{re.escape(''.join(second))}])")


def name_of(found: re.Match[str] | None) -> str:
    """Return the code point of a character that was found, such as U+200B."""
    return f"U+{ord(found[0]):04X}" if found else ""
