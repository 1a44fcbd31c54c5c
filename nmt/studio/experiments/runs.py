"""Plan, prepare and train the runs of an experiment, one after another, and write its results.

Each run is a run folder like that of `nmt train`. Its state is read from there alone, so that a
stopped experiment resumes.
"""

import gc
import os
import re
import shlex
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch

from nmt import __version__
from nmt.config import Recipe
from nmt.errors import DivergenceError, NmtError, UsageError, is_out_of_memory
from nmt.evaluation.markdown import code
from nmt.recipe.settings import FIXED_SETTINGS, recipe_differences
from nmt.runs.history import History, read_history
from nmt.runs.outputs import check_output, check_run_folder
from nmt.runs.run_folder import RunFolder
from nmt.studio.diagnosis.live import live_diagnosis
from nmt.studio.experiments.variants import Variant, with_seed
from nmt.studio.pages.page import render_charts
from nmt.studio.report import try_write_report
from nmt.system.atomic import write_bytes, write_text
from nmt.system.files import in_utf_8, is_present
from nmt.system.json_data import json_text
from nmt.system.log import note
from nmt.text.reading.corpus import DataFolder
from nmt.training.parallel.workers import Workers
from nmt.training.setup import (
    check_inputs,
    precision_of_hardware,
    record,
    resolve,
    resolve_for_device,
    set_up,
)
from nmt.training.trainer import MAX_SKIPS_IN_ROW, train

FORMAT = 1  # of the results


@dataclass(frozen=True)
class PlannedRun:
    """One variant with one seed."""

    variant: Variant
    seed: int
    recipe: Recipe
    run: RunFolder

    def __str__(self) -> str:
        return f"{self.variant.name}, seed {self.seed}"


@dataclass(frozen=True)
class Outcome:
    """The result of training all runs."""

    stopped_by: int | None  # number of the signal that stopped it, None if it reached its end
    # The reason why each failed run failed, by its folder; a run that diverges does not fail.
    failures: dict[Path, str]


@dataclass(frozen=True)
class Experiment(ABC):
    """Runs to train, and the folder for them and for the results.

    The results are three files: KIND.json (all figures), KIND.md (tables) and KIND.html (a page).
    """

    kind: ClassVar[str]
    page: ClassVar[str]  # folder of the page, named after the command
    output: Path
    command: Sequence[str]  # words of the command line, for the results

    @abstractmethod
    def plan(self) -> list[PlannedRun]:
        """Return all runs."""

    @abstractmethod
    def write(self, failures: Mapping[Path, str]) -> None:
        """Write the results that there are so far; failures: why runs failed, by folder."""

    def check(self, data: DataFolder, device: torch.device) -> list[PlannedRun]:
        """Check all that can be checked before the corpus is prepared, and return the runs.

        Nothing is written. Raises NmtError.
        """
        if is_present(RunFolder(self.output).recipe):
            raise UsageError(f"--output {self.output} is a run folder; name another folder")
        for ending in ("json", "md", "html"):
            check_output(self.file(ending))
        runs = with_one_precision(self.plan(), device)
        check_runs(runs, data, device)
        return runs

    def run(self, data: DataFolder, device: torch.device) -> Outcome:
        """Train the runs that are not finished, and write the results after each of them.

        Raises NmtError if another process uses the folder, if a recipe or a corpus is wrong, or if
        the disk refuses.
        """
        runs = self.check(data, device)
        with ExitStack() as held:
            with error_context(self.kind):
                held.enter_context(RunFolder(self.output).lock())
            prepare_runs(runs, data, device)
            known = {planned.run.path for planned in runs}
            found = sorted(path.parent for path in self.output.glob("*/seed-*/recipe.toml"))
            others = [f"{path.parent.name}/{path.name}" for path in found if path not in known]
            if others:
                left_out = ", ".join(others)
                note(f"{self.output} also holds runs that these results leave out: {left_out}")
            outcome = self.train(runs, data, device)
            self.write(outcome.failures)
        return outcome

    def train(self, runs: Sequence[PlannedRun], data: DataFolder, device: torch.device) -> Outcome:
        """Train the runs, whose corpora are prepared."""
        return train_runs(runs, data, device, self.write)

    def describe(self, runs: Sequence[PlannedRun]) -> str:
        """Return the lines of a dry run."""
        return "".join(f"{planned.run.path}\t{planned.variant.name}\n" for planned in runs)

    def file(self, ending: str) -> Path:
        """Return the path of a file of results."""
        return self.output / f"{self.kind}.{ending}"

    def write_files(
        self,
        recipe: str,
        data: Mapping[str, Any],
        parts: Iterable[str],
        texts: Mapping[str, str],
        **shown: Any,
    ) -> None:
        """Write the three files of results.

        parts: paragraphs and tables of KIND.md. texts and shown: texts and data that only the page
        has. Raises NmtError if the disk refuses.
        """
        command, title = shlex.join(self.command), f"{self.kind.title()} of"
        head = {self.kind: FORMAT, "nmt": __version__, "command": command, "recipe": recipe}
        data, texts = {**head, **data}, {"title": recipe, "command": command, **texts}
        page = render_charts(self.page, {**data, **shown}, f"{title} {recipe}", texts)
        markdown = [f"# {title} {code(recipe)}", f"Created by {code(command)}.", *parts]
        files = {"json": json_text(data, indent=1), "md": "\n\n".join(markdown), "html": page}
        for ending, text in files.items():
            write_text(self.file(ending), in_utf_8(f"{text.rstrip()}\n"))


