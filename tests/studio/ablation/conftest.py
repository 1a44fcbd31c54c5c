"""Results of an ablation for tests, without any training."""

from nmt.runs.history import Figures
from nmt.studio.ablation.results import RunResult
from nmt.studio.report.reported_run import Curve


def finished_run(seed: int, loss: float | None, folder: str = "base") -> RunResult:
    """Return a finished run whose perplexity and score follow from its loss."""
    perplexity = None if loss is None else 10 * loss
    score = None if loss is None else 30 - loss
    figures = Figures(12, loss, perplexity, score)
    curves = {"loss": Curve((6, 12), (None, loss))}
    return RunResult(seed, f"{folder}/seed-{seed}", "finished", 12, 0.5, figures, figures, curves)


def stopped_run(seed: int, folder: str = "base") -> RunResult:
    """Return a run that stopped before its first validation."""
    return RunResult(seed, f"{folder}/seed-{seed}", "stopped", 3, 0.1, None, None, {})
