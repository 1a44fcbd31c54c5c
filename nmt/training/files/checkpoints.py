"""Checkpoints of a run: write them, verify them, resume from them and remove old ones.

A checkpoint is three files in `checkpoints/`. `update-NNNNNNNN.safetensors` is a complete model
file. `.state.pt` is the optimiser's state, read with `weights_only=True`, so that loading executes
nothing. `.json`, written last, is the manifest that makes the checkpoint valid: the progress, the
corpus's fingerprint and the SHA-256 of the other two files. On a
GPU, a thread writes them from a copy while the training continues.

Random states need not be stored: dropout is seeded by (seed, update), the order of the data by
(seed, epoch) and BPE-dropout by (seed, epoch, pair).
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Annotated, Any, cast

import torch
from msgspec import Meta
from torch import Tensor

from nmt.config import Recipe, TrainSettings
from nmt.errors import DamagedError, NmtError, is_out_of_memory, write_advice
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.runs.model_file import ModelFile, opens, save_model
from nmt.runs.run_folder import MANIFEST, STATE, WEIGHTS, RunFolder
from nmt.runs.trained_model import load_file, to_arrays
from nmt.system.arguments import argument
from nmt.system.atomic import atomic_path, write_text
from nmt.system.files import HashedStream, compute_sha256, identity, is_present, read_bytes
from nmt.system.json_data import convert, json_text, parse_object
from nmt.system.log import note
from nmt.text.manifest import corpus_changed
from nmt.training.files.progress import KEPT_STATES, Progress

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


@dataclass(frozen=True)
class CheckpointManifest:
    """The content of a checkpoint, from which a training continues exactly."""

    progress: Progress
    fingerprint: str  # of the prepared corpus
    sha256: dict[str, Sha256]  # of the weights and of the state, by suffix


class CheckpointWriter:
    """Writes the checkpoints of a run, one at a time.

    Use it as a context manager: leaving it waits until the last one is written.
    """

    def __init__(self, run: RunFolder, *, in_background: bool) -> None:
        """Prepare to write into the folder that is at the run's path now.

        in_background: return from `save` when the state is copied, not when it is written, except
            for the first checkpoint.
        """
        self._run = run
        self._folder = identity(run.path)
        self._in_background = in_background
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> "CheckpointWriter":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            self.wait()
        else:  # its own error would hide the first one
            self.finish()

    def check_folder(self, update: int) -> None:
        """Raise NmtError if the run's folder is not where it was: files would go elsewhere.

        update: the current one, which the message names.
        """
        if identity(self._run.path) != self._folder:
            raise NmtError(
                f"{self._run.path} was moved or removed during the training, which stopped at"
                f" update {update:,} and could not save it; put the folder back, then the same"
                " command resumes from the last checkpoint"
            )

    def save(
        self,
        network: EncoderDecoder,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        fingerprint: str,
        model: ModelFile,
    ) -> None:
        """Write a checkpoint as `save_checkpoint` does, after the one before it is written.

        model: the content of the model file, without the weights.

        The first one of a run is written before this returns. So if a run is killed before it has a
        checkpoint, a new start repeats all that it has computed.

        Raises NmtError if this checkpoint or the one before it cannot be written. In the
        background, `check`, `wait` or the next `save` raises the error of this one.
        """
        self.wait()
        is_waited_for = not (self._in_background and self._run.is_resumable())
        weights, state = network.state_dict(), optimizer.state_dict()
        if self._in_background:
            weights, state, progress = copied(weights), copied(state), deepcopy(progress)

        def write() -> None:
            try:
                self.check_folder(progress.update)
                content = replace(model, weights=to_arrays(weights))
                save_checkpoint(self._run, content, state, progress, fingerprint)
            except BaseException as error:
                self._error = error

        if self._in_background:
            self._thread = threading.Thread(target=write, name="checkpoint")
            self._thread.start()
        else:
            write()
        if is_waited_for:
            self.wait()

    def check(self) -> None:
        """Raise the NmtError of a checkpoint that could not be written, without waiting."""
        if self._error is not None:
            self.wait()

    def finish(self) -> None:
        """Wait until everything is written, from any thread."""
        thread = self._thread
        if thread is not None and thread.ident is not None:  # it may have failed to start
            thread.join()

    def wait(self) -> None:
        """Wait until everything is written; raises NmtError if it cannot be."""
        self.finish()
        self._thread = None
        if self._error is not None:
            try:
                raise self._error  # a variable would keep its traceback, and so the weights, alive
            finally:
                self._error = None


def copied(value: Any) -> Any:
    """Return a copy of nested dicts and lists with their tensors copied to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value


