"""Read the model that a training starts from, `train.init_from`, and check that it fits."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError
from nmt.recipe import recipe_differences, toml_value
from nmt.runs.run_folder import RunFolder
from nmt.system.files import is_present

if TYPE_CHECKING:  # `nmt prepare` needs none
    from nmt.runs.model_file import ModelFile

# What a model's weights depend on.
WEIGHT_SETTINGS = tuple(
    f"model.{each.name}"
    for each in fields(ModelSettings)
    if each.name not in ("dropout", "attention_dropout")
)


def initial_model(recipe: Recipe, run: RunFolder) -> "ModelFile | None":
    """Return the model that `train.init_from` names; None if it is unset or the run has started.

    Raises NmtError if the model does not exist, or its architecture or vocabulary is not the
    recipe's.
    """
    if not recipe.train.init_from or run.is_started():
        return None
    from nmt.runs.model_file import read_model

    path = Path(recipe.train.init_from)
    if not is_present(path):
        raise NmtError(
            f"{path}, the initial model, does not exist; train it first, or name another with"
            " --init-from"
        )
    content = read_model(path)
    differing = model_differences(content, recipe)
    if differing:
        raise NmtError(
            f"{path} does not fit the recipe: it has {', '.join(differing)}, the recipe"
            f" {', '.join(differing.values())}; give the recipe the settings of the"
            " model, whose tokenizer the training uses"
        )
    return content


def model_differences(content: "ModelFile", recipe: Recipe) -> dict[str, str]:
    """Return the settings that keep a model from being the recipe's initial model.

    Keys are the model's settings as text, such as "model.d_ff=32"; values are the recipe's.
    """
    differing = {
        f"{each.name}={each.old}": f"{each.name}={each.new}"
        for each in recipe_differences(content.recipe, recipe, WEIGHT_SETTINGS)
    }
    vocab_size = len(content.weights["embeddings.weight"])
    there, wanted = content.recipe.tokenizer, recipe.tokenizer
    if there.kind != wanted.kind:
        differing[f"tokenizer.kind={there.kind}"] = f"tokenizer.kind={wanted.kind}"
    elif there.joint != wanted.joint:
        differing[f"tokenizer.joint={toml_value(there.joint)}"] = (
            f"tokenizer.joint={toml_value(wanted.joint)}"
        )
    elif vocab_size > wanted.vocab_size or (
        wanted.kind in ("bpe", "imported") and vocab_size < wanted.vocab_size
    ):
        differing[f"tokenizer.vocab_size={vocab_size}"] = (
            f"tokenizer.vocab_size={wanted.vocab_size}"
        )
    elif there.byte_fallback != wanted.byte_fallback and wanted.kind != "imported":
        differing[f"tokenizer.byte_fallback={toml_value(there.byte_fallback)}"] = (
            f"tokenizer.byte_fallback={toml_value(wanted.byte_fallback)}"
        )
    return differing
