"""One training from a recipe to a model, as `nmt train` does it and `nmt ablate` many times."""

from contextlib import ExitStack

import torch

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.recipe import parse_recipe, to_toml
from nmt.system.log import note
from nmt.system.threads import threads_for
from nmt.text.corpus import DataFolder
from nmt.text.prepare import open_prepared
from nmt.training.setup import begin, initial_model
from nmt.training.trainer import Outcome, Trainer
from nmt.training.validation import DevSet
from nmt.training.workers import Workers


def train(
    recipe: Recipe, data: DataFolder, run: RunFolder, device: torch.device, workers: Workers
) -> Outcome:
    """Prepare the corpus if needed; train from the start, or go on where it was stopped."""
    with ExitStack() as held:

        def first() -> str:
            held.enter_context(run.lock())
            return to_toml(begin(recipe, data, run, device, note))

        begun = parse_recipe(workers.first(first), recipe.name, str(run.recipe))
        prepared = open_prepared(begun, run.prepared_folder())
        share_out = workers.map if workers.count > 1 else threads_for(device).map
        dev = DevSet(begun, data, prepared.tokenizer, share_out)
        initial = initial_model(begun, run)
        return Trainer(begun, prepared, dev, run, device, workers, initial).train()
