"""Checkpoints of a run: weights of an update, what going on from there needs, and their seal.

`checkpoints/update-NNNNNNNN.safetensors` is a whole model; `.state.pt` the optimiser, read with
`weights_only=True`, so that it executes nothing; `.json`, written last, the seal that makes them a
checkpoint: the place in the data, the best score, patience and counts, and the SHA-256 of the other
two. Random numbers need no state: dropout is seeded by (seed, update), the order of the data by
(seed, epoch), BPE-dropout by (seed, epoch, pair).
"""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from nmt.artifacts.model_file import load_weights, read_model, save_model
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.system.atomic import atomic_path, write_text
from nmt.system.digest import sha256_of
from nmt.system.log import note
from nmt.training.validation import Validation

KEEP_STATES = 2  # the newest and the one before
WEIGHTS, STATE, SEAL = "safetensors", "state.pt", "json"
UPDATE_NAME = re.compile(r"update-(\d+)\.(safetensors|state\.pt|json)$")


@dataclass
class Window:
    """Sums over the updates since the last report."""

    smoothed: float = 0.0
    plain: float = 0.0
    source_tokens: int = 0
    target_tokens: int = 0
    gradient_norm: float = 0.0
    updates: int = 0  # without the skipped ones
    began: float = 0.0  # seconds of the run


@dataclass
class Progress:
    """Where a training stands, at the boundary of an update."""

    update: int = 0  # updates taken or skipped
    epoch: int = 0
    batch: int = 0  # batches of the epoch already seen
    best_score: float | None = None  # on the dev set, of the best model
    best_loss: float | None = None
    best_update: int = 0
    validated_update: int = 0  # the last one
    validations_without_gain: int = 0
    skipped: int = 0  # updates whose loss or gradient was not a number
    skipped_in_row: int = 0
    seconds: float = 0.0  # spent in updates, over all starts of the run
    window: Window = field(default_factory=Window)

    def is_gain(self, validation: Validation, metric: str) -> bool:
        """Whether a validation beats the best so far, by "loss" or by its score."""
        if metric == "loss":
            loss = validation.loss
            return math.isfinite(loss) and (self.best_loss is None or loss < self.best_loss)
        best, score = self.best_score, validation.score
        return math.isfinite(score) and (best is None or validation.measure.beats(score, best))

    def count_validation(self, validation: Validation, gain: bool) -> None:
        """Note a validation of the present update."""
        self.validated_update = self.update
        self.validations_without_gain = 0 if gain else self.validations_without_gain + 1
        if gain:
            self.best_score, self.best_loss = validation.score, validation.loss
            self.best_update = self.update


def path_of(run: RunFolder, update: int, ending: str) -> Path:
    """A file of an update's checkpoint."""
    return run.checkpoints / f"update-{update:08}.{ending}"


def weights_path(run: RunFolder, update: int) -> Path:
    """The model file of an update."""
    return path_of(run, update, WEIGHTS)


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
    """Write weights and state, then the seal that makes them a checkpoint, then drop the too old.

    One that is there already, of the same update, is sealed anew with today's progress. Raises
    NmtError if the disk refuses.
    """
    update = progress.update
    weights, state, seal = (path_of(run, update, ending) for ending in (WEIGHTS, STATE, SEAL))
    if all(path.is_file() for path in (weights, state, seal)):
        digests = read_seal(seal)["sha256"]
    else:
        digests = {}
    try:
        if not digests:
            save_model(weights, network.state_dict(), tokenizer, recipe, [update])
            save_state(state, optimizer)
            digests = {WEIGHTS: sha256_of(weights), STATE: sha256_of(state)}
        content = {"progress": asdict(progress), "fingerprint": fingerprint, "sha256": digests}
        sealed = {**content, "seal": digest(content)}
        write_text(seal, json.dumps(sealed, indent=1) + "\n")
    except NmtError as error:
        if not seal.is_file():  # unsealed files would only fill the disk
            weights.unlink(missing_ok=True)
            state.unlink(missing_ok=True)
        intact = "earlier checkpoints are intact: " if updates_of(run, SEAL) else ""
        raise NmtError(f"{error}; {intact}make room, and the same command goes on") from error
    remove_old(run, recipe)


