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
    """The words of a text, and the words that each of its tokens is part of."""

    by_token: list[range]  # the words that each token is part of, counted from 0
    count: int  # words of the text


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
