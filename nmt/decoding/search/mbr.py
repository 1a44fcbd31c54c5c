"""Minimum Bayes risk: choose the candidate that is most like all candidates.

The utility of a candidate is its expected score with the candidates as references (Eikema and Aziz,
2020). Scores equal those of sacreBLEU's `sentence_score`: chrF2, or BLEU with effective order.

Dimensions: D distinct texts, N orders of n-grams, G distinct n-grams.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain
from typing import Any

import numpy
from numpy.typing import NDArray

from nmt.config import DecodeSettings
from nmt.config.decode import MBR_SAMPLES, MOST_SAMPLES
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.errors import UsageError
from nmt.text.reading.languages import bleu_tokenizer
from nmt.text.subwords.tokenizer import SubwordModel

Numbers = NDArray[Any]
Metric = Callable[[Sequence[str]], Numbers]  # (D, D): text i scored with text j as its reference

CHRF_ORDER, CHRF_BETA = 6, 2
BLEU_ORDER = 4
COLUMNS = 8192  # n-grams that are counted at once
DIGITS = 9  # of a utility; further ones are rounding, which must not choose


def candidate_count(settings: DecodeSettings, n_best: int) -> int:
    """Return how many candidates of each segment have to be found for n_best translations.

    Raises UsageError if the method does not find so many, or n_best is greater.
    """
    are_samples = settings.method == "sample"
    most = MOST_SAMPLES if are_samples else settings.beam_size
    named = f"{most:,}" if are_samples else f"the beam size, {most}"
    count = n_best
    if settings.mbr != "none":
        count = settings.candidates or (MBR_SAMPLES if are_samples else most)
        if count > most:
            raise UsageError(
                f"decode.candidates is {count} but must be at most {named}; raise decode.beam_size,"
                " or set decode.method to sample"
            )
        named = f"the number of candidates, {count}"
    if not 1 <= n_best <= (most if settings.mbr == "none" else count):
        raise UsageError(f"n-best is {n_best} but must be from 1 to {named}")
    return count


@dataclass(frozen=True)
class Overlaps:
    """How many n-grams texts have, and how many each pair has in common."""

    totals: Numbers  # (N, D)
    matches: Numbers  # (N, D, D), an n-gram counted as often as it is in both


def overlaps(texts: Sequence[Sequence[str]], orders: int) -> Overlaps:
    """Count the n-grams of 1 to `orders` symbols in texts, given as sequences of symbols."""
    lengths = numpy.array([*map(len, texts)])
    known: dict[str, int] = {}
    symbols = numpy.array(
        [known.setdefault(symbol, len(known)) for symbol in chain.from_iterable(texts)], numpy.int64
    )
    owners = numpy.repeat(numpy.arange(len(texts)), lengths)
    room = numpy.repeat(lengths.cumsum(), lengths) - numpy.arange(len(symbols))  # to the text's end
    grams = symbols.copy()  # of each position, the number of the n-gram that begins there
    matches = []
    for n in range(1, orders + 1):
        starts = (room >= n).nonzero()[0]
        if n > 1:
            longer = grams[starts] * len(known) + symbols[starts + n - 1]
            grams[starts] = numpy.unique(longer, return_inverse=True)[1]
        matches.append(common(owners[starts], grams[starts], len(texts)))
    totals = numpy.maximum(lengths - numpy.arange(orders)[:, None], 0)
    return Overlaps(totals, numpy.stack(matches))


def common(owners: Numbers, grams: Numbers, texts: int) -> Numbers:
    """Return the n-grams that each pair of texts has in common (D, D).

    owners, grams: of each n-gram the text and the number. min(a, b) is the sum over t of
    (a >= t) (b >= t), so that products of matrices count them.
    """
    total = numpy.zeros((texts, texts), numpy.float32)
    end = int(grams.max(initial=-1)) + 1
    for first in range(0, end, COLUMNS):
        width = min(COLUMNS, end - first)
        is_inside = (grams >= first) & (grams < first + width)
        cells = owners[is_inside] * width + grams[is_inside] - first
        counts = numpy.bincount(cells, minlength=texts * width).reshape(texts, width)
        while counts.size:
            has = (counts > 0).astype(numpy.float32)
            total += has @ has.T
            counts = numpy.maximum(counts[:, (counts > 1).any(0)] - 1, 0)
    return total.astype(float)


def chrf(texts: Sequence[str]) -> Numbers:
    """Return the chrF2 of each text with each as its reference (D, D), from 0 to 100."""
    found = overlaps(["".join(text.split()) for text in texts], CHRF_ORDER)
    least = numpy.maximum(found.totals, 1)
    # An order counts if both texts are long enough.
    orders = numpy.minimum(found.totals[:, :, None], found.totals[:, None]).astype(bool).sum(0)
    orders = numpy.maximum(orders, 1)
    precision = (found.matches / least[:, :, None]).sum(0) / orders
    recall = (found.matches / least[:, None]).sum(0) / orders
    factor = CHRF_BETA**2
    below = factor * precision + recall
    above = 100 * (1 + factor) * precision * recall
    scores: Numbers = numpy.divide(above, below, out=numpy.zeros_like(above), where=below > 0)
    return scores


def bleu(tokenize: Callable[[str], str], texts: Sequence[str]) -> Numbers:
    """Return the BLEU of each text with each as its reference (D, D), from 0 to 100.

    It is smoothed ("exp"), over the orders that the hypothesis can have.
    """
    words = [tokenize(text.rstrip()).split() for text in texts]
    found = overlaps(words, BLEU_ORDER)
    lengths = found.totals[0]
    logs, halvings = numpy.zeros(found.matches.shape[1:]), numpy.zeros(found.matches.shape[1:])
    for matches, totals in zip(found.matches, found.totals, strict=True):
        is_missing = matches == 0
        halvings += is_missing
        numerator = numpy.where(is_missing, 0.5**halvings, matches)
        precision = 100 * numerator / numpy.maximum(totals, 1)[:, None]
        logs += numpy.where(totals[:, None] > 0, numpy.log(precision), 0)
    orders = numpy.clip(lengths, 1, BLEU_ORDER)[:, None]
    ratio = lengths[None] / numpy.maximum(lengths, 1)[:, None]  # of the reference
    score = numpy.exp(logs / orders + numpy.minimum(0, 1 - ratio))
    return numpy.where(found.matches.any(0), score, 0)


@cache
def bleu_metric(language: str) -> Metric:
    """Return BLEU with the tokenizer of a language."""
    from sacrebleu.metrics.bleu import BLEU  # slow to import

    return partial(bleu, BLEU(tokenize=bleu_tokenizer(language)).tokenizer)


@dataclass(frozen=True)
class MinimumBayesRisk:
    """Chooses among candidates."""

    metric: Callable[[str], Metric]  # for a language
    language: str  # to write, unless a segment has one of its own
    decode: Callable[[Sequence[int]], str]  # of the target language
    are_samples: bool  # otherwise they count by their probability (Kumar and Byrne, 2004)
    n_best: int

    def choose(self, hypotheses: Sequence[Hypothesis], language: str = "") -> list[Hypothesis]:
        """Return the n best by utility, best first; of equal ones, first the one that was first.

        Candidates with the same text are one, with the score of the first. language: that of the
        segment; "" for the usual one.
        """
        if not hypotheses:
            return []
        highest = max(hypothesis.log_prob for hypothesis in hypotheses)
        weights: dict[str, float] = {}
        first: dict[str, Hypothesis] = {}
        for hypothesis in hypotheses:
            text = self.decode(hypothesis.ids)
            first.setdefault(text, hypothesis)
            weight = 1.0 if self.are_samples else math.exp(hypothesis.log_prob - highest)
            weights[text] = weights.get(text, 0.0) + weight
        given = numpy.array([*weights.values()])
        utilities = self.metric(language or self.language)([*weights]) @ (given / given.sum())
        rated = [
            replace(hypothesis, utility=round(utility, DIGITS))
            for hypothesis, utility in zip(first.values(), utilities.tolist(), strict=True)
        ]
        return sorted(rated, key=lambda hypothesis: -(hypothesis.utility or 0.0))[: self.n_best]


def make_chooser(
    settings: DecodeSettings, subwords: SubwordModel, language: str, n_best: int
) -> MinimumBayesRisk | None:
    """Return what chooses among candidates; None if `decode.mbr` names no metric.

    subwords: those of the target language. language: its code.
    """
    if settings.mbr == "none":
        return None
    metric = bleu_metric if settings.mbr == "bleu" else lambda _: chrf
    metric(language)  # imports sacreBLEU before this process is forked
    are_samples = settings.method == "sample"
    return MinimumBayesRisk(metric, language, subwords.decode, are_samples, n_best)
