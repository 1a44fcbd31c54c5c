"""One training from a recipe to a model, for `nmt train` and for each run of `nmt ablate`."""

from contextlib import nullcontext

import torch

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.system.log import note
from nmt.system.threads import thread_pool_for
from nmt.text.corpus import DataFolder
from nmt.training.setup import set_up_workers
from nmt.training.trainer import Trainer, TrainingOutcome
from nmt.training.validation import DevSet
from nmt.training.workers import Workers


def train(
    recipe: Recipe, data: DataFolder, run: RunFolder, device: torch.device, workers: Workers
) -> TrainingOutcome:
    """Train a recipe in a run folder, from the start or from the newest checkpoint.

    The corpus is prepared if needed. Every worker calls this function. Raises NmtError for a
    corpus, a run folder or an initial model that cannot be used, DivergenceError if the loss stays
    NaN or infinite.
    """
    with run.lock() if workers.is_first else nullcontext():
        setup = set_up_workers(recipe, data, run, note, device, workers)
        pool = workers if workers.count > 1 else thread_pool_for(device)
        dev = DevSet(setup.recipe, setup.dev_pairs, setup.prepared.tokenizer, pool)
        return Trainer(setup, dev, run, device, workers).train()
