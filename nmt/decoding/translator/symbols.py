"""Unknown symbols: cut them out of what a model reads, and insert them where they belong.

A model learns nothing about characters outside its vocabulary; it reads them as a token that it has
never seen. So a word that holds some of them, or a sign such as an emoji, does not reach the model.
It is inserted beside the translation of its neighbour, or into the word that it was attached to.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from unicodedata import category

import numpy

from nmt.text.tokenizer import SPACE, UNK, SubwordModel
from nmt.text.words import WORD

ADDRESS_MARKS = ("://", "www.", "@")
ADDRESS = re.compile(r"(?<![\w.+-])(?:https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)")
UNIT = re.compile(r"\w[\w\0]*|\W\0*")  # a word or a sign, with its combining marks, as \0
END_MARKS = ".,;:!?\u2026\u3002"  # belong to the sentence, not to the word before them
CLOSING = "\"')]}\u201c\u201d\u2019\u00bb"  # belong to the words before them
CLOSERS = END_MARKS + CLOSING
OPENERS = "\"'([{\u201c\u201e\u2018\u00ab"


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


def cut(text: str, ids: Sequence[int], subwords: SubwordModel) -> Cut:
    """Cut addresses and unknown symbols out of a text; ids: those that it is encoded as."""
    spelled, is_cut = "", bytearray()
    for piece, each in zip(subwords.pieces(text), ids, strict=True):
        spelled += piece.replace(SPACE, " ")
        is_cut += bytes([each == UNK]) * len(piece)
    if has_address(text):
        for begin, end in map(re.Match.span, ADDRESS.finditer(spelled)):
            is_cut[begin:end] = bytes([True]) * (end - begin)
    found = Cut([], [])
    for word in WORD.finditer(spelled):
        marked = is_cut[word.start() : word.end()]
        if any(marked):
            spans = units(word[0])
            cut_word([(word[0][begin:end], any(marked[begin:end])) for begin, end in spans], found)
        else:
            found.words.append(word[0])
    return found


def units(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of what is cut out whole: words and signs, with their combining marks."""
    # `re` counts no combining mark as a character of a word.
    bases = "".join("\0" if category(character)[0] == "M" else character for character in text)
    yield from map(re.Match.span, UNIT.finditer(bases))


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


def cut_word(units: Sequence[tuple[str, bool]], found: Cut) -> None:
    """Add what remains of a word and its symbols to `found`; units: its texts, each cut or not."""
    known = [number for number, (text, is_cut) in enumerate(units) if not is_cut and is_word(text)]
    if len(known) == 1:  # signs are attached to a word
        begin = 0
        for is_cut, run in groupby(units, lambda each: each[1]):  # adjacent signs stay together
            texts = [text for text, _ in run]
            if is_cut:
                side = -1 if begin < known[0] else 1
                found.symbols.append(Symbol("".join(texts), len(found.words), side))
            begin += len(texts)
        found.words.append("".join(text for text, is_cut in units if not is_cut))
        return
    # All is a symbol, except for a punctuation mark of the sentence.
    word = "".join(text for text, _ in units)
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
    for index, each in enumerate(found.symbols):
        if each.mark and each.word == len(found.words):
            found.words[-1] = found.words[-1].removesuffix(each.mark)
            found.symbols[index] = replace(each, text=each.text + each.mark, mark="")


def is_word(text: str) -> bool:
    """Return whether a unit is a number or has more letters than one."""
    return text.isdigit() or (len(text) > 1 and text[0].isalnum() and "_" not in text)


def insert(
    text: str, symbols: Iterable[Symbol], links: Sequence[tuple[int, int]], count: int
) -> str:
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
    for word, symbol in map(linked.place_of, symbols):
        at.setdefault(word, []).append(symbol)
    first = [each.text for each in at.pop(-1, ())]
    # From the last word to the first, so that those before stay where they are.
    for word in sorted(at, reverse=True):
        begin, end = spans[word]
        text = text[:begin] + with_symbols(text[begin:end], at[word]) + text[end:]
    return " ".join([*first, text] if text else first)


class Linked:
    """The words of a segment and of its translation, with their links."""

    def __init__(self, links: Sequence[tuple[int, int]], count: int, words: int) -> None:
        """`count`: words of the segment. words: those of its translation."""
        self.count, self.words = count, words
        self._links = numpy.array(links, numpy.int64).reshape(-1, 2)
        self._targets: dict[int, list[int]] = {}  # of each source word
        for source, target in links:
            if target < words:
                self._targets.setdefault(source, []).append(target)

    def place_of(self, symbol: Symbol) -> tuple[int, Symbol]:
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
    before, after = ([each.text for each in symbols if each.side == side] for side in (-1, 1))
    lone = [each for each in symbols if not each.side]
    core = word[:begin] + "".join(before) + word[begin:end] + "".join(after)
    core += word[end : len(word) - len(mark)]
    # What stands before a symbol with a mark stands before the mark too.
    marked = max((number for number, each in enumerate(lone, 1) if each.mark), default=0)
    texts = [each.text for each in lone]
    return " ".join([" ".join([core, *texts[:marked]]) + mark, *texts[marked:]])
