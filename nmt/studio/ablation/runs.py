"""The runs of an ablation: planned, prepared, trained one after another, gone on with.

Each is a run folder as `nmt train` makes it, and all that is known of it is read from there.
"""

import gc
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import DivergenceError, NmtError, is_out_of_memory
from nmt.studio.ablation.variants import Variant, with_seed
from nmt.studio.report.page import leave_report
from nmt.system.log import note
from nmt.text.corpus import DataFolder
from nmt.training.setup import begin
from nmt.training.train import train
from nmt.training.trainer import SKIPS_IN_ROW
from nmt.training.workers import Workers


@dataclass(frozen=True)
class PlannedRun:
    """A variant from one seed."""

    variant: Variant
    seed: int
    recipe: Recipe
    run: RunFolder

    def __str__(self) -> str:
        return f"{self.variant.name}, seed {self.seed}"


@dataclass(frozen=True)
class Ending:
    """How the training of all runs ended."""

    stopped_by: int | None  # the signal, if one did
    failures: dict[
        Path, str
    ]  # why runs could not be trained to their end; divergence is no failure


def plan_runs(variants: Sequence[Variant], seeds: Sequence[int], output: Path) -> list[PlannedRun]:
    """All variants from the first seed, then from the next: so there is soon one of each."""
    return [
        PlannedRun(
            variant,
            seed,
            with_seed(variant.recipe, seed),
            RunFolder(output / variant.folder / f"seed-{seed}"),
        )
        for seed in seeds
        for variant in variants
    ]


def prepare_runs(runs: Sequence[PlannedRun], data: DataFolder, device: torch.device) -> None:
    """Settle every recipe and prepare every corpus: what is wrong is told before any training.

    Equal text and tokenizers are prepared once and shared. Raises NmtError that names the run.
    """
    told: set[str] = set()

    def once(message: str) -> None:
        if message not in told:
            told.add(message)
            note(message)

    prepared: dict[str, RunFolder] = {}
    for each in runs:
        recipe = each.recipe
        key = repr((recipe.data, recipe.tokenizer, recipe.train.init_from))
        with naming(each), each.run.lock():
            if key in prepared:
                share(prepared[key], each.run)
            before = text_of(each.run.recipe)
            begin(recipe, data, each.run, device, once)
            if text_of(each.run.recipe) != before and not each.run.is_begun():
                # What a training of other settings left, as one that diverged before it was saved.
                each.run.metrics.unlink(missing_ok=True)
        prepared.setdefault(key, each.run)


def text_of(path: Path) -> str | None:
    """A file's text, if it is there."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


@contextmanager
def naming(what: object) -> Iterator[None]:
    """Within it, an error says what it is of, and calls the flag for a folder by our name."""
    try:
        yield
    except NmtError as error:
        text = str(error).replace("with --run", "with --output")
        raise type(error)(f"{what}: {text}") from error


def share(source: RunFolder, target: RunFolder) -> None:
    """Give a run the prepared corpus of another, unless it has its own.

    Shards are linked, not copied: they are only ever replaced whole. The manifest comes last, so
    that what a kill leaves behind is not trusted; `prepare` looks at all of it again.
    """
    if (target.prepared / "manifest.json").exists() or target.is_begun():
        return
    try:
        target.prepared.mkdir(parents=True, exist_ok=True)
        for path in source.prepared.glob("train-*"):
            link(path, target.prepared / path.name)
        shutil.copy2(source.tokenizer, target.tokenizer)
        shutil.copy2(source.prepared / "manifest.json", target.prepared)
    except OSError as error:
        raise NmtError(f"cannot write into {target.path}: {error.strerror}") from error


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the disk has no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def train_runs(
    runs: Sequence[PlannedRun],
    data: DataFolder,
    device: torch.device,
    done: Callable[[dict[Path, str]], None],
) -> Ending:
    """Train what is not trained yet; `done` is told of the failures so far after each run.

    A run that fails or diverges does not end the others; a signal does.
    """
    failures: dict[Path, str] = {}
    for number, each in enumerate(runs, start=1):
        place = f"run {number} of {len(runs)}: {each}"
        lines = each.run.read_metrics()
        if is_finished(lines, each.recipe):
            note(f"{place}: finished before")
            continue
        if is_diverged(lines):
            note(f"{place}: diverged before; remove {each.run.path} to try again")
            continue
        note(place)
        try:
            outcome = train(each.recipe, data, each.run, device, Workers())
        except DivergenceError as error:
            note(str(error))
        except (NmtError, OSError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not is_out_of_memory(error):
                raise
            failures[each.run.path] = reason(error)
            note(f"{each} failed: {failures[each.run.path]}")
        else:
            if outcome.stopped_by is not None:
                return Ending(outcome.stopped_by, failures)
            leave_report(each.run)
        gc.collect()  # a network and its optimiser, in circles, before the next ones are made
        done(failures)
    return Ending(None, failures)


def reason(error: Exception) -> str:
    """Why a run failed, in a sentence."""
    if isinstance(error, OSError):
        return f"{error.filename or 'cannot read or write'}: {error.strerror or error}"
    return str(error) if isinstance(error, NmtError) else "out of memory"


def is_finished(lines: Sequence[dict[str, Any]], recipe: Recipe) -> bool:
    """Whether a run's metrics end with the average of all updates.

    One that patience ended has fewer: its training says by itself that it is done.
    """
    last = lines[-1] if lines else None
    return (
        last is not None
        and last["kind"] == "average"
        and last["update"] >= recipe.train.max_updates
    )


def is_diverged(lines: Sequence[dict[str, Any]]) -> bool:
    """Whether a run's metrics end as those of a training that diverged."""
    skipped = [line["update"] for line in lines if line["kind"] == "skipped"]
    if len(skipped) < SKIPS_IN_ROW:
        return False
    last = lines[-1]["update"]
    return skipped[-SKIPS_IN_ROW:] == [*range(last - SKIPS_IN_ROW + 1, last + 1)]