def save_state(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """Write an optimiser's state; raises NmtError if the disk refuses."""
    with atomic_path(path) as partial:
        try:
            with partial.open("wb") as stream:
                torch.save(optimizer.state_dict(), stream)
        except RuntimeError as error:  # torch's own word for a full disk hides the reason
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of what a seal says."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_seal(path: Path) -> dict[str, Any]:
    """What a seal says; raises NmtError if it is damaged."""
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        seal = content.pop("seal")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NmtError(f"{path} is damaged") from error
    if seal != digest(content):
        raise NmtError(f"{path} is damaged: it is not as it was written")
    return content


def check(run: RunFolder, update: int, endings: tuple[str, ...] = (WEIGHTS, STATE)) -> None:
    """Raise NmtError naming what of an update's checkpoint is not as it was written."""
    digests = read_seal(path_of(run, update, SEAL))["sha256"]
    for ending in endings:
        path = path_of(run, update, ending)
        if sha256_of(path) != digests[ending]:
            raise NmtError(f"{path} is damaged: it is not as it was written")


def averaged_updates(run: RunFolder, recipe: Recipe, last: int) -> list[int]:
    """The newest checkpoints up to the update `last` that count for the average.

    Those on the grid of `train.checkpoint_updates`, and `last` itself; one that a signal asked for
    between two of them does not, so that an interrupted run averages as an uninterrupted one.
    """
    whole = {*updates_of(run, SEAL)} & {*updates_of(run, WEIGHTS)}
    counted = [
        update
        for update in sorted(whole)
        if update == last or (update < last and update % recipe.train.checkpoint_updates == 0)
    ]
    return counted[-recipe.train.average_checkpoints :]


def remove_old(run: RunFolder, recipe: Recipe) -> None:
    """Keep the newest states with their weights, and the weights an average may need."""
    seals = updates_of(run, SEAL)
    states = [update for update in updates_of(run, STATE) if update in seals][-KEEP_STATES:]
    kept = {*states, *averaged_updates(run, recipe, states[-1])}
    for ending, wanted in ((STATE, {*states}), (SEAL, kept), (WEIGHTS, kept)):
        for update in updates_of(run, ending):
            if update not in wanted:
                path_of(run, update, ending).unlink()


def set_aside(run: RunFolder, update: int, reason: str) -> None:
    """Take a damaged checkpoint out of the way, for the user to look at, and say so."""
    for ending in (SEAL, WEIGHTS, STATE):
        path = path_of(run, update, ending)
        if path.is_file():
            path.replace(path.with_name(f"{path.name}.damaged"))
    note(f"{reason}; put aside, with all of update {update:,}, as *.damaged")


def newest_checkpoint(run: RunFolder, fingerprint: str) -> int:
    """The update to go on from, 0 to begin; damaged checkpoints newer than it are set aside.

    Raises NmtError if all are damaged or if the prepared corpus is not the one the run began with.
    """
    sealed = [update for update in updates_of(run, SEAL) if path_of(run, update, STATE).is_file()]
    if not sealed:
        # Without a seal, files are what kills left of a first checkpoint.
        if updates_of(run, SEAL):
            raise NmtError(
                f"{run.checkpoints} holds weights but no training state to go on from; name a new"
                " folder with --run, or begin again after removing them"
            )
        return 0
    damaged: list[tuple[int, str]] = []
    for update in reversed(sealed):
        try:
            check(run, update)
        except NmtError as error:
            damaged.append((update, str(error)))
            continue
        if read_seal(path_of(run, update, SEAL))["fingerprint"] != fingerprint:
            raise NmtError(
                f"the corpus of {run.path} changed since its training began; bring the old text"
                " back, or name a new folder with --run"
            )
        for worse, reason in damaged:
            set_aside(run, worse, reason)
        return update
    reasons = "; ".join(reason for _, reason in damaged)
    raise NmtError(f"no checkpoint is whole: {reasons}; begin anew with another --run")


def resume(
    run: RunFolder, update: int, network: Transformer, optimizer: torch.optim.Optimizer
) -> Progress:
    """Go back to the checkpoint of an update; a fresh Progress for update 0."""
    if not update:
        return Progress()
    weights, state = (path_of(run, update, ending) for ending in (WEIGHTS, STATE))
    load_weights(network, read_model(weights).weights, weights)
    try:
        optimizer.load_state_dict(torch.load(state, map_location="cpu", weights_only=True))
        values = read_seal(path_of(run, update, SEAL))["progress"]
        if "best_bleu" in values:  # written before there were other scores
            values["best_score"] = values.pop("best_bleu")
        return Progress(**{**values, "window": Window(**values["window"])})
    except Exception as error:  # torch raises nearly anything at bytes that are not its own
        raise NmtError(f"{state} is of another version of this program") from error
