"""Find the words that tokens belong to. A word is what stands between white space.

Texts are not always their tokens, end to end: SentencePiece normalises the source, several spaces
are one to it, and an unknown token may cover several words of a vocabulary of words.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nmt.text.tokenizer import SPACE, UNK, SubwordModel

WORD = re.compile(r"\S+")  # as `str.split` finds them
# Scripts that write no spaces: Thai, Lao, Burmese, Khmer, kana and Chinese characters.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
UNKNOWN = " \u2047 "  # the text of an unknown token in an output

Spans = list[tuple[int, int]]  # begin and end of each token, in characters


@dataclass(frozen=True)
class TokenWords:
    """The words of a text, and what its tokens have to do with them."""

    of_tokens: list[range]  # the words that each token is part of, counted from 0
    count: int  # words of the text


def words_of_text(text: str, subwords: SubwordModel, word: re.Pattern[str] = WORD) -> TokenWords:
    """Return the words of the tokens that a text is encoded as; `word` matches one."""
    places = subwords.origins(text)
    spans = spans_of(subwords.pieces(text), subwords)[1]
    return words_of_spans([(places[begin], places[end]) for begin, end in spans], text, word)


def words_of_ids(
    ids: Sequence[int], subwords: SubwordModel, word: re.Pattern[str] = WORD
) -> TokenWords:
    """Return the words of the text that token ids are decoded to; `word` matches one."""
    pieces = [UNKNOWN if each == UNK else subwords.piece(each) for each in ids]
    text, spans = spans_of(pieces, subwords)
    return words_of_spans(spans, text, word)


def spans_of(pieces: Iterable[str], subwords: SubwordModel) -> tuple[str, Spans]:
    """Return the text that pieces spell, and where each of them stands in it.

    A piece does not stand on the space that it begins with. Adjacent byte pieces spell characters
    together: each stands where all of them stand.
    """
    text, spans = "", Spans()
    for is_byte, group in groupby(pieces, subwords.is_byte):
        members = [*group]
        for joined in [members] if is_byte else [[each] for each in members]:
            begin = len(text)
            text += spelled(joined) if is_byte else joined[0].replace(SPACE, " ")
            if not is_byte and joined[0][1:]:
                begin += joined[0].startswith(SPACE)
            spans += [(begin, len(text))] * len(joined)
    return text, spans


def spelled(byte_pieces: Iterable[str]) -> str:
    """Return the characters of byte pieces such as <0xE2>; U+FFFD stands for what is none."""
    return bytes(int(piece[3:5], 16) for piece in byte_pieces).decode("utf-8", "replace")


def words_of_spans(spans: Spans, text: str, word: re.Pattern[str] = WORD) -> TokenWords:
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
