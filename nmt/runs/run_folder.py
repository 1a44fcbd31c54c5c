"""A run folder: the files of one training."""

import difflib
import json
import os
import re
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError, shown
from nmt.recipe import (
    FIXED_SETTINGS,
    SettingDifference,
    parse_recipe,
    recipe_differences,
    was_written,
    write_recipe,
)
from nmt.recipe import read_text as read_recipe_text
from nmt.runs.model_metadata import is_overtaken
from nmt.runs.run_lock import locked
from nmt.system.arguments import DATA
from nmt.system.atomic import write_text
from nmt.system.files import ABSENT, check_regular, entries, is_present, read_text
from nmt.system.json_data import parse_json
from nmt.system.log import note
from nmt.text.manifest import PreparedFolder

RUNS = Path("runs")
# The suffixes of a checkpoint's files: the weights, a complete model file; the optimiser's state;
# and the manifest, written last, with the SHA-256 of the other two.
WEIGHTS, STATE, MANIFEST = "safetensors", "state.pt", "json"
CHECKPOINT_NAME = re.compile(r"update-([0-9]{8}|[1-9][0-9]{8,11})\.(safetensors|state\.pt|json)")
LARGEST_MEMORY = 1_000_000  # bytes of run.json; a link to a device would never end
MOST_SHOWN = 5  # settings in a message


@dataclass(frozen=True)
class Memory:
    """The data that a run stores besides its recipe.

    It is not in the recipe: every model file holds that, and must name no folders of its author.
    """

    data_dir: str  # absolute


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
        return PreparedFolder(self.path, self.tokenizer, self.prepared, self.is_in_use())

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
        """Path of the final, averaged model, the default model of `nmt translate`."""
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

    @property
    def memory(self) -> Path:
        """Path of the data besides the recipe, as JSON."""
        return self.path / "run.json"

    def remember(self, data_dir: Path) -> None:
        """Write which data folder the run uses, if that folder exists."""
        path = os.path.realpath(data_dir)
        with suppress(UnicodeEncodeError):  # such a name does not fit into JSON
            path.encode()
            if is_folder(data_dir):
                write_text(self.memory, json.dumps({"data_dir": path}, ensure_ascii=False) + "\n")

    def data_dir(self, given: Path | None = None) -> Path:
        """Return the data folder: the given one, else the remembered one if it exists, else data/.

        A note says so if the remembered one is gone. Raises NmtError if what the run remembers
        cannot be read.
        """
        if given is None and is_present(self.memory):
            fix = "remove it and name the data folder (--data-dir)"
            check_regular(self.memory, "the file", fix)
            text = read_text(self.memory, "the file", most=LARGEST_MEMORY)
            try:
                remembered = Path(parse_json(text, Memory, str(self.memory)).data_dir)
            except NmtError as error:
                raise NmtError(f"{error}; {fix}") from error
            if is_folder(remembered):
                return remembered
            note(f"the data folder {remembered} is gone; --data-dir names another than {DATA}")
        return DATA if given is None else given

    def lock(self, shared: bool = False) -> AbstractContextManager[None]:
        """Create the folder and lock it for this process within a `with` block.

        shared: together with other processes; otherwise, files that killed processes left
        half-written are removed. Raises NmtError if another process holds the lock or the folder
        cannot be written.
        """
        return locked(self.path, shared)

    def checkpoint(self, update: int, suffix: str) -> Path:
        """Return the path of one file of an update's checkpoint."""
        return self.checkpoints / f"update-{update:08}.{suffix}"

    def updates_with(self, *suffixes: str) -> list[int]:
        """Return the updates whose checkpoint has the files with all these suffixes, ascending."""
        matches = map(CHECKPOINT_NAME.fullmatch, (path.name for path in entries(self.checkpoints)))
        found = {(int(match[1]), match[2]) for match in matches if match}
        updates = sorted({update for update, _ in found})
        return [each for each in updates if all((each, suffix) in found for suffix in suffixes)]

    def reached_update(self) -> int:
        """Return the update of the newest whole checkpoint, 0 without one."""
        return max(self.updates_with(WEIGHTS, STATE, MANIFEST), default=0)

    def is_started(self) -> bool:
        """Return True if the run has written a checkpoint."""
        return bool(self.updates_with(MANIFEST))

    def is_in_use(self) -> bool:
        """Return True if the run holds a checkpoint or a model, which its corpus belongs to."""
        return self.is_started() or is_present(self.best) or is_present(self.model)

    def is_resumable(self) -> bool:
        """Return True if a checkpoint has the training state that resuming needs."""
        return bool(self.updates_with(STATE, MANIFEST))

    def check_is_run(self) -> None:
        """Raise NmtError unless the path is a run folder; the message says what it is."""
        if is_present(self.recipe):
            return
        if not is_present(self.path):
            raise NmtError(no_run(self.path))
        if is_folder(self.path):
            if self.is_started() or any(map(is_present, (self.model, self.best, self.metrics))):
                raise NmtError(f"{self.recipe} is missing; put it back")
            raise NmtError(f"{self.path} is not a run folder: it has no recipe.toml")
        if self.path.suffix == ".safetensors":
            raise NmtError(
                f"{self.path} is a model file, not a run folder; did you mean its folder"
                f" {self.path.parent}?"
            )
        raise NmtError(f"{self.path} is a file, not a run folder")

    def load_recipe(self, *, will_train: bool = False) -> Recipe:
        """Return the recipe of the run; raises NmtError if its file is missing or damaged.

        will_train: as in `parse_recipe`.
        """
        self.check_is_run()
        check_regular(self.recipe, "the recipe")
        name = Path(os.path.abspath(self.path)).name  # "." and ".." have none
        text = read_recipe_text(self.recipe)
        return parse_recipe(text, name, str(self.recipe), will_train=will_train)

    def save_recipe(self, recipe: Recipe) -> None:
        """Write the recipe with every setting; raises NmtError as `check_recipe` does."""
        self.check_recipe(recipe)
        if not is_present(self.recipe) or self.load_recipe() != recipe:
            write_recipe(recipe, self.recipe)

    def check_recipe(self, recipe: Recipe) -> None:
        """Raise NmtError unless the run can be trained with a recipe.

        It cannot if it has started with other settings than may change, or if its recipe is
        missing. UsageError if a recipe that was written by hand is in the way.
        """
        if not is_present(self.recipe):
            if self.is_started():
                raise NmtError(
                    f"{self.recipe} is missing although training has started; put it back, or name"
                    " a new folder (--run)"
                )
            return
        old = self.load_recipe(will_train=True)
        if old == recipe:
            return
        if self.is_started():
            check_fixed(self.path, old, recipe)
        elif not was_written(read_recipe_text(self.recipe), old):
            raise UsageError(
                f"{self.recipe} was not written by nmt, so it is not overwritten; move it away,"
                " or name another folder (--run)"
            )

    def check_same_recipe(self, recipe: Recipe, other: str) -> None:
        """Raise NmtError if the run's recipe has other settings; other: whose work it is for."""
        changed = recipe_differences(self.load_recipe(), recipe)
        if changed:
            raise NmtError(
                f"{other} has other settings than {self.recipe}: {listed(changed)}; use the same"
                " settings, or name a new folder (--run)"
            )

    def translation_model(self) -> Path:
        """Return the model to translate with: the average, or the best if training went on since.

        Raises NmtError if the run has neither.
        """
        trained = [path for path in (self.model, self.best) if is_present(path)]
        if trained:
            return trained[is_overtaken(trained[0], trained[-1])]
        raise NmtError(
            f"{self.path} holds no trained model yet; `nmt train` creates one"
            + "; the folder of an OPUS-MT model must be imported: `nmt import`" * self.is_foreign()
        )

    def is_foreign(self) -> bool:
        """Return whether the folder looks like that of another program's model."""
        return is_present(self.path / "config.json") and not is_present(self.recipe)


