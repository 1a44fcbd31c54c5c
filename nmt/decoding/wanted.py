"""Hold what a user wants to know about translations, besides the best text."""

from dataclasses import dataclass

from nmt.decoding.alignment import aligning_attention
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel


@dataclass(frozen=True)
class Wanted:
    """The parts that a translation should have."""

    n_best: int = 1  # candidates, at most the beam size
    token_scores: bool = False  # the log-probability of each token
    # How each model aligns the best translation with its source; empty: it is not aligned.
    alignment: tuple[AligningAttention, ...] = ()


ONE_TEXT = Wanted()


def wanted_of(
    model: TrainedModel, n_best: int | None, *, token_scores: bool, is_aligned: bool
) -> Wanted:
    """Return what the translations of a model and its ensemble should have.

    n_best: None for the best one. is_aligned: the best one is aligned with its source.
    """
    models = (model, *model.ensemble) if is_aligned else ()
    return Wanted(
        1 if n_best is None else n_best, token_scores, tuple(map(aligning_attention, models))
    )
