"""A run's folder: where each thing a training makes is kept."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError
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
    """`runs/RECIPE/`, or the folder given with --run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as resolved when the run began."""
        return self.path / "recipe.toml"

    @property
    def tokenizer(self) -> Path:
        """The SentencePiece model."""
        return self.path / "tokenizer.model"

    @property
    def prepared(self) -> Path:
        """The encoded corpus."""
        return self.path / "prepared"

    def prepared_folder(self) -> PreparedFolder:
        """The parts that `nmt.text.prepare` writes."""
        return PreparedFolder(self.path, self.tokenizer, self.prepared, self.is_begun())

    @property
    def checkpoints(self) -> Path:
        """Weights and training states by update."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The model with the best BLEU on the dev set."""
        return self.path / "best.safetensors"

    @property
    def model(self) -> Path:
        """The average of the last checkpoints; what `translate` uses by default."""
        return self.path / "model.safetensors"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's events, where train.tensorboard asks for them."""
        return self.path / "tensorboard"

    @property
    def metrics(self) -> Path:
        """One JSON object a report."""
        return self.path / "metrics.jsonl"

    @property
    def report(self) -> Path:
        """The page that tells of the run."""
        return self.path / "report.html"

    def read_metrics(self, report: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl that are whole; none if it is not there.

        How many are not is reported.
        """
        try:
            text = self.metrics.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        written = [line for line in text.splitlines() if line.strip()]
        whole = [content for content in map(parse_metrics, written) if content]
        if report and len(whole) < len(written):
            report(f"{self.metrics}: damaged lines left out: {len(written) - len(whole)}")
        return whole

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep the folder to this process; raises NmtError while another holds it."""
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
                    f"another nmt is at work in {self.path}; wait for it to end, or name another"
                    " folder with --run"
                ) from error
            except OSError:
                pass  # a file system without locks
            self.sweep()
            yield

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        for path in self.path.rglob("*.partial"):
            process = path.name.split(".")[-2]  # .NAME.PROCESS.partial, by `nmt.system.atomic`
            # One of our own number is of a former process: ours has written nothing yet.
            own = process == str(os.getpid())
            if own or not (process.isdecimal() and is_alive(int(process))):
                path.unlink(missing_ok=True)

    def load_recipe(self) -> Recipe:
        """The recipe the run began with."""
        return parse_recipe(read_text(self.recipe), self.path.name, str(self.recipe))

    def is_begun(self) -> bool:
        """Whether there is a training to go on with."""
        return any(self.checkpoints.glob("update-*.json"))

    def settle_recipe(self, recipe: Recipe) -> None:
        """Write the recipe down, or refuse one that differs from a run already begun.

        A precision of "auto" is what the run began with.
        """
        if self.is_begun():
            if not self.recipe.is_file():
                raise NmtError(
                    f"{self.recipe} is missing though training was begun; put it back, or name a"
                    " new folder with --run"
                )
            begun = self.load_recipe()
            if recipe.train.precision == "auto":
                train = replace(recipe.train, precision=begun.train.precision)
                recipe = replace(recipe, train=train)
            changed = recipe_differences(begun, recipe, FIXED_SETTINGS)
            if changed:
                raise NmtError(
                    f"{self.path} was begun with other settings: {', '.join(map(str, changed))};"
                    " go on with those, or name a new folder with --run"
                )
        write_recipe(recipe, self.recipe)

    def translation_model(self) -> Path:
        """The file to translate with: the average, or the best where training went on since."""
        trained = [path for path in (self.model, self.best) if path.is_file()]
        if trained:
            return max(trained, key=lambda path: path.stat().st_mtime_ns)
        raise NmtError(f"{self.path} holds no trained model yet; `nmt train` makes one")


def parse_metrics(line: str) -> dict[str, Any] | None:
    """A line of metrics.jsonl; none if it is damaged or cut short."""
    try:
        content = dict(json.loads(line))
        return {**content, "update": int(content["update"]), "kind": str(content["kind"])}
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def is_alive(process: int) -> bool:
    """Whether a process of this number runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def folders_under(runs: Path) -> list[RunFolder]:
    """What may be a run: a recipe's name may hold a folder."""
    return [RunFolder(path) for pattern in ("*/", "*/*/") for path in sorted(runs.glob(pattern))]


def newest_model(runs: Path = RUNS) -> Path:
    """The model of the run last trained under `runs`."""
    trained = [
        (path.stat().st_mtime_ns, folder)
        for folder in folders_under(runs)
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
    """The run under `runs` that last reported anything."""
    begun = [
        (folder.metrics.stat().st_mtime_ns, folder)
        for folder in folders_under(runs)
        if folder.metrics.is_file()
    ]
    if not begun:
        raise NmtError(f"no run under {runs}/; run `nmt train` first, or name a run folder")
    return max(begun, key=lambda each: each[0])[1]
