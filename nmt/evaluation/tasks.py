"""Choose the metrics of a task by its `data.metric`."""

from dataclasses import dataclass

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.evaluation.error_rate import error_metrics
from nmt.evaluation.scores import Measure, MetricSet
from nmt.evaluation.translation_metrics import PAPER, BleuVariant, translation_metrics
from nmt.text.languages import WMT_TOKENIZER, bleu_tokenizer

ERROR_RATE = "error_rate"  # a value of data.metric; the other is "bleu"
NO_VARIANT = BleuVariant()


@dataclass(frozen=True)
class ChosenMetrics:
    """Metrics to score by, and those that could not be had."""

    metrics: MetricSet
    left_out: tuple[str, ...] = ()  # each with the reason


def task_metrics(
    metric: str, target_language: str, variants: tuple[BleuVariant, ...] = ()
) -> MetricSet:
    """Return the metrics of a task: "bleu", with variants of BLEU added, or "error_rate"."""
    if metric == ERROR_RATE:
        return error_metrics()
    return translation_metrics(target_language, variants)


def score_measure(recipe: Recipe) -> Measure:
    """Return the measure that validations of a recipe are scored by."""
    return task_metrics(recipe.data.metric, recipe.data.target_language).measures[0]


def choose_metrics(
    metric: str, target_language: str, variant: BleuVariant = NO_VARIANT, *, in_full: bool = False
) -> ChosenMetrics:
    """Return the metrics of a task with a further kind of BLEU.

    in_full: add the paper's BLEU, or say why it is left out.
    Raises UsageError if a task without BLEU is given a variant, NmtError if the package of the
    variant's tokenizer is not installed.
    """
    variants = () if variant == NO_VARIANT else (variant,)
    if metric == ERROR_RATE:
        if variants:
            raise UsageError(
                "another kind of BLEU (--tokenize, --lowercase) does not fit: the metric of this"
                " task is error_rate"
            )
        return ChosenMetrics(task_metrics(metric, target_language))
    paper = BleuVariant(PAPER)
    if not in_full or paper in variants:
        return ChosenMetrics(task_metrics(metric, target_language, variants))
    try:
        if bleu_tokenizer(target_language) != WMT_TOKENIZER:
            raise NmtError(f"Moses' tokenizer cannot split '{target_language}' into words")
        return ChosenMetrics(task_metrics(metric, target_language, (paper, *variants)))
    except NmtError as error:
        metrics = task_metrics(metric, target_language, variants)
        return ChosenMetrics(metrics, (f"{paper.name}: {error}",))
