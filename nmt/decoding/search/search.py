"""The search: one loop over any model that encodes, steps and selects, with any strategy.

A strategy extends the live hypotheses by a token and chooses which candidates go on: `beam` by
probability (section 6.1), `sampling` at random. Here are the model as the search sees it, the loop,
the candidates, the rows that they take, and the observer that watches. `rules` holds which tokens
may come next, `hypothesis` the scores.

A search passes ids as NumPy's arrays, or as tensors if it runs on a GPU. A model that computes with
NumPy returns its logits as an array; one that computes with PyTorch returns a tensor.

Dimensions: B sentences that are still searched, K live hypotheses for each of them, C candidates
for each of them, R = B * K, V tokens, t tokens so far.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeAlias, TypeVar

import numpy
from numpy.typing import NDArray

from nmt.decoding.search.hypothesis import (
    FinishedHypotheses,
    Hypothesis,
    length_penalty,
    score_bound,
)
from nmt.decoding.search.rules import Constraint, Never, SpecialIds, rules_for_step
from nmt.kernels.rule import BoolArray, FloatArray, IdArray, Logits, Rule

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from torch import Tensor

AnyIds: TypeAlias = "IdArray | Tensor"
Numbers = TypeVar("Numbers")  # arrays, or tensors of a search that stays on a device


class SearchState(Protocol):
    """The state that a model keeps for its hypotheses; those of a sentence are adjacent."""

    def select(self, rows: AnyIds) -> Self:
        """Return the state of the hypotheses `rows` (B', K'), flat indices of the old B * K.

        If no sentence leaves the batch, each keeps its index.
        """
        ...


StateT = TypeVar("StateT", bound=SearchState)


class SearchModel(Protocol[StateT]):
    """A model that a search can decode with: a Transformer, an ensemble, a table of numbers."""

    def encode(self, source: AnyIds) -> StateT:
        """Return the state before the first token, one hypothesis for each source (B, S)."""
        ...

    def step(self, last_ids: AnyIds, state: StateT) -> tuple[Logits, StateT]:
        """Return the logits (B, K, V) of the tokens after last_ids (B, K), and the next state.

        The search may overwrite the logits.
        """
        ...


@dataclass(frozen=True)
class Beam:
    """The live hypotheses of a batch."""

    last_ids: IdArray  # (B, K)
    prefixes: IdArray  # (B, K, t) without BOS
    log_probs: FloatArray  # (B, K); minus infinity: no hypothesis is left for this slot

    def extend(self, rows: IdArray, tokens: IdArray, log_probs: FloatArray) -> "Beam":
        """Return the hypotheses `rows` (B', K'), flat indices of B * K, with one token more."""
        B, K, t = self.prefixes.shape
        parents = self.prefixes.reshape(B * K, t)[rows]  # (B', K', t)
        prefixes = numpy.concatenate([parents, tokens[:, :, None]], axis=2)
        return Beam(tokens, prefixes, log_probs)


def first_beam(sentences: int, bos: int) -> Beam:
    """Return the beam before the first step: one hypothesis for each sentence, only BOS."""
    return Beam(
        numpy.full((sentences, 1), bos, numpy.int64),
        numpy.zeros((sentences, 1, 0), numpy.int64),
        numpy.zeros((sentences, 1), numpy.float32),
    )


@dataclass(frozen=True)
class Candidates(Generic[Numbers]):
    """The live hypotheses of each sentence, each extended by tokens that may come next."""

    log_probs: Numbers  # (B, C) of the whole candidate; minus infinity: the rules forbid it
    parents: Numbers  # (B, C) slot in the beam of the hypothesis that is extended
    tokens: Numbers  # (B, C) the new token


ArrayCandidates: TypeAlias = Candidates[NDArray[Any]]


class Strategy(Protocol):
    """How a search extends its hypotheses, and which candidates go on."""

    @property
    def n_best(self) -> int:
        """Return how many outputs each sentence has."""
        ...

    @property
    def width(self) -> int:
        """Return how many of the first candidates are outputs if they end in EOS."""
        ...

    @property
    def reorders(self) -> bool:
        """Return whether candidates may take others' rows although no row is left or added."""
        ...

    @property
    def alpha(self) -> float:
        """Return the exponent of the length penalty."""
        ...

    def extend(
        self, beam: Beam, logits: Logits, rules: Sequence[Rule], sentences: Sequence[int]
    ) -> ArrayCandidates:
        """Return the candidates.

        logits: (B, K, V) of the next tokens; they may be overwritten. sentences: for each of B rows
        the index of its sentence in the source batch.
        """
        ...

    def place(
        self, beam: Beam, candidates: ArrayCandidates, live: FloatArray, sentences: Sequence[int]
    ) -> IdArray:
        """Return the candidate (B, K') in each slot of the next beam.

        live: (B, C) log-probabilities; minus infinity: the candidate cannot go on. Other arguments
        are as in `extend`.
        """
        ...

    def is_over(self, finished: FinishedHypotheses, bound: float) -> bool:
        """Return whether the search of a sentence ends.

        bound: the best score that one of its live hypotheses can still reach.
        """
        ...


