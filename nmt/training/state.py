"""Checkpoints of a run: weights of an update, and beside them what going on from there needs.

`checkpoints/update-NNNNNNNN.safetensors` is a whole model; `update-NNNNNNNN.state.pt`, written
after it, is the optimiser and the place in the data. A state is read with `weights_only=True`, so
it executes nothing. Random numbers need no state: dropout is seeded by (seed, update) and the order
of the data by (seed, epoch).
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nmt.atomic import atomic_path
from nmt.checkpoint import load_weights, read_model, save_model
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.run import RunFolder

KEEP_STATES = 2  # the newest and the one before
UPDATE_NAME = re.compile(r"update-(\d+)\.(safetensors|state\.pt)$")


@dataclass
class Progress:
    """Where a training stands, at the boundary of an update."""

    update: int = 0  # updates taken
    epoch: int = 0
    batch: int = 0  # batches of the epoch already seen
    best_bleu: float = -1.0
    best_update: int = 0
    validations_without_gain: int = 0
    seconds: float = 0.0  # spent in updates, over all starts of the run


def weights_path(run: RunFolder, update: int) -> Path:
    """The model file of an update."""
    return run.checkpoints / f"update-{update:08}.safetensors"


def state_path(run: RunFolder, update: int) -> Path:
    """The training state of an update."""
    return run.checkpoints / f"update-{update:08}.state.pt"


def updates_of(run: RunFolder, ending: str) -> list[int]:
    """The updates that have a file of this ending, ascending."""
    matches = (UPDATE_NAME.search(path.name) for path in run.checkpoints.glob("update-*"))
    return sorted(int(match[1]) for match in matches if match and match[2] == ending)


def save_checkpoint(
    run: RunFolder,
    network: Transformer,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    tokenizer: bytes,
    recipe: Recipe,
    fingerprint: str,
) -> None:
    """Write the weights, then the state that makes them a checkpoint, then drop what is too old."""
    update = progress.update
    save_model(weights_path(run, update), network.state_dict(), tokenizer, recipe, [update])
    state = {
        "progress": asdict(progress),
        "optimizer": optimizer.state_dict(),
        "fingerprint": fingerprint,
    }
    with atomic_path(state_path(run, update)) as partial:
        torch.save(state, partial)
    remove_old(run, recipe)


def averaged_updates(run: RunFolder, recipe: Recipe, last: int) -> list[int]:
    """The newest checkpoints up to the update `last` that count for the average.

    Those on the grid of `train.checkpoint_updates`, and `last` itself; one that a signal asked for
    between two of them does not, so that an interrupted run averages as an uninterrupted one.
    """
    counted = [
        update
        for update in updates_of(run, "safetensors")
        if update == last or (update < last and update % recipe.train.checkpoint_updates == 0)
    ]
    return counted[-recipe.train.average_checkpoints :]


def remove_old(run: RunFolder, recipe: Recipe) -> None:
    """Keep the newest states with their weights, and the weights an average may need."""
    states = updates_of(run, "state.pt")[-KEEP_STATES:]
    kept = {*states, *averaged_updates(run, recipe, states[-1])}
    for update in updates_of(run, "state.pt"):
        if update not in states:
            state_path(run, update).unlink()
    for update in updates_of(run, "safetensors"):
        if update not in kept:
            weights_path(run, update).unlink()


def resume(
    run: RunFolder, network: Transformer, optimizer: torch.optim.Optimizer, fingerprint: str
) -> Progress:
    """Go back to the newest checkpoint; a fresh Progress where there is none.

    Raises NmtError if it is damaged or if the prepared corpus is not the one the run began with.
    """
    states = updates_of(run, "state.pt")
    if not states and updates_of(run, "safetensors"):
        raise NmtError(
            f"{run.checkpoints} holds weights but no training state to go on from; name a new"
            " folder with --run, or begin again after removing them"
        )
    if not states:
        return Progress()
    path = state_path(run, states[-1])
    state = load_state(path)
    if state["fingerprint"] != fingerprint:
        raise NmtError(
            f"the corpus of {run.path} changed since its training began; bring the old text back,"
            " or name a new folder with --run"
        )
    weights = weights_path(run, states[-1])
    if not weights.is_file():
        raise NmtError(f"{weights} is missing; remove {path} to go on from the one before")
    load_weights(network, read_model(weights).weights, weights)
    try:
        optimizer.load_state_dict(state["optimizer"])
        return Progress(**state["progress"])
    except Exception as error:
        raise damaged(path) from error


def load_state(path: Path) -> dict[str, Any]:
    """A training state's content."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {key: state[key] for key in ("progress", "optimizer", "fingerprint")}
    except Exception as error:  # damaged bytes make torch raise nearly anything
        raise damaged(path) from error


def damaged(path: Path) -> NmtError:
    """What to say of a training state that cannot be read."""
    return NmtError(f"the training state {path} is damaged; remove it to go on from the one before")
