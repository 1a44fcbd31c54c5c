"""Odd segments: those that a model would translate into nonsense, and what is done about them.

- A segment without words is its own translation: numbers, punctuation, emoji, addresses, a single
  letter, a script that the vocabulary does not have, the same few characters over and over.
- Addresses and unknown symbols in a segment are copied (`symbols`).
- A segment in capitals is translated in lower case, if the vocabulary knows it better that way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.decoding.translator.repetition import most_repeats
from nmt.decoding.translator.symbols import ADDRESS, Symbol, cut, has_address, insert
from nmt.decoding.translator.translation import Translation
from nmt.text.tokenizer import UNK, SubwordModel
from nmt.text.words import WORD

LETTER = re.compile(r"[^\W\d_]")
TWO_LETTERS = re.compile(rf"{LETTER.pattern}.*?{LETTER.pattern}", re.DOTALL)
FEWEST_CAPITALS = 4  # a shorter segment may be an abbreviation
NOISE_REPEATS = 10  # of some tokens, one after the other: no language
SHORTER = 1.5  # times as many tokens as in lower case have capitals that a vocabulary does not know


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

    def finish(
        self, translation: Translation, links: Sequence[Sequence[tuple[int, int]]]
    ) -> Translation:
        """Return the translation of the segment, from that of `text`.

        links: the aligned words of each candidate (`symbols.insert`), if there are symbols.
        """
        texts = [self.copied or each.text for each in translation.candidates]
        if self.symbols:
            count = len(self.text.split())
            pairs = zip(texts, links, strict=True)
            texts = [insert(text, self.symbols, each, count) for text, each in pairs]
        if self.is_capitals:
            texts = [text.upper() for text in texts]
        pairs_of_texts = zip(translation.candidates, texts, strict=True)
        candidates = tuple(
            replace(each, text=text, read=self.text, written=each.text)
            for each, text in pairs_of_texts
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
        found = cut(read, ids, subwords)
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
