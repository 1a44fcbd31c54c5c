"""The grammar: sentence types with their weights, and an endless stream of sentences."""

from __future__ import annotations

import random
from collections.abc import Iterator

from data.pocket.lexicon import load_lexicon
from data.pocket.linked import LinkedSampler
from data.pocket.phrases import Sentence

MAXIMUM_WORDS = 20
WEIGHTS = {
    "statement": 30.0,
    "modal": 8.0,
    "yes_no_question": 8.0,
    "wh_question": 8.0,
    "relative_subject": 8.0,
    "relative_object": 7.0,
    "subordinate": 10.0,
    "that_clause": 6.0,
    "infinitive": 5.0,
    "anaphora": 5.0,
    "copula": 5.0,
    "coordination": 1.5,
}


def sentences(generator: random.Random) -> Iterator[Sentence]:
    """Yield random sentences without end; equal generator states give equal sentences."""
    sampler = LinkedSampler(load_lexicon(), generator)
    names = list(WEIGHTS)
    weights = list(WEIGHTS.values())
    while True:
        name = generator.choices(names, weights)[0]
        yield getattr(sampler, name)()