def plan_runs(variants: Sequence[Variant], seeds: Sequence[int], output: Path) -> list[PlannedRun]:
    """Return the runs in the order of training: all variants with the first seed, then the next.

    In this order, a result of every variant is there early.
    """
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


def with_one_precision(runs: Sequence[PlannedRun], device: torch.device) -> list[PlannedRun]:
    """Return the runs with a precision of "auto" replaced by what the hardware has.

    Measured run by run, the precision would differ between runs that are compared. A run that has
    started keeps its own. Raises NmtError that names the run.
    """
    resolved = []
    for planned in runs:
        with error_context(planned):
            recipe = resolve_for_device(planned.recipe, planned.run, device)
        resolved.append(replace(planned, recipe=precision_of_hardware(recipe, device)))
    return resolved


def check_runs(runs: Sequence[PlannedRun], data: DataFolder, device: torch.device) -> None:
    """Check folder, settings, initial model and text files of each run, and write nothing.

    A run that diverged before is not trained again. Raises NmtError that names the run.
    """
    check_not_longer(runs)
    for planned in runs:
        with error_context(planned):
            check_run_folder(planned.run.path)
            if not has_diverged(planned, device):
                check_inputs(
                    resolve(planned.recipe, planned.run, device).recipe, data, planned.run, device
                )


def check_not_longer(runs: Sequence[PlannedRun]) -> None:
    """Raise NmtError if a run has more updates than those that it would be compared with."""
    most = runs[0].recipe.train.max_updates
    if any(planned.recipe.train.max_updates != most for planned in runs):
        return  # what varies is the number of updates
    reached = {planned.run.path: planned.run.reached_update() for planned in runs}
    longest = max(reached, key=reached.__getitem__)
    if reached[longest] > most:
        raise NmtError(
            f"{longest} has {reached[longest]:,} updates, more than train.max_updates={most}; give"
            f" --max-updates {reached[longest]}, or another folder (--output)"
        )


def has_diverged(planned: PlannedRun, device: torch.device) -> bool:
    """Return whether a run was trained with these settings before, and diverged."""
    run, recipe = planned.run, planned.recipe
    if not is_diverged(read_history(run.metrics, recipe)):
        return False
    recipe = resolve_for_device(recipe, run, device)
    return not recipe_differences(run.load_recipe(), recipe, FIXED_SETTINGS)


