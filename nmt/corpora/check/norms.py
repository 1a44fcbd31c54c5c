"""Learn the usual lengths, scripts and words of each side of a corpus from a sample."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import log, sqrt
from statistics import median

from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.scripts import usual_scripts
from nmt.corpora.check.segment import Segment

NORMAL_MEDIAN = 0.6745  # of the distance from the mean, in standard deviations
LEAST_SPREAD = 0.3  # of the deviation, for text whose sides are almost equally long
LEAST_COUNT = 2  # a rarer word says nothing about its side's language
MOST_ODDS = 4.0  # of one word, as a logarithm: a name may be on one side by chance
LEAST_ODDS = 0.7  # of a word that is kept; others are about as frequent on both sides

Segments = tuple[Segment, Segment]  # source and target


@dataclass(frozen=True)
class Norms:
    """Hold the usual values that the pairs of a corpus are compared with."""

    ratio: float  # characters of all targets / characters of all sources
    spread: float  # standard deviation of `deviation` around 0
    scripts: tuple[frozenset[str], frozenset[str]]  # of source and target
    words: dict[str, float]  # log of how much more frequent in sources than in targets

    def deviation(self, source: str, target: str) -> float:
        """Return how many standard deviations a target is longer than expected; see `excess`."""
        return excess(source, target, self.ratio) / self.spread

    def source_odds(self, segment: Segment) -> float:
        """Return the log of the odds that a segment's words are those of sources."""
        return sum(self.words.get(word, 0.0) for word in segment.words)


def excess(source: str, target: str, ratio: float) -> float:
    """Return (t - r s) / sqrt((t + r s) / 2) for s and t characters and the ratio r.

    If each character of a source becomes a random number of characters of the target, this has a
    normal distribution whose spread does not depend on the length (Gale and Church, 1993, "A
    Program for Aligning Sentences in Bilingual Corpora", section 3).
    """
    expected = ratio * len(source)
    return (len(target) - expected) / sqrt((len(target) + expected) / 2)


def learn_norms(pairs: Sequence[Segments], limits: CheckLimits) -> Norms:
    """Return the norms of a sample of a corpus.

    Pairs with an empty side do not count. Nor do those with a very long side, one of which could
    outweigh all others, unless most are long.
    """
    pairs = [pair for pair in pairs if not (pair[0].is_blank or pair[1].is_blank)]
    usual = [pair for pair in pairs if max(map(len, texts(pair))) <= limits.most_characters]
    pairs = usual if 2 * len(usual) >= len(pairs) else pairs
    sides = list(zip(*map(texts, pairs), strict=True)) if pairs else [(), ()]
    sizes = [sum(map(len, side)) for side in sides]
    ratio = sizes[1] / sizes[0] if pairs else 1.0
    middle = median([abs(excess(*texts(pair), ratio)) for pair in pairs]) if pairs else 1.0
    source, target = (usual_scripts(side, limits.usual_share) for side in sides)
    spread = max(LEAST_SPREAD, middle / NORMAL_MEDIAN)
    return Norms(ratio, spread, (source, target), word_odds(pairs))


def texts(pair: Segments) -> tuple[str, str]:
    """Return the texts of both sides."""
    return pair[0].text, pair[1].text


def word_odds(pairs: Sequence[Segments]) -> dict[str, float]:
    """Return, for words that tell the sides apart, the log of the ratio of their frequencies."""
    counts = [Counter(chain.from_iterable(pair[side].words for pair in pairs)) for side in (0, 1)]
    totals = [count.total() + 1 for count in counts]
    odds = {}
    for word in counts[0].keys() | counts[1].keys():
        first, second = (count[word] for count in counts)
        if first + second >= LEAST_COUNT:
            value = log((first + 0.5) / totals[0]) - log((second + 0.5) / totals[1])
            if abs(value) >= LEAST_ODDS:
                odds[word] = max(-MOST_ODDS, min(MOST_ODDS, value))
    return odds
