"""One training from a recipe to a model, for `nmt train` and for each run of `nmt ablate`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import torch

from nmt.check.quick import lines_of, quick_look
from nmt.config import Recipe
from nmt.diagnosis.token_facts import token_facts
from nmt.runs.model_file import correct_languages
from nmt.runs.run_folder import RunFolder
from nmt.system.log import note
from nmt.system.reading import is_present
from nmt.system.threads import thread_pool_for
from nmt.text.corpus import DataFolder
from nmt.training.lost_files import finished_before, restore_results
from nmt.training.outcome import TrainingOutcome
from nmt.training.requirements import check_languages
from nmt.training.setup import resolve_for_device, set_up_workers
from nmt.training.trainer import Trainer
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
        finished = workers.on_first_worker(lambda: finished_outcome(recipe, run, device))
        if finished is not None:
            return TrainingOutcome(**finished)
        setup = set_up_workers(recipe, data, run, note, device, workers)
        if workers.is_first:
            prepared = setup.prepared
            facts = token_facts(prepared.shards, prepared.tokenizer, setup.dev_pairs)
            setup = replace(setup, facts=facts)
        pool = thread_pool_for(device) if workers.is_alone else workers
        dev = DevSet(setup.recipe, setup.dev_pairs, setup.prepared.tokenizer, pool)
        if workers.is_first and not run.is_started():
            for line in lines_of(quick_look(setup.prepared, [source for source, _ in dev.encoded])):
                note(line)
        with repeatable(device, wanted=setup.recipe.train.deterministic):
            trainer = Trainer(setup, dev, run, device, workers)
            if workers.is_first:
                restore_results(run, setup.recipe, trainer.progress, note)
            return trainer.train()


@contextmanager
def repeatable(device: torch.device, *, wanted: bool) -> Iterator[None]:
    """Let a GPU use only kernels that repeat their results bit for bit; a no-op on a CPU.

    An operation without such a kernel raises RuntimeError.
    """
    if not wanted or device.type != "cuda":
        yield
        return
    # cuBLAS reads this when it starts, with the first matrix product.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def finished_outcome(recipe: Recipe, run: RunFolder, device: torch.device) -> dict[str, Any] | None:
    """Return the outcome of a finished training whose checkpoints are gone; None for other runs.

    A corrected language pair is written. Errors are those of `finished_before`.
    """
    if run.is_resumable() or not is_present(run.model):
        return None
    recipe = resolve_for_device(recipe, run, device)
    check_languages(recipe, run)
    outcome = finished_before(recipe, run)
    if outcome is None:
        return None
    correct_languages(run, recipe, note)
    run.save_recipe(recipe)
    return asdict(outcome)
