"""Collect the results of an experiment from its run folders.

The results of a run are those of its model, the average of its last checkpoints, on the dev set.
Loss and perplexity are per token. Means are over the seeds whose runs are finished.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import fmean

from nmt.recipe.size import count_parameters
from nmt.runs.history import History, ValidationMetrics, read_history
from nmt.studio.experiments.fit import CONSTANTS, Estimate
from nmt.studio.experiments.runs import PlannedRun, is_diverged
from nmt.studio.experiments.variants import Change, Variant
from nmt.studio.report import DEV_METRICS, Data, curves
from nmt.system.log import note
from nmt.text.subwords.tokenizer import load_tokenizer

FINISHED, MISSING = "finished", "–"
# How tables show numbers.
FORMATS = {
    **{"loss": ",.3f", "perplexity": ",.2f", "score": ",.2f"},
    **{"updates": ",.0f", "minutes": ",.1f", "operations": ".2e"},
    **dict.fromkeys((*CONSTANTS, "predicted"), ",.4g"),
}
# Settings that change the tokens, in addition to those of the tokenizer.
TOKEN_SETTINGS = {"data.train", "train.init_from"}


@dataclass(frozen=True)
class RunResult:
    """State and results of one run."""

    seed: int
    folder: str  # relative to the experiment's folder
    state: str  # "finished", "diverged", "stopped", "not begun" or "failed: REASON"
    updates: int
    minutes: float  # of updates
    average: ValidationMetrics | None  # of the run's model; None until there is one
    best: ValidationMetrics | None  # of the best validation; None before the first one
    curves: dict[str, Data]  # by metric; empty before the first update


@dataclass(frozen=True)
class Spread:
    """A metric over the finished runs of a variant."""

    mean: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class MetricDifference:
    """The mean of a metric for a variant minus that for the base."""

    mean: float
    overlaps: bool | None  # whether the ranges of both overlap; None with a single seed


@dataclass(frozen=True)
class Difference:
    """The differences between a variant and the base, over the seeds that both have finished."""

    seeds: tuple[int, ...]
    loss: MetricDifference
    perplexity: MetricDifference
    score: MetricDifference


@dataclass(frozen=True)
class VariantResult:
    """Results of a variant over its seeds."""

    name: str
    folder: str  # relative to the experiment's folder
    axis: int | None  # index of its axis; None for the base and in a grid
    changes: tuple[Change, ...]  # none for the base
    parameters: int
    finished: int  # runs
    # By metric of the dev set, "updates" and "minutes"; None where no run is finished or a metric
    # is not a number.
    summary: dict[str, Spread | None]
    runs: tuple[RunResult, ...]  # in the order of the seeds
    difference: Difference | None  # None for the base, and without a seed to compare by


def collect(runs: Sequence[PlannedRun], failures: Mapping[Path, str]) -> list[VariantResult]:
    """Return the results that there are so far: of the base, then of its variants.

    runs: in the order of `plan_runs`. failures: why runs failed, by folder.
    """
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(run.variant.name, []).append(run)
    found: list[VariantResult] = []
    for group in groups.values():
        variant = group[0].variant
        results = tuple(run_result(run, failures) for run in group)
        finished = [run for run in results if run.state == FINISHED]
        vocab_size = len(load_tokenizer(group[0].run.tokenizer))
        found.append(
            VariantResult(
                name=variant.name,
                folder=variant.folder,
                axis=variant.axis,
                changes=variant.changes,
                parameters=count_parameters(variant.recipe.model, vocab_size),
                finished=len(finished),
                summary=summarise(finished),
                runs=results,
                difference=difference(results, found[0].runs) if variant.changes else None,
            )
        )
    return found


def run_result(planned: PlannedRun, failures: Mapping[Path, str]) -> RunResult:
    """Return the state and the results of one run."""
    run = planned.run
    history = read_history(run.metrics, planned.recipe, note)
    average = history.average if history.is_ended else None
    return RunResult(
        seed=planned.seed,
        folder=f"{run.path.parent.name}/{run.path.name}",
        state=run_state(history, failures.get(run.path)),
        updates=history.update,
        minutes=(history.records[-1].seconds or 0) / 60 if history.records else 0,
        average=average.metrics if average else None,
        best=history.best.metrics if history.best else None,
        curves=curves(history.validations, DEV_METRICS) if history.records else {},
    )


def run_state(history: History, failure: str | None) -> str:
    """Return the state of a run; failure: why it failed, if it did."""
    if failure is not None:
        return f"failed: {failure}"
    if not history.records:
        return "not begun"
    if history.is_ended:
        return FINISHED
    return "diverged" if is_diverged(history) else "stopped"


def summarise(finished: Sequence[RunResult]) -> dict[str, Spread | None]:
    """Return the spread of each metric over finished runs."""
    averages = [run.average for run in finished if run.average]
    return {
        **{name: spread([getattr(average, name) for average in averages]) for name in DEV_METRICS},
        "updates": spread([run.updates for run in finished]),
        "minutes": spread([run.minutes for run in finished]),
    }


def spread(values: Sequence[float | None]) -> Spread | None:
    """Return mean and range; None without values, or if one of them is None."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return Spread(fmean(known), min(known), max(known))


