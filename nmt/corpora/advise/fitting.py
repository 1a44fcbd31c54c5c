"""Choose settings for a corpus that has been read."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

from nmt.config import DECLARED
from nmt.corpora.advise.long_pairs import with_length
from nmt.corpora.check.reading import Pair
from nmt.errors import NmtError
from nmt.recipe.choice import choose_settings
from nmt.recipe.chosen import ChosenSettings
from nmt.recipe.corpus_size import CorpusFacts
from nmt.text.learning import most_tokens

FEW_PAIRS = 1000
SMALL_TEXT = 100_000  # characters of a side, from which a vocabulary is learned at once


def fitting_settings(
    facts: CorpusFacts, training: Callable[[], Iterable[Pair]], *, has_gpu: bool
) -> ChosenSettings:
    """Return the settings for a corpus; a vocabulary can be learned from the training text.

    training: returns the pairs that are not held out; they are read only if they are few. Raises
    NmtError if a small training text allows no vocabulary.
    """
    settings = choose_settings(facts, has_gpu=has_gpu)
    if facts.characters <= SMALL_TEXT:
        settings = for_small_text(facts, settings, training, has_gpu=has_gpu)
    return with_length(facts, settings, training)


def for_small_text(
    facts: CorpusFacts,
    settings: ChosenSettings,
    training: Callable[[], Iterable[Pair]],
    *,
    has_gpu: bool,
) -> ChosenSettings:
    """Return settings with a vocabulary that can be learned; see `fitting_settings`."""
    coverage = settings.value("tokenizer.character_coverage")
    most = most_tokens(chain.from_iterable(training()), coverage)
    least = DECLARED["tokenizer.vocab_size"].metadata["minimum"]
    if most < least:
        raise NmtError(
            f"the training text is too small: it allows a vocabulary of {most} tokens, and a model"
            f" needs {least}; give more text"
        )
    return choose_settings(replace(facts, most_tokens=most), has_gpu=has_gpu)


def few_pairs_notes(pairs: int) -> list[str]:
    """Return a note if a corpus is too small for a useful model."""
    if pairs >= FEW_PAIRS:
        return []
    return [
        f"{pairs:,} pairs are too few to learn to translate; the recipe works, but a useful model"
        " needs about 10,000 pairs"
    ]
