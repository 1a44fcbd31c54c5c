"""Checkpoints of a run: write them, verify them, resume from them and remove old ones.

A checkpoint is three files in `checkpoints/`. `update-NNNNNNNN.safetensors` is a complete model
file. `.state.pt` is the optimiser's state, read with `weights_only=True`, so that loading executes
nothing. `.json`, written last, is the manifest that makes the checkpoint valid: the progress, the
corpus's fingerprint and the SHA-256 of the other two files.

Random states need not be stored: dropout is seeded by (seed, update), the order of the data by
(seed, epoch) and BPE-dropout by (seed, epoch, pair).
"""

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from nmt.artifacts.model_file import load_weights, read_model_file, save_model
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.system.atomic import atomic_path, write_text
from nmt.system.digest import sha256_of
from nmt.system.log import note
from nmt.text.manifest import corpus_changed
from nmt.training.progress import Progress, Window

KEPT_STATES = 2  # optimiser states: the newest one and the one before it
WEIGHTS, STATE, MANIFEST = "safetensors", "state.pt", "json"  # the suffixes of a checkpoint's files
FILE_NAME = re.compile(r"update-(\d+)\.(safetensors|state\.pt|json)$")


def checkpoint_path(run: RunFolder, update: int, suffix: str) -> Path:
    """Return the path of one file of an update's checkpoint."""
    return run.checkpoints / f"update-{update:08}.{suffix}"


def weights_path(run: RunFolder, update: int) -> Path:
    """Return the path of an update's model file."""
    return checkpoint_path(run, update, WEIGHTS)


def updates_with(run: RunFolder, suffix: str) -> list[int]:
    """Return the updates that have a checkpoint file with this suffix, ascending."""
    matches = (FILE_NAME.search(path.name) for path in run.checkpoints.glob("update-*"))
    return sorted(int(match[1]) for match in matches if match and match[2] == suffix)


def save_checkpoint(
    run: RunFolder,
    network: Transformer,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    tokenizer: bytes,
    recipe: Recipe,
    fingerprint: str,
) -> None:
    """Write weights and optimiser state, then the manifest, then remove old checkpoints.

    If the update has a checkpoint already, only its manifest is written again, with the current
    progress. Raises NmtError if a file cannot be written.
    """
    update = progress.update
    weights, state, manifest = (
        checkpoint_path(run, update, suffix) for suffix in (WEIGHTS, STATE, MANIFEST)
    )
    if all(path.is_file() for path in (weights, state, manifest)):
        digests = read_manifest(manifest)["sha256"]
    else:
        digests = {}
    try:
        if not digests:
            save_model(weights, network.state_dict(), tokenizer, recipe, [update])
            save_state(state, optimizer)
            digests = {WEIGHTS: sha256_of(weights), STATE: sha256_of(state)}
        content = {"progress": asdict(progress), "fingerprint": fingerprint, "sha256": digests}
        signed = {**content, "checksum": checksum(content)}
        write_text(manifest, json.dumps(signed, indent=1) + "\n")
    except NmtError as error:
        if not manifest.is_file():  # without a manifest the files would only fill the disk
            weights.unlink(missing_ok=True)
            state.unlink(missing_ok=True)
        intact = "earlier checkpoints are intact: " if updates_with(run, MANIFEST) else ""
        raise NmtError(
            f"{error}; {intact}free some space, then the same command resumes"
        ) from error
    remove_old_checkpoints(run, recipe)


