"""Watch a search: an observer receives each step of each sentence as plain data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

from nmt.decoding.candidates import Candidates
from nmt.kernels.rule import BoolArray, IdArray


@dataclass(frozen=True)
class StepCandidate:
    """A live hypothesis extended by one token."""

    parent: int  # place in the beam of the hypothesis that is extended
    token: int
    log_prob: float  # natural logarithm of the probability of all its tokens
    is_eos: bool  # its token is EOS
    is_finished: bool  # its token is EOS, and it is one of the K best


@dataclass(frozen=True)
class SearchStep:
    """One step of the search of one sentence."""

    sentence: int  # index in the source batch
    length: int  # tokens of each candidate, EOS counted
    candidates: tuple[StepCandidate, ...]  # the best that the rules allow, best first
    # The index of the candidate at each place of the next beam; None: no candidate was left for it.
    # If the search of the sentence ends here, these are the hypotheses that stay unfinished.
    next_beam: tuple[int | None, ...]
    bound: float  # the best score that an unfinished hypothesis can still reach
    is_last: bool


class SearchObserver(Protocol):
    """An object that is called after each step of a search; it cannot change the search."""

    def on_step(self, step: SearchStep) -> None:
        """Receive a step, after it and before the next one."""
        ...


def report_step(
    observer: SearchObserver,
    sentences: Sequence[int],
    length: int,
    candidates: Candidates,
    is_finished: BoolArray,
    next_beam: IdArray,
    bounds: Sequence[float],
    is_last: Sequence[bool],
) -> None:
    """Send one step of a batch to an observer, sentence by sentence.

    Dimensions: B sentences, C candidates, K places of the next beam. is_finished: (B, K),
    of the K best candidates. next_beam: (B, K), indices of candidates.
    """
    for row, sentence in enumerate(sentences):
        columns = (
            candidates.parents[row].tolist(),
            candidates.tokens[row].tolist(),
            candidates.log_probs[row].tolist(),
            candidates.is_eos[row].tolist(),
            is_finished[row].tolist(),
        )
        every = [StepCandidate(*each) for each in zip_longest(*columns, fillvalue=False)]
        allowed = [index for index, each in enumerate(every) if each.log_prob > -math.inf]
        live = {index: new for new, index in enumerate(allowed) if not every[index].is_eos}
        observer.on_step(
            SearchStep(
                sentence=sentence,
                length=length,
                candidates=tuple(every[index] for index in allowed),
                next_beam=tuple(live.get(index) for index in next_beam[row].tolist()),
                bound=bounds[row],
                is_last=is_last[row],
            )
        )