def no_run(path: Path) -> str:
    """Return the message for a run folder that does not exist."""
    return f"there is no run folder {path}; {did_you_mean(path) or '`nmt runs` lists the runs'}"


def did_you_mean(path: Path) -> str:
    """Return a question with the nearest name beside a path; "" if none is near."""
    with suppress(NmtError):  # the folder cannot be read
        names = [each.name for each in entries(path.parent)]
        for near in difflib.get_close_matches(path.name, names, 1, 0.8):
            return f"did you mean {path.with_name(near)}?"
    return ""


def check_fixed(path: Path, old: Recipe, new: Recipe) -> None:
    """Raise NmtError if a recipe has other settings than a started run must keep."""
    changed = recipe_differences(old, new, FIXED_SETTINGS)
    if changed:
        raise NmtError(
            f"the training in {path} started with other settings: {listed(changed)};"
            " use the old settings, or name a new folder (--run)"
        )


def listed(changed: Sequence[SettingDifference]) -> str:
    """Return settings as a text; of many, only the first."""
    first = ", ".join(map(str, changed[:MOST_SHOWN]))
    more = len(changed) - MOST_SHOWN
    return f"{first} and {more} more" if more > 0 else first


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder, or may be one that cannot be read."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        return error.errno not in ABSENT  # whoever opens it says why it cannot be read
    except ValueError:  # a name with a null character
        return False


def run_folder(recipe: Recipe, path: Path | None = None) -> RunFolder:
    """Return the run folder of a recipe: the given one, or `runs/RECIPE`.

    Raises UsageError if the path is a file, if its name is too long, or if it has no name, as "."
    or "/", and holds no run.
    """
    if path is not None and not path.name and not is_present(RunFolder(path).recipe):
        raise UsageError(f"the run folder {path} (--run) has no name; give one, such as runs/mine")
    run = RunFolder(path or RUNS / recipe.name)
    try:
        is_file = run.path.is_file()
    except OSError as error:  # the name is too long
        raise UsageError(
            f"the run folder {shown(str(run.path))} (--run) cannot be made: {error.strerror}"
        ) from error
    if is_file:
        kind = "a file"
        if run.path.suffix == ".safetensors":
            kind = f"a model file (did you mean its folder {run.path.parent}?)"
        raise UsageError(f"the run folder {run.path} (--run) is {kind}; name a folder")
    return run


def run_of(model: Path) -> RunFolder:
    """Return the run folder that a model file lies in; a folder stands for itself."""
    if model.is_dir():
        return RunFolder(model)
    folder = model.parent
    return RunFolder(folder.parent if folder.name == "checkpoints" else folder)
