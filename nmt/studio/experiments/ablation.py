"""Run an ablation and write its results: ablation.json, ablation.md and ablation.html."""

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nmt import __version__
from nmt.evaluation.markdown import code, table
from nmt.runs.run_folder import RunFolder
from nmt.studio.experiments.results import (
    ExperimentResult,
    FigureDifference,
    RunResult,
    Spread,
    VariantResult,
    collect,
)
from nmt.studio.experiments.runs import (
    Outcome,
    PlannedRun,
    check_runs,
    error_context,
    plan_runs,
    prepare_runs,
    train_runs,
    with_one_precision,
)
from nmt.studio.experiments.variants import DATA, PAGE, TABLE, Axis, Variant
from nmt.studio.pages.page import CHART_STYLES, FOLDER, render, vendored
from nmt.studio.report import recipe_data
from nmt.system.atomic import write_text
from nmt.system.files import in_utf_8
from nmt.system.log import note
from nmt.text.corpus import DataFolder

FORMAT = 1
DIGITS = {"loss": 3, "perplexity": 2, "score": 2}
MINUTES_DIGITS = 1
MISSING = "–"


@dataclass(frozen=True)
class Ablation:
    """The variants and seeds to train, and the folder for their runs and results."""

    variants: Sequence[Variant]  # the base first
    axes: Sequence[Axis]
    seeds: Sequence[int]
    output: Path
    command: Sequence[str]  # words of the command line, for the results

    def check(self, data: DataFolder, device: torch.device) -> list[PlannedRun]:
        """Check all that can be checked before the corpus is prepared, and return the runs.

        Nothing is written. Raises NmtError.
        """
        runs = with_one_precision(plan_runs(self.variants, self.seeds, self.output), device)
        check_runs(runs, data, device)
        return runs

    def run(self, data: DataFolder, device: torch.device) -> Outcome:
        """Train the runs that are not finished, and write the results after each of them.

        Raises NmtError if another process uses the folder, if a recipe or a corpus is wrong, or if
        the disk refuses.
        """
        runs = self.check(data, device)
        with ExitStack() as held:
            with error_context("ablation"):
                held.enter_context(RunFolder(self.output).lock())
            prepare_runs(runs, data, device)
            self.note_other_runs({planned.run.path for planned in runs})
            outcome = train_runs(runs, data, device, self.write)
            self.write(outcome.failures)
        return outcome

    def write(self, failures: Mapping[Path, str]) -> None:
        """Write the three result files.

        failures: why runs failed, by folder. Raises NmtError if the disk refuses.
        """
        result = collect(plan_runs(self.variants, self.seeds, self.output), failures)
        data = self.data(result)
        # The page also shows the settings of each variant.
        recipes = [
            {"name": variant.name, **recipe_data(variant.recipe)} for variant in self.variants
        ]
        title = f"Ablation of {result.recipe}"
        page = render(
            FOLDER / "ablate",
            {**data, "recipes": recipes},
            title,
            {"title": result.recipe},
            *CHART_STYLES,
            library=vendored("uPlot.iife.min.js"),
        )
        texts = {
            DATA: json.dumps(data, indent=1) + "\n",
            TABLE: render_markdown(result, self.command),
            PAGE: page,
        }
        for name, text in texts.items():
            write_text(self.output / name, in_utf_8(text))

    def data(self, result: ExperimentResult) -> dict[str, Any]:
        """Return the content of ablation.json."""
        return {
            "ablation": FORMAT,
            "nmt": __version__,
            "command": shlex.join(self.command),
            "recipe": result.recipe,
            "measure": {
                "name": result.measure.name,
                "lower_is_better": result.measure.lower_is_better,
            },
            "axes": [axis.text for axis in self.axes],
            "seeds": list(result.seeds),
            "cautions": list(result.warnings),
            "variants": [asdict(variant) for variant in result.variants],
        }

    def note_other_runs(self, known: Collection[Path]) -> None:
        """Print a note on runs in the output folder that do not belong to this ablation."""
        found = sorted(path.parent for path in self.output.glob("*/seed-*/recipe.toml"))
        others = [f"{path.parent.name}/{path.name}" for path in found if path not in known]
        if others:
            note(f"{self.output} also holds runs that these results leave out: {', '.join(others)}")


