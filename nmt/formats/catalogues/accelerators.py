"""Keyboard accelerators: the letter of a menu or a button that follows an & or an underscore.

They are taken out of the text before it is translated, and put before a letter of the translation.
"""

import re
from typing import NamedTuple

from nmt.decoding.marks.marked import Edit, Marked

LETTER = r"[^\W_]"
AMPERSAND = re.compile(rf"&(?={LETTER})")
# A name such as AT&T or R&D; a menu in capitals has longer words, E&XIT.
NAME = re.compile(rf"(?<!{LETTER})({LETTER}{{1,2}})&({LETTER})(?!{LETTER})")
ENTITY = re.compile(r"&(?:\w+|#\w+);")  # is no accelerator: &amp;
UNDERSCORE = re.compile(rf"(?<!\S)_(?={LETTER})")  # only before a word: an_identifier has none
BEFORE_LETTER = re.compile(LETTER)
# Languages that add the letter in brackets: "ファイル(&F)".
WITH_BRACKETS = {"ja", "ko", "zh"}
ENDING = re.compile(r"[\s.:：…。]*$")
IN_BRACKETS = re.compile(rf"\(([&_])({LETTER})\)")  # how these languages write a source


class Accelerator(NamedTuple):
    """A sign and the letter after it."""

    sign: str  # & or _
    letter: str


class Labelled(NamedTuple):
    """A text without its accelerator."""

    text: Marked
    accelerator: Accelerator | None


def taken_out(source: Marked) -> Labelled:
    """Take the accelerator out of a text, if it has exactly one."""
    text = source.text
    if found := IN_BRACKETS.search(text):
        begin = len(text[: found.start()].rstrip())
        accelerator = Accelerator(found[1], found[2])
        return Labelled(source.edited([Edit(begin, found.end(), "")]), accelerator)
    ampersands = list(AMPERSAND.finditer(text)) if text.count("&") == 1 else []
    underscores = list(UNDERSCORE.finditer(text)) if text.count("_") == 1 else []
    places = [each for each in ampersands + underscores if not ENTITY.match(text, each.start())]
    if any((found[1] + found[2]).isupper() for found in NAME.finditer(text)):
        return Labelled(source, None)
    if len(places) != 1 or in_mark(source, places[0].start()):
        return Labelled(source, None)
    place = places[0].start()
    return Labelled(
        source.edited([Edit(place, place + 1, "")]), Accelerator(text[place], text[place + 1])
    )


def put_in(translation: Marked, accelerator: Accelerator, language: str) -> Marked:
    """Return a translation with an accelerator: before the same letter if it has that.

    The start of a word is preferred. Chinese, Japanese and Korean get the letter in brackets.
    """
    sign, letter = accelerator
    text = translation.text
    if language.partition("-")[0].partition("_")[0].lower() in WITH_BRACKETS:
        ending = ENDING.search(text)
        place = ending.start() if ending else len(text)
        if not in_mark(translation, place):
            return translation.edited([Edit(place, place, f"({sign}{letter.upper()})")])
    free = [
        each.start()
        for each in BEFORE_LETTER.finditer(text)
        if (each[0].isalpha() or each[0] == letter) and not in_mark(translation, each.start())
    ]
    if not free:
        return translation
    starts = [each for each in free if each == 0 or not text[each - 1].isalnum()]
    same = [each for each in (*starts, *free) if text[each].casefold() == letter.casefold()]
    place = [*same, *starts, *free][0]
    return translation.edited([Edit(place, place, sign)])


def in_mark(text: Marked, place: int) -> bool:
    """Return whether the character at a place belongs to a mark."""
    return any(each.begin <= place < each.end for each in text.marks)
