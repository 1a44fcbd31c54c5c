"""The results of a search."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hypothesis:
    """A finished output."""

    ids: tuple[int, ...]  # without BOS and EOS
    log_prob: float  # natural logarithm of the model's probability, EOS counted
    score: float  # log_prob over the length penalty; higher is better


@dataclass
class FinishedHypotheses:
    """The n best finished hypotheses of one sentence, best first."""

    n_best: int
    best: list[Hypothesis] = field(default_factory=list)
    count: int = 0  # all that finished, including those that are not among the n best

    @property
    def is_full(self) -> bool:
        """Return True if n hypotheses are finished."""
        return len(self.best) == self.n_best

    def add(self, hypothesis: Hypothesis) -> None:
        """Count a hypothesis, and keep it if it is one of the n best."""
        self.count += 1
        self.best.append(hypothesis)
        self.best.sort(key=lambda each: -each.score)
        del self.best[self.n_best :]
