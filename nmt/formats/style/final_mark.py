"""End a translation with the punctuation mark that its source ends with.

Models add a full stop to a label, or leave out a colon.
"""

import re
from itertools import takewhile
from typing import NamedTuple

from nmt.decoding.marks.marked import Edit, Kind, Marked
from nmt.formats.style.readable import Readable, readable
from nmt.text.languages import primary

STOP, QUESTION, EXCLAMATION, COLON = "stop", "question", "exclamation", "colon"
SEMICOLON, COMMA, ELLIPSIS = "semicolon", "comma", "ellipsis"
KINDS = {
    **dict.fromkeys(".。．।۔։።။។", STOP),
    **dict.fromkeys("?？؟\u037e፧", QUESTION),
    **dict.fromkeys("!！", EXCLAMATION),
    **dict.fromkeys(":：፥", COLON),
    **dict.fromkeys(";；؛\u0387", SEMICOLON),
    **dict.fromkeys(",，、،፣", COMMA),
    **dict.fromkeys(["…", "……", "...", "...."], ELLIPSIS),
}
MARK_CHARACTERS = frozenset("".join(KINDS))
PLAIN = {STOP: ".", QUESTION: "?", EXCLAMATION: "!", COLON: ":", SEMICOLON: ";", COMMA: ","}
WIDE = {STOP: "。", QUESTION: "？", EXCLAMATION: "！", COLON: "：", SEMICOLON: "；"}
ARABIC = {QUESTION: "؟", SEMICOLON: "؛", COMMA: "،"}
# Where the marks of a language differ from the plain ones. Thai and Lao have no full stop.
MARKS_OF = {
    "zh": WIDE | {COMMA: "，"},
    "yue": WIDE | {COMMA: "，"},
    "ja": WIDE | {COMMA: "、"},
    "ar": ARABIC,
    "fa": ARABIC,
    "ps": ARABIC,
    "ur": ARABIC | {STOP: "۔"},
    "hi": {STOP: "।"},
    "bn": {STOP: "।"},
    "ne": {STOP: "।"},
    "el": {QUESTION: ";", SEMICOLON: "\u0387"},
    "hy": {STOP: "։"},
    "am": {STOP: "።", SEMICOLON: "፤", COMMA: "፣"},
    "my": {STOP: "။"},
    "km": {STOP: "។"},
    "th": {STOP: ""},
    "lo": {STOP: ""},
}
ONLY_WIDE = ("zh", "yue", "ja")
# In these languages, a question also begins with a mark.
BEGIN_MARKS = {QUESTION: "¿", EXCLAMATION: "¡"}
WITH_BEGIN_MARKS = ("es", "ast", "gl")
CLOSERS = "\"'”“’‘»«)]}）」』"
SPACES = " \u00a0\u202f"
# A full stop after one of these, or a single letter, or a word with another one, may belong to it.
ABBREVIATED = (
    "etc inc ltd corp jr sr vs al approx dr mr mrs st pp vol ca usw bzw nr str abb ff dgl evtl ggf"
    " enz bv nl itd itp np tzn atd apod tj stb osv mfl jne ym ecc cfr sig núm págs pág ud uds др пр"
)
ABBREVIATIONS = frozenset(ABBREVIATED.split())
LAST_WORD = re.compile(r"[\w.]*\w\Z")


class End(NamedTuple):
    """How a text ends."""

    kind: str  # of its last mark; "": no mark
    begin: int  # of the mark
    end: int

    def mark(self, read: Readable) -> str:
        """Return the mark."""
        return read.text[self.begin : self.end]


def with_final_mark_of(language: str, source: Marked, translation: Marked) -> Marked:
    """Return a translation that ends with the mark of its source, in the form of its language.

    It stays as it is where the end is not clear: after an abbreviation, within quotation marks or
    brackets, for several marks in a row. A question mark is neither taken away nor replaced.
    """
    source_read, read = readable(source), readable(translation)
    wanted, found = end_of(source_read, ""), end_of(read, primary(language))
    if wanted is None or found is None:
        return translation
    form = form_of(wanted, source_read, language)
    if not wanted.kind:
        is_kept = is_ordinal(source_read, read, found) or not found.kind
    elif wanted.kind == found.kind:
        is_plain = found.mark(read) == PLAIN.get(found.kind) and primary(language) not in ONLY_WIDE
        is_kept = is_plain or not form or found.mark(read) == form
    else:
        begin_mark = BEGIN_MARKS.get(wanted.kind, "")
        is_kept = primary(language) in WITH_BEGIN_MARKS and begin_mark not in read.text
    if is_kept or (found.kind != wanted.kind and stays(found, read)):
        return translation
    return replaced(read, found, form) if found.kind else added(source_read, wanted, read, form)


def stays(end: End, read: Readable) -> bool:
    """Return whether the last mark of a translation is not replaced by that of a source."""
    return end.kind == QUESTION or (end.kind == EXCLAMATION and "¡" in read.text)


def end_of(read: Readable, language: str) -> End | None:
    """Return how a text ends; None if it is not clear."""
    text = read.text.rstrip()
    run = sum(1 for _ in takewhile(MARK_CHARACTERS.__contains__, reversed(text)))
    begin = len(text) - run
    if not text[:begin]:
        return None
    if not run:
        is_inner = text[-1] in CLOSERS and text[-2:-1] in MARK_CHARACTERS
        return None if is_inner else End("", begin, begin)
    kind = KINDS.get(text[begin:], "")
    if language == "el" and text[begin:] == ";":
        kind = QUESTION
    word = LAST_WORD.search(text, max(0, begin - 20), begin)
    is_abbreviation = word is not None and may_have_stop(word[0])
    if not kind or (kind == STOP and is_abbreviation):
        return None
    return End(kind, begin, len(text))


def may_have_stop(word: str) -> bool:
    """Return whether a full stop after a word may belong to it: in z.B., etc. and J."""
    is_letter = len(word) == 1 and word.lower() != word.upper()
    is_number = word.replace(".", "").isdigit()
    return is_letter or word.lower() in ABBREVIATIONS or ("." in word and not is_number)


def form_of(end: End, source: Readable, language: str) -> str:
    """Return the mark of a language for the end of a source; "" if it has none."""
    if end.kind in ("", ELLIPSIS):
        return end.mark(source)
    return MARKS_OF.get(primary(language), PLAIN).get(end.kind, PLAIN[end.kind])


def is_ordinal(source: Readable, read: Readable, end: End) -> bool:
    """Return whether the full stop of a translation may make an ordinal of a number."""
    is_number = read.text[end.begin - 1].isdigit() and not read.is_mark[end.begin - 1]
    return end.kind == STOP and is_number and not source.text.rstrip()[-1].isdigit()


def replaced(read: Readable, end: End, mark: str) -> Marked:
    """Return a text with another mark at its end; the space before the mark goes too."""
    changes = dict.fromkeys(range(end.begin, end.end), "")
    place = end.begin
    changes[place] = mark
    while read.text[place - 1] in SPACES and not read.is_mark[place - 1]:
        place -= 1
        changes[place] = ""
    return read.changed(changes)


def added(source: Readable, wanted: End, read: Readable, mark: str) -> Marked:
    """Return a text with a mark after its last word, inside of the tags if the source has it so."""
    place = read.ends[len(read.text.rstrip()) - 1]
    is_after_tag = source.begins[wanted.begin] > source.ends[wanted.begin - 1]
    for tag in read.source.marks if is_after_tag else ():
        if tag.begin == place and tag.kind is Kind.CLOSE:
            place = tag.end
    return read.source.edited([Edit(place, place, mark)])
