"""A run folder: the files of one training, and a lock: one process at a time writes into it."""

import difflib
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Recipe
from nmt.errors import NmtError, UsageError, list_first, shown
from nmt.recipe.files import parse_recipe, read_metadata, write_recipe
from nmt.recipe.files import read_text as read_recipe_text
from nmt.recipe.settings import FIXED_SETTINGS, recipe_differences
from nmt.recipe.toml import was_written
from nmt.system.arguments import DATA, argument
from nmt.system.atomic import find_writer, is_running, remove, unfinished, write_text
from nmt.system.files import (
    ABSENT,
    check_regular,
    entries,
    is_present,
    read_text,
    shipped,
    take_lock,
)
from nmt.system.json_data import convert, parse_json
from nmt.system.log import note
from nmt.text.manifest import PreparedFolder

RUNS = Path("runs")
EVERYDAY = "everyday"  # the name of the shipped model
SHIPPED_MODEL = shipped(f"data/{EVERYDAY}.safetensors")
LICENCE = "licence"  # of a model file's metadata; only exported models have it
AVERAGE = "average"  # the value of `made_by` in a model that `nmt average` wrote
# The suffixes of a checkpoint's files: the weights, a complete model file; the optimiser's state;
# and the manifest, written last, with the SHA-256 of the other two.
WEIGHTS, STATE, MANIFEST = "safetensors", "state.pt", "json"
CHECKPOINT_NAME = re.compile(r"update-([0-9]{8}|[1-9][0-9]{8,11})\.(safetensors|state\.pt|json)")
LARGEST_MEMORY = 1_000_000  # bytes of run.json; a link to a device would never end
MOST_SHOWN = 5  # settings in a message


def names_shipped_model(path: Path) -> bool:
    """Return whether a path that a user types is the name of the shipped model, and no file."""
    return str(path) == EVERYDAY and not is_present(path)


def model_name(path: Path) -> str:
    """Return how messages, commands and recipes name the model at a path."""
    return EVERYDAY if path == SHIPPED_MODEL else str(path)


@dataclass(frozen=True)
class Memory:
    """The data that a run stores besides its recipe.

    It is not in the recipe: every model file holds that, and must name no folders of its author.
    """

    data_dir: str  # absolute


@dataclass(unsafe_hash=True)
class RunFolder:
    """The files of one training, in `runs/RECIPE/` or in the folder given with --run."""

    path: Path

    def __post_init__(self) -> None:
        """Name the files and folders."""
        self.recipe = self.path / "recipe.toml"  # with every setting, as it is trained
        self.tokenizer = self.path / "tokenizer.model"  # of SentencePiece
        self.prepared = self.path / "prepared"  # folder of the encoded corpus
        self.checkpoints = self.path / "checkpoints"  # weights and training states by update
        self.best = self.path / "best.safetensors"  # the model with the best score on the dev set
        self.model = self.path / "model.safetensors"  # the average; `nmt translate` uses it
        self.tensorboard = self.path / "tensorboard"  # folder of its events, with train.tensorboard
        self.metrics = self.path / "metrics.jsonl"  # one JSON object a line
        self.report = self.path / "report.html"  # the page about the run
        self.memory = self.path / "run.json"  # the data besides the recipe
        self.lock_file = self.path / ".lock"  # it stays when the lock is released
        self.results = self.metrics, self.best, self.model, self.checkpoints, self.tensorboard
        self.inputs = self.recipe, self.memory, self.lock_file, self.tokenizer, self.prepared

    def prepared_folder(self) -> PreparedFolder:
        """Return the paths that `nmt.text.prepare` writes to."""
        return PreparedFolder(self.path, self.tokenizer, self.prepared, self.is_in_use())

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

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Create the folder and lock it for this process within a `with` block.

        The file of the lock and the folder itself are locked: a user may remove the file. Files
        that killed processes left half-written are removed. Raises NmtError if another process
        holds the lock or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = self.lock_file.open("a+")  # on NFS, the two kinds of lock need different modes
        except OSError as error:
            raise NmtError(f"cannot write into {self.path}: {error.strerror}") from error
        with stream, opened(self.path) as descriptor:
            # `is_locked` of another process may hold the lock of the folder for a moment.
            if not (take_lock(stream) and take_lock(descriptor, tries=2)):
                raise NmtError(
                    f"another nmt process is using {self.path}; wait for it to end, or name"
                    " another folder (--run)"
                )
            remove_partial_files(self.path)
            yield

    def checkpoint(self, update: int, suffix: str) -> Path:
        """Return the path of one file of an update's checkpoint."""
        return self.checkpoints / f"update-{update:08}.{suffix}"

    def updates_with(self, *suffixes: str) -> list[int]:
        """Return the updates whose checkpoint has the files with all these suffixes, ascending."""
        matches = map(CHECKPOINT_NAME.fullmatch, (path.name for path in entries(self.checkpoints)))
        found = {(int(match[1]), match[2]) for match in matches if match}
        with_suffix = [{update for update, end in found if end == suffix} for suffix in suffixes]
        return sorted(set.intersection(*with_suffix))

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

    def holds_run(self) -> bool:
        """Return whether the folder holds files of a run; a recipe alone may be written by hand."""
        has_more = any(map(is_present, (*self.results, self.prepared)))
        return is_present(self.lock_file) or (has_more and is_present(self.recipe))

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

    def translation_model(self) -> Path:
        """Return the model to translate with: the average, or the best if training went on since.

        Raises NmtError if the run has neither.
        """
        trained = [path for path in (self.model, self.best) if is_present(path)]
        if trained:
            return trained[is_overtaken(trained[0], trained[-1])]
        is_foreign = is_present(self.path / "config.json") and not is_present(self.recipe)
        raise NmtError(
            f"{self.path} holds no trained model yet; `nmt train` creates one"
            + "; the folder of an OPUS-MT model must be imported: `nmt import`" * is_foreign
        )


