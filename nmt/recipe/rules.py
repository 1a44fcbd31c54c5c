"""Rules for recipes: each setting is within its range, and settings work together."""

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.recipe.settings import DECLARED, checked_value, get_setting


def check_recipe(recipe: Recipe) -> None:
    """Check a recipe that was built in Python as strictly as one that is read from a file.

    Raises UsageError for a value of the wrong type or out of range, NmtError for settings that
    contradict each other.
    """
    for name in DECLARED:
        checked_value(name, get_setting(recipe, name))
    check_together(recipe)


def check_together(recipe: Recipe) -> None:
    """Raise NmtError if settings contradict each other; the message says which to change."""
    check_positions(recipe)
    if recipe.model.positions == "rotary" and recipe.model.d_k % 2:
        raise NmtError(
            f"recipe {recipe.name}: model.positions=rotary rotates pairs of numbers, but"
            f" model.d_k={recipe.model.d_k} is odd; set an even model.d_k"
        )
    if not recipe.tokenizer.joint and recipe.model.tied == "all":
        raise NmtError(
            f"recipe {recipe.name}: tokenizer.joint=false makes two vocabularies, which cannot"
            " share one matrix; set model.tied to target or none"
        )
    metric, stopping = recipe.data.metric, recipe.train.early_stopping_metric
    if stopping not in (metric, "loss"):
        raise NmtError(
            f"recipe {recipe.name}: train.early_stopping_metric is {stopping} but data.metric is"
            f" {metric}; set train.early_stopping_metric to {metric} or loss"
        )
    if recipe.train.bpe_dropout and recipe.tokenizer.kind != "bpe":
        raise NmtError(
            f"recipe {recipe.name}: train.bpe_dropout needs tokenizer.kind=bpe, because"
            f" tokenizer.kind={recipe.tokenizer.kind} has no merges; set train.bpe_dropout to 0"
        )


def check_positions(recipe: Recipe) -> None:
    """Raise NmtError if training segments can be longer than the learned positions."""
    model = recipe.model
    if model.positions != "learned":
        return
    if recipe.data.max_length >= model.max_positions:
        raise NmtError(
            f"recipe {recipe.name}: a segment of data.max_length={recipe.data.max_length} tokens"
            " and its end token do not fit the learned"
            f" model.max_positions={model.max_positions}; lower data.max_length or raise"
            " model.max_positions"
        )
    if recipe.train.bpe_dropout:
        raise NmtError(
            f"recipe {recipe.name}: train.bpe_dropout can cut a segment into more tokens than"
            " model.positions=learned has positions; set train.bpe_dropout to 0 or choose other"
            " model.positions"
        )
