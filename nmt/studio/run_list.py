"""List the runs in a folder with score, updates, size and age, without torch."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError, hide_controls
from nmt.evaluation.metrics import score_measure
from nmt.runs.history import History, Line, ValidationRecord, parse_history, read_metrics
from nmt.runs.model_file import open_model
from nmt.runs.run_folder import MANIFEST, RunFolder, is_folder, is_locked
from nmt.runs.runs import folders_in
from nmt.system.files import entries, identity, is_present
from nmt.system.log import Notify

DEEPEST = 5  # runs/ablation/FOLDER/RECIPE/VARIANT/seed-N, from runs
AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))  # seconds, unit


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs."""

    name: str  # its path below the folder of runs
    path: Path
    state: str = "unreadable"  # or running, finished, stopped, prepared or damaged
    measure: str | None = None  # name of the score on the dev set
    score: float | None = None  # of the model that translates
    updates: int = 0
    max_updates: int | None = None
    size: int = 0  # bytes of all files
    changed: float | None = None  # when it was last written to, in seconds since 1970
    is_default: bool = False  # `nmt translate` uses its model
    problem: str | None = None  # why the run, or a part of it, cannot be read

    @property
    def data(self) -> dict[str, Any]:
        """Return the summary as JSON data."""
        changed = None
        if self.changed is not None:
            changed = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(self.changed))
        return {**asdict(self), "path": str(self.path), "changed": changed}


def list_runs(folder: Path, default: Path | None = None) -> list[RunSummary]:
    """Return the runs below a folder, the newest first.

    folder: that of the runs, or a run folder. default: the model that is used if none is named.
    Raises NmtError if the folder cannot be read or is none; a run that cannot be read is listed
    with its problem.
    """
    if not is_present(folder):
        raise NmtError(f"there is no folder {folder}")
    if not is_folder(folder):
        RunFolder(folder).check_is_run()  # says what it is
    runs = [folder] if is_run(folder) else find_runs(folder)
    found = [summarize(RunFolder(path), folder, default) for path in runs]
    return sorted(found, key=lambda run: (-(run.changed or 0), run.name))


def find_runs(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yield the run folders below a folder, and folders that cannot be read.

    Runs are not searched for further runs. above: the real paths of the folders above, to which
    symbolic links may lead back.
    """
    above = (*above, os.path.realpath(folder))
    for path in folders_in(folder):
        if is_run(path):
            yield path
        elif len(above) < DEEPEST and os.path.realpath(path) not in above:
            yield from find_runs(path, above)


def is_run(path: Path) -> bool:
    """Return whether a folder holds files of a run; True if it cannot be read."""
    run = RunFolder(path)
    try:
        entries(path)
        return any(map(is_present, (run.recipe, run.metrics, run.model, run.best, run.checkpoints)))
    except NmtError:
        return True


def summarize(run: RunFolder, folder: Path, default: Path | None) -> RunSummary:
    """Return the summary of a run; each part that cannot be read is named as its problem."""
    name = str(run.path) if run.path == folder else str(run.path.relative_to(folder))
    problems: list[str] = []

    def attempt(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except NmtError as error:
            problems.append(str(error))
            return None

    if attempt(lambda: entries(run.path)) is None:
        return RunSummary(name, run.path, problem=problems[0])
    recipe: Recipe | None = attempt(run.load_recipe)
    lines: list[Line] = attempt(lambda: read_metrics(run.metrics, problems.append)) or []
    model, updates = attempt(lambda: checked_model(run)) or (None, ())
    saved: list[int] = attempt(lambda: run.updates_with(MANIFEST)) or []
    size = folder_bytes(run.path, problems.append)
    history = parse_history(lines, recipe) if recipe else None
    scored: ValidationRecord | None = None
    if history:
        scored = history.validation(updates) if updates and model == run.model else history.best
    return RunSummary(
        name,
        run.path,
        run_state(run, history) if history and not problems else "damaged",
        score_measure(recipe).name if recipe else None,
        scored.score if scored else None,
        max([0, *(line["update"] for line in lines), *saved]),
        recipe.train.max_updates if recipe else None,
        size,
        last_change(run),
        is_default=bool(model and default and identity(model) == identity(default)),
        problem="; ".join(dict.fromkeys(problems)) or None,
    )


def checked_model(run: RunFolder) -> tuple[Path, Sequence[int]] | None:
    """Return the model that translates and the updates of its weights, None without a model.

    Raises NmtError if one of the run's models is damaged.
    """
    updates: dict[Path, Sequence[int]] = {}
    for path in filter(is_present, (run.model, run.best)):
        with open_model(path) as model:
            updates[path] = model.updates
    if not updates:
        return None
    used = run.translation_model()
    return used, updates.get(used, ())


def run_state(run: RunFolder, history: History) -> str:
    """Return whether a run is running, finished, stopped, or only prepared."""
    if is_locked(run.path):
        return "running"
    if history.is_ended:
        return "finished"
    if history.records or run.is_started() or is_present(run.model) or is_present(run.best):
        return "stopped"
    return "prepared"


def folder_bytes(path: Path, notify: Notify) -> int:
    """Return the bytes of all files in a folder; notify: receives what cannot be read."""

    def refused(error: OSError) -> None:
        notify(f"cannot read {error.filename}: {error.strerror}")

    total = 0
    for parent, _, names in os.walk(path, onerror=refused):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue  # a training has removed it
            except OSError as error:
                refused(error)
    return total


def last_change(run: RunFolder) -> float | None:
    """Return when a run's recipe, metrics or models were last written, in seconds since 1970."""
    times = []
    for path in (run.recipe, run.metrics, run.model, run.best):
        with suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times, default=None)


def render_list(runs: Sequence[RunSummary], now: float) -> str:
    """Return a table of runs; a problem stands below its run."""
    heads = ("", "run", "dev score", "updates", "state", "size", "age")
    rows = [heads, *(row(run, now) for run in runs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells, problem in zip(rows, [None, *(run.problem for run in runs)], strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append(line.rstrip())
        if problem:
            lines.append(f"{' ' * widths[0]}  ({hide_controls(problem)})")
    return "\n".join(lines)


def row(run: RunSummary, now: float) -> tuple[str, ...]:
    """Return the cells of a run."""
    score = "-" if run.score is None else f"{run.measure} {run.score:.2f}"
    limit = "" if run.max_updates is None else f" of {run.max_updates:,}"
    return (
        "*" if run.is_default else "",
        hide_controls(run.name),
        score,
        f"{run.updates:,}{limit}",
        run.state,
        f"{run.size / 1e6:,.1f} MB",
        "-" if run.changed is None else age(now - run.changed),
    )


def age(seconds: float) -> str:
    """Return a duration in its largest whole unit, such as "3 h"."""
    for length, unit in AGES:
        if seconds >= length:
            return f"{int(seconds // length):,} {unit}"
    return "0 s"
