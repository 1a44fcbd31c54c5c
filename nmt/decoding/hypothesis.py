"""The results of a search."""

import math
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Hypothesis:
    """A finished output."""

    ids: tuple[int, ...]  # without BOS and EOS
    log_prob: float  # natural logarithm of the model's probability, EOS counted
    score: float  # log_prob over the length penalty; higher is better
    # Of each token and of EOS, if they are wanted; their sum is log_prob up to rounding.
    token_log_probs: tuple[float, ...] = ()
    utility: float | None = None  # mean score with the candidates of `decode.mbr` as references
    # The place of the source token that each token is aligned to, if that is wanted.
    aligned_places: tuple[int, ...] = ()

    def backwards(self) -> "Hypothesis":
        """Return the hypothesis with its last token first."""
        return replace(self, ids=self.ids[::-1])


@dataclass
class FinishedHypotheses:
    """The n best finished hypotheses of one sentence, best first."""

    n_best: int
    best: list[Hypothesis] = field(default_factory=list)
    count: int = 0  # all that finished, including those that are not among the n best

    @property
    def worst(self) -> float:
        """Return the score of the n-th best; minus infinity if fewer than n are finished."""
        return self.best[-1].score if len(self.best) == self.n_best else -math.inf

    def add(self, hypothesis: Hypothesis) -> None:
        """Count a hypothesis, and keep it if it is one of the n best."""
        self.count += 1
        self.best.append(hypothesis)
        self.best.sort(key=lambda each: -each.score)
        del self.best[self.n_best :]
