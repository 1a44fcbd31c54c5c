"""Which metrics a task is scored by: what `data.metric` stands for."""

from nmt.evaluation.error_rate import error_metrics
from nmt.evaluation.scores import MetricSet
from nmt.evaluation.translation_metrics import BleuVariant, translation_metrics


def task_metrics(
    metric: str, target_language: str, variants: tuple[BleuVariant, ...] = ()
) -> MetricSet:
    """The metrics of "bleu", with variants of it beside, or of "error_rate"."""
    if metric == "error_rate":
        return error_metrics()
    return translation_metrics(target_language, variants)
