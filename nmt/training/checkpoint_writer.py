"""Write checkpoints; in a thread, from a copy, where a GPU can train on meanwhile."""

import threading
from collections.abc import Callable
from copy import deepcopy
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from nmt.config import Recipe
from nmt.model.transformer import Transformer
from nmt.runs.run_folder import RunFolder
from nmt.training.checkpoints import save_checkpoint
from nmt.training.progress import Progress


class CheckpointWriter:
    """Writes the checkpoints of a run, one at a time.

    Use it as a context manager: leaving it waits until the last one is written.
    """

    def __init__(self, before: Callable[[], None], *, in_background: bool) -> None:
        """Prepare to write.

        before: called directly before a checkpoint is written; what it raises prevents that.
        in_background: return from `save` when the state is copied, not when it is written, except
            for the first checkpoint.
        """
        self._before = before
        self._in_background = in_background
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> "CheckpointWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.wait()
        else:  # its own error would hide the first one
            self.finish()

    def save(
        self,
        run: RunFolder,
        network: Transformer,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        tokenizer: bytes,
        recipe: Recipe,
        fingerprint: str,
    ) -> None:
        """Write a checkpoint as `save_checkpoint` does, after the one before it is written.

        The first one of a run is written before this returns. So a run without a checkpoint, which
        was killed, has computed nothing that a new start would not repeat.

        Raises NmtError if one of the two cannot be written; in the background, that of this one is
        raised later: by `check`, `wait` or the next `save`.
        """
        self.wait()
        is_first = self._in_background and not run.is_resumable()
        weights, state = network.state_dict(), optimizer.state_dict()
        if self._in_background:
            weights, state, progress = copied(weights), copied(state), deepcopy(progress)

        def write() -> None:
            self._before()
            save_checkpoint(run, weights, state, progress, tokenizer, recipe, fingerprint)

        if self._in_background:
            self._start(write)
            if is_first:
                self.wait()
        else:
            write()

    def check(self) -> None:
        """Raise the NmtError of a checkpoint that could not be written, without waiting."""
        if self._error is not None:
            self.wait()

    def finish(self) -> None:
        """Wait until everything is written, from any thread."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def wait(self) -> None:
        """Wait until everything is written; raises NmtError if it cannot be."""
        self.finish()
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _start(self, action: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                action()
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=guarded, name="checkpoint")
        self._thread.start()


def copied(value: Any) -> Any:
    """Return a copy of nested dicts and lists with their tensors copied to the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    return value