def search(
    model: SearchModel[StateT],
    source: AnyIds,
    max_lengths: Sequence[int],
    ids: SpecialIds,
    strategy: Strategy,
    *,
    contexts: Sequence[Sequence[int]] = (),
    constraints: Sequence[Constraint] = (),
    observer: "Observer | None" = None,
) -> list[list[Hypothesis]]:
    """Return the n best outputs of each source segment, best first.

    source: ids (B, S), which only the model reads. max_lengths: for each segment, the most tokens
    of its output, EOS counted. An output that reaches its greatest length ends there with the
    model's own probability of EOS. contexts: for each segment, tokens that stand before its output
    and are no part of it; a constraint gives them (`Prefix`). constraints: further limits of what
    an output may be.

    A segment has fewer outputs if the model allows fewer, and none if the model's logits are NaN.
    """
    never = Never(numpy.array(ids.never, numpy.int64))
    results = [FinishedHypotheses(strategy.n_best) for _ in max_lengths]
    contexts = contexts or [()] * len(results)
    sentences = list(range(len(results)))  # of each row of the batch
    state = model.encode(source)
    beam = first_beam(len(sentences), ids.bos)
    beam, state = read_contexts(model, state, beam, contexts)
    while sentences:
        length = beam.prefixes.shape[2] + 1
        finished = [results[sentence] for sentence in sentences]
        limits = [max_lengths[sentence] for sentence in sentences]
        firsts = [len(contexts[sentence]) for sentence in sentences]
        at_limit = [length - first >= limit for first, limit in zip(firsts, limits, strict=True)]
        logits, state = model.step(beam.last_ids, state)
        K = logits.shape[1]  # 1 in the first step
        rules = rules_for_step(never, ids.eos, at_limit, K)
        found = (constraint.rule(sentences, beam.prefixes) for constraint in constraints)
        rules += [rule for rule in found if rule is not None]
        candidates = strategy.extend(beam, logits, rules, sentences)
        is_eos = candidates.tokens == ids.eos
        is_output = is_eos[:, : strategy.width]
        add_finished(finished, candidates, is_output, beam.prefixes, firsts, strategy.alpha)

        live = numpy.where(is_eos, -math.inf, candidates.log_probs)
        order = strategy.place(beam, candidates, live, sentences)
        best_live = numpy.fmax.reduce(live, axis=1).tolist()  # NaN is not the best
        bounds = [
            score_bound(*pair, strategy.alpha) for pair in zip(best_live, limits, strict=True)
        ]
        is_last = [
            is_full or not bound > -math.inf or strategy.is_over(outputs, bound)
            for outputs, bound, is_full in zip(finished, bounds, at_limit, strict=True)
        ]
        if observer is not None:
            is_finished = is_eos & (numpy.arange(is_eos.shape[1]) < strategy.width)
            columns = [candidates.parents, candidates.tokens, candidates.log_probs]
            columns += [is_eos, is_finished]
            report_step(observer, sentences, length, columns, order, bounds, is_last)

        # A sentence whose search is over leaves the batch.
        kept = place_sentences(not last for last in is_last)
        sentences = [sentences[row] for row in kept]
        if sentences:
            chosen = numpy.array(kept)[:, None], order[kept]
            rows = chosen[0] * K + candidates.parents[chosen]  # (B', K'), flat indices of B * K
            beam = beam.extend(rows, candidates.tokens[chosen], live[chosen])
            if strategy.reorders or rows.shape != (len(at_limit), K):
                state = state.select(rows)
    return [outputs.best for outputs in results]


