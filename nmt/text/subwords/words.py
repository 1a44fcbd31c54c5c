"""Find the words that tokens belong to. A word is what stands between white space.

Texts are not always their tokens, end to end: SentencePiece normalises the source, several spaces
are one to it, and an unknown token may cover several words of a vocabulary of words.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nmt.text.subwords.tokenizer import SPACE, UNK, SubwordModel

WORD = re.compile(r"\S+")  # as `str.split` finds them
# Scripts that write no spaces: Thai, Lao, Burmese, Khmer, kana and Chinese characters.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
END_MARKS = ".,;:!?\u2026\u3002"  # belong to the sentence, not to the word before them
OPENERS = "\"'([{\u201c\u201e\u2018\u00ab"
CLOSING = "\"')]}\u201c\u201d\u2019\u00bb"  # belong to the words before them
CLOSERS = END_MARKS + CLOSING
# Signs around words also in scripts without spaces.
BEFORE = OPENERS + "\u300c\u300e\uff08\u300a\u3010"
AFTER = CLOSERS + "\u300d\u300f\uff09\u300b\u3011\u3001\uff0c\uff0e\uff01\uff1f\uff1a\uff1b"
# A word, or a character of a script without spaces, with the signs around it.
UNIT = re.compile(
    rf"[{re.escape(BEFORE)}]*[{UNSPACED}][{re.escape(AFTER)}]*|(?:(?![{UNSPACED}])\S)+"
)
# Of a unit: the signs before its core, the core, closing signs, punctuation of the sentence.
CHUNKS = 4
CORE_END = 2
UNKNOWN = " \u2047 "  # the text of an unknown token in an output

Spans = list[tuple[int, int]]  # begin and end of each token, in characters


@dataclass(frozen=True)
class TokenWords:
    """The words of a text, and the words that each of its tokens is part of."""

    by_token: list[range]  # the words that each token is part of, counted from 0
    count: int  # words of the text


class Units:
    """The units of a text. Their chunks, four for each, are numbered one after the other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bounds: list[tuple[int, int, int, int, int]] = []  # of the chunks
        for found in UNIT.finditer(text):
            begin, end = found.span()
            core = begin + len(found[0]) - len(found[0].lstrip(BEFORE))
            core_end = begin + len(found[0].rstrip(AFTER))
            if core_end <= core:  # signs alone
                core, core_end = begin, end
            closed = end - len(text[core_end:end].lstrip(CLOSING))
            self.bounds.append((begin, core, core_end, closed, end))

    def __len__(self) -> int:
        return len(self.bounds)

    def chunk(self, number: int) -> str:
        """Return the text of a chunk."""
        unit, part = divmod(number, CHUNKS)
        return self.text[self.bounds[unit][part] : self.bounds[unit][part + 1]]

    def space_before(self, unit: int) -> str:
        """Return the white space before a unit."""
        return self.text[self.bounds[unit - 1][-1] if unit else 0 : self.bounds[unit][0]]


def find_words(text: str, subwords: SubwordModel, word: re.Pattern[str] = WORD) -> TokenWords:
    """Return the words of the tokens that a text is encoded as; `word` matches one."""
    return match_words(locate_tokens(text, subwords), text, word)


def find_output_words(
    ids: Sequence[int], subwords: SubwordModel, word: re.Pattern[str] = WORD
) -> TokenWords:
    """Return the words of the text that token ids are decoded to; `word` matches one."""
    pieces = [UNKNOWN if token == UNK else subwords.piece(token) for token in ids]
    text, spans = spell_pieces(pieces, subwords)
    return match_words(spans, text, word)


def locate_tokens(text: str, subwords: SubwordModel) -> Spans:
    """Return where each token that a text is encoded as stands in the text."""
    origins = subwords.origins(text)
    _, spans = spell_pieces(subwords.pieces(text), subwords)
    return [(origins[begin], origins[end]) for begin, end in spans]


def spell_pieces(pieces: Iterable[str], subwords: SubwordModel) -> tuple[str, Spans]:
    """Return the text that pieces spell, and where each of them stands in it.

    A piece does not stand on the space that it begins with. Adjacent byte pieces spell characters
    together: each stands where all of them stand.
    """
    text, spans = "", Spans()
    for is_byte, group in groupby(pieces, subwords.is_byte):
        members = [*group]
        for joined in [members] if is_byte else [[piece] for piece in members]:
            begin = len(text)
            text += spell_bytes(joined) if is_byte else joined[0].replace(SPACE, " ")
            if not is_byte and joined[0][1:]:
                begin += joined[0].startswith(SPACE)
            spans += [(begin, len(text))] * len(joined)
    return text, spans


def spell_bytes(byte_pieces: Iterable[str]) -> str:
    """Return the characters of byte pieces such as <0xE2>; U+FFFD stands for what is none."""
    return bytes(int(piece[3:5], 16) for piece in byte_pieces).decode("utf-8", "replace")


def match_words(spans: Spans, text: str, word: re.Pattern[str] = WORD) -> TokenWords:
    """Return the words of a text and of each span; white space belongs to the word after it."""
    words = [found.span() for found in word.finditer(text)]
    starts, ends = [begin for begin, _ in words], [end for _, end in words]
    if not words:
        return TokenWords([range(0)] * len(spans), 0)
    found = []
    for begin, end in spans:
        first = min(bisect_right(ends, begin), len(words) - 1)
        found.append(range(first, max(first + 1, bisect_left(starts, end))))
    return TokenWords(found, len(words))