def save_state(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """Write an optimiser's state; raises NmtError if the file cannot be written."""
    with atomic_path(path) as partial:
        try:
            with partial.open("wb") as stream:
                torch.save(optimizer.state_dict(), stream)
        except RuntimeError as error:  # PyTorch's error hides the reason, such as a full disk
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """Return a manifest's content; raises NmtError if it is damaged."""
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        expected = content.pop("checksum")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise NmtError(f"{path} is damaged, or written by another version of nmt") from error
    if expected != checksum(content):
        raise NmtError(f"{path} is damaged: its checksum is wrong")
    return content


def verify(run: RunFolder, update: int, suffixes: tuple[str, ...] = (WEIGHTS, STATE)) -> None:
    """Raise NmtError, which names the file, if an update's checkpoint is damaged."""
    digests = read_manifest(checkpoint_path(run, update, MANIFEST))["sha256"]
    for suffix in suffixes:
        path = checkpoint_path(run, update, suffix)
        if sha256_of(path) != digests[suffix]:
            raise NmtError(f"{path} is damaged: its SHA-256 is wrong")


def averaged_updates(run: RunFolder, recipe: Recipe, last: int) -> list[int]:
    """Return the updates whose checkpoints the average includes, up to the update `last`.

    These are the newest multiples of `train.checkpoint_updates`, and `last` itself. A checkpoint
    that a signal caused between two multiples is left out, so that an interrupted run has the same
    average as an uninterrupted one.
    """
    complete = {*updates_with(run, MANIFEST)} & {*updates_with(run, WEIGHTS)}
    included = [
        update
        for update in sorted(complete)
        if update == last or (update < last and update % recipe.train.checkpoint_updates == 0)
    ]
    return included[-recipe.train.average_checkpoints :]


def remove_old_checkpoints(run: RunFolder, recipe: Recipe) -> None:
    """Keep the newest states with their weights, and the weights that an average may need."""
    complete = updates_with(run, MANIFEST)
    states = [update for update in updates_with(run, STATE) if update in complete][-KEPT_STATES:]
    kept = {*states, *averaged_updates(run, recipe, states[-1])}
    for suffix, wanted in ((STATE, {*states}), (MANIFEST, kept), (WEIGHTS, kept)):
        for update in updates_with(run, suffix):
            if update not in wanted:
                checkpoint_path(run, update, suffix).unlink()


def set_aside(run: RunFolder, update: int, reason: str) -> None:
    """Rename a damaged checkpoint's files to `*.damaged` and print a note with the reason."""
    for suffix in (MANIFEST, WEIGHTS, STATE):
        path = checkpoint_path(run, update, suffix)
        if path.is_file():
            path.replace(path.with_name(f"{path.name}.damaged"))
    note(f"{reason}; the files of update {update:,} are renamed to *.damaged")


def newest_checkpoint(run: RunFolder, fingerprint: str) -> int:
    """Return the update to resume from, 0 to start from the beginning.

    Damaged checkpoints newer than it are set aside. Raises NmtError if all checkpoints are damaged
    or the prepared corpus is not the one that the run started with.
    """
    complete = [
        update
        for update in updates_with(run, MANIFEST)
        if checkpoint_path(run, update, STATE).is_file()
    ]
    if not complete:
        # Files without a manifest are left from a process that was killed in a first checkpoint.
        if updates_with(run, MANIFEST):
            raise NmtError(
                f"{run.checkpoints} holds weights but no training state to resume from; name a new"
                " folder with --run, or remove them to start again"
            )
        return 0
    damaged: list[tuple[int, str]] = []
    for update in reversed(complete):
        try:
            verify(run, update)
        except NmtError as error:
            damaged.append((update, str(error)))
            continue
        if read_manifest(checkpoint_path(run, update, MANIFEST))["fingerprint"] != fingerprint:
            raise corpus_changed(run.path)
        for newer, reason in damaged:
            set_aside(run, newer, reason)
        return update
    reasons = "; ".join(reason for _, reason in damaged)
    raise NmtError(f"all checkpoints are damaged: {reasons}; train again with another --run")


def resume(
    run: RunFolder, update: int, network: Transformer, optimizer: torch.optim.Optimizer
) -> Progress:
    """Load the checkpoint of an update and return its progress; a new Progress for update 0.

    Raises NmtError if the checkpoint is of another version of this program.
    """
    if not update:
        return Progress()
    weights, state = (checkpoint_path(run, update, suffix) for suffix in (WEIGHTS, STATE))
    load_weights(network, read_model_file(weights).weights, weights)
    try:
        optimizer.load_state_dict(torch.load(state, map_location="cpu", weights_only=True))
        values = read_manifest(checkpoint_path(run, update, MANIFEST))["progress"]
        return Progress(**{**values, "window": Window(**values["window"])})
    except (
        Exception
    ) as error:  # PyTorch raises errors of many types for content that it cannot read
        raise NmtError(f"{state} is of another version of this program") from error
