"""Odd segments: those that a model would translate into nonsense, and what is done about them.

- A segment without words is its own translation: numbers, punctuation, emoji, addresses, a single
  letter, a script that the vocabulary does not have, the same few characters over and over.
- Addresses and unknown symbols in a segment are copied. A model learns nothing about characters
  outside its vocabulary; it reads them as a token that it has never seen. So a word that holds some
  of them, or a sign such as an emoji, does not reach the model. It is inserted beside the
  translation of its neighbour, or into the word that it was attached to.
- A segment in capitals is translated in lower case, if the vocabulary knows it better that way.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from unicodedata import category

import numpy

from nmt.decoding.translator.repetition import most_repeats
from nmt.decoding.translator.translation import Link, Translation
from nmt.text.tokenizer import SPACE, UNK, SubwordModel
from nmt.text.words import UNSPACED, WORD

LETTER = re.compile(r"[^\W\d_]")
TWO_LETTERS = re.compile(rf"{LETTER.pattern}.*?{LETTER.pattern}", re.DOTALL)
FEWEST_CAPITALS = 4  # a shorter segment may be an abbreviation
NOISE_REPEATS = 10  # of some tokens, one after the other: no language
SHORTER = 1.5  # times as many tokens as in lower case have capitals that a vocabulary does not know

ADDRESS_MARKS = ("://", "www.", "@")
ADDRESS = re.compile(r"(?<![\w.+-])(?:https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)")
COPIED = re.compile(r"\w[\w\0]*|\W\0*")  # a word or a sign, with its combining marks, as \0
END_MARKS = ".,;:!?\u2026\u3002"  # belong to the sentence, not to the word before them
CLOSING = "\"')]}\u201c\u201d\u2019\u00bb"  # belong to the words before them
CLOSERS = END_MARKS + CLOSING
OPENERS = "\"'([{\u201c\u201e\u2018\u00ab"
# Signs around words also in scripts without spaces.
BEFORE = OPENERS + "\u300c\u300e\uff08\u300a\u3010"
AFTER = CLOSERS + "\u300d\u300f\uff09\u300b\u3011\u3001\uff0c\uff0e\uff01\uff1f\uff1a\uff1b"
# A word, or a character of a script without spaces, with the signs around it.
UNIT = re.compile(
    rf"[{re.escape(BEFORE)}]*[{UNSPACED}][{re.escape(AFTER)}]*|(?:(?![{UNSPACED}])\S)+"
)


@dataclass(frozen=True)
class Symbol:
    """A text that is cut out of a segment, and its place among the words that remain."""

    text: str
    word: int  # index of the remaining word that it is attached to, or else stands before
    side: int = 0  # -1: attached to the word's beginning, 1: to its end, 0: between spaces
    mark: str = ""  # the punctuation mark of the word before that follows it


@dataclass(frozen=True)
class Cut:
    """A segment without its unknown symbols."""

    words: list[str]  # what remains
    symbols: list[Symbol]


@dataclass(frozen=True)
class OddSegment:
    """An odd segment: its words that a model reads, and how the translation is finished."""

    text: str  # what the model reads; blank: nothing
    copied: str = ""  # the translation, if the model reads nothing
    symbols: tuple[Symbol, ...] = ()
    is_capitals: bool = False

    @property
    def linked(self) -> re.Pattern[str] | None:
        """Return what matches a word, if links of words are needed to finish a translation."""
        return WORD if self.symbols else None

    def finish(self, translation: Translation, links: Sequence[Sequence[Link]]) -> Translation:
        """Return the translation of the segment, from that of `text`.

        links: the aligned words of each candidate (`insert_symbols`), if there are symbols.
        """
        texts = [self.copied or candidate.text for candidate in translation.candidates]
        if self.symbols:
            count = len(self.text.split())
            pairs = zip(texts, links, strict=True)
            texts = [insert_symbols(text, self.symbols, own, count) for text, own in pairs]
        if self.is_capitals:
            texts = [text.upper() for text in texts]
        candidates = tuple(
            replace(candidate, text=text, read=self.text, written=candidate.text)
            for candidate, text in zip(translation.candidates, texts, strict=True)
        )
        return replace(translation, candidates=candidates)


def odd_segment(text: str, ids: Sequence[int], subwords: SubwordModel) -> OddSegment | None:
    """Return how a segment is translated, if it is odd.

    text: not blank. ids: those that it is encoded as by the subword model of the source.
    """
    if not has_words(text) or is_noise(ids):
        return OddSegment("", " ".join(text.split()))
    is_capitals = text.isupper() and knows_lower_case(text, ids, subwords)
    read = text.capitalize() if is_capitals else text
    if is_capitals:
        ids = subwords.encode([read])[0]
    symbols: tuple[Symbol, ...] = ()
    if UNK in ids or has_address(read):
        found = cut_symbols(read, ids, subwords)
        symbols, read = tuple(found.symbols), " ".join(found.words)
        if not has_words(read):
            return OddSegment("", " ".join(text.split()))
    return OddSegment(read, "", symbols, is_capitals) if symbols or is_capitals else None


def has_words(text: str) -> bool:
    """Return whether a model may find something to translate in a text.

    A single letter is nothing if it has a lower case, as in Latin script: the mark of a list.
    """
    if has_address(text):
        text = ADDRESS.sub("", text)
    if TWO_LETTERS.search(text):
        return True
    letter = LETTER.search(text)
    return letter is not None and letter[0].lower() == letter[0].upper()


def is_noise(ids: Sequence[int]) -> bool:
    """Return whether a segment repeats the same tokens over and over."""
    return len(ids) - len(set(ids)) >= NOISE_REPEATS - 1 and most_repeats(ids) >= NOISE_REPEATS


def knows_lower_case(text: str, ids: Sequence[int], subwords: SubwordModel) -> bool:
    """Return whether the vocabulary knows a text in capitals much better in lower case."""
    if len(LETTER.findall(text)) < FEWEST_CAPITALS:
        return False
    return len(ids) >= SHORTER * len(subwords.encode([text.capitalize()])[0])


def cut_symbols(text: str, ids: Sequence[int], subwords: SubwordModel) -> Cut:
    """Cut addresses and unknown symbols out of a text; ids: those that it is encoded as."""
    spelled, is_cut = "", bytearray()
    for piece, token in zip(subwords.pieces(text), ids, strict=True):
        spelled += piece.replace(SPACE, " ")
        is_cut += bytes([token == UNK]) * len(piece)
    if has_address(text):
        for begin, end in map(re.Match.span, ADDRESS.finditer(spelled)):
            is_cut[begin:end] = bytes([True]) * (end - begin)
    found = Cut([], [])
    for word in WORD.finditer(spelled):
        marked = is_cut[word.start() : word.end()]
        if any(marked):
            spans = find_copied(word[0])
            cut_word([(word[0][begin:end], any(marked[begin:end])) for begin, end in spans], found)
        else:
            found.words.append(word[0])
    return found


def find_copied(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of what is cut out whole: words and signs, with their combining marks."""
    # `re` counts no combining mark as a character of a word.
    bases = "".join("\0" if category(character)[0] == "M" else character for character in text)
    yield from map(re.Match.span, COPIED.finditer(bases))


