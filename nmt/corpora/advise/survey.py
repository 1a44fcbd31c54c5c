"""Find the facts of a corpus that the choice of settings and of held-out sets depends on."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import numpy

from nmt.config import DECLARED
from nmt.corpora.check.reading import Pair
from nmt.corpora.clean.held_out import PairHasher, Rows, Sides
from nmt.recipe.corpus_size import CorpusFacts
from nmt.recipe.vocabulary_choice import RARE_SHARE

MOST_WORDS = 200_000  # distinct ones to count; no vocabulary needs to know of more
BLOCK_PAIRS = 1000  # that are counted at once
# Of a side; longer pairs are dropped.
MOST_TOKENS: int = DECLARED["data.max_length"].metadata["default"]
WORD = re.compile(r"[^\W\d_]{2,15}")  # letters; SentencePiece keeps no longer piece


@dataclass(frozen=True)
class Survey:
    """Hold the facts that one reading of a corpus finds."""

    facts: CorpusFacts
    blank: int  # pairs with an empty side, which are not counted in the facts
    overlap: int  # pairs with a side that is nearly in a given set, not counted in the facts
    rows: Rows


def survey(pairs: Iterable[Pair], given: Sides | None = None) -> Survey:
    """Read a corpus once and return what is in it.

    given: the segments of dev and test sets that exist already.
    """
    count = long_pairs = 0
    words, characters = [0, 0], [0, 0]
    alphabet: Counter[int] = Counter()
    distinct: set[str] = set()
    hasher = PairHasher(given)
    usable = (pair for pair in pairs if hasher.add(pair))
    while block := list(islice(usable, BLOCK_PAIRS)):
        count += len(block)
        long_pairs += sum(max(map(len, pair)) > MOST_TOKENS for pair in block)
        for side, segments in enumerate(zip(*block, strict=True)):
            # As SentencePiece normalises it; a line feed combines with no other character.
            text = unicodedata.normalize("NFKC", "\n".join(segments))
            words[side] += len(text.split())
            alphabet.update(character_counts(text))
            if len(distinct) < MOST_WORDS:
                distinct.update(WORD.findall(text))
            characters[side] += len(text) - len(block) + 1
    del alphabet[ord("\n")]
    facts = CorpusFacts(
        count,
        max(words),
        max(characters),
        len(alphabet),
        frequent_characters(alphabet),
        len(distinct),
        long_pairs=long_pairs,
    )
    return Survey(facts, hasher.blank, hasher.overlap, hasher.rows())


def character_counts(text: str) -> dict[int, int]:
    """Return how often each character of a text occurs, by its code point."""
    points = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), numpy.uint32)
    counts = numpy.bincount(points)
    return {point: int(counts[point]) for point in map(int, numpy.flatnonzero(counts))}


def frequent_characters(counts: Counter[int]) -> int:
    """Return how many characters make up all of a text but RARE_SHARE."""
    wanted = (1 - RARE_SHARE) * counts.total()
    covered = 0
    for number, (_, count) in enumerate(counts.most_common(), start=1):
        covered += count
        if covered >= wanted:
            return number
    return 0