def save_checkpoint(
    run: RunFolder,
    model: ModelFile,
    optimizer: Mapping[str, Any],
    progress: Progress,
    fingerprint: str,
) -> None:
    """Write weights and optimiser state, then the manifest, then remove old checkpoints.

    optimizer: its state. If the update has a checkpoint already, only its manifest is written
    again, with the current progress. Raises NmtError if a file cannot be written.
    """
    update = progress.update
    weights, state, manifest = (
        run.checkpoint(update, suffix) for suffix in (WEIGHTS, STATE, MANIFEST)
    )
    digests = {}
    if all(map(is_present, (weights, state, manifest))):
        with suppress(DamagedError):  # all three are written again
            digests = read_manifest(manifest, update).sha256
    try:
        if not digests:
            digests = {WEIGHTS: save_model(weights, model), STATE: save_state(state, optimizer)}
        write_manifest(manifest, CheckpointManifest(progress, fingerprint, digests))
    except NmtError as error:
        if not manifest.is_file():  # without a manifest the files would only fill the disk
            for path in (weights, state):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        intact = "earlier checkpoints are intact: " if run.updates_with(MANIFEST) else ""
        advice = write_advice(error.__cause__)
        raise NmtError(f"{error}; {intact}{advice}, then the same command resumes") from error
    remove_old_checkpoints(run, model.recipe)


def save_state(path: Path, optimizer: Mapping[str, Any]) -> str:
    """Write an optimiser's state and return the file's SHA-256.

    Raises NmtError if the file cannot be written.
    """
    digest = hashlib.sha256()
    with atomic_path(path) as partial:
        try:
            with partial.open("wb") as stream:
                torch.save(optimizer, cast(IO[bytes], HashedStream(stream, digest)))
        except RuntimeError as error:  # PyTorch's error hides the reason, such as a full disk
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
    return digest.hexdigest()


def write_manifest(path: Path, manifest: CheckpointManifest) -> None:
    """Write a manifest with its checksum; raises NmtError if that fails."""
    content = parse_object(json_text(asdict(manifest)), str(path))
    signed = {**content, "checksum": checksum(content)}
    write_text(path, json_text(signed, indent=1) + "\n")


def read_manifest(path: Path, update: int) -> CheckpointManifest:
    """Return the manifest of an update's checkpoint.

    Raises DamagedError if its content is not what was written, NmtError if it cannot be read or is
    of another version of this program.
    """
    content = parse_object(read_bytes(path, "the manifest"), str(path))
    if content.pop("checksum", None) != checksum(content):
        raise DamagedError(f"{path} is damaged: its checksum is wrong")
    try:
        manifest = convert(content, CheckpointManifest, str(path))
    except DamagedError as error:  # it is not damaged: its checksum is right
        raise NmtError(f"{error}; another version of nmt may have written it") from error
    if not {WEIGHTS, STATE} <= manifest.sha256.keys():
        raise DamagedError(f"{path} is damaged: it has no SHA-256 of the weights or of the state")
    if not manifest.progress.is_possible(update):
        raise DamagedError(f"{path} is damaged: its progress is not that of update {update:,}")
    return manifest


def checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def verify(
    run: RunFolder, update: int, suffixes: tuple[str, ...] = (WEIGHTS, STATE)
) -> CheckpointManifest:
    """Return the manifest of an update's checkpoint, after its files were compared with it.

    Raises DamagedError, which names the file, if one is missing or not what was written; NmtError
    if one cannot be read.
    """
    paths = {suffix: run.checkpoint(update, suffix) for suffix in (MANIFEST, *suffixes)}
    for path in paths.values():
        if not is_present(path):
            raise DamagedError(f"the checkpoint of update {update:,} is incomplete: no {path}")
    manifest = read_manifest(paths.pop(MANIFEST), update)
    for suffix, path in paths.items():
        if compute_sha256(path) != manifest.sha256[suffix]:
            raise DamagedError(f"{path} is damaged: its SHA-256 is wrong")
    return manifest