def difference(variant: Sequence[RunResult], base: Sequence[RunResult]) -> Difference | None:
    """Return a variant's metrics minus the base's.

    None if no seed is finished in both, or if a metric is not a number.
    """
    own, others = (
        {run.seed: run.average for run in side if run.state == FINISHED and run.average}
        for side in (variant, base)
    )
    seeds = tuple(seed for seed in own if seed in others)
    pairs = [(own[seed], others[seed]) for seed in seeds]
    loss, perplexity, score = (metric_difference(pairs, name) for name in DEV_METRICS)
    if loss is None or perplexity is None or score is None:
        return None
    return Difference(seeds, loss, perplexity, score)


def metric_difference(
    pairs: Sequence[tuple[ValidationMetrics, ValidationMetrics]], name: str
) -> MetricDifference | None:
    """Return the difference of one metric over (variant, base) pairs; None if it is unknown."""
    own = spread([getattr(variant, name) for variant, _ in pairs])
    base = spread([getattr(base, name) for _, base in pairs])
    if own is None or base is None:
        return None
    overlaps = own.highest >= base.lowest and base.highest >= own.lowest
    return MetricDifference(own.mean - base.mean, overlaps if len(pairs) > 1 else None)


def comparison_warnings(variants: Sequence[Variant], seeds: int) -> tuple[str, ...]:
    """Return a sentence for each reason why some metrics cannot be compared.

    seeds: number of seeds.
    """
    changed = {change.setting for variant in variants for change in variant.changes}
    reasons = {
        "Dev loss is smoothed by each variant's own train.label_smoothing: compare perplexity,"
        " which is not smoothed.": "train.label_smoothing" in changed,
        "Loss and perplexity are per token, and the variants have different tokens: compare the"
        " score.": any(name in TOKEN_SETTINGS or name.startswith("tokenizer.") for name in changed),
        "The variants are scored on different text or in a different way: their figures cannot"
        " be compared.": changed & {"data.dev", "data.source_language", "data.target_language"},
        "With one seed, a difference may be due to chance: --seeds 1,2,3 shows how much seeds"
        " vary.": seeds == 1,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def cell(name: str, value: str | float | Spread | Estimate | None) -> str:
    """Return the text of a number in a table, with its range if it has one.

    name: of the metric, for its format.
    """
    if isinstance(value, Spread | Estimate):
        middle, lowest, highest = (cell(name, number) for number in astuple(value))
        return middle if lowest == highest else f"{middle} ({lowest} to {highest})"
    if value is None or isinstance(value, str):
        return value or MISSING
    return format(value, FORMATS.get(name, ",")).replace("e+", "e")
