"""Choose the lexeme pairs that are held out of train, for dev and test only."""

from __future__ import annotations

import random
from collections import Counter

from data.pocket.lexicon import Lexicon, load_lexicon
from data.pocket.phrases import Pair, Sentence, sentence_pairs

SHARE = 0.1
# A verb or preposition that lost most of its nouns would hardly occur in train.
MAXIMUM_SHARE_OF_LEXEME = 0.34


def all_pairs(lexicon: Lexicon) -> list[Pair]:
    """Return all verb-object and preposition-noun pairs that the grammar can form, sorted."""
    pairs: set[Pair] = set()
    for frame in lexicon.frames:
        for noun in frame.objects + frame.recipients:
            pairs.add(("verb-object", frame.verb.lemma, noun.german))
    for preposition in lexicon.prepositions.values():
        for noun in preposition.nouns:
            pairs.add(("preposition-noun", preposition.german, noun.german))
    return sorted(pairs)


def held_out_pairs(seed: int) -> frozenset[Pair]:
    """Return a random tenth of each kind of pair, which depends on the seed only."""
    pairs = all_pairs(load_lexicon())
    generator = random.Random(f"held-out {seed}")
    chosen: set[Pair] = set()
    for kind in ("verb-object", "preposition-noun"):
        of_kind = [pair for pair in pairs if pair[0] == kind]
        chosen.update(draw_tenth(of_kind, generator))
    return frozenset(chosen)


def draw_tenth(pairs: list[Pair], generator: random.Random) -> list[Pair]:
    """Return a random tenth that leaves most nouns to every verb and preposition."""
    total = Counter(governor for _, governor, _ in pairs)
    lost: Counter[str] = Counter()
    drawn: list[Pair] = []
    for pair in generator.sample(pairs, len(pairs)):
        if len(drawn) == round(len(pairs) * SHARE):
            break
        governor = pair[1]
        if lost[governor] + 1 <= MAXIMUM_SHARE_OF_LEXEME * total[governor]:
            lost[governor] += 1
            drawn.append(pair)
    return drawn


def has_held_out(sentence: Sentence, held_out: frozenset[Pair]) -> bool:
    return not held_out.isdisjoint(sentence_pairs(sentence))
