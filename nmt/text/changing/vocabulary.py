"""Change text that a vocabulary is learned from, as the training will change it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

from nmt.config import Recipe
from nmt.text.changing.mark_forms import MARK_CHARACTERS
from nmt.text.changing.pair_changes import NO_WAYS, WAYS, Ways, change_pair, probabilities
from nmt.text.changing.units import Units, units_of
from nmt.text.tokenizer import Tokenizer


def vocabulary_changes(recipe: Recipe) -> dict[str, Any]:
    """Return what the changes depend on, as JSON data; empty if nothing is changed."""
    shares = dict(zip(WAYS, probabilities(recipe.train), strict=True))
    del shares["typos"]
    if not any(shares.values()):
        return {}
    languages = [recipe.data.source_language, recipe.data.target_language]
    return {**shares, "seed": recipe.train.seed, "languages": languages}


def required_characters(recipe: Recipe) -> str:
    """Return characters that the vocabulary must have, whatever the corpus has."""
    return MARK_CHARACTERS if recipe.train.augments_marks else ""


def changed_as_in_training(
    pairs: Iterable[tuple[str, str]], recipe: Recipe
) -> Iterator[tuple[str, str]]:
    """Yield pairs, some of them changed, the same ones each time.

    No alignment is known yet. The vocabulary need not know where marks stand, so that the words
    are taken to belong together in their order. There are no typos: they need no tokens.
    """
    if not vocabulary_changes(recipe):
        yield from pairs
        return
    random = Random(recipe.train.seed)  # noqa: S311 (not for secrets)
    languages = recipe.data.source_language, recipe.data.target_language
    shares = probabilities(recipe.train)
    for pair in pairs:
        drawn = replace(Ways(*(random.random() < share for share in shares)), typos=False)
        if drawn == NO_WAYS or not all(each.strip() for each in pair):
            yield pair
            continue
        source, target = map(units_of, pair)
        yield change_pair(source, target, drawn, languages, random, in_order(source, target))


def in_order(source: Units, target: Units) -> frozenset[tuple[int, int]]:
    """Return links between the units of two texts in their order."""
    return frozenset((each, each) for each in range(min(len(source), len(target))))


def missing_characters(recipe: Recipe, tokenizer: Tokenizer) -> str:
    """Return the characters of marks that a side of the vocabulary cannot write."""
    needed = required_characters(recipe)
    return "".join(each for each in needed if any(side.unknown(each) for side in tokenizer.sides))
