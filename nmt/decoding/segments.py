"""Cut a segment that is longer than a model can be trusted with into pieces."""

from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import NmtError
from nmt.text.tokenizer import SPACE, SubwordModel

SENTENCE_ENDS = tuple(".!?\u3002\uff01\uff1f\u2026")
CLOSERS = "\"')]\u201c\u201d\u2019\u00bb"


def segment_limit(settings: DecodeSettings, model: ModelSettings) -> int:
    """Tokens of the longest segment that is translated as a whole.

    Learned positions must hold its output too, which may be max_extra_tokens longer. Raises
    NmtError if they cannot hold any.
    """
    if model.positions != "learned":
        return settings.max_segment_tokens
    room = model.max_positions - settings.max_extra_tokens
    if room < 2:
        raise NmtError(
            f"decode.max_extra_tokens={settings.max_extra_tokens} leaves no room in the"
            f" {model.max_positions} positions that the model learned; lower it"
        )
    return min(settings.max_segment_tokens, room)


def split_long(ids: list[int], max_tokens: int, vocabulary: SubwordModel) -> list[list[int]]:
    """The ids in pieces of at most `max_tokens`, no id lost.

    Each cut is after the last end of a sentence that fits, else before the last word that does,
    else, inside a word longer than a piece, at the limit.
    """
    pieces, begin = [], 0
    while len(ids) - begin > max_tokens:
        end = begin + cut_place(ids[begin : begin + max_tokens + 1], vocabulary)
        pieces.append(ids[begin:end])
        begin = end
    return [*pieces, ids[begin:]]


def cut_place(window: list[int], vocabulary: SubwordModel) -> int:
    """Where to cut a window that is one id longer than a piece may be."""
    texts = [vocabulary.piece(each) for each in window]
    words = [place for place in range(1, len(texts)) if texts[place].startswith(SPACE)]
    sentences = [
        place for place in words if texts[place - 1].rstrip(CLOSERS).endswith(SENTENCE_ENDS)
    ]
    return (sentences or words or [len(window) - 1])[-1]
