"""Resume on many workers: the first one reads the checkpoint and sends it to the others."""

from dataclasses import asdict
from typing import Any

import msgspec
import torch
from torch import Tensor

from nmt.model.transformer import Transformer
from nmt.runs.run_folder import RunFolder
from nmt.training.checkpoints import resume
from nmt.training.progress import Progress
from nmt.training.workers import Workers


def resume_workers(
    run: RunFolder,
    update: int,
    network: Transformer,
    optimizer: torch.optim.Optimizer,
    workers: Workers,
) -> Progress:
    """Load the checkpoint of an update on every worker and return its progress.

    Arguments and errors are those of `resume`.
    """
    if workers.is_alone or not update:
        return resume(run, update, network, optimizer)
    progress = workers.on_first_worker(lambda: asdict(resume(run, update, network, optimizer)))
    outline = workers.from_first(outline_of(optimizer.state_dict()))
    if not workers.is_first:
        optimizer.load_state_dict(allocated(outline))
    workers.broadcast(network.state_dict().values())
    for state in optimizer.state_dict()["state"].values():
        workers.broadcast(state.values())
    return msgspec.convert(progress, Progress)


def outline_of(content: Any) -> Any:
    """Return a nested content with meta tensors, which have a shape and no values, as tensors."""
    if isinstance(content, dict):
        return {key: outline_of(value) for key, value in content.items()}
    return content.to("meta") if isinstance(content, Tensor) else content


def allocated(outline: Any) -> Any:
    """Return an outline's content with tensors of any values."""
    if isinstance(outline, dict):
        return {key: allocated(value) for key, value in outline.items()}
    return torch.empty_like(outline, device="cpu") if isinstance(outline, Tensor) else outline
