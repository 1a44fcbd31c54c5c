"""Odd segments: those that a model would translate into nonsense, and what is done about them.

- A segment without words is its own translation: numbers, punctuation, emoji, addresses, a single
  letter, a script that the vocabulary does not have, the same few characters over and over.
- Addresses and unknown symbols in a segment are cut out and placed in its translation, as tags and
  placeholders are. A model learns nothing about characters outside its vocabulary; it reads them as
  a token that it has never seen. So it reads neither a word that holds some of them nor a sign such
  as an emoji.
- A segment in capitals is translated in lower case, if the vocabulary knows it better that way.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from unicodedata import category

from nmt.decoding.translator.marked import Mark, Marked
from nmt.decoding.translator.repetition import most_repeats
from nmt.decoding.translator.translation import Link, Translation
from nmt.text.subwords.tokenizer import UNK, SubwordModel
from nmt.text.subwords.words import CLOSERS, END_MARKS, OPENERS, WORD, locate_tokens

if TYPE_CHECKING:
    from nmt.decoding.translator.placing import Cut

LETTER = re.compile(r"[^\W\d_]")
TWO_LETTERS = re.compile(rf"{LETTER.pattern}.*?{LETTER.pattern}", re.DOTALL)
FEWEST_CAPITALS = 4  # a shorter segment may be an abbreviation
NOISE_REPEATS = 10  # of some tokens, one after the other: no language
SHORTER = 1.5  # times as many tokens as in lower case have capitals that a vocabulary does not know
MOST_MARKS = 1_000  # a segment with more is copied: nobody writes one

ADDRESS_MARKS = ("://", "www.", "@")
ADDRESS = re.compile(r"(?<![\w.+-])(?:https?://\S+|www\.\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)")
COPIED = re.compile(r"\w[\w\0]*|\S\0*")  # a word or a sign, with its combining marks, as \0
KNOWN = re.compile(r"\d+\Z|[^\W_][^\W_\0]*[^\W_]")  # a number, or more letters than one


@dataclass(frozen=True)
class OddSegment:
    """A segment that a model does not read as it is, and how its translation is finished."""

    source: Marked
    text: str  # what the model reads; blank: nothing, and the source is copied
    cut: "Cut | None" = None  # the spans to place in the translation
    is_capitals: bool = False

    def finish(self, translation: Translation, links: Sequence[Sequence[Link]]) -> Translation:
        """Return the translation of the segment, from that of `text`.

        links: those of the units of `text` and of each candidate, if spans were cut out.
        """
        from nmt.decoding.translator.placing import place_spans  # needed for odd segments only

        # The punctuation at the end is copied: that of a model would be one too many.
        ends = (*END_MARKS,)
        is_copied = self.source.text.rstrip().endswith(ends)
        brings_end = is_copied and not self.text.rstrip().endswith(ends)
        candidates = []
        for number, candidate in enumerate(translation.candidates):
            found = Marked(candidate.text.upper() if self.is_capitals else candidate.text)
            if not self.text:
                found = self.source
            elif self.cut is not None:
                text = found.text.rstrip(END_MARKS) if brings_end else found.text
                found = place_spans(self.cut, text, links[number])
            written = None if self.source.marks else candidate.text
            candidates.append(
                replace(
                    candidate, text=found.text, marks=found.marks, read=self.text, written=written
                )
            )
        return replace(translation, candidates=(*candidates,))


def cut_segment(source: Marked, hidden: Sequence[Mark] = ()) -> OddSegment:
    """Return how a text is translated whose marks, and `hidden` spans, no model reads."""
    from nmt.decoding.translator.placing import cut_spans  # needed for odd segments only

    if len(source.marks) <= MOST_MARKS:
        cut = cut_spans(source, hidden)
        if has_words(cut.text):
            return OddSegment(source, cut.text, cut)
    return OddSegment(source, "")


def odd_segment(
    text: str, ids: Sequence[int], subwords: SubwordModel, marked: OddSegment | None = None
) -> OddSegment | None:
    """Return how a segment is translated, if it is odd; else `marked`.

    Args:
        text: not blank.
        ids: those that it is encoded as.
        subwords: the subword model of the source.
        marked: what the text was cut out of, if it was.
    """
    is_copied = not has_words(text) or is_noise(ids)
    is_capitals = not is_copied and text.isupper() and knows_lower_case(text, ids, subwords)
    if is_capitals:
        (ids,) = subwords.encode([text.capitalize()])
    has_spans = not is_copied and (UNK in ids or has_address(text))
    if not (is_copied or is_capitals or has_spans):
        return marked
    odd = marked or OddSegment(Marked(" ".join(text.split())), text)
    if is_copied:
        return OddSegment(odd.source, "")
    hidden = [*spans_to_copy(odd.source, subwords, is_capitals)] if has_spans else []
    if hidden:
        odd = cut_segment(odd.source, hidden)
    if is_capitals and odd.text:
        return replace(odd, text=odd.text.capitalize(), is_capitals=True)
    return odd if hidden else marked


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


def spans_to_copy(source: Marked, subwords: SubwordModel, is_capitals: bool) -> Iterator[Mark]:
    """Yield the addresses and what has unknown symbols between the marks of a text, in order.

    is_capitals: the model reads the text in lower case.
    """
    begin = 0
    for part, mark in source.parts():
        if not mark:
            lowered = part.lower()
            # A few capitals have two letters in lower case.
            read = lowered if is_capitals and len(lowered) == len(part) else part
            for first, last in unread_spans(read, subwords):
                yield Mark(begin + first, begin + last)
        begin += len(part)


def unread_spans(text: str, subwords: SubwordModel) -> Iterator[tuple[int, int]]:
    """Yield the spans of a text that a model cannot read, or should not, in order and apart."""
    unread = bytearray(len(text))
    for begin, end in addresses(text):
        unread[begin:end] = bytes([True]) * (end - begin)
    (ids,) = subwords.encode([text])
    for token, (begin, end) in zip(ids, locate_tokens(text, subwords), strict=True):
        if token == UNK:  # it may be a part of a character, as the normalised fraction is
            last = min(max(end, begin + 1), len(text))
            unread[begin:last] = bytes([True]) * (last - begin)
    # `re` counts no combining mark as a character of a word.
    bases = "".join("\0" if category(character)[0] == "M" else character for character in text)
    for word in WORD.finditer(bases):
        if not any(unread[slice(*word.span())]):
            continue
        known, parts = 0, list[str]()
        for begin, end in map(re.Match.span, COPIED.finditer(bases, *word.span())):
            is_unread = any(unread[begin:end])
            unread[begin:end] = bytes([is_unread]) * (end - begin)
            known += not is_unread and KNOWN.match(bases, begin, end) is not None
            parts.append("" if is_unread else bases[begin:end])
        # Signs may be attached to a word or a number: "20€". Otherwise, all is copied, as in
        # "°C", "20°C", "5×5" and "$HOME/bin", but for punctuation of the sentence.
        whole = text[word.start() : word.end()]
        is_unit = "" in parts[-2:-1] and len(parts[-1]) == 1 and parts[-1].isalpha()
        if known != 1 or is_unit or has_address(whole):
            size = len(whole.rstrip(END_MARKS if whole[0] in OPENERS else CLOSERS)) or len(whole)
            unread[word.start() : word.start() + size] = bytes([True]) * size
    yield from map(re.Match.span, re.finditer(rb"\x01+", unread))