def read_contexts(
    model: SearchModel[StateT], state: StateT, beam: Beam, contexts: Sequence[Sequence[int]]
) -> tuple[Beam, StateT]:
    """Return the beam and the state after the first tokens of contexts, as many as all have."""
    rows = numpy.arange(len(contexts))[:, None]
    for given in zip(*contexts, strict=False):
        _, state = model.step(beam.last_ids, state)
        beam = beam.extend(rows, numpy.array(given)[:, None], beam.log_probs)
    return beam, state


def add_finished(
    finished: Sequence[FinishedHypotheses],
    candidates: ArrayCandidates,
    is_output: BoolArray,
    prefixes: IdArray,
    firsts: Sequence[int],
    alpha: float,
) -> None:
    """Add the candidates that are outputs to the finished hypotheses of their sentences.

    finished: of each of B sentences. is_output: (B, C). prefixes: (B, K, t), the tokens of the
    live hypotheses that the candidates extend. firsts: the position of each output's first token.
    """
    for row, column in numpy.argwhere(is_output).tolist():
        log_prob = float(candidates.log_probs[row, column])
        if log_prob > -math.inf:
            tokens = prefixes[row, candidates.parents[row, column], firsts[row] :].tolist()
            penalty = length_penalty(len(tokens) + 1, alpha)
            finished[row].add(Hypothesis(tuple(tokens), log_prob, log_prob / penalty))


def place_sentences(goes_on: Iterable[bool]) -> list[int]:
    """Return the rows of the sentences that go on, in their new order.

    A sentence keeps its row if it can; the last sentences take the rows of those that ended.
    """
    stays = list(goes_on)
    count = sum(stays)
    last = iter([row for row in range(count, len(stays)) if stays[row]])
    return [row if stays[row] else next(last) for row in range(count)]


@dataclass(frozen=True)
class StepCandidate:
    """A live hypothesis extended by one token."""

    parent: int  # slot in the beam of the hypothesis that is extended
    token: int
    log_prob: float  # natural logarithm of the probability of all its tokens
    is_eos: bool  # its token is EOS
    is_finished: bool  # it is an output


@dataclass(frozen=True)
class SearchStep:
    """One step of the search of one sentence."""

    sentence: int  # index in the source batch
    length: int  # tokens of each candidate, EOS counted
    candidates: tuple[StepCandidate, ...]  # the best that the rules allow, best first
    # The index of the candidate in each slot of the next beam; None: no candidate was left for it.
    # If the search of the sentence ends here, these are the hypotheses that stay unfinished.
    next_beam: tuple[int | None, ...]
    bound: float  # the best score that an unfinished hypothesis can still reach
    is_last: bool


Observer = Callable[[SearchStep], object]  # called after each step; it cannot change the search


def report_step(
    observer: Observer,
    sentences: Sequence[int],
    length: int,
    columns: Sequence[NDArray[Any]],
    next_beam: IdArray,
    bounds: Sequence[float],
    is_last: Sequence[bool],
) -> None:
    """Send one step of a batch to an observer, sentence by sentence.

    columns: (B, C) for each field of `StepCandidate`. next_beam: (B, K), indices of candidates.
    """
    for row, sentence in enumerate(sentences):
        values = (column[row].tolist() for column in columns)
        every = [StepCandidate(*fields) for fields in zip(*values, strict=True)]
        allowed = [index for index, found in enumerate(every) if found.log_prob > -math.inf]
        live = {index: new for new, index in enumerate(allowed) if not every[index].is_eos}
        observer(
            SearchStep(
                sentence=sentence,
                length=length,
                candidates=tuple(every[index] for index in allowed),
                next_beam=tuple(live.get(index) for index in next_beam[row].tolist()),
                bound=bounds[row],
                is_last=is_last[row],
            )
        )
