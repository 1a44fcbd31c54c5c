"""Unknown symbols: cut them out of what a model reads, and insert them where they belong.

A model learns nothing about characters outside its vocabulary; it reads them as a token that it has
never seen. So a word that holds some of them, or a sign such as an emoji, does not reach the model.
It is inserted beside the translation of its neighbour, or into the word that it was attached to.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy

from nmt.text.tokenizer import SPACE, UNK, SubwordModel
from nmt.text.words import WORD

ADDRESS_MARKS = ("://", "www.", "@")
ADDRESS = re.compile(r"(?<![\w.+-])(?:https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)")
UNIT = re.compile(r"\w+|\W")  # what is cut out whole: a word, or a sign
END_MARKS = ".,;:!?\u2026\u3002"  # belong to the sentence, not to the word before them
CLOSERS = END_MARKS + "\"')]}\u201c\u201d\u2019\u00bb"
OPENERS = "\"'([{\u201c\u201e\u2018\u00ab"


@dataclass(frozen=True)
class Symbol:
    """A text that is cut out of a segment, and its place among the words that remain."""

    text: str
    word: int  # index of the remaining word that it is attached to, or else stands before
    side: int = 0  # -1: attached to the word's beginning, 1: to its end, 0: between spaces
    has_mark: bool = False  # a punctuation mark of the word before follows it


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
        if any(is_cut[word.start() : word.end()]):
            units = UNIT.finditer(spelled, *word.span())
            cut_word([(each[0], any(is_cut[each.start() : each.end()])) for each in units], found)
        else:
            found.words.append(word[0])
    return found


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
        for number, (text, is_cut) in enumerate(units):
            if is_cut:
                side = -1 if number < known[0] else 1
                found.symbols.append(Symbol(text, len(found.words), side))
        found.words.append("".join(text for text, is_cut in units if not is_cut))
        return
    # All is a symbol, except for a punctuation mark of the sentence.
    word = "".join(text for text, _ in units)
    core = word.rstrip(END_MARKS) or word
    mark = word[len(core) :] if found.words else ""
    if mark:
        found.words[-1] += mark
    symbol = word[: len(word) - len(mark)]
    found.symbols.append(Symbol(symbol, len(found.words), has_mark=bool(mark)))


def is_word(text: str) -> bool:
    """Return whether a unit is a number or has more letters than one."""
    return text.isdigit() or (len(text) > 1 and text.isalnum())


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
    places = [linked.place_of(each) for each in symbols]
    # From the last place to the first, so that those before stay where they are.
    order = {-1: 0, 1: 1, 0: 2}  # of what is at one word: attached before, attached after, alone
    ranked = [
        (word, order[symbol.side], number, symbol) for number, (word, symbol) in enumerate(places)
    ]
    for word, _, _, symbol in sorted(ranked, key=lambda each: each[:3], reverse=True):
        text = insert_one(text, spans, word, symbol)
    return text


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


def insert_one(text: str, spans: Sequence[tuple[int, int]], word: int, symbol: Symbol) -> str:
    """Insert a symbol at a word of a translation, or after it; spans: those of the words."""
    if word < 0:
        return f"{symbol.text} {text}" if text else symbol.text
    begin, end = spans[word]
    core_begin = begin + len(text[begin:end]) - len(text[begin:end].lstrip(OPENERS))
    core_end = begin + len(text[begin:end].rstrip(CLOSERS))
    if core_end <= core_begin:  # a mark alone
        core_begin, core_end = begin, end
    if symbol.side < 0:
        return text[:core_begin] + symbol.text + text[core_begin:]
    if symbol.side > 0:
        return text[:core_end] + symbol.text + text[core_end:]
    if symbol.has_mark:
        return f"{text[:core_end]} {symbol.text}{text[core_end:]}"
    return f"{text[:end]} {symbol.text}{text[end:]}"
