"""Split segments that are too long for a model."""

import re

from nmt.text.tokenizer import SPACE, SubwordModel

WIDE_ENDS = tuple("\u3002\uff01\uff1f")  # of Chinese and Japanese sentences; no space follows
SENTENCE_ENDS = (*".!?\u2026", *WIDE_ENDS)
LATER_BYTE = re.compile("<0x[89AB][0-9A-F]>")  # the piece of a byte inside a character, in UTF-8
# May follow the end of a sentence.
CLOSERS = "\"')]\u201c\u201d\u2019\u00bb\uff09\u300d\u300f"


def split_long(ids: list[int], max_tokens: int, subwords: SubwordModel) -> list[list[int]]:
    """Split ids into parts of at most `max_tokens`, without losing any.

    Each split is after the last sentence end that fits; if there is none, before the last word that
    fits; if a word is longer than a part, within that word.
    """
    parts, begin = [], 0
    while len(ids) - begin > max_tokens:
        end = begin + split_place(ids[begin : begin + max_tokens + 1], subwords)
        parts.append(ids[begin:end])
        begin = end
    return [*parts, ids[begin:]]


def split_place(window: list[int], subwords: SubwordModel) -> int:
    """Return where to split a window that is one token longer than a part may be."""
    texts = [subwords.piece(each) for each in window]
    words = [place for place in range(1, len(texts)) if texts[place].startswith(SPACE)]
    sentences, last = list[int](), ""  # last: the last character before, apart from closers
    for place, text in enumerate(texts):
        is_end = last in (SENTENCE_ENDS if text.startswith(SPACE) else WIDE_ENDS)
        if is_end and not text.startswith(tuple(CLOSERS)):
            sentences.append(place)
        last = (last + text).rstrip(CLOSERS)[-1:]
    # Bytes of one character stay together.
    inside = [place for place in range(1, len(texts)) if not LATER_BYTE.fullmatch(texts[place])]
    return (sentences or words or inside or [len(window) - 1])[-1]