def no_run(path: Path) -> str:
    """Return the message for a run folder that does not exist."""
    return f"there is no run folder {path}; {did_you_mean(path) or '`nmt runs` lists the runs'}"


def did_you_mean(path: Path, others: Iterable[str] = ()) -> str:
    """Return a question with the nearest name beside a path; "" if none is near.

    others: names that are meant as well as those beside the path.
    """
    names = [*others]
    with suppress(NmtError):  # the folder cannot be read
        names += [entry.name for entry in entries(path.parent)]
    for near in difflib.get_close_matches(path.name, names, 1, 0.8):
        return f"did you mean {path.with_name(near)}?"
    return ""


def check_fixed(path: Path, old: Recipe, new: Recipe) -> None:
    """Raise NmtError if a recipe has other settings than a started run must keep."""
    changed = recipe_differences(old, new, FIXED_SETTINGS)
    if changed:
        raise NmtError(
            f"the training in {path} started with other settings:"
            f" {list_first(changed, MOST_SHOWN)};"
            f" `nmt train {argument(path)}` resumes it with its own; to use others, name a new"
            " folder (--run)"
        )


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


def find_run(model: Path) -> RunFolder:
    """Return the run folder that a model file lies in; a folder stands for itself."""
    if model.is_dir():
        return RunFolder(model)
    folder = model.parent
    return RunFolder(folder.parent if folder.name == "checkpoints" else folder)


def model_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a model file; empty if the file is not an intact one."""
    try:
        return convert(read_metadata(path), dict[str, str], str(path))
    except NmtError:
        return {}


def known_licence(path: Path) -> str:
    """Return the licence that a model file states; "" if it states none."""
    return model_metadata(path).get(LICENCE, "")


def last_update(metadata: dict[str, str]) -> int:
    """Return the last of the updates that a model was made of; 0 if its metadata do not say it."""
    try:
        return max(parse_json(metadata.get("updates", ""), list[int], "updates"), default=0)
    except NmtError:
        return 0


def is_overtaken(average: Path, best: Path) -> bool:
    """Return whether the best model of a run is of a training that went on after its average.

    An average that `nmt average` put in its place is what the user wants, and is never overtaken;
    nor is a damaged one, so that reading it is an error.
    """
    old, new = model_metadata(average), model_metadata(best)
    return old.get("made_by") != AVERAGE and 0 < last_update(old) < last_update(new)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """Open a folder and yield its file descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether a process is training, preparing or averaging in a run folder."""
    try:
        with opened(folder) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or a file system without locks
        return False
    return False


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files and folders of processes that no longer run, and nothing else.

    The checkpoints may be behind a link, on another disk.
    """
    checkpoints = folder / "checkpoints"
    linked = checkpoints.glob("*.partial") if checkpoints.is_symlink() else ()
    for path in [*folder.rglob("*.partial"), *linked]:
        writer = find_writer(path)
        # An earlier process may have had the number of this one.
        is_ended = writer == os.getpid() or (writer is not None and not is_running(writer))
        if is_ended and Path(os.path.realpath(path)) not in unfinished:
            remove(path)
