"""Look at the characters of a segment: its words, scripts, damage, and what can be repaired."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

from nmt.errors import NmtError

# Marks that are written over, under or after letters. They are vowels in the scripts of India and
# South-East Asia, but `\w` does not have them.
MARKS = "".join(
    chr(point) for point in range(0x300, 0xAC00) if unicodedata.category(chr(point)) in ("Mn", "Mc")
)
WORD = re.compile(rf"[^\W\d_]+(?:[{MARKS}]+[^\W\d_]*)*")  # a run of letters with their marks


class Segment:
    """Hold one side of a pair.

    `folded` is what near duplicates have in common: the letters in lower case. Words are joined,
    because a space, a sign or a digit may also stand inside a word of one of the texts.
    """

    __slots__ = ("folded", "is_blank", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = WORD.findall(text.casefold())  # its runs of letters
        letters = "".join(self.words)
        if not letters.isascii():
            letters = unicodedata.normalize("NFC", letters)
        self.folded = letters or text  # a text without letters stays as it is
        self.is_blank = not self.words and not text.strip()  # has nothing but white space


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

# Tags of HTML and XML, and character references. One attribute of a tag has a value: `x <b c> d`
# is no tag.
MARKUP = re.compile(
    "</?[A-Za-z][A-Za-z0-9:-]*(?:\\s+[\\w:-]+\\s*=[^<>]{0,300}"
    "|(?:\\s+[\\w:-]+){2,5}=[^\\s<>][^<>]{0,300}|\\s*/?)>|<!--|<!(?i:doctype)\\s"
    "|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
)

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


def control_character(text: str) -> str:
    """Return the name of the first control character; "" if there is none."""
    return "" if text.isprintable() else code_point(CONTROL.search(text))


def invisible_character(text: str) -> str:
    """Return the name of the first zero-width or bidirectional character; "" if there is none."""
    if text.isascii() or not INVISIBLE.search(text):
        return ""
    return code_point(invisible(text).search(text))


def code_point(found: re.Match[str] | None) -> str:
    """Return the code point of a character that was found, such as U+200B."""
    return f"U+{ord(found[0]):04X}" if found else ""


def invisible(text: str) -> re.Pattern[str]:
    """Return the pattern of zero-width and bidirectional characters that a text does not need."""
    kinds = [ZERO_WIDTH]
    if not WITH_WORD_BREAKS.search(text):
        kinds.append(WORD_BREAK)
    if not RIGHT_TO_LEFT.search(text):
        kinds.append(DIRECTION)
    return re.compile("|".join(kinds))


def markup(text: str) -> str:
    """Return the first tag or character reference; "" if there is none."""
    if "<" not in text and "&" not in text:
        return ""
    found = MARKUP.search(text)
    return found[0] if found else ""


def garbled_text(text: str) -> str:
    """Return the first characters that are UTF-8 read in another encoding; "" if there are none.

    An a with two dots that was read as Windows-1252 is an A with a tilde and a currency sign.
    """
    if text.isascii():
        return ""
    known, candidates = garbled_forms()
    for found in candidates.finditer(text):
        begin = found.start()
        for length in (3, 2):
            form = text[begin : begin + length]
            if form in known and not may_be_meant(text, begin, form):
                return f"{form!r} for {known[form]!r}"
    return ""


@cache
def garbled_forms() -> tuple[dict[str, str], re.Pattern[str]]:
    """Return what plausible characters look like if their UTF-8 is read in another encoding.

    A form that may be part of a word is left out. The pattern finds two characters that a form may
    begin with.
    """
    forms: dict[str, str] = {}
    for encoding in MISTAKEN_FOR:
        for character in PLAUSIBLE:
            # As in browsers, a byte that the encoding lacks becomes the control character of the
            # same number.
            form = "".join(
                bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in character.encode()
            )
            if encoding in SURE or not form.isalpha():
                forms.setdefault(form, character)
    first, second = (re.escape("".join({form[index] for form in forms})) for index in (0, 1))
    return forms, re.compile(f"(?=[{first}][{second}])")


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


# Blocks of the scripts that most corpora are in (Unicode 16, Blocks.txt), without punctuation that
# other scripts have too: the Arabic comma, semicolon and question mark, tatweel and the dandas.
BLOCKS = {
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\uff21-\uff5a",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Arabic": "\u0600-\u060b\u060d-\u061a\u061c-\u061e\u0620-\u063f\u0641-\u06ff"
    "\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefe",
    "Syriac": "\u0700-\u074f",
    "Thaana": "\u0780-\u07bf",
    "NKo": "\u07c0-\u07ff",
    "Devanagari": "\u0900-\u0963\u0966-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Odia": "\u0b00-\u0b7f",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Myanmar": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Hangul": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "Ethiopic": "\u1200-\u137f",
    "Cherokee": "\u13a0-\u13ff\uab70-\uabbf",
    "Khmer": "\u1780-\u17ff",
    "Mongolian": "\u1800-\u18af",
    "Ol Chiki": "\u1c50-\u1c7f",
    "Tifinagh": "\u2d30-\u2d7f",
    "Bopomofo": "\u3100-\u312f\u31a0-\u31bf",
    "Meetei Mayek": "\uaae0-\uaaff\uabc0-\uabff",
    "Adlam": "\U0001e900-\U0001e95f",
    "Kana": "\u3040-\u30ff\uff66-\uff9f",
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
}
# Scripts that are written without spaces between words.
WITHOUT_SPACES = frozenset({"Han", "Kana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan"})


@cache
def letters_in(*scripts: str) -> re.Pattern[str]:
    """Return a pattern of a run of letters of any of these scripts."""
    return re.compile(f"[{''.join(BLOCKS[script] for script in scripts)}]+")


def count_letters(text: str, *scripts: str) -> int:
    """Return how many letters of a text are in any of these scripts."""
    return sum(map(len, letters_in(*scripts).findall(text)))


def usual_scripts(texts: Iterable[str], least_share: float) -> frozenset[str]:
    """Return the scripts that have at least this share of the letters of some texts."""
    letters = Counter("".join(texts))
    counts = {
        script: sum(n for letter, n in letters.items() if letters_in(script).match(letter))
        for script in BLOCKS
    }
    least = least_share * max(1, sum(counts.values()))
    return frozenset(script for script, count in counts.items() if count >= max(1, least))


def foreign_script(text: str, usual: frozenset[str], most: float) -> str:
    """Return the script of a text if more than a share of its letters is not in the usual ones.

    Returns "" for a text without letters of a known script, or if nothing is usual.
    """
    if not usual or (text.isascii() and "Latin" in usual):
        return ""
    letters = count_letters(text, *BLOCKS)
    own = count_letters(text, *sorted(usual))
    if not letters or letters - own <= most * letters:
        return ""
    others = usual_scripts([text], 0) - usual
    return min(others, key=lambda script: (-count_letters(text, script), script))


# What is repaired, in this order.
REPAIRS = {
    "mojibake": "UTF-8 that was read in another encoding (ftfy)",
    "control": "control characters",
    "invisible": "zero-width or text-direction characters",
    "normal_form": "characters in several code points, now one (Unicode NFC)",
    "spaces": "several spaces, other white space, or spaces at an end",
}


def space_or_nothing(found: re.Match[str]) -> str:
    """Return what stands for a control character."""
    return " " if found[0].isspace() else ""


# The last two, in this order: what was between two code points is gone before they are united.
UNICODE_REPAIRS: dict[str, Callable[[str], str]] = {
    "control": lambda text: text if text.isprintable() else CONTROL.sub(space_or_nothing, text),
    "invisible": lambda text: invisible(text).sub("", text) if INVISIBLE.search(text) else text,
    "normal_form": lambda text: unicodedata.normalize("NFC", text),
}


def repaired(text: str, *, with_ftfy: bool) -> tuple[str, list[str]]:
    """Return a repaired segment and the names of its repairs.

    with_ftfy: repair mojibake, which needs the package ftfy; see `check_ftfy`. Text with mojibake
    that is left stays as it is: its control characters and spaces are parts of lost letters.
    """
    done = []
    before = text
    if not (text.isascii() and text.isprintable()):
        if garbled_text(text):
            if not with_ftfy:
                return text, []
            import ftfy

            text = str(ftfy.fix_encoding(text))
            if text != before:
                done.append("mojibake")
            if garbled_text(text):
                return text, done
        for name, repair in UNICODE_REPAIRS.items():
            before, text = text, repair(text)
            if text != before:
                done.append(name)
    before, text = text, " ".join(text.split())
    return text, [*done, "spaces"] if text != before else done


def check_ftfy() -> None:
    """Raise NmtError if the package ftfy is not installed."""
    try:
        import ftfy  # noqa: F401 (whether it can be imported)
    except ImportError as error:
        raise NmtError(
            "--ftfy needs the package ftfy: pip install 'attention-nmt[clean]'"
        ) from error
