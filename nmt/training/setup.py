"""What is settled when a run begins: its precision, its text, and the model it begins with."""

from dataclasses import fields, replace
from pathlib import Path

import torch

from nmt.artifacts.model_file import ModelFile, read_model
from nmt.artifacts.run_folder import RunFolder
from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError
from nmt.recipe import recipe_differences, toml_value
from nmt.text.corpus import DataFolder
from nmt.text.prepare import Report, prepare
from nmt.text.tokenizer import load_tokenizer

# The settings that a model's weights depend on.
WEIGHT_SETTINGS = tuple(
    f"model.{each.name}"
    for each in fields(ModelSettings)
    if each.name not in ("dropout", "attention_dropout")
)


def resolve_precision(recipe: Recipe, run: RunFolder, device: torch.device) -> Recipe:
    """The recipe with "auto" replaced: by what the run began with, else by what the device has."""
    if recipe.train.precision != "auto":
        return recipe
    if run.is_begun() and run.recipe.is_file():
        precision = run.load_recipe().train.precision
    else:
        precision = "bf16" if has_bf16(device) else "float32"
    return replace(recipe, train=replace(recipe.train, precision=precision))


def has_bf16(device: torch.device) -> bool:
    """Whether the device has units for bf16 products, which are then faster than float32's."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # torch offers no public question for this; where these are missing, float32 is safe.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return False


def initial_model(recipe: Recipe, run: RunFolder) -> ModelFile | None:
    """The model that `train.init_from` names; none if the recipe doesn't, or the run is begun.

    Raises NmtError unless its architecture and vocabulary are the recipe's.
    """
    if not recipe.train.init_from or run.is_begun():
        return None
    path = Path(recipe.train.init_from)
    if not path.exists():
        raise NmtError(
            f"{path}, the model to begin with, does not exist; train it first, or name another with"
            " --init-from"
        )
    content = read_model(path)
    differing = {
        f"{each.name}={each.old}": f"{each.name}={each.new}"
        for each in recipe_differences(content.recipe, recipe, WEIGHT_SETTINGS)
    }
    pieces = len(content.weights["embedding"])
    kind, size = recipe.tokenizer.kind, recipe.tokenizer.vocab_size
    if content.recipe.tokenizer.kind != kind:
        differing[f"tokenizer.kind={content.recipe.tokenizer.kind}"] = f"tokenizer.kind={kind}"
    elif content.recipe.tokenizer.joint != recipe.tokenizer.joint:
        differing[f"tokenizer.joint={toml_value(content.recipe.tokenizer.joint)}"] = (
            f"tokenizer.joint={toml_value(recipe.tokenizer.joint)}"
        )
    elif pieces > size or (kind == "bpe" and pieces < size):
        differing[f"tokenizer.vocab_size={pieces}"] = f"tokenizer.vocab_size={size}"
    if differing:
        raise NmtError(
            f"{path} does not fit the recipe: it has {', '.join(differing)}, the recipe"
            f" {', '.join(differing.values())}; change the recipe, its tokenizer is kept"
        )
    return content


def given_tokenizer(recipe: Recipe, run: RunFolder, initial: ModelFile | None) -> bytes | None:
    """The tokenizer of the model that the run begins, or began, with; none if it learns its own."""
    if initial is not None:
        return initial.tokenizer
    return load_tokenizer(run.tokenizer).model if recipe.train.init_from else None


def begin(
    recipe: Recipe, data: DataFolder, run: RunFolder, device: torch.device, report: Report
) -> Recipe:
    """Write the recipe down and prepare the corpus; the recipe as it will be trained.

    The folder is to be locked. Raises NmtError where the run was begun with other settings, or for
    a corpus or an initial model that does not serve.
    """
    begun = resolve_precision(recipe, run, device)
    run.settle_recipe(begun)
    initial = initial_model(begun, run)
    prepare(begun, data, run.prepared_folder(), report, given_tokenizer(begun, run, initial))
    return begun
