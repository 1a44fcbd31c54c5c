"""Put spaces beside punctuation marks as the target language does, and write full-width marks."""

import re

from nmt.decoding.marks.marked import Edit, Marked
from nmt.formats.style.final_mark import KINDS, MARKS_OF, ONLY_WIDE
from nmt.formats.style.quotation import for_language
from nmt.formats.style.readable import Readable, readable
from nmt.text.languages import primary

NO_BREAK, NARROW_NO_BREAK = "\u00a0", "\u202f"
# French marks with the space before each. Canada has only that of the colon.
FRENCH_SPACES = {
    "fr": {":": NO_BREAK, ";": NARROW_NO_BREAK, "!": NARROW_NO_BREAK, "?": NARROW_NO_BREAK},
    "fr-ca": {":": NO_BREAK},
}
FRENCH_MARK = re.compile(
    r"(?<=[\w»”\"')\]%°€$])([ \u00a0\u202f]*)"
    r"(?:[;:](?=\s|\Z)|[!?](?=[!?\s»”\")\]…]|\Z))"
)
GUILLEMET_SPACE = re.compile("(?<=«) | (?=»)")
# The dots of an ellipsis, of .NET and of .5 are no full stops.
SPACE_BEFORE = re.compile(r"(?<=\w) +(?=(?:[,;:!?]|\.(?!\.))(?:\s|\Z))")
SPACE_BEFORE_FRENCH = re.compile(r"(?<=\w) +(?=(?:,|\.(?!\.))(?:\s|\Z))")
MORE_SPACES = re.compile(r"(?<=\S ) +(?=\S)")
CJK = "\u2e80-\u2fff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
# A full stop or a colon within a name, as that of a file, is not widened.
HALF_WIDTH = re.compile(rf"(?<=[{CJK}])(?:[,!?;] ?|[.:](?: ?(?=[{CJK}])|(?=\s*\Z|[”」』）])))")


def with_spaces_of(language: str, source: Marked, translation: Marked) -> Marked:
    """Return a translation with the spaces and the widths of marks that its language has.

    Spaces that the source has in the same way stay: doubled ones, and those before a mark.
    """
    source_text = readable(source).text
    read = readable(translation)
    changes: dict[int, str] = {}
    french = for_language(FRENCH_SPACES, language)
    if not MORE_SPACES.search(source_text):
        remove(MORE_SPACES, read, changes)
    if not SPACE_BEFORE.search(source_text):
        remove(SPACE_BEFORE if french is None else SPACE_BEFORE_FRENCH, read, changes)
    if french is not None:
        space_french(read, french, changes)
    if primary(language) in ONLY_WIDE:
        for found in HALF_WIDTH.finditer(read.text):
            changes |= dict.fromkeys(range(*found.span()), "")
            changes[found.start()] = MARKS_OF[primary(language)][KINDS[found[0][0]]]
    return read.changed(changes)


def remove(pattern: re.Pattern[str], read: Readable, changes: dict[int, str]) -> None:
    """Add changes that take away what a pattern finds."""
    for found in pattern.finditer(read.text):
        changes |= dict.fromkeys(range(*found.span()), "")


def space_french(read: Readable, spaces: dict[str, str], changes: dict[int, str]) -> None:
    """Add changes that put no-break spaces before French marks and into guillemets."""
    for found in FRENCH_MARK.finditer(read.text):
        mark = found[0][-1]
        if mark in spaces:
            changes |= dict.fromkeys(range(*found.span(1)), "")
            changes[found.end() - 1] = spaces[mark] + mark
    for found in GUILLEMET_SPACE.finditer(read.text):
        changes[found.start()] = NO_BREAK


def with_outer_space_of(source: Marked, translation: Marked) -> Marked:
    """Return a translation with the white space of its source at its begin and its end."""
    if not translation.text.strip():
        return translation
    before, after = outer_space(source)
    own_before, own_after = outer_space(translation)
    length = len(translation.text)
    return translation.edited(
        [Edit(0, len(own_before), before), Edit(length - len(own_after), length, after)]
    )


def outer_space(text: Marked) -> tuple[str, str]:
    """Return the white space at the begin and the end of a text, without that in marks."""
    first = text.marks[0].begin if text.marks else len(text.text)
    last = text.marks[-1].end if text.marks else 0
    before, after = text.text[:first], text.text[last:]
    return before[: len(before) - len(before.lstrip())], after[len(after.rstrip()) :]
