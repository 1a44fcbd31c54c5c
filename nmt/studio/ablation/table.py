"""Render the results of an ablation as Markdown."""

import shlex
from collections.abc import Callable

from nmt.evaluation.markdown import code, table
from nmt.runs.history import Figures
from nmt.studio.ablation.results import (
    AblationResult,
    FigureDifference,
    RunResult,
    Spread,
    VariantResult,
)

LOSS_DIGITS, PERPLEXITY_DIGITS, SCORE_DIGITS, MINUTES_DIGITS = 3, 2, 2, 1
MISSING = "–"


def render_markdown(result: AblationResult) -> str:
    """Return the text of ablation.md, which `nmt ablate` also prints."""
    parts = [
        f"# Ablation of {code(result.recipe)}",
        f"Created by {code(shlex.join(result.command))}.",
        explanation(result.seeds),
        variants_table(result),
        *result.warnings,
        "## Each run",
        runs_table(result),
    ]
    return "\n\n".join(parts) + "\n"


def explanation(seeds: tuple[int, ...]) -> str:
    """Return the paragraph that says what the figures mean."""
    many = len(seeds) > 1
    mean = (
        f" Each is the mean over the finished runs of seeds {', '.join(map(str, seeds))}, with the"
        " lowest and the highest value in parentheses."
        if many
        else f" The seed is {seeds[0]}."
    )
    overlap = (
        " ≈ marks a difference that seeds alone can make: the ranges of both overlap."
        if many
        else ""
    )
    return (
        "Figures are those of each run's final, averaged model on the dev set; loss and"
        f" perplexity are per token.{mean} Differences are from the base, over the seeds that both"
        f" have finished.{overlap} Minutes are those of updates, without validations."
    )


def variants_table(result: AblationResult) -> str:
    """Return the table with a row for each variant."""
    measure = result.measure
    heads = (
        *("variant", "parameters", "updates", "dev loss", "dev perplexity", f"dev {measure}"),
        *(f"{measure} − base", "perplexity − base", "minutes"),
    )
    return table(heads, [variant_row(each, len(result.seeds)) for each in result.variants])


def variant_row(variant: VariantResult, seeds: int) -> tuple[str, ...]:
    """Return the cells of a variant; seeds: how many runs it has when all are finished."""
    summary, difference = variant.summary, variant.difference
    unfinished = f" ({variant.finished} of {seeds} runs)" if variant.finished < seeds else ""
    return (
        variant_name(variant) + unfinished,
        f"{variant.parameters:,}",
        with_range(summary.updates, 0),
        with_range(summary.loss, LOSS_DIGITS),
        with_range(summary.perplexity, PERPLEXITY_DIGITS),
        with_range(summary.score, SCORE_DIGITS),
        signed(difference.score if difference else None, SCORE_DIGITS),
        signed(difference.perplexity if difference else None, PERPLEXITY_DIGITS),
        number(summary.minutes.mean if summary.minutes else None, MINUTES_DIGITS),
    )


def variant_name(variant: VariantResult) -> str:
    """Return a variant's changes, each with the base's value."""
    changes = (
        f"{code(f'{each.setting}={each.value}')} (base {code(each.base)})"
        for each in variant.changes
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


def runs_table(result: AblationResult) -> str:
    """Return the table with a row for each run."""
    measure = result.measure
    heads = (
        *("variant", "seed", "state", "updates", "dev loss", "dev perplexity", f"dev {measure}"),
        *(f"best {measure} (at update)", "minutes", "folder"),
    )
    return table(heads, [run_row(each, run) for each in result.variants for run in each.runs])


def run_row(variant: VariantResult, run: RunResult) -> tuple[str, ...]:
    """Return the cells of a run."""

    def averaged(figure: Callable[[Figures], float | None], digits: int) -> str:
        return number(figure(run.average) if run.average else None, digits)

    best = run.best
    return (
        code(variant.name) if variant.changes else "base",
        str(run.seed),
        run.state,
        f"{run.updates:,}",
        averaged(lambda figures: figures.loss, LOSS_DIGITS),
        averaged(lambda figures: figures.perplexity, PERPLEXITY_DIGITS),
        averaged(lambda figures: figures.score, SCORE_DIGITS),
        f"{number(best.score, SCORE_DIGITS)} ({best.update:,})" if best else MISSING,
        number(run.minutes, MINUTES_DIGITS),
        code(run.folder),
    )


def number(value: float | None, digits: int) -> str:
    """Return a value with some digits after the point, or a dash for None."""
    return MISSING if value is None else f"{value:,.{digits}f}"
