"""Divergence: many updates in a row without a finite loss and gradient."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nmt.errors import DivergenceError
from nmt.runs.run_folder import RunFolder
from nmt.system.arguments import argument
from nmt.training.checkpoint_manifest import STATE
from nmt.training.checkpoints import updates_with, weights_path
from nmt.training.progress import Progress

MAX_SKIPS_IN_ROW = 5  # skipped updates after which a training stops
SHOWN_LINES = 20  # of each text file


def check_divergence(
    progress: Progress, run: RunFolder, lines: Mapping[str, Sequence[int]]
) -> None:
    """Raise DivergenceError, with what to try, if too many updates in a row were skipped.

    lines: the line numbers of the last batch's pairs by text file.
    """
    if progress.skipped_in_row < MAX_SKIPS_IN_ROW:
        return
    good = good_model(progress, run)
    init_from = f" --init-from {argument(good)}" if good else ""
    raise DivergenceError(
        f"update {progress.update:,}: the training diverged, loss or gradient was NaN or infinite"
        f" {MAX_SKIPS_IN_ROW} times in a row; the last batch held {describe_lines(lines)}. If these"
        " lines are sound, train again with a lower train.learning_rate_scale, more"
        f" train.warmup_updates or train.precision=float32:{init_from} --run NEW_FOLDER"
    )


def good_model(progress: Progress, run: RunFolder) -> Path | None:
    """Return the path of a model from before the divergence; None if there is none.

    The update that breaks the weights is itself finite, so the newest checkpoint may be broken: the
    best model, or else the oldest checkpoint, is safer.
    """
    if progress.best_update:
        return run.best
    updates = updates_with(run, STATE)
    return weights_path(run, updates[0]) if updates else None


def describe_lines(lines: Mapping[str, Sequence[int]]) -> str:
    """Return the names of text files with the first line numbers of each."""
    parts = []
    for name, numbers in lines.items():
        more = len(numbers) - SHOWN_LINES
        shown = ", ".join(map(str, numbers[:SHOWN_LINES]))
        parts.append(f"{name}, lines {shown}" + (f" and {more:,} more" if more > 0 else ""))
    return "; ".join(parts)
