"""Let pairs of very long segments into a training that would drop most of them."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy
from numpy.typing import NDArray

from nmt.config import TokenizerSettings
from nmt.corpora.advise.sample import Sampler, learn_from
from nmt.corpora.advise.survey import MOST_TOKENS
from nmt.corpora.check.reading import Pair
from nmt.recipe.chosen import Choice, ChosenSettings
from nmt.recipe.corpus_size import CorpusFacts

MOST_PAIRS, MOST_CHARACTERS = 20_000, 2_000_000  # of the sample: read and learned in a few seconds
MOST_DROPPED = 0.1  # of the pairs, which a training may drop without advice
KEPT = 0.98  # of the pairs, that the advice keeps
STEP, LONGEST = 50, 1000  # tokens; memory and time of attention grow with their square


def with_length(
    facts: CorpusFacts, settings: ChosenSettings, training: Callable[[], Iterable[Pair]]
) -> ChosenSettings:
    """Return settings with a data.max_length that keeps most pairs of long segments.

    training: returns the training pairs; they are read only if many may be too long.
    """
    if facts.long_pairs <= MOST_DROPPED * facts.pairs:
        return settings  # a token has at least one character
    lengths = sampled_lengths(training(), settings)
    share = float((lengths > MOST_TOKENS).mean()) if len(lengths) else 0.0
    if share <= MOST_DROPPED:
        return settings
    wanted = STEP * -(-float(numpy.quantile(lengths, KEPT)) // STEP)
    length = int(min(LONGEST, wanted))
    many = f"{100 * share:.0f} % of the pairs have a side of more than {MOST_TOKENS} tokens"
    note = f"{many}, so data.max_length is {length:,}; shorter pairs, of sentences, train faster."
    first = Choice("data.max_length", length, many)
    last = Choice("decode.max_segment_tokens", length, "longer segments are divided")
    return replace(
        settings,
        choices=(first, *settings.choices, last),
        considered=(first, *settings.considered, last),
        notes=(*settings.notes, note),
    )


def sampled_lengths(pairs: Iterable[Pair], settings: ChosenSettings) -> NDArray[numpy.int64]:
    """Return the tokens of the longer side of pairs (n,), by a vocabulary learned from them."""
    sampler = Sampler(MOST_PAIRS, MOST_CHARACTERS)
    for _ in sampler.watch(pairs):
        pass
    if not sampler.pairs:
        return numpy.zeros(0, numpy.int64)
    size = settings.value("tokenizer.vocab_size")
    coverage = settings.value("tokenizer.character_coverage")
    wanted = TokenizerSettings(vocab_size=size, character_coverage=coverage)
    tokenizer = learn_from(sampler.pairs, wanted)
    sides = zip(tokenizer.sides, zip(*sampler.pairs, strict=True), strict=True)
    lengths = [[*map(len, subwords.encode(list(texts)))] for subwords, texts in sides]
    longest: NDArray[numpy.int64] = numpy.array(lengths, numpy.int64).max(0)
    return longest
