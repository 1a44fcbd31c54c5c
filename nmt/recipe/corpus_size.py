"""Compare the size of a corpus with those of the corpora that settings were tuned on."""

import math
from dataclasses import dataclass

# A corpus whose place is this close to a tuned one gets the settings that were tuned.
MARGIN = 0.05


@dataclass(frozen=True)
class CorpusFacts:
    """Hold the properties of a corpus that the choice depends on."""

    pairs: int  # training pairs with text on both sides
    words: int  # between spaces, on the side that has more
    characters: int  # on the side that has more
    alphabet: int  # distinct characters of both sides
    frequent_alphabet: int  # the most frequent of them, all but RARE_SHARE of the text
    distinct_words: int  # of 2 to 15 letters; a text with very many may have more
    most_tokens: int | None = None  # that the text allows, if that is known exactly
    long_pairs: int = 0  # with a side of more characters than data.max_length allows tokens

    @property
    def tokens(self) -> float:
        """Return about how many tokens the longer side has, in a vocabulary of some thousands."""
        return max(1.4 * self.words, self.characters / 4) + self.pairs


@dataclass(frozen=True)
class StartingPoint:
    """Name a recipe that was tuned, here or by the paper, and the size of its corpus."""

    recipe: str
    title: str  # of the corpus
    pairs: int
    tokens: float  # as `CorpusFacts` estimates them
    epochs: float
    updates: tuple[int, int]  # fewest and most for corpora of about this size


SMALL = StartingPoint("multi30k_en_de", "Multi30k", 29_000, 540_000, 61, (4_200, 14_000))
MEDIUM = StartingPoint("tatoeba_en_de", "Tatoeba", 165_813, 1_726_000, 18, (16_000, 42_000))
LARGE = StartingPoint("wmt14_en_de_base", "WMT14", 4_500_000, 165e6, 15, (7_000, 100_000))


@dataclass(frozen=True)
class Place:
    """Place a corpus between two starting points, by the logarithm of its tokens."""

    lower: StartingPoint
    upper: StartingPoint
    share: float  # 0: as small as the lower one, or smaller; 1: as large as the upper one

    @property
    def is_between(self) -> bool:
        """Return True unless the settings are those of one starting point."""
        return 0 < self.share < 1

    @property
    def nearest(self) -> StartingPoint:
        """Return the nearer starting point."""
        return self.upper if self.share > 0.5 else self.lower

    def mean(self, lower: float, upper: float) -> float:
        """Return a value between those of the starting points, on a straight line."""
        return lower + (upper - lower) * self.share

    def ratio_mean(self, lower: float, upper: float) -> float:
        """Return a value between those of the starting points, on a straight line of logarithms."""
        return float(lower ** (1 - self.share) * upper**self.share)

    def whole(self, lower: int, upper: int) -> int:
        """Return a whole number between two of them; it has two digits unless it is one of them."""
        if lower == upper or not self.is_between:
            return upper if self.share else lower
        return round_down(self.ratio_mean(lower, upper))


def place_of(tokens: float, lower: StartingPoint, upper: StartingPoint) -> Place:
    """Return the place of a corpus with so many tokens."""
    distance = math.log(upper.tokens / lower.tokens)
    share = math.log(max(1.0, tokens) / lower.tokens) / distance
    return Place(lower, upper, min(1.0, max(0.0, (share - MARGIN) / (1 - 2 * MARGIN))))


def needs_gpu(facts: CorpusFacts) -> bool:
    """Return whether a corpus is so large that a GPU allows for better settings."""
    return place_of(facts.tokens, MEDIUM, LARGE).share > 0


def round_down(number: float) -> int:
    """Return a number with two digits at most, such as 470 for 478.2; it is at least 1."""
    whole = max(1, int(number))
    unit = int(10 ** max(0, len(str(whole)) - 2))
    return whole // unit * unit