def prepare_runs(runs: Sequence[PlannedRun], data: DataFolder, device: torch.device) -> None:
    """Check every recipe and prepare every corpus, so that errors show before any training.

    Runs with the same text and tokenizer settings share one prepared corpus. Raises NmtError that
    names the run.
    """
    note_once = cache(note)
    prepared: dict[str, RunFolder] = {}
    for planned in runs:
        recipe = planned.recipe
        key = repr((recipe.data, recipe.tokenizer, recipe.train.init_from))
        if has_diverged(planned, device):
            prepared.setdefault(key, planned.run)
            continue
        with error_context(planned), planned.run.lock():
            if key in prepared:
                share_prepared(prepared[key], planned.run)
            before = read_if_exists(planned.run.recipe)
            recipe = resolve(recipe, planned.run, device).recipe
            set_up(recipe, data, planned.run, note_once, device)
            record(recipe, data, planned.run, note_once)
            if read_if_exists(planned.run.recipe) != before and not planned.run.is_in_use():
                # These metrics are of other settings, whose training ended before a checkpoint.
                planned.run.metrics.unlink(missing_ok=True)
        prepared.setdefault(key, planned.run)


def read_if_exists(path: Path) -> str | None:
    """Return the text of a file, None if there is no such file."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


@contextmanager
def error_context(subject: object) -> Iterator[None]:
    """Put a subject before the message of an NmtError, and name --output instead of --run in it."""
    try:
        yield
    except NmtError as error:
        text = re.sub("--run(?! NEW)", "--output", str(error))  # NEW: of another training
        raise type(error)(f"{subject}: {text}") from error


def share_prepared(source: RunFolder, target: RunFolder) -> None:
    """Give a run the prepared corpus of another run, unless it has its own.

    Shards are linked instead of copied, which is safe because they are only replaced as whole
    files. The manifest is written last, so that `prepare` ignores a copy that was interrupted.
    Raises NmtError if the disk refuses.
    """
    if (target.prepared / "manifest.json").exists() or target.is_started():
        return
    try:
        target.prepared.mkdir(parents=True, exist_ok=True)
        for path in source.prepared.glob("train-*"):
            link_or_copy(path, target.prepared / path.name)
        write_bytes(target.tokenizer, source.tokenizer.read_bytes())
        manifest = (source.prepared / "manifest.json").read_bytes()
        write_bytes(target.prepared / "manifest.json", manifest)
    except OSError as error:
        raise NmtError(f"cannot write into {target.path}: {error.strerror}") from error


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy on a file system without links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def train_runs(
    runs: Sequence[PlannedRun],
    data: DataFolder,
    device: torch.device,
    after_run: Callable[[dict[Path, str]], None],
) -> Outcome:
    """Train the runs that are neither finished nor diverged.

    after_run: called after each run with the failures so far. A run that fails or diverges does not
    end the experiment; a signal does.
    """
    failures: dict[Path, str] = {}
    for number, planned in enumerate(runs, start=1):
        name = f"run {number} of {len(runs)}: {planned}"
        history = read_history(planned.run.metrics, planned.recipe)
        # A run that train.patience ended has fewer updates; training it finds nothing left to do.
        if history.is_ended and history.update >= planned.recipe.train.max_updates:
            note(f"{name}: finished before")
            continue
        if is_diverged(history):
            note(f"{name}: diverged before; remove {planned.run.path} to try again")
            continue
        note(name)
        try:
            outcome = train(planned.recipe, data, planned.run, device, Workers(), live_diagnosis)
        except DivergenceError as error:
            note(str(error))
        except (NmtError, OSError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not is_out_of_memory(error):
                raise
            failures[planned.run.path] = failure_reason(error)
            note(f"{planned} failed: {failures[planned.run.path]}")
        else:
            if outcome.stopped_by is not None:
                return Outcome(outcome.stopped_by, failures)
            try_write_report(planned.run)
        gc.collect()  # the network and its optimiser form cycles, and the next run needs the memory
        after_run(failures)
    return Outcome(None, failures)


def failure_reason(error: Exception) -> str:
    """Return why a run failed."""
    if isinstance(error, OSError):
        return f"{error.filename or 'cannot read or write'}: {error.strerror or error}"
    return str(error) if isinstance(error, NmtError) else "out of memory"


def is_diverged(history: History) -> bool:
    """Return whether a history ends with the skipped updates that stop a training."""
    last = history.update
    ending = [*range(last - MAX_SKIPS_IN_ROW + 1, last + 1)]
    return history.skipped_updates[-MAX_SKIPS_IN_ROW:] == ending