def render_markdown(result: ExperimentResult, command: Sequence[str]) -> str:
    """Return the text of ablation.md, which `nmt ablate` also prints."""
    parts = [
        f"# Ablation of {code(result.recipe)}",
        f"Created by {code(shlex.join(command))}.",
        explanation(result.seeds),
        variants_table(result),
        *result.warnings,
        "## Each run",
        runs_table(result),
    ]
    return "\n\n".join(parts) + "\n"


def explanation(seeds: Sequence[int]) -> str:
    """Return the paragraph that says what the figures mean."""
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


def variants_table(result: ExperimentResult) -> str:
    """Return the table with a row for each variant."""
    measure = result.measure.name
    heads = (
        *("variant", "parameters", "updates", "dev loss", "dev perplexity", f"dev {measure}"),
        *(f"{measure} − base", "perplexity − base", "minutes"),
    )
    return table(heads, [variant_row(variant, len(result.seeds)) for variant in result.variants])


def variant_row(variant: VariantResult, seeds: int) -> tuple[str, ...]:
    """Return the cells of a variant; seeds: how many runs it has when all are finished."""
    summary, difference = variant.summary, variant.difference
    unfinished = f" ({variant.finished} of {seeds} runs)" if variant.finished < seeds else ""
    minutes = summary["minutes"]
    return (
        variant_name(variant) + unfinished,
        f"{variant.parameters:,}",
        with_range(summary["updates"], 0),
        *(with_range(summary[name], digits) for name, digits in DIGITS.items()),
        signed(difference.score if difference else None, DIGITS["score"]),
        signed(difference.perplexity if difference else None, DIGITS["perplexity"]),
        number(minutes.mean if minutes else None, MINUTES_DIGITS),
    )


def variant_name(variant: VariantResult) -> str:
    """Return a variant's changes, each with the base's value."""
    changes = (
        f"{code(f'{change.setting}={change.value}')} (base {code(change.base)})"
        for change in variant.changes
    )
    return ", ".join(changes) or "base"


def with_range(spread: Spread | None, digits: int) -> str:
    """Return a mean, followed by its range if it has one."""
    if spread is None:
        return MISSING
    mean, lowest, highest = (
        number(value, digits) for value in (spread.mean, spread.lowest, spread.highest)
    )
    return mean if lowest == highest else f"{mean} ({lowest} to {highest})"


def signed(difference: FigureDifference | None, digits: int) -> str:
    """Return a difference with its sign, and ≈ if the ranges of both overlap."""
    if difference is None:
        return ""
    return f"{difference.mean:+.{digits}f}{' ≈' if difference.overlaps else ''}"


def runs_table(result: ExperimentResult) -> str:
    """Return the table with a row for each run."""
    measure = result.measure.name
    heads = (
        *("variant", "seed", "state", "updates", "dev loss", "dev perplexity", f"dev {measure}"),
        *(f"best {measure} (at update)", "minutes", "folder"),
    )
    return table(
        heads, [run_row(variant, run) for variant in result.variants for run in variant.runs]
    )


def run_row(variant: VariantResult, run: RunResult) -> tuple[str, ...]:
    """Return the cells of a run."""
    best = run.best
    return (
        code(variant.name) if variant.changes else "base",
        str(run.seed),
        run.state,
        f"{run.updates:,}",
        *(number(getattr(run.average, name, None), digits) for name, digits in DIGITS.items()),
        f"{number(best.score, DIGITS['score'])} ({best.update:,})" if best else MISSING,
        number(run.minutes, MINUTES_DIGITS),
        code(run.folder),
    )


def number(value: float | None, digits: int) -> str:
    """Return a value with some digits after the point, or a dash for None."""
    return MISSING if value is None else f"{value:,.{digits}f}"
