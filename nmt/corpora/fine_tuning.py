"""Choose the training settings that adapt a trained model to a corpus, each with its reason."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Recipe
from nmt.corpora.presets import (
    CHECKPOINTS,
    PATIENCE,
    Choice,
    ChosenSettings,
    CorpusFacts,
    round_down,
)
from nmt.errors import UsageError
from nmt.recipe.files import ENDING, model_tables
from nmt.recipe.removed import used_removed, without_removed
from nmt.recipe.toml import recipe_from_tables

EPOCHS = 10  # at most; patience usually ends the training before
UPDATES = (280, 14_000)  # fewest and most
BATCH_TOKENS = (500, 4000)  # fewest and most of an update
UPDATES_PER_EPOCH = 50  # of a small corpus; its batches are smaller
WARMUP_SHARE = 0.1  # of the updates
# The highest learning rate is this number over d_model: 0.0001 for the paper's base. It is a
# seventh of the paper's, because a trained model should keep what it knows.
RATE_TIMES_WIDTH = 0.05


@dataclass(frozen=True)
class TrainedModel:
    """A model file that a training starts from."""

    path: Path  # as the user names it
    recipe: Recipe
    removed: tuple[str, ...] = ()  # removed settings that its training used

    def link(self, output: Path) -> str:
        """Return the name by which a recipe at `output` extends the model."""
        if self.path.is_absolute():
            return self.path.as_posix()
        return Path(os.path.relpath(self.path, output.parent)).as_posix()


def read_trained(path: Path) -> TrainedModel:
    """Return a model file with its recipe.

    Raises NmtError if it is not a model, UsageError if no recipe can extend it.
    """
    origin = f"the recipe inside {path}"
    tables = model_tables(path)
    recipe = recipe_from_tables(without_removed(tables), path.stem, origin)
    if path.suffix != ENDING:  # a recipe that is extended has another ending
        raise UsageError(f"the name of the model {path} must end in {ENDING}; rename the file")
    return TrainedModel(path, recipe, tuple(used_removed(tables)))


def fine_tuning_settings(facts: CorpusFacts, model: TrainedModel) -> ChosenSettings:
    """Return the settings of a training that starts from a model and ends within some epochs."""
    fewest, most = BATCH_TOKENS
    batch = round_down(min(most, max(fewest, facts.tokens / UPDATES_PER_EPOCH)))
    per_epoch = max(1.0, facts.tokens / batch)
    updates = min(UPDATES[1], max(UPDATES[0], EPOCHS * per_epoch))
    interval = round_down(updates / CHECKPOINTS)
    updates = interval * CHECKPOINTS
    warmup = round_down(WARMUP_SHARE * updates)
    width = model.recipe.model.d_model
    rate = RATE_TIMES_WIDTH / width
    scale = round(rate * math.sqrt(width * warmup), 4)
    place = "" if model.path.is_absolute() else "; relative to the folder where nmt is run"
    choices = (
        Choice("train.init_from", str(model.path), "weights and vocabulary to start from" + place),
        Choice("train.precision", "auto", "bf16 if it is faster on this device"),
        Choice("train.batch_source_tokens", batch, "tokens per update"),
        Choice("train.batch_target_tokens", batch),
        Choice(
            "train.max_updates",
            updates,
            f"at most; about {round(updates / per_epoch):,} epochs of this corpus",
        ),
        Choice(
            "train.patience", PATIENCE, f"stop after {PATIENCE} validations without a better score"
        ),
        *without_cooldown(model.recipe),
        Choice("train.warmup_updates", warmup),
        Choice(
            "train.learning_rate_scale",
            scale,
            f"maximum {rate:.6f}: small, so that the model keeps what it knows",
        ),
        Choice("train.checkpoint_updates", interval),
        *without_minutes(model.recipe),
        Choice("train.validate_updates", 2 * interval, "updates between two scores on the dev set"),
    )
    note = f"The recipe extends {model.path}: model, vocabulary and search are those of this model."
    notes = [note]
    if model.removed:
        names = " and ".join(model.removed)
        notes.append(
            f"The model was trained with {names}, which was removed and has no effect here."
        )
    return ChosenSettings(None, choices, tuple(notes))


def without_minutes(recipe: Recipe) -> list[Choice]:
    """Return the choice to save by updates, if the model's own recipe saves by minutes."""
    if not recipe.train.checkpoint_minutes:
        return []
    return [Choice("train.checkpoint_minutes", 0.0, "by updates, also in a short training")]


def without_cooldown(recipe: Recipe) -> list[Choice]:
    """Return the choice to have no cooldown, if the model's own recipe has one."""
    if not recipe.train.cooldown_updates:
        return []
    return [Choice("train.cooldown_updates", 0, "patience may end the training at any update")]
