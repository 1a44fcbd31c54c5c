"""Sampling: outputs that are drawn at random, token by token, from the model's distribution.

Each draw compares a random number with the cumulative probabilities of the tokens. The number
depends on the seed, the source, the sample and the position of the token, and on nothing else: so a
text does not depend on the batch, the order of the lines or the number of processes.

Dimensions: B sentences that are still sampled, K slots for samples of each, R = B * K rows, m
draws for each row, V tokens, n tokens that may be drawn, t tokens so far.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.decoding.search.hypothesis import FinishedHypotheses
from nmt.decoding.search.search import ArrayCandidates, Beam, Candidates
from nmt.kernels.rule import FloatArray, IdArray, Logits, Rule
from nmt.kernels.top_k import BLOCK_BYTES

# Slots of finished samples are kept while more than this share is in use: moving the others takes
# time too.
CROWDED = 0.75


class RandomNumbers:
    """The random numbers of a batch, from a counter (Philox; Salmon et al., 2011).

    A generator that counts gives the numbers of any position at once. Its key is a sentence's own.
    """

    def __init__(self, seed: int, sources: Sequence[Sequence[int]]) -> None:
        """Take the token ids of each source; other ids or another seed have unrelated numbers."""
        self.count = len(sources)
        self._keys = [make_key(seed, ids) for ids in sources]
        self._counter = numpy.random.Philox(key=0)
        self._generator = numpy.random.Generator(self._counter)
        self._state: Any = self._counter.state  # to set it is fast, another generator is not

    def at(self, sentences: Sequence[int], position: int, samples: int) -> NDArray[numpy.float64]:
        """Return numbers in [0, 1) for the tokens at a position: (sentences, samples), float64.

        The numbers of the first samples are the same however many samples there are.
        """
        found = numpy.empty((len(sentences), samples))
        for row, sentence in enumerate(sentences):
            # The counter of 256 bits that the numbers of the position begin with.
            counter = numpy.array([0, position, 0, 0], numpy.uint64)
            self._state["state"] = {"key": self._keys[sentence], "counter": counter}
            self._counter.state = self._state
            self._generator.random(out=found[row])
        return found


def make_key(seed: int, ids: Sequence[int]) -> NDArray[numpy.uint64]:
    """Return a key of 128 bits."""
    digest = hashlib.blake2b(numpy.array([seed, *ids], "<i8").tobytes(), digest_size=16)
    return numpy.frombuffer(digest.digest(), "<u8").astype(numpy.uint64)


@dataclass(frozen=True)
class Weights:
    """The tokens that may be drawn in each row, in the order of their ids."""

    values: Tensor  # (R, n) float64, proportional to the probabilities
    ids: Tensor | None  # (R, n); None: all tokens


@dataclass(frozen=True)
class Filters:
    """How the model's distribution is changed before a token is drawn from it."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def weights(self, log_probs: Tensor) -> Weights:
        """Return the tokens that may be drawn, by their log-probabilities (R, V)."""
        ids = None
        if 0 < self.top_k < log_probs.shape[1]:
            log_probs, ids = log_probs.topk(self.top_k)
            ids, order = ids.sort(dim=1)
            log_probs = log_probs.gather(1, order)
        wide = torch.float32 if log_probs.device.type == "mps" else torch.float64
        best = log_probs.amax(1, keepdim=True)  # NaN or infinite: so are all weights of the row
        values = ((log_probs - best).to(wide) / self.temperature).exp_()
        if self.top_p < 1:
            values.masked_fill_(values < self.least(values), 0)
        return Weights(values, ids)

    def least(self, weights: Tensor) -> Tensor:
        """Return the least weight (R, 1) in the nucleus of each row of weights (R, n).

        The nucleus is the fewest of the most probable tokens that together have at least `top_p` of
        the probability; tokens as probable as the last one belong to it too.
        """
        ordered = descending(weights)
        sums = ordered.cumsum(1)
        better = sums - ordered  # the probability of all better tokens
        size = (better < self.top_p * sums[:, -1:]).sum(1, keepdim=True)
        return ordered.gather(1, size.clamp_(min=1) - 1)


def descending(values: Tensor) -> Tensor:
    """Return each row of a matrix sorted; on a CPU by NumPy, in a tenth of PyTorch's time."""
    if values.device.type != "cpu":
        return values.sort(dim=1, descending=True).values
    return torch.from_numpy(numpy.sort(values.numpy())).flip(1)


