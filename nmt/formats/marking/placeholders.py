"""Find what no one translates in a text: placeholders of programs, addresses, and tags in messages.

Which placeholders may stand in a text depends on the program that reads it: "50% of" is prose, but
"%o" is a number to C. So a format names the syntaxes of each segment.
"""

import re
from functools import lru_cache

from nmt.decoding.marked import Mark, Marked
from nmt.decoding.symbols import addresses
from nmt.formats.marking.icu import argument_spans
from nmt.formats.marking.overlaps import outside, without_overlaps
from nmt.formats.marking.tags import with_tags

# A conversion of C: "%5.2f", "%1$s", "%%". A space is no flag here: "50 % de" is prose.
PRINTF = (
    r"%(?:%|(?:\d{1,3}\$)?[-+#0']{0,5}(?:\d{1,5}|\*(?:\d{1,3}\$)?)?(?:\.(?:\d{1,5}|\*)?)?"
    r"(?:hh|h|ll|l|L|q|j|z|t)?(?:[diouxXeEfFgGaAcCsSpn]|<PRI\w{1,12}>))"
)
NAME = r"[\w.$-]{0,100}"
# Names and numbers of Python, C#, Rust and JavaScript: "{}", "{0:.2f}", "{{count}}".
BRACE = (
    r"\{\{\s?[\w.$, -]{1,100}\s?\}\}|\{\{|\}\}"
    rf"|\{{{NAME}(?:\[[^\[\]{{}}\n]{{1,50}}\])?(?:![rsa])?"
    r"(?:[:,](?:[^{}\n]|\{[\w.$]{0,50}\}){0,100})?\}"
)
OF_PYTHON = r"[-+#0]{0,5}\d{0,5}(?:\.\d{0,5})?"  # flags, width and precision
SYNTAXES = {
    "printf": PRINTF,
    "python": rf"%\([^()\n]{{1,100}}\){OF_PYTHON}[a-zA-Z]|%{OF_PYTHON}r|{PRINTF}",
    "brace": BRACE,
    "icu": "",  # its braces are nested; see `icu`
    "dollar": r"\$\{[^{}\n]{1,100}\}|\$[A-Za-z_]\w{0,100}\$?",
    "percent-brace": r"%\{[^{}\n]{1,100}\}|%<\w{1,100}>[-+#0]{0,5}\d{0,5}(?:\.\d{0,5})?[a-zA-Z]",
    "qt": r"%\d{1,2}%|%L?\d{1,2}|%L?n(?![^\W\d_])|%%",
    "objc": rf"%(?:\d{{1,3}}\$)?@|{PRINTF}",
    "tags": "",  # see `tags`
}
ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")


def with_placeholders(source: Marked, syntax: frozenset[str]) -> Marked:
    """Return a text with its placeholders and addresses as further marks.

    None crosses a mark of the format. syntax: names of `SYNTAXES`.
    """
    marks: list[Mark] = []
    begin = 0
    for own in (*source.marks, None):
        end = len(source.text) if own is None else own.begin
        marks += (each.moved(begin) for each in find(source.text[begin:end], syntax))
        if own is not None:
            marks.append(own)
            begin = own.end
    return Marked(source.text, tuple(marks))


def find(text: str, syntax: frozenset[str]) -> list[Mark]:
    """Return the placeholders and the addresses of a text, in order and apart.

    The first one counts if two overlap; of two that begin together, the longer one.
    """
    found = [*map(span_mark, addresses(text))]
    pattern = pattern_of(syntax)
    if pattern is not None:
        found += (span_mark(each.span()) for each in pattern.finditer(text))
    if "icu" in syntax:
        found += map(span_mark, argument_spans(text))
    tags = tags_of(text) if "tags" in syntax else []
    # A tag is whole, whatever its attributes hold: else its partner would lose it.
    return without_overlaps([*tags, *outside(found, tags)])


def span_mark(span: tuple[int, int]) -> Mark:
    """Return a mark that stands for itself."""
    return Mark(*span, is_text=True)


@lru_cache
def pattern_of(syntax: frozenset[str]) -> re.Pattern[str] | None:
    """Return what matches the placeholders of syntaxes; None: there are none."""
    patterns = [SYNTAXES[each] for each in sorted(syntax) if SYNTAXES.get(each)]
    return re.compile("|".join(patterns)) if patterns else None


def tags_of(text: str) -> list[Mark]:
    """Return the tags and the entities of a text that is HTML."""
    tags = (each._replace(is_text=True) for each in with_tags(text).marks)
    entities = (span_mark(each.span()) for each in ENTITY.finditer(text))
    return without_overlaps([*tags, *entities])