def has_address(text: str) -> bool:
    """Return whether a text may have an address of the web or of a mailbox."""
    return any(mark in text for mark in ADDRESS_MARKS)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the addresses in a text, without the signs of the sentence after them."""
    if not has_address(text):
        return
    for found in ADDRESS.finditer(text):
        address = found[0]
        end = len(address)
        brackets = address.count("(") - address.count(")")
        while end and address[end - 1] in CLOSERS:
            # "https://x.org/a_(b)" has its own bracket.
            if address[end - 1] == ")" and brackets >= 0:
                break
            brackets += address[end - 1] == ")"
            end -= 1
        yield found.start(), found.start() + end


def cut_word(texts: Sequence[tuple[str, bool]], found: Cut) -> None:
    """Add what remains of a word and its symbols to `found`; texts: its parts, each cut or not."""
    known = [number for number, (text, is_cut) in enumerate(texts) if not is_cut and is_word(text)]
    if len(known) == 1:  # signs are attached to a word
        begin = 0
        for is_cut, run in groupby(texts, lambda part: part[1]):  # adjacent signs stay together
            signs = [text for text, _ in run]
            if is_cut:
                side = -1 if begin < known[0] else 1
                found.symbols.append(Symbol("".join(signs), len(found.words), side))
            begin += len(signs)
        found.words.append("".join(text for text, is_cut in texts if not is_cut))
        return
    # All is a symbol, except for a punctuation mark of the sentence.
    word = "".join(text for text, _ in texts)
    core = word.rstrip(END_MARKS) or word
    mark = word[len(core) :]
    if mark:
        give_back_mark(found)  # a word has one at most
    if not found.words or found.words[-1].endswith((*END_MARKS,)):
        core, mark = word, ""
    if mark:
        found.words[-1] += mark
    found.symbols.append(Symbol(core, len(found.words), mark=mark))


def give_back_mark(found: Cut) -> None:
    """Give the mark that the last word has from a symbol back to the symbol."""
    for index, symbol in enumerate(found.symbols):
        if symbol.mark and symbol.word == len(found.words):
            found.words[-1] = found.words[-1].removesuffix(symbol.mark)
            found.symbols[index] = replace(symbol, text=symbol.text + symbol.mark, mark="")


def is_word(text: str) -> bool:
    """Return whether a unit is a number or has more letters than one."""
    return text.isdigit() or (len(text) > 1 and text[0].isalnum() and "_" not in text)


def insert_symbols(text: str, symbols: Iterable[Symbol], links: Sequence[Link], count: int) -> str:
    """Return a translation with the symbols of its source inserted.

    Args:
        text: the translation of the words that remain.
        symbols: in the order of the source.
        links: aligned words, by their indices: one that remains, and one of the translation.
        count: words that remain.
    """
    spans = [match.span() for match in WORD.finditer(text)]
    linked = Linked(links, count, len(spans))
    at: dict[int, list[Symbol]] = {}
    for word, symbol in map(linked.find_place, symbols):
        at.setdefault(word, []).append(symbol)
    first = [symbol.text for symbol in at.pop(-1, ())]
    # From the last word to the first, so that those before stay where they are.
    for word in sorted(at, reverse=True):
        begin, end = spans[word]
        text = text[:begin] + with_symbols(text[begin:end], at[word]) + text[end:]
    return " ".join([*first, text] if text else first)


class Linked:
    """The words of a segment and of its translation, with their links."""

    def __init__(self, links: Sequence[Link], count: int, words: int) -> None:
        """`count`: words of the segment. words: those of its translation."""
        self.count, self.words = count, words
        self._links = numpy.array(links, numpy.int64).reshape(-1, 2)
        self._targets: dict[int, list[int]] = {}  # of each source word
        for source, target in links:
            if target < words:
                self._targets.setdefault(source, []).append(target)

    def find_place(self, symbol: Symbol) -> tuple[int, Symbol]:
        """Return the word of the translation that a symbol is attached to or follows.

        -1: it stands before the first word. A symbol between words stands where it crosses the
        fewest links. A symbol whose word has no link stands alone.
        """
        if not self.words:
            return -1, symbol
        if symbol.side:
            targets = self._targets.get(symbol.word)
            if targets:
                return (min(targets) if symbol.side < 0 else max(targets)), symbol
            symbol = replace(symbol, side=0)
        if symbol.word >= self.count:
            return self.words - 1, symbol
        return self.place_between(symbol.word) if symbol.word else -1, symbol

    def place_between(self, word: int) -> int:
        """Return the first place that crosses the fewest links; `word`: the source word after it.

        A link crosses if its source stands before `word` and its target after the place, or the
        other way round.
        """
        if self.words == 1:
            return 0
        is_before = self._links[:, 0] < word
        targets = numpy.minimum(self._links[:, 1], self.words)
        before = numpy.bincount(targets[is_before], minlength=self.words + 1)
        after = numpy.bincount(targets[~is_before], minlength=self.words + 1)
        # Links before `word` cross until their target is passed; the others cross from there on.
        crossed = numpy.cumsum(after - before)[: self.words - 1]
        return int(crossed.argmin())


def with_symbols(word: str, symbols: Sequence[Symbol]) -> str:
    """Return a word of a translation with all its symbols; they are in the order of the source."""
    begin, end = len(word) - len(word.lstrip(OPENERS)), len(word.rstrip(CLOSERS))
    if end <= begin:  # a mark alone
        begin, end = 0, len(word)
    mark = word[end:].lstrip(CLOSING)  # that of the sentence
    before, after = ([symbol.text for symbol in symbols if symbol.side == side] for side in (-1, 1))
    lone = [symbol for symbol in symbols if not symbol.side]
    core = word[:begin] + "".join(before) + word[begin:end] + "".join(after)
    core += word[end : len(word) - len(mark)]
    # What stands before a symbol with a mark stands before the mark too.
    marked = max((number for number, symbol in enumerate(lone, 1) if symbol.mark), default=0)
    texts = [symbol.text for symbol in lone]
    return " ".join([" ".join([core, *texts[:marked]]) + mark, *texts[marked:]])