def averaged_updates(run: RunFolder, recipe: Recipe, last: int) -> list[int]:
    """Return the updates whose checkpoints the average includes, up to the update `last`.

    These are the newest checkpoints that were due, and `last` itself. A checkpoint that a signal
    caused between two of them is left out, so that an interrupted run has the same average as an
    uninterrupted one. With `train.moving_average`, only `last` counts: its state has the average.
    """
    included = [
        update
        for update in run.updates_with(WEIGHTS, MANIFEST)
        if update == last or (update < last and was_due(run, recipe.train, update))
    ]
    return included[-recipe.train.averaged :]


def was_due(run: RunFolder, settings: TrainSettings, update: int) -> bool:
    """Return whether the checkpoint of an update was due; if by time, its manifest says so."""
    progress = Progress(update)
    if settings.checkpoint_minutes:
        try:
            progress = read_manifest(run.checkpoint(update, MANIFEST), update).progress
        except DamagedError:
            return True  # whoever averages it verifies it first
    return progress.is_checkpoint_due(settings)


def remove_old_checkpoints(run: RunFolder, recipe: Recipe) -> None:
    """Keep the newest states with their weights, and the weights that an average may need."""
    complete = run.updates_with(MANIFEST)
    states = [update for update in run.updates_with(STATE) if update in complete][-KEPT_STATES:]
    kept = {*states, *averaged_updates(run, recipe, states[-1])}
    for suffix, wanted in ((STATE, {*states}), (MANIFEST, kept), (WEIGHTS, kept)):
        for update in run.updates_with(suffix):
            if update not in wanted:
                run.checkpoint(update, suffix).unlink()


def set_aside(run: RunFolder, update: int, reason: str) -> None:
    """Rename a damaged checkpoint's files to `*.damaged` and print a note with the reason."""
    for suffix in (MANIFEST, WEIGHTS, STATE):
        path = run.checkpoint(update, suffix)
        if path.is_file():
            path.replace(path.with_name(f"{path.name}.damaged"))
    note(f"{reason}; the files of update {update:,} are renamed to *.damaged")


def newest_checkpoint(run: RunFolder, fingerprint: str) -> int:
    """Return the update to resume from, 0 to start from the beginning.

    Damaged checkpoints newer than it are set aside. Raises NmtError if all checkpoints are damaged,
    if one cannot be read, or if the prepared corpus is not the one that the run started with.
    """
    complete = run.updates_with(STATE, MANIFEST)
    if not complete:
        # Files without a manifest are left from a process that was killed in a first checkpoint.
        if run.updates_with(MANIFEST):
            raise NmtError(
                f"{run.checkpoints} holds weights but no training state to resume from; name a new"
                " folder with --run, or remove them to start again"
            )
        return 0
    damaged: list[tuple[int, str]] = []
    for update in reversed(complete):
        try:
            manifest = verify(run, update)
        except DamagedError as error:
            damaged.append((update, str(error)))
            continue
        if manifest.fingerprint != fingerprint:
            raise corpus_changed(run.path)
        for newer, reason in damaged:
            set_aside(run, newer, reason)
        return update
    reasons = "; ".join(reason for _, reason in damaged)
    model = next(filter(opens, (run.model, run.best)), None)
    start = f" --init-from {argument(model)}" if model else ""
    command = f"nmt train {argument(run.recipe)}{start} --run NEW"
    raise NmtError(f"all checkpoints are damaged: {reasons}; train again: `{command}`")


def resume(
    run: RunFolder, update: int, network: EncoderDecoder, optimizer: torch.optim.Optimizer
) -> Progress:
    """Load the checkpoint of an update and return its progress; a new Progress for update 0.

    Raises NmtError if the checkpoint is of another version of this program.
    """
    if not update:
        return Progress()
    weights, state = (run.checkpoint(update, suffix) for suffix in (WEIGHTS, STATE))
    load_file(network, weights)
    try:
        optimizer.load_state_dict(torch.load(state, map_location="cpu", weights_only=True))
    except Exception as error:  # PyTorch has errors of many types for content that it cannot read
        if is_out_of_memory(error):
            raise
        raise NmtError(f"{state} is of another version of this program") from error
    return read_manifest(run.checkpoint(update, MANIFEST), update).progress
