"""Runaway outputs: those that repeat themselves or are far too long for their source.

They are searched again, with limits that an ordinary output does not reach.
"""

from collections.abc import Sequence
from dataclasses import replace

from nmt.config import DecodeSettings
from nmt.decoding.repetition import most_repeats

MOST_REPEATS = 3  # of a unit, one after the other; as many more as the source has
MOST_TIMES, MOST_EXTRA = 2.5, 5  # an output is longer than 2.5 times its source + 5: too long
AGAIN_EXTRA, AGAIN_NGRAM = 5, 2  # limits of the second search, in tokens


def is_runaway(source: Sequence[int], output: Sequence[int]) -> bool:
    """Return whether an output repeats a unit more than its source does, or is far too long."""
    if len(output) > MOST_TIMES * len(source) + MOST_EXTRA:
        return True
    # Each repetition of a unit adds tokens that are not new.
    if len(output) - len(set(output)) < MOST_REPEATS:
        return False
    # A source without repetition has one.
    return most_repeats(output) > most_repeats(source) - 1 + MOST_REPEATS


def limited(settings: DecodeSettings) -> DecodeSettings:
    """Return the settings of the second search."""
    return replace(
        settings,
        no_repeat_ngram=settings.no_repeat_ngram or AGAIN_NGRAM,
        max_extra_tokens=min(settings.max_extra_tokens, AGAIN_EXTRA),
    )
