"""Tell texts from other strings of data files: identifiers, addresses, paths, colours, dates."""

import re

from nmt.decoding.translator.odd_input import has_words
from nmt.formats.resources.values import message

LONGEST_TOKEN = 100  # characters without a space; longer ones are encoded data

FILES = (
    "avi|bmp|c|cfg|conf|cpp|css|csv|docx?|eot|exe|gif|go|gz|h|html?|ico|ini|java|jpe?g|js|json|jsx"
    "|less|lock|log|md|mp3|mp4|ogg|otf|pdf|php|png|pptx?|properties|py|rb|rs|rst|scss|sh|sql|svg"
    "|tar|tiff?|toml|tsv|tsx?|ttf|txt|vue|wasm|wav|webm|webp|woff2?|xhtml|xlsx?|xml|ya?ml|zip"
)
# Strings without spaces that are no text.
TOKENS = (
    r"[a-z][a-z0-9+.-]*://.*",  # addresses
    r"(?:mailto|tel|data|urn|javascript|about|blob|file|sms):.*",
    r"www\..*",
    r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+",
    r"(?:~|\.{1,2})?/.*",  # paths
    r"[A-Za-z]:\\.*",
    r"[^/]*/.*/.*",
    r"(?:application|audio|font|image|message|model|multipart|text|video)/[\w.+-]+",
    rf"[\w@./-]*\.(?:{FILES})",
    r"[a-z_$][\w$-]*(?:\.[\w$-]+)+",  # com.example.app, menu.file
    r"\w*_\w*",  # MAX_SIZE
    r"[a-z]+[A-Z]\w*",  # userName
    r"(?:[A-Z][a-z0-9]+){2,}",  # UserName
    r"[a-z]+(?:-[a-z0-9]+)*-\d[\w-]*",  # col-md-6
    r"#[0-9a-fA-F]{3,8}",  # colours
    r"(?=[A-Za-z+/=_-]*\d)[A-Za-z0-9+/=_-]{20,}",  # hashes, encoded data
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    r"v?\d+(?:\.\d+)+[\w.+-]*",  # versions
    r"[+-]?\d[\d.,]*[A-Za-z%µ°]{1,4}",  # 12px
    r"\d{4}-\d\d-\d\d(?:T.*)?",
    r"[a-z]{2,3}[-_](?:[A-Z]{2}|[A-Z][a-z]{3}(?:[-_][A-Z]{2})?)(?:[.@][\w-]+)?",  # locales
    r"(?:\{+[\w.$-]+\}+|\$\w*[({][^(){}]*[)}]|%\w)+",  # placeholders
)
BROKEN = re.compile("[\0\ud800-\udfff]")  # in no text, and not even in UTF-8
TOKEN = re.compile("|".join(f"(?:{each})" for each in TOKENS))
DATE_PART = r"(?:[Yy]{2,4}|M{1,4}|[dD]{1,2}|E{1,4}|H{1,2}|h{1,2}|m{1,2}|s{1,2}|[Sf]{1,6}|aa?|A|Z|z)"
# Strings with spaces that are no text.
PHRASES = (
    rf"{DATE_PART}(?:[-/.:, T]{{1,2}}{DATE_PART})+",  # patterns of dates
    r"(?:rgb|hsl)a?\([\d.,%/ ]+\)",
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d[\w:., +-]{0,20}",
    r"[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{4} [\d:]+ \S+",
    r"(?:\d[\d.]*(?:px|em|rem|pt|vh|vw|%)|auto|0)(?: (?:\d[\d.]*(?:px|em|rem|pt|vh|vw|%)|auto|0))+",
)
PHRASE = re.compile("|".join(f"(?:{each})" for each in PHRASES))


def is_text(value: str) -> bool:
    """Return whether a string of a data file is a text to translate.

    A string with spaces is a text if it has words and is no date, no colour and no size. One
    without spaces is a text unless it has the form of an address, a path, a file's name, an
    identifier (with "_", a dot, or a capital within), a colour, a number with a unit, a version, a
    date, a locale, encoded data or placeholders alone.
    """
    stripped = value.strip()
    if BROKEN.search(stripped) or not has_words(message(stripped).without_marks()):
        return False
    if len(stripped) > LONGEST_TOKEN:
        return not stripped.isascii() or any(map(str.isspace, stripped))
    return not PHRASE.fullmatch(stripped) and (
        any(map(str.isspace, stripped)) or not TOKEN.fullmatch(stripped)
    )
