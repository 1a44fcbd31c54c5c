"""Give a translation the final mark and the capitals that its source asks for."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nmt.decoding.translator.marked import Edit, Kind, Marked
from nmt.documents.document import Options
from nmt.documents.marks.tags import Span
from nmt.text.reading.languages import is_language, primary

# Read in place of a mark that stands alone. A word with a capital may begin a sentence.
WORD_STAND_IN, NUMBER_STAND_IN, BREAK_STAND_IN = "Xx", "1", "\n"
NUMBER_MARK = re.compile(r"%[\d.]*[dif]")
BREAK_MARK = re.compile(r"\s*\n\s*|<br\b[^>]*>", re.IGNORECASE)


class Readable(NamedTuple):
    """A text without tags, and which part of the source each of its characters stands for."""

    source: Marked
    text: str
    begins: list[int]
    ends: list[int]
    is_mark: bytearray  # 1 for characters that are read in place of a mark

    def spans(self, ends: Sequence[int]) -> list[Span]:
        """Return the sentences in the source, from their ends in the text, without outer spaces."""
        spans, begin = [], 0
        for end in [*ends, len(self.text)]:
            sentence = self.text[begin:end]
            if sentence.strip():
                first = begin + len(sentence) - len(sentence.lstrip())
                last = begin + len(sentence.rstrip()) - 1
                spans.append(Span(self.begins[first], self.ends[last]))
            begin = end
        return spans

    def changed(self, changes: Mapping[int, str]) -> Marked:
        """Return the source with texts in place of characters; none of them stands for a mark."""
        edits = (Edit(self.begins[at], self.ends[at], changes[at]) for at in sorted(changes))
        return self.source.edited(edits)


def readable(source: Marked) -> Readable:
    """Return a text without tags, and with a word in place of other marks."""
    read, begins, ends, is_mark = list[str](), list[int](), list[int](), bytearray()
    end = 0
    for part, mark in source.parts():
        begin, end = end, end + len(part)
        if not mark:
            read.append(part)
            begins += range(begin, end)
            ends += range(begin + 1, end + 1)
        elif mark.kind is Kind.ALONE:
            read.append(stand_in(part))
            begins += [begin] * len(read[-1])
            ends += [end] * len(read[-1])
        is_mark += bytes([mark is not None]) * (len(begins) - len(is_mark))
    return Readable(source, "".join(read), begins, ends, is_mark)


def stand_in(mark: str) -> str:
    """Return what is read in place of a mark that stands alone."""
    if BREAK_MARK.fullmatch(mark):
        return BREAK_STAND_IN
    is_number = any(map(str.isdigit, mark)) and not any(map(str.isalpha, mark))
    return NUMBER_STAND_IN if is_number or NUMBER_MARK.fullmatch(mark) else WORD_STAND_IN


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
MARK_CHARACTERS = "".join(KINDS)
PLAIN = {STOP: ".", QUESTION: "?", EXCLAMATION: "!", COLON: ":", SEMICOLON: ";", COMMA: ","}
WIDE = {STOP: "。", QUESTION: "？", EXCLAMATION: "！", COLON: "：", SEMICOLON: "；"}
ARABIC = {QUESTION: "؟", SEMICOLON: "؛", COMMA: "،"}
# Where the marks of a language differ from the plain ones. Thai and Lao have no full stop;
# French has spaces before some marks.
MARKS = {
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
    "fr": {
        COLON: "\u00a0:",
        **{kind: f"\u202f{PLAIN[kind]}" for kind in (SEMICOLON, EXCLAMATION, QUESTION)},
    },
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
    mark: str


def with_final_mark(source: Marked, translation: Marked, language: str) -> Marked:
    """Return a translation that ends with the mark of its source, in the form of its language.

    It stays as it is where the end is not clear: after an abbreviation, within quotation marks or
    brackets, for several marks in a row. A question mark is neither taken away nor replaced.
    """
    source_read, read = readable(source), readable(translation)
    wanted, found = find_end(source_read, ""), find_end(read, language)
    if wanted is None or found is None:
        return translation
    mark = wanted.mark
    if wanted.kind not in ("", ELLIPSIS):
        mark = MARKS.get(language, PLAIN).get(wanted.kind, PLAIN[wanted.kind])
    if not wanted.kind:
        is_kept = not found.kind or is_ordinal(source_read, read, found)
    elif wanted.kind == found.kind:
        is_plain = found.mark == PLAIN.get(found.kind) and language not in ONLY_WIDE
        is_kept = is_plain or mark in ("", found.mark)
    else:
        begin_mark = BEGIN_MARKS.get(wanted.kind, "")
        is_kept = language in WITH_BEGIN_MARKS and begin_mark not in read.text
    if wanted.kind != found.kind:  # these stay
        is_kept |= found.kind == QUESTION or (found.kind == EXCLAMATION and "¡" in read.text)
    if is_kept:
        return translation
    return replaced(read, found, mark) if found.kind else added(source_read, wanted, read, mark)


def find_end(read: Readable, language: str) -> End | None:
    """Return how a text ends; None if it is not clear."""
    text = read.text.rstrip()
    begin = len(text.rstrip(MARK_CHARACTERS))
    mark = text[begin:]
    if not begin:
        return None
    if not mark:
        is_inner = text[-1] in CLOSERS and text[-2:-1] in KINDS
        return None if is_inner else End("", begin, "")
    kind = QUESTION if language == "el" and mark == ";" else KINDS.get(mark, "")
    word = LAST_WORD.search(text, max(0, begin - 20), begin)
    is_abbreviation = kind == STOP and word is not None and may_have_stop(word[0])
    return End(kind, begin, mark) if kind and not is_abbreviation else None


def may_have_stop(word: str) -> bool:
    """Return whether a full stop after a word may belong to it: in z.B., etc. and J."""
    is_letter = len(word) == 1 and word.lower() != word.upper()
    is_number = word.replace(".", "").isdigit()
    return is_letter or word.lower() in ABBREVIATIONS or ("." in word and not is_number)


def is_ordinal(source: Readable, read: Readable, end: End) -> bool:
    """Return whether the full stop of a translation may make an ordinal of a number."""
    is_number = read.text[end.begin - 1].isdigit() and not read.is_mark[end.begin - 1]
    return end.kind == STOP and is_number and not source.text.rstrip()[-1].isdigit()


def replaced(read: Readable, end: End, mark: str) -> Marked:
    """Return a text with another mark at its end; the space before the mark goes too."""
    first, last = end.begin, end.begin + len(end.mark)
    while read.text[first - 1] in SPACES and not read.is_mark[first - 1]:
        first -= 1
    return read.changed(dict.fromkeys(range(first, last), "") | {end.begin: mark})


def added(source: Readable, wanted: End, read: Readable, mark: str) -> Marked:
    """Return a text with a mark after its last word, inside of the tags if the source has it so."""
    position = read.ends[len(read.text.rstrip()) - 1]
    is_after_tag = source.begins[wanted.begin] > source.ends[wanted.begin - 1]
    for tag in read.source.marks if is_after_tag else ():
        if tag.begin == position and tag.kind is Kind.CLOSE:
            position = tag.end
    return read.source.edited([Edit(position, position, mark)])


ENGLISH = "en"
WORD = re.compile(r"\w+(?:['’]\w+)*")
# Words that a title in English does not write with capitals.
SMALL_WORDS = (
    "a an and as at but by for from if in into nor of on onto or over per so the to up via vs with"
)
SMALL = frozenset(SMALL_WORDS.split())
TITLE_SHARE = 0.75  # of the other words after the first that have a capital in a title
# Words that English writes with a capital wherever they stand. "May" and "March" are words too.
CAPITAL_WORDS = (
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February April June July"
    " August September October November December English German French Spanish Italian Portuguese"
    " Dutch Polish Czech Russian Ukrainian Chinese Japanese Korean Arabic Hindi Turkish Greek Latin"
    " Europe European America American Africa African Asia Asian Unicode"
)
ALWAYS_CAPITAL = frozenset(CAPITAL_WORDS.split())
SENTENCE_END = ".!?:\u2026"
LONG_WORD = 5  # letters; shorter ones in capitals may be abbreviations: FAQ, HTTP API
SHORTEST_NAME = 3  # letters of a word in small letters that both languages have, as npm
# Languages that write other words than names with capitals.
CAPITAL_NOUNS = ("de", "lb", "nds", "gsw")
WITHOUT_CAPITALS = ("ka",)  # Georgian capitals are for decoration
TURKIC = ("tr", "az")  # with i and ı
ACUTE = "\u0301"  # not written above Greek capitals


def find_names(texts: Iterable[Marked]) -> frozenset[str]:
    """Return the words that the sentences of a file write with a capital more often than without.

    The first words of sentences do not count. texts: the paragraphs of a file, without headings.
    """
    capitals: Counter[str] = Counter()
    for text in texts:
        read = readable(text)
        for word in WORD.finditer(read.text):
            before = read.text[max(0, word.start() - 2) : word.start()]
            if before[-1:] == " " and (before[:1].isalnum() or before[:1] in ",;"):
                capitals[word[0].capitalize()] += 1 if word[0][0].isupper() else -1
    return frozenset(word for word, count in capitals.items() if count > 0)


def sentence_case(source: Marked, language: str, names: frozenset[str] = frozenset()) -> Marked:
    """Return a heading as a sentence writes it: a title in English, and all in capitals in any.

    Abbreviations, names in mixed case, and `names` keep their capitals in a title.
    """
    read, language = readable(source), primary(language)
    words = plain_words(read)
    if is_in_capitals(words):
        return lowered(read, language)
    others = [word[0] for word in words[1:] if word[0].lower() not in SMALL]
    capitals = sum(word[0].isupper() for word in others)
    if language != ENGLISH or not capitals or capitals < TITLE_SHARE * len(others):
        return source
    changes = {}
    for word in words[1:]:
        before = read.text[max(0, word.start() - 2) : word.start()].rstrip()
        begins = before[-1:] in SENTENCE_END if before else False
        keeps = word[0] in names or keeps_capital(word[0], language)
        if is_capitalized(word[0]) and not begins and not keeps:
            changes[word.start()] = word[0][0].lower()
    return read.changed(changes)


def plain_words(read: Readable) -> list[re.Match[str]]:
    """Return the words of a text that have letters alone, none of which stands for a mark."""
    return [
        word
        for word in WORD.finditer(read.text)
        if not any(read.is_mark[word.start() : word.end()])
        and word[0].replace("'", "").replace("’", "").isalpha()
    ]


def is_in_capitals(words: Sequence[re.Match[str]]) -> bool:
    """Return whether all words are in capitals, and one needs some letters.

    FAQ and HTTP API are abbreviations, not words in capitals.
    """
    texts = [word[0] for word in words]
    return all(map(str.isupper, texts)) and max(map(len, texts), default=0) >= LONG_WORD


def is_capitalized(word: str) -> bool:
    """Return whether a word has one capital, which it begins with."""
    return word[0].isupper() and (word == "A" or word[1:].islower())


def lowered(read: Readable, language: str) -> Marked:
    """Return a text in small letters, but for the first."""
    small = read.text.lower()
    capitals = [
        (index, character)
        for index, character in enumerate(read.text)
        if character.isupper() and not read.is_mark[index]
    ]
    changes: dict[int, str] = {}
    for index, character in capitals[1:]:
        # "İ" is two characters in small letters; a sigma at the end of a word is another one.
        changes[index] = small[index] if len(small) == len(read.text) else character.lower()
        if language in TURKIC:
            changes[index] = {"I": "ı", "İ": "i"}.get(character, changes[index])
    return read.changed(changes)


def in_capitals(read: Readable, language: str) -> Marked:
    """Return a text in capitals, without its marks."""
    changes: dict[int, str] = {}
    for index, character in enumerate(read.text):
        if not read.is_mark[index] and character.islower():
            changes[index] = capital(character, language)
            if language == "el":
                parts = unicodedata.normalize("NFD", changes[index]).replace(ACUTE, "")
                changes[index] = unicodedata.normalize("NFC", parts)
    return read.changed(changes)


def capital(character: str, language: str) -> str:
    """Return the capital of a small letter."""
    return "İ" if character == "i" and language in TURKIC else character.upper()


def with_case(source: Marked, translation: Marked, language: str, *, is_heading: bool) -> Marked:
    """Return a translation in capitals as its source, or with the case of its first letter.

    A capital is added unless the word is a name in mixed case or in small letters. It is taken away
    only if no word of the source has one, and never in a language that writes nouns with capitals.
    language: that of the translation.
    """
    source_read, read = readable(source), readable(translation)
    if language in WITHOUT_CAPITALS:
        return translation
    if is_heading and is_in_capitals(plain_words(source_read)):
        return in_capitals(read, language)
    source_word, found = first_word(source_read), first_word(read)
    if source_word is None or found is None:
        return translation
    word, begin = found[0], found.start()
    is_name = len(word) >= SHORTEST_NAME and word in WORD.findall(source_read.text)
    if source_word[0][0].isupper() and word.islower() and not is_name:
        changes = {begin: capital(word[0], language)}
        if language == "nl" and word.startswith("ij"):
            changes[begin + 1] = "J"
        return read.changed(changes)
    is_small = source_word[0][0].islower() and not any(map(str.isupper, source.without_marks()))
    if is_small and is_capitalized(word) and not keeps_capital(word, language):
        return read.changed({begin: word[0].lower()})
    return translation


def first_word(read: Readable) -> re.Match[str] | None:
    """Return the first word of a text; None if it is a number, or begins with a mark."""
    found = WORD.search(read.text)
    is_word = found is not None and found[0][0].isalpha()
    return found if found and is_word and not read.is_mark[found.start()] else None


def keeps_capital(word: str, language: str) -> bool:
    """Return whether a language may write a word with a capital within a sentence."""
    if language == ENGLISH:
        return word in ALWAYS_CAPITAL or word[:2] in ("I", "I'", "I’")
    return language in CAPITAL_NOUNS


def after(
    source: Marked, translation: Marked, options: Options, *, is_heading: bool = False
) -> Marked:
    """Return the translation of a segment or a sentence as its language writes it.

    source: the text of the file, not that of `sentence_case`. If the language of the translation is
    not known, only outer white space is as in the source.
    """
    language = primary(options.target_language)
    translation = with_outer_space(source, translation)
    if not is_language(language) or translation == source:
        return translation
    translation = with_final_mark(source, translation, language)
    return with_case(source, translation, language, is_heading=is_heading)


def with_outer_space(source: Marked, translation: Marked) -> Marked:
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
