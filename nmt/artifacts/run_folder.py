"""A run folder: the files of one training, and how to find runs and their models."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe import (
    FIXED_SETTINGS,
    parse_recipe,
    read_text,
    recipe_differences,
    write_recipe,
)
from nmt.text.manifest import PreparedFolder

RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """The files of one training, in `runs/RECIPE/` or in the folder given with --run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """Path of the recipe with every setting, as it is trained."""
        return self.path / "recipe.toml"

    @property
    def tokenizer(self) -> Path:
        """Path of the SentencePiece model."""
        return self.path / "tokenizer.model"

    @property
    def prepared(self) -> Path:
        """Folder of the encoded corpus."""
        return self.path / "prepared"

    def prepared_folder(self) -> PreparedFolder:
        """Return the paths that `nmt.text.prepare` writes to."""
        return PreparedFolder(self.path, self.tokenizer, self.prepared, self.is_started())

    @property
    def checkpoints(self) -> Path:
        """Folder of the weights and training states by update."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Path of the model with the best score on the dev set."""
        return self.path / "best.safetensors"

    @property
    def model(self) -> Path:
        """Path of the average of the last checkpoints, the default model of `nmt translate`."""
        return self.path / "model.safetensors"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's events, which `train.tensorboard` turns on."""
        return self.path / "tensorboard"

    @property
    def metrics(self) -> Path:
        """Path of the metrics, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def report(self) -> Path:
        """Path of the HTML page about the run."""
        return self.path / "report.html"

    def read_metrics(self, notify: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl; an empty list if the file does not exist.

        Each line has at least an integer `update` and a string `kind`. Damaged lines are left out
        and `notify` is called with their number.
        """
        try:
            text = self.metrics.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        written = [line for line in text.splitlines() if line.strip()]
        intact = [values for values in map(parse_metrics_line, written) if values]
        if notify and len(intact) < len(written):
            notify(f"{self.metrics}: damaged lines left out: {len(written) - len(intact)}")
        return intact

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Create the folder and lock it for this process within a `with` block.

        Files that killed processes left half-written are removed. Raises NmtError if another
        process holds the lock or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = (self.path / ".lock").open("w")
        except OSError as error:
            raise NmtError(f"cannot write into {self.path}: {error.strerror}") from error
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise NmtError(
                    f"another nmt process is using {self.path}; wait for it to end, or name another"
                    " folder with --run"
                ) from error
            except OSError:
                pass  # a file system without locks
            self.remove_partial_files()
            yield

    def remove_partial_files(self) -> None:
        """Remove half-written files whose process no longer runs."""
        for path in self.path.rglob("*.partial"):
            process = path.name.split(".")[-2]  # .NAME.PROCESS.partial, by `nmt.system.atomic`
            # This process has written nothing yet: its number is left from an earlier process.
            reused = process == str(os.getpid())
            if reused or not (process.isdecimal() and is_running(int(process))):
                path.unlink(missing_ok=True)

    def is_started(self) -> bool:
        """Return True if the run has a checkpoint to resume from."""
        return any(self.checkpoints.glob("update-*.json"))

    def load_recipe(self) -> Recipe:
        """Return the recipe of the run; raises NmtError if its file is missing or damaged."""
        if not self.recipe.is_file():
            raise NmtError(f"{self.path} is not a run folder: it has no recipe.toml")
        return parse_recipe(read_text(self.recipe), self.path.name, str(self.recipe))

    def save_recipe(self, recipe: Recipe) -> None:
        """Write the recipe with every setting.

        Raises NmtError if the run has started with other settings than may change, or its recipe is
        missing.
        """
        if self.is_started():
            if not self.recipe.is_file():
                raise NmtError(
                    f"{self.recipe} is missing although training has started; put it back, or name"
                    " a new folder with --run"
                )
            changed = recipe_differences(self.load_recipe(), recipe, FIXED_SETTINGS)
            if changed:
                raise NmtError(
                    f"the training in {self.path} started with other settings:"
                    f" {', '.join(map(str, changed))}; use the old settings, or name a new folder"
                    " with --run"
                )
        write_recipe(recipe, self.recipe)

    def translation_model(self) -> Path:
        """Return the model to translate with: the average or the best, whichever is newer.

        Raises NmtError if the run has neither.
        """
        trained = [path for path in (self.model, self.best) if path.is_file()]
        if trained:
            return max(trained, key=lambda path: path.stat().st_mtime_ns)
        raise NmtError(f"{self.path} holds no trained model yet; `nmt train` creates one")


def parse_metrics_line(line: str) -> dict[str, Any] | None:
    """Return the values in a line of metrics.jsonl, or None if it is damaged or cut short."""
    try:
        values = dict(json.loads(line))
        return {**values, "update": int(values["update"]), "kind": str(values["kind"])}
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def is_running(process: int) -> bool:
    """Return True if a process with this number runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def run_folder(recipe: Recipe, path: Path | None = None) -> RunFolder:
    """Return the run folder of a recipe: the given one, or `runs/RECIPE`.

    Raises UsageError if the path has no name, as "." or "/".
    """
    if path is not None and not path.name:
        raise UsageError(f"--run {path} has no folder name; give a name such as runs/mine")
    return RunFolder(path or RUNS / recipe.name)


def possible_runs(runs: Path) -> list[RunFolder]:
    """Return the folders that may be runs, at two depths: a recipe's name may hold a folder."""
    return [RunFolder(path) for pattern in ("*/", "*/*/") for path in sorted(runs.glob(pattern))]


def newest_model(runs: Path = RUNS) -> Path:
    """Return the model of the run last trained under `runs`; raises NmtError if there is none."""
    trained = [
        (path.stat().st_mtime_ns, folder)
        for folder in possible_runs(runs)
        for path in (folder.model, folder.best)
        if path.is_file()
    ]
    if not trained:
        raise NmtError(
            f"no trained model under {runs}/; run `nmt train` first, or name one with --model"
        )
    _, newest = max(trained, key=lambda each: each[0])
    return newest.translation_model()


def newest_run(runs: Path = RUNS) -> RunFolder:
    """Return the run under `runs` that wrote metrics last; raises NmtError if there is none."""
    started = [
        (folder.metrics.stat().st_mtime_ns, folder)
        for folder in possible_runs(runs)
        if folder.metrics.is_file()
    ]
    if not started:
        raise NmtError(f"no run under {runs}/; run `nmt train` first, or name a run folder")
    return max(started, key=lambda each: each[0])[1]
