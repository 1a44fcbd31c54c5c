"""Run an ablation and write its results: ablation.json, ablation.md and ablation.html."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt.evaluation.markdown import code, table
from nmt.evaluation.metrics import score_measure
from nmt.studio.experiments.results import (
    MISSING,
    MetricDifference,
    RunResult,
    VariantResult,
    cell,
    collect,
    comparison_warnings,
)
from nmt.studio.experiments.runs import Experiment, PlannedRun, plan_runs
from nmt.studio.experiments.variants import Axis, Variant
from nmt.studio.report import DEV_METRICS, recipe_data


@dataclass(frozen=True)
class Ablation(Experiment):
    """The variants and seeds to train."""

    kind, page = "ablation", "ablate"
    variants: Sequence[Variant]  # the base first
    axes: Sequence[Axis]
    seeds: Sequence[int]

    def plan(self) -> list[PlannedRun]:
        """Return the runs of all variants with all seeds."""
        return plan_runs(self.variants, self.seeds, self.output)

    def write(self, failures: Mapping[Path, str]) -> None:
        """Write the results that there are so far; failures: why runs failed, by folder.

        The page also shows the settings of each variant.
        """
        results = collect(self.plan(), failures)
        base = self.variants[0].recipe
        measure = score_measure(base)
        warnings = comparison_warnings(self.variants, len(self.seeds))
        data: dict[str, Any] = {
            "measure": {"name": measure.name, "lower_is_better": measure.lower_is_better},
            "axes": [axis.text for axis in self.axes],
            "seeds": list(self.seeds),
            "cautions": warnings,
            "variants": [asdict(result) for result in results],
        }
        recipes = [
            {"name": variant.name, **recipe_data(variant.recipe)} for variant in self.variants
        ]
        texts = {"explanation": explanation(self.seeds)}
        parts = [
            *texts.values(),
            variants_table(results, measure.name, len(self.seeds)),
            *warnings,
            "## Each run",
            runs_table(results, measure.name),
        ]
        self.write_files(base.name, data, parts, texts, recipes=recipes)


def explanation(seeds: Sequence[int]) -> str:
    """Return the paragraph that says what the metrics mean."""
    mean, overlap = f" The seed is {seeds[0]}.", ""
    if len(seeds) > 1:
        mean = (
            f" Each is the mean over the finished runs of seeds {', '.join(map(str, seeds))}, with"
            " the lowest and the highest value in parentheses."
        )
        overlap = " ≈ marks a difference that seeds alone can make: the ranges of both overlap."
    return (
        "Figures are those of each run's final, averaged model on the dev set; loss and"
        f" perplexity are per token.{mean} Differences are from the base, over the seeds that both"
        f" have finished.{overlap} Minutes are those of updates, without validations."
    )


def variants_table(results: Iterable[VariantResult], measure: str, seeds: int) -> str:
    """Return the table with a row for each variant; measure: the name of the score."""
    heads = ["variant", "parameters", "updates", "dev loss", "dev perplexity", f"dev {measure}"]
    heads += [f"{measure} − base", "perplexity − base", "minutes"]
    return table(heads, [variant_row(result, seeds) for result in results])


def variant_row(variant: VariantResult, seeds: int) -> list[str]:
    """Return the cells of a variant; seeds: how many runs it has when all are finished."""
    changes = (
        f"{code(f'{change.setting}={change.value}')} (base {code(change.base)})"
        for change in variant.changes
    )
    unfinished = f" ({variant.finished} of {seeds} runs)" if variant.finished < seeds else ""
    minutes = variant.summary["minutes"]
    return [
        (", ".join(changes) or "base") + unfinished,
        f"{variant.parameters:,}",
        *(cell(name, variant.summary[name]) for name in ("updates", *DEV_METRICS)),
        *(signed(getattr(variant.difference, name, None)) for name in ("score", "perplexity")),
        cell("minutes", minutes.mean if minutes else None),
    ]


def signed(difference: MetricDifference | None) -> str:
    """Return a difference with its sign, and ≈ if the ranges of both overlap."""
    if difference is None:
        return ""
    return f"{difference.mean:+.2f}{' ≈' if difference.overlaps else ''}"


def runs_table(results: Iterable[VariantResult], measure: str) -> str:
    """Return the table with a row for each run; measure: the name of the score."""
    heads = ["variant", "seed", "state", "updates", "dev loss", "dev perplexity", f"dev {measure}"]
    heads += [f"best {measure} (at update)", "minutes", "folder"]
    rows = [run_row(result, run) for result in results for run in result.runs]
    return table(heads, rows)


def run_row(variant: VariantResult, run: RunResult) -> list[str]:
    """Return the cells of a run."""
    best = run.best
    return [
        code(variant.name) if variant.changes else "base",
        str(run.seed),
        run.state,
        cell("updates", run.updates),
        *(cell(name, getattr(run.average, name, None)) for name in DEV_METRICS),
        f"{cell('score', best.score)} ({best.update:,})" if best else MISSING,
        cell("minutes", run.minutes),
        code(run.folder),
    ]
