"""Check the requirements of a training before the corpus is prepared."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import Recipe
from nmt.errors import NmtError, shown
from nmt.recipe.size import FLOAT_BYTES, least_parameters
from nmt.runs.model_file import languages
from nmt.runs.run_folder import RunFolder
from nmt.system.command_line import argument
from nmt.system.log import Notify
from nmt.system.reading import is_present
from nmt.text.languages import bleu_tokenizer, is_language, primary

if TYPE_CHECKING:
    import torch

KEPT_STATES = 2  # optimiser states that a run keeps: the newest one and the one before it
LARGE = 40_000_000  # parameters; the paper's base model has 65 million (table 3)


def check_requirements(recipe: Recipe, run: RunFolder, device: "torch.device") -> None:
    """Raise NmtError if a program is missing or the disk is too small for a new run."""
    if recipe.train.compile and device.type == "cpu":
        check_compiler()
    if recipe.train.tensorboard and find_spec("tensorboard") is None:
        raise NmtError(
            "train.tensorboard needs the tensorboard package; `pip install 'nmt[tensorboard]'`, or"
            " set train.tensorboard=false"
        )
    if run.is_started():
        return
    needed, free = disk_bytes(recipe), free_bytes(run.path)
    if free < needed:
        fewer = "" if recipe.train.averaged == 1 else ", or lower train.average_checkpoints"
        raise NmtError(
            f"the checkpoints and models in {run.path} need {in_gigabytes(needed)}, but"
            f" {in_gigabytes(free)} are free; free some space, name a folder on another disk"
            f" (--run){fewer}"
        )


def check_languages(recipe: Recipe, run: RunFolder) -> None:
    """Raise NmtError for a new code that is none, or that a run's dev scores depend on.

    Other codes may be corrected at any time, which `correct_languages` does. For a vocabulary that
    depends on the languages, the corpus counts as changed.
    """
    if recipe.data.metric != "bleu":
        return
    kept = run.load_recipe() if run.is_in_use() and is_present(run.recipe) else None
    for name, code in zip(("source", "target"), languages(recipe), strict=True):
        if not is_language(primary(code)) and not (kept and code in languages(kept)):
            raise NmtError(
                f"recipe {recipe.name}: data.{name}_language is {shown(code)}, which is no ISO 639"
                " code such as de or deu"
            )
    old, new = (kept or recipe).data.target_language, recipe.data.target_language
    if bleu_tokenizer(old) != bleu_tokenizer(new):
        raise NmtError(
            f"{run.path}: data.target_language cannot change from {old} to {new}, because BLEU"
            " splits the two into words in other ways, so the scores of the dev set could not be"
            f" compared; train in a new folder: --run NEW --init-from {argument(run.path)}"
        )


def check_compiler() -> None:
    """Raise NmtError if there is no C++ compiler, which torch.compile needs on a CPU."""
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    if not any(map(shutil.which, candidates)):
        raise NmtError(
            f"train.compile needs a C++ compiler ({' or '.join(candidates)}); install one, or set"
            " train.compile=false"
        )


def disk_bytes(recipe: Recipe) -> int:
    """Return the most bytes that a run's checkpoints and models take, while one is being written.

    The last checkpoints and the newest states are kept, as well as the best model and the average.
    The size of a vocabulary of characters or words is not known yet: its embeddings do not count.
    """
    settings = recipe.train
    every = 1 if settings.checkpoint_minutes else settings.checkpoint_updates
    checkpoints = -(-settings.max_updates // every)
    weights = min(checkpoints, settings.averaged) + 3
    states = min(checkpoints, KEPT_STATES) + 1
    return least_parameters(recipe) * FLOAT_BYTES * (weights + states * settings.moments)


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk of a folder that need not exist yet."""
    path = Path(os.path.realpath(path))
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def in_gigabytes(size: int) -> str:
    """Return bytes as a text in gigabytes, fewer than one in megabytes."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def note_large_model(
    recipe: Recipe, run: RunFolder, device: "torch.device", notify: Notify
) -> None:
    """Print a note if a new training has a model of the paper's size but no GPU.

    A training that starts from a model is short, so the note about its length is another.
    """
    count = least_parameters(recipe)
    if device.type != "cpu" or count < LARGE or run.is_started():
        return
    if recipe.train.init_from:
        notify(
            f"{count:,} parameters on a CPU: updates of a model as large as the paper's base are"
            " slow; the progress shows how long the training takes"
        )
        return
    notify(
        f"{count:,} parameters on a CPU: a model as large as the paper's base, which 8 GPUs"
        " trained for 12 hours, takes days to weeks here; `nmt init` suggests smaller settings"
    )
