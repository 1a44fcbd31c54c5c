"""Write the quotation marks of the target language, if the source has those of a language too.

Straight quotes stay straight: such a text may be about programs. Apostrophes, inches and feet are
no quotation marks.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from nmt.decoding.marks.marked import Marked
from nmt.formats.style.readable import readable
from nmt.text.languages import primary

T = TypeVar("T")

# Outer and inner marks by CLDR 48.2 (delimiters.json). For Dutch it has only the single ones; the
# double ones, as common, cannot be mistaken for apostrophes.
LANGUAGES_OF = {
    "“”‘’": "af as az bn bo cy da en es fo fy ga gd gl gn gu ha hi id ig jv km kn ko ku la ln lo lv"
    " mi ml mn mr ms mt my ne nl om or pa ps pt qu sa sd si so sq su sw ta te tg th tr tt vi wo"
    " xh yo zh zu",
    "«»“”": "br ca el eu it kk mg sc ti pt-pt",
    "„“‚‘": "cs de et hr is lb mk sk sl",
    "””’’": "fi he rn se sn sv yi",
    "«»„“": "be ky os ru uk",
    "«»«»": "fr ht hy oc",
    "«»‘’": "nb nn no rw",
    "«»‹›": "am fa rm fr-ch",
    "„“„“": "bg lt",
    "„”«»": "pl ro",
    "„”‘’": "bs",
    "“”«»": "eo",
    "„”»«": "hu",
    "「」『』": "ja yue zh-hant zh-tw zh-hk",
    "„“«»": "ka",
    "„”’’": "sr",
    "“”“”": "tk",
    "»«›‹": "ug",
    "“”’‘": "uz",
}
MARKS_OF = {code: marks for marks, codes in LANGUAGES_OF.items() for code in codes.split()}
# French has a no-break space inside its marks, but not in Switzerland.
INNER_SPACE = {"fr": "\u00a0", "fr-ch": ""}
STRAIGHT = '"'
APOSTROPHE = "’"
DOUBLE = '"“”„‟«»「」『』'
SINGLE = "‘’‚‹›"
OPENING = '"“”„‟«»「『‘‚‹›'
DOUBLE_PAIRS = ('""', "“”", "„“", "„”", "‟”", "””", "«»", "»«", "「」", "『』")
PAIRS = frozenset((*DOUBLE_PAIRS, "‘’", "‚‘", "‚’", "‹›", "›‹"))
SPACES = " \u00a0\u202f"


class Quotation(NamedTuple):
    """A quotation in a text: the places of its two marks."""

    begin: int
    end: int


def with_marks_of(language: str, source: Marked, translation: Marked) -> Marked:
    """Return a translation with the quotation marks of its language, or with straight ones.

    It stays as it is if the source has no quotation marks or both kinds of them, or if the marks of
    the translation do not make pairs.
    """
    read = readable(source)
    is_straight = {read.text[each.begin] == STRAIGHT for each in quotations(read.text)}
    marks = for_language(MARKS_OF, language)
    if len(is_straight) != 1 or marks is None:
        return translation
    is_straight_source = is_straight.pop()
    inner_space = "" if is_straight_source else for_language(INNER_SPACE, language) or ""
    found = readable(translation)
    text = found.text
    changes: dict[int, str] = {}
    ends: list[int] = []  # of the quotations around the next one
    for quotation in quotations(text):
        while ends and ends[-1] < quotation.begin:
            ends.pop()
        pair = marks[2:] if len(ends) % 2 else marks[:2]
        ends.append(quotation.end)
        if is_straight_source:
            pair = STRAIGHT * 2 if text[quotation.begin] in DOUBLE else "''"
        changes |= dict.fromkeys(inner_spaces(text, quotation), "")
        changes[quotation.begin] = pair[0] + inner_space
        changes[quotation.end] = inner_space + pair[1]
    return found.changed(changes)


def inner_spaces(text: str, quotation: Quotation) -> Iterator[int]:
    """Yield the places of the spaces beside the marks of a quotation, within it."""
    begin, end = quotation.begin + 1, quotation.end - 1
    while begin <= end and text[begin] in SPACES:
        yield begin
        begin += 1
    while begin < end and text[end] in SPACES:
        yield end
        end -= 1


def for_language(table: Mapping[str, T], language: str) -> T | None:
    """Return the entry of a language with its script or country, else that of the language."""
    code = language.lower().replace("_", "-")
    return table.get(code, table.get(primary(code)))


def quotations(text: str) -> list[Quotation]:
    """Return the quotations in a text, in order; none if a double mark has no partner.

    A single mark without a partner is an apostrophe. If one stands at the end of a word, all single
    marks are left out: which of them ends a quotation is not known.
    """
    found: list[Quotation] = []
    opened: list[int] = []
    has_apostrophe = False
    for place, mark in enumerate(text):
        if (mark not in DOUBLE and mark not in SINGLE) or is_within_word(text, place):
            continue
        if mark in DOUBLE:  # what is inside and still open are apostrophes
            has_partner = any(text[each] + mark in PAIRS for each in opened[-2:])
            while has_partner and text[opened[-1]] + mark not in PAIRS:
                opened.pop()
        if opened and text[opened[-1]] + mark in PAIRS:
            found.append(Quotation(opened.pop(), place))
        elif mark == STRAIGHT and place > 0 and text[place - 1].isdigit():
            continue  # inches
        elif mark in OPENING:
            opened.append(place)
        elif mark == APOSTROPHE:
            has_apostrophe = True
        else:
            return []
    if any(text[each] in DOUBLE for each in opened):
        return []
    if has_apostrophe or opened:
        found = [each for each in found if text[each.begin] in DOUBLE]
    return sorted(found)


def is_within_word(text: str, place: int) -> bool:
    """Return whether a mark is an apostrophe, or the mark of feet: after a digit or in a word."""
    if text[place] not in "‘’":
        return False
    return text[place - 1 : place].isalnum() and text[place + 1 : place + 2].isalnum()
