"""Encode segments for the search, and split those that are too long for the model."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import NmtError
from nmt.system.log import Notify
from nmt.text.tokenizer import SPACE, UNK, SubwordModel

SENTENCE_ENDS = tuple(".!?\u3002\uff01\uff1f\u2026")
CLOSERS = "\"')]\u201c\u201d\u2019\u00bb"  # may follow the end of a sentence


@dataclass(frozen=True)
class SegmentLimit:
    """The length of the longest segment that is translated whole."""

    tokens: int
    reason: str  # the setting or the property of the model that it comes from


def segment_limit(settings: DecodeSettings, model: ModelSettings) -> SegmentLimit:
    """Return the limit of a model: `decode.max_segment_tokens`, or fewer for learned positions.

    Learned positions must hold the output too, which may be `max_extra_tokens` longer than the
    source. Raises NmtError if they hold no segment.
    """
    wanted = settings.max_segment_tokens
    limit = SegmentLimit(wanted, f"decode.max_segment_tokens={wanted}")
    if model.positions != "learned":
        return limit
    room = model.max_positions - settings.max_extra_tokens
    if room < 2:
        raise NmtError(
            f"decode.max_extra_tokens={settings.max_extra_tokens} leaves no room in the"
            f" {model.max_positions} positions that the model learned; lower it"
        )
    if room >= wanted:
        return limit
    return SegmentLimit(
        room,
        f"the {room} for which the model's {model.max_positions} learned positions have room,"
        " output included",
    )


def output_limit(source_tokens: int, settings: DecodeSettings) -> int:
    """Return the most tokens that an output may have: its EOS counts, the source's does not."""
    return source_tokens + settings.max_extra_tokens


@dataclass(frozen=True)
class EncodedSegments:
    """Segments as the search takes them: their parts, and which parts belong to which segment."""

    parts: list[list[int]]  # token ids without EOS
    segments: list[range]  # for each segment the indices of its parts; none if it is blank


class SegmentEncoder:
    """Encodes segments, splits those over the limit, and reports what a user should know."""

    def __init__(self, subwords: SubwordModel, limit: SegmentLimit, notify: Notify) -> None:
        """`subwords` is the subword model of the source language."""
        self.subwords = subwords
        self.limit = limit
        self.notify = notify

    def encode(self, segments: Sequence[str], first_line: int) -> EncodedSegments:
        """Encode segments; `first_line` is the line number of the first one."""
        parts: list[list[int]] = []
        owned: list[range] = []
        with_unknown = 0
        for line, ids in enumerate(self.subwords.encode(segments), first_line):
            with_unknown += UNK in ids
            split = split_long(ids, self.limit.tokens, self.subwords) if ids else []
            if len(split) > 1:
                self.notify(
                    f"line {line}: {len(ids):,} tokens are more than {self.limit.reason};"
                    f" translated in {len(split)} parts"
                )
            owned.append(range(len(parts), len(parts) + len(split)))
            parts += split
        if with_unknown:
            self.notify(
                f"{with_unknown:,} segments contain characters that are not in the vocabulary; the"
                " model reads them as unknown"
            )
        return EncodedSegments(parts, owned)


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
    sentences = [
        place for place in words if texts[place - 1].rstrip(CLOSERS).endswith(SENTENCE_ENDS)
    ]
    return (sentences or words or [len(window) - 1])[-1]
