"""Groups of pairs that have a side in common, and the pairs to hold out."""

import random

import numpy
import pytest

from nmt.corpora.held_out import (
    MOST_HELD_OUT,
    HashedPairs,
    Plan,
    Sizes,
    find_groups,
    hold_out,
    label_pairs,
)
from nmt.errors import NmtError
from nmt.text.reading.corpus import Pair
from tests.corpora.corpora import as_pairs

WORDS = [f"{first}{second}{third}" for first in "bdfgk" for second in "aeiou" for third in "lmnrst"]


def unlike(count: int) -> list[Pair]:
    """Return pairs that have no side nearly in common."""
    sides = [f"{WORDS[n // 150]} {WORDS[n % 150]}" for n in range(count)]
    return [Pair(side, side.upper() + "x") for side in sides]


def plan(corpus: HashedPairs, dev: int | None = None, test: int | None = None) -> Plan:
    names = ["c.en", "d.en", "e.en", "f.en"][: len(corpus.corpora)]
    return hold_out(corpus, Sizes(dev, test), names=names, fix="give more")


def counts(found: Plan) -> list[int]:
    """Return how many pairs are removed, in train, in dev and in test."""
    return [int((found.sets == index).sum()) for index in (-1, 0, 1, 2)]


def test_a_twentieth_but_at_most_a_thousand_are_held_out() -> None:
    assert counts(plan(HashedPairs(unlike(100)))) == [0, 90, 5, 5]
    most = MOST_HELD_OUT
    assert counts(plan(HashedPairs(unlike(22_000)))) == [0, 20_000, most, most]


def test_only_the_sets_that_are_wanted_are_held_out() -> None:
    pairs = unlike(100)
    found = plan(HashedPairs(pairs), dev=0)
    assert counts(found) == [0, 95, 0, 5]
    kinds = [kind for kind, _ in label_pairs(pairs, found)]
    assert (kinds.count("train"), kinds.count("test")) == (95, 5)
    nothing = plan(HashedPairs([*pairs, Pair("", "")]), dev=0, test=0)
    assert counts(nothing) == [1, 100, 0, 0]
    assert nothing.firsts.tolist() == [*range(100), -1]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([Pair("", "")], "c.en has no pair with text on both sides"),
        (unlike(2), r"can be held out, too few for 2 and .*; give more"),
    ],
)
def test_too_few_groups_are_an_error(pairs: list[Pair], message: str) -> None:
    with pytest.raises(NmtError, match=message):
        plan(HashedPairs(pairs))


def test_near_duplicates_of_given_segments_are_left_out() -> None:
    given = HashedPairs(as_pairs([("A dog.", "Ein Hund."), ("", "leer")]))
    hasher = HashedPairs(given=given)
    pairs = [
        ("a DOG 7", "x"),
        ("y", '"ein Hund"'),
        ("ein Hund", "a dog"),
        ("leer", "leer"),
        ("", ""),
    ]
    assert [hasher.add(pair) for pair in as_pairs(pairs)] == [False, False, True, True, False]
    assert (hasher.overlap, hasher.blank) == (2, 1)


def test_a_corpus_that_changes_between_two_readings_is_an_error() -> None:
    pairs = unlike(40)
    found = plan(HashedPairs(pairs))
    for other in (pairs[:-1], [*pairs, *pairs]):
        with pytest.raises(NmtError, match=r"c\.en changed while it was read"):
            list(label_pairs(other, found))


def groups(pairs: list[tuple[int, int]]) -> list[int]:
    return [*map(int, find_groups(numpy.array(pairs, numpy.uint64).reshape(-1, 2).T))]


def test_a_long_chain_is_one_group_in_any_order() -> None:
    chain = [(index // 2, (index + 1) // 2) for index in range(2000)]
    random.Random(1).shuffle(chain)
    assert set(groups(chain)) == {0}


def test_groups_are_those_that_searching_finds() -> None:
    draw = random.Random(2)
    pairs = [(draw.randrange(300), draw.randrange(300)) for _ in range(200)]
    expected = []
    for index in range(len(pairs)):
        reached, waiting = {index}, [index]
        while waiting:
            source, target = pairs[waiting.pop()]
            new = {n for n, pair in enumerate(pairs) if source == pair[0] or target == pair[1]}
            waiting += new - reached
            reached |= new
        expected.append(min(reached))
    assert groups(pairs) == expected


def test_several_corpora_hold_out_the_same_sentences_once_in_each() -> None:
    """Keep sentences of a dev set out of all training texts, as for Multi30k's en-de and en-fr."""
    english = [source for source, _ in unlike(400)]
    corpora = [
        (("en", "de"), [Pair(text, f"de {text}") for text in english[:300]]),
        (("fr", "en"), [Pair(f"fr {text}", text) for text in english[100:]]),
        (("de", "fr"), [Pair(f"de {text}", f"fr {text}") for text in english[:50]]),
    ]
    hasher = HashedPairs()
    assert all([*hasher.read(*corpus)] == corpus[1] for corpus in corpora)
    found = plan(hasher)
    sets = []
    for (languages, pairs), part in zip(corpora, hasher.corpora, strict=True):
        sets.append({name: set[str]() for name in ("train", "dev", "test")})
        for kind, pair in label_pairs(pairs, found.part(part)):
            sets[-1][kind].add(pair[languages.index("en")] if "en" in languages else pair[0][3:])
    assert all(
        len(one["dev"]) >= len(pairs) // 20 for one, (_, pairs) in zip(sets, corpora, strict=True)
    )
    train, dev, test = ({text for one in sets for text in one[kind]} for kind in sets[0])
    assert train.isdisjoint(dev | test)
    assert dev.isdisjoint(test)
    shared = {*english[100:300]}
    assert sets[0]["dev"] & shared == sets[1]["dev"] & shared
    assert train | dev | test == {*english}  # no pair is lost
    assert [*hasher.read(("en", "de"), [])] == []
    with pytest.raises(NmtError, match=r"^f\.en has 0 pairs that can be held out"):
        plan(hasher)
