"""Write capitals as the source does, and give headings to the model in sentence case.

An English heading such as "Getting Started With Files" is not what a model has learnt from; words
in capitals are not in its vocabulary.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from nmt.decoding.marks.marked import Marked
from nmt.formats.style.readable import Readable, readable
from nmt.text.languages import primary

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


def names_of(texts: Iterable[Marked]) -> frozenset[str]:
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
    read = readable(source)
    if is_in_capitals(read):
        return lowered(read, language)
    words = [each for each in WORD.finditer(read.text) if is_plain(each, read)]
    others = [each[0] for each in words[1:] if each[0].lower() not in SMALL]
    capitals = sum(each[0].isupper() for each in others)
    if primary(language) != ENGLISH or not capitals or capitals < TITLE_SHARE * len(others):
        return source
    changes = {}
    for word in words[1:]:
        before = read.text[max(0, word.start() - 2) : word.start()].rstrip()
        begins = before[-1:] in SENTENCE_END if before else False
        keeps = word[0] in names or keeps_capital(word[0], language)
        has_capital = word[0][0].isupper() and (word[0] == "A" or word[0][1:].islower())
        if has_capital and not begins and not keeps:
            changes[word.start()] = word[0][0].lower()
    return read.changed(changes)


def is_plain(word: re.Match[str], read: Readable) -> bool:
    """Return whether a word has letters alone, and none of them stands for a mark."""
    is_text = not any(read.is_mark[word.start() : word.end()])
    return is_text and word[0].replace("'", "").replace("’", "").isalpha()


def is_in_capitals(read: Readable) -> bool:
    """Return whether a text outside its marks is in capitals, with a word that needs some letters.

    FAQ and HTTP API are abbreviations, not words in capitals.
    """
    words = [each[0] for each in WORD.finditer(read.text) if is_plain(each, read)]
    return all(map(str.isupper, words)) and max(map(len, words), default=0) >= LONG_WORD


def lowered(read: Readable, language: str) -> Marked:
    """Return a text in small letters, but for the first."""
    small = read.text.lower()
    changes: dict[int, str] = {}
    is_first = True
    for place, character in enumerate(read.text):
        if read.is_mark[place] or not character.isupper():
            continue
        if not is_first:
            # "İ" is two characters in small letters; a sigma at the end of a word is another one.
            is_as_long = len(small) == len(read.text)
            changes[place] = small[place] if is_as_long else character.lower()
            if primary(language) in TURKIC:
                changes[place] = {"I": "ı", "İ": "i"}.get(character, changes[place])
        is_first = False
    return read.changed(changes)


def in_capitals(text: Marked, language: str) -> Marked:
    """Return a text in capitals, without its marks."""
    read = readable(text)
    changes: dict[int, str] = {}
    for place, character in enumerate(read.text):
        if not read.is_mark[place] and character.islower():
            changes[place] = capital_of(character, language)
            if primary(language) == "el":
                parts = unicodedata.normalize("NFD", changes[place]).replace(ACUTE, "")
                changes[place] = unicodedata.normalize("NFC", parts)
    return read.changed(changes)


def capital_of(character: str, language: str) -> str:
    """Return the capital of a small letter."""
    return "İ" if character == "i" and primary(language) in TURKIC else character.upper()


def with_case_of(source: Marked, translation: Marked, language: str, *, is_heading: bool) -> Marked:
    """Return a translation in capitals as its source, or with the case of its first letter.

    A capital is added unless the word is a name in mixed case or in small letters. It is taken away
    only if no word of the source has one, and never in a language that writes nouns with capitals.
    language: that of the translation.
    """
    source_read, read = readable(source), readable(translation)
    if primary(language) in WITHOUT_CAPITALS:
        return translation
    if is_heading and is_in_capitals(source_read):
        return in_capitals(translation, language)
    source_word, found = first_word(source_read), first_word(read)
    if source_word is None or found is None:
        return translation
    word, place = found[0], found.start()
    if source_word[0][0].isupper() and word.islower():
        is_name = len(word) >= SHORTEST_NAME and word in WORD.findall(source_read.text)
        changes = {} if is_name else {place: capital_of(word[0], language)}
        if changes and primary(language) == "nl" and word.startswith("ij"):
            changes[place + 1] = "J"
        return read.changed(changes)
    has_capitals = any(map(str.isupper, source_read.source.without_marks()))
    is_small = source_word[0][0].islower() and not has_capitals
    has_capital = word[0].isupper() and (word == "A" or word[1:].islower())
    if is_small and has_capital and not keeps_capital(word, language):
        return read.changed({place: word[0].lower()})
    return translation


def first_word(read: Readable) -> re.Match[str] | None:
    """Return the first word of a text; None if it is a number, or begins with a mark."""
    found = WORD.search(read.text)
    is_word = found is not None and found[0][0].isalpha()
    return found if found and is_word and not read.is_mark[found.start()] else None


def keeps_capital(word: str, language: str) -> bool:
    """Return whether a language may write a word with a capital within a sentence."""
    if primary(language) == ENGLISH:
        return word in ALWAYS_CAPITAL or word[:2] in ("I", "I'", "I’")
    return primary(language) in CAPITAL_NOUNS