class Drawn(NamedTuple):
    """The tokens that were drawn, m in each row."""

    tokens: IdArray  # (R, m)
    log_probs: FloatArray  # (R, m) by the model; NaN or minus infinity: there was no token to draw


def draw_tokens(logits: Tensor, rules: Sequence[Rule], filters: Filters, numbers: Tensor) -> Drawn:
    """Draw tokens that the rules allow, by logits (R, V) and random numbers in [0, 1) (R, m)."""
    R, V = logits.shape
    rows = max(1, BLOCK_BYTES // (4 * V))
    blocks = [
        draw_block(
            logits[first : first + rows], rules, filters, numbers[first : first + rows], first
        )
        for first in range(0, R, rows)
    ]
    return Drawn(*map(numpy.concatenate, zip(*blocks, strict=True)))


def draw_block(
    logits: Tensor, rules: Sequence[Rule], filters: Filters, numbers: Tensor, first_row: int
) -> Drawn:
    """Draw the tokens of a block of rows that fits into a core's cache."""
    log_probs = logits.log_softmax(-1, dtype=torch.float32)
    for rule in rules:
        rule.apply(log_probs, first_row)
    weights = filters.weights(log_probs)
    sums = weights.values.cumsum(1)
    wanted = numbers.to(sums) * sums[:, -1:]
    # The first token whose sum is greater: never one of weight 0.
    columns = torch.searchsorted(sums, wanted, right=True).clamp_(max=sums.shape[1] - 1)
    tokens = columns if weights.ids is None else weights.ids.gather(1, columns)
    return Drawn(tokens.cpu().numpy(), log_probs.gather(1, tokens).cpu().numpy())


class Sampling:
    """The strategy of sampling: n_best outputs of each sentence are drawn independently.

    An output may occur several times. Its log_prob and score are the model's, whatever the filters.
    Rules and constraints apply before the filters. A sentence has fewer outputs if the model leaves
    some of them no token to go on with.
    """

    reorders = False  # the rows that stay are in order

    def __init__(
        self, numbers: RandomNumbers, filters: Filters, *, alpha: float, n_best: int
    ) -> None:
        """Take the random numbers of a batch of sentences, for one search."""
        self.alpha, self.n_best, self.width = alpha, n_best, n_best
        self._numbers, self._filters = numbers, filters
        # Of each sentence, the number of the sample in each slot.
        self._samples = numpy.arange(n_best)[None].repeat(numbers.count, axis=0)

    @torch.inference_mode()
    def extend(
        self, beam: Beam, logits: Logits, rules: Sequence[Rule], sentences: Sequence[int]
    ) -> ArrayCandidates:
        """Return each hypothesis (B, K), extended by m tokens: all samples in the first step."""
        B, K, V = logits.shape
        numbers = self._numbers.at(sentences, beam.prefixes.shape[2] + 1, self.n_best)
        chosen = numpy.take_along_axis(numbers, self._samples[sentences], axis=1)
        drawn = draw_tokens(
            torch.as_tensor(logits).view(B * K, V),
            rules,
            self._filters,
            torch.from_numpy(chosen.reshape(B * K, -1)),
        )
        m = drawn.tokens.shape[1]
        parents = numpy.arange(K).repeat(m)[None].repeat(B, axis=0)
        log_probs = beam.log_probs.repeat(m, axis=1) + drawn.log_probs.reshape(B, K * m)
        return Candidates(log_probs, parents, drawn.tokens.reshape(B, K * m))

    def place(
        self, beam: Beam, candidates: ArrayCandidates, live: FloatArray, sentences: Sequence[int]
    ) -> IdArray:
        """Return the candidate in each slot: all stay where they are while most are live."""
        B, K = live.shape
        is_live = live > -numpy.inf
        width = int(is_live.sum(axis=1).max())
        if width > CROWDED * K:
            return numpy.arange(K)[None].repeat(B, axis=0)
        order = (~is_live).argsort(axis=1, kind="stable")[:, :width]
        samples = numpy.zeros((len(self._samples), width), numpy.int64)
        samples[sentences] = numpy.take_along_axis(self._samples[sentences], order, axis=1)
        self._samples = samples
        return order

    def is_over(self, finished: FinishedHypotheses, bound: float) -> bool:
        """Return False: live samples go on to their ends."""
        return False
