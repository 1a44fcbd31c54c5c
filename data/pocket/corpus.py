"""Build the splits: unique pairs, no held-out pair in train, one in every dev and test line."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from data.pocket import english_syntax, german_syntax
from data.pocket.grammar import MAXIMUM_WORDS, sentences
from data.pocket.held_out import has_held_out, held_out_pairs
from data.pocket.labels import labels
from data.pocket.phrases import Pair, Sentence

TRAIN_PAIRS = 32_000
DEV_PAIRS = 500
TEST_PAIRS = 1_000
MINIMUM_WORDS = 3


@dataclass(frozen=True)
class Example:
    """A sentence structure, which has the lexeme pairs, and its two texts."""

    sentence: Sentence
    english: str
    german: str


class Row(NamedTuple):
    """A line of a corpus whose test set has labels and wrong targets."""

    english: str
    german: str
    contrast: str
    labels: str


@dataclass(frozen=True)
class Splits:
    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]


def examples(seed: str) -> Iterator[Example]:
    """Yield examples of moderate length without end; equal seeds give equal examples."""
    for sentence in sentences(random.Random(seed)):
        english = english_syntax.render(sentence)
        if MINIMUM_WORDS <= len(english.split()) <= MAXIMUM_WORDS:
            yield Example(sentence, english, german_syntax.render(sentence))


def train_examples(seed: int, held_out: frozenset[Pair]) -> Iterator[Example]:
    """Yield training examples without end, repetitions included, in constant memory."""
    for example in examples(f"train {seed}"):
        if not has_held_out(example.sentence, held_out):
            yield example


def words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text)


class Uniqueness:
    """The texts seen so far, so that no English and no German line occurs twice."""

    def __init__(self) -> None:
        self.english: set[str] = set()
        self.german: set[str] = set()

    def admit(self, example: Example) -> bool:
        """Return whether both texts are new, and remember them if they are."""
        if example.english in self.english or example.german in self.german:
            return False
        self.english.add(example.english)
        self.german.add(example.german)
        return True


def build_splits(seed: int, pairs: int = TRAIN_PAIRS) -> Splits:
    """Build train, then dev and test from words that occur in train."""
    held_out = held_out_pairs(seed)
    unique = Uniqueness()
    train: list[Example] = []
    for example in train_examples(seed, held_out):
        if len(train) == pairs:
            break
        if unique.admit(example):
            train.append(example)
    known_english = {word for example in train for word in words(example.english)}
    known_german = {word for example in train for word in words(example.german)}
    unseen: list[Example] = []
    for example in examples(f"unseen {seed}"):
        if len(unseen) == DEV_PAIRS + TEST_PAIRS:
            break
        if not has_held_out(example.sentence, held_out) or not labels(example.sentence):
            continue
        known = known_english.issuperset(words(example.english))
        if known and known_german.issuperset(words(example.german)) and unique.admit(example):
            unseen.append(example)
    return Splits(tuple(train), tuple(unseen[:DEV_PAIRS]), tuple(unseen[DEV_PAIRS:]))


def label_line(example: Example) -> str:
    return " ".join(labels(example.sentence))
