"""Set up a training: resolve its precision, prepare its text and read its initial model."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.artifacts.run_folder import RunFolder
from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError
from nmt.recipe import parse_recipe, recipe_differences, to_toml, toml_value
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder
from nmt.text.prepare import Prepared, open_prepared, prepare, read_dev_pairs
from nmt.text.tokenizer import load_tokenizer

if TYPE_CHECKING:  # `nmt prepare` needs neither
    import torch

    from nmt.artifacts.model_file import ModelFile
    from nmt.training.workers import Workers


# The settings that a model's weights depend on.
WEIGHT_SETTINGS = tuple(
    f"model.{each.name}"
    for each in fields(ModelSettings)
    if each.name not in ("dropout", "attention_dropout")
)


@dataclass(frozen=True)
class Setup:
    """Everything that a training starts from."""

    recipe: Recipe  # with "auto" precision resolved
    prepared: Prepared  # the tokenizer and the encoded training corpus
    dev_pairs: tuple[tuple[str, str], ...]  # source and target segments
    initial: "ModelFile | None"  # the model of train.init_from; None if random or resumed


def set_up(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    notify: Notify,
    device: "torch.device | None" = None,
) -> Setup:
    """Write the recipe into the run folder, prepare the corpus and return the setup.

    The run folder must be locked. device: where the model will train; None leaves a precision of
    "auto" for later. Raises NmtError if the run has started with other settings, or if the corpus
    or the initial model cannot be used.
    """
    recipe = resolve_precision(recipe, run, device)
    run.save_recipe(recipe)
    initial = initial_model(recipe, run)
    dev_pairs = tuple(read_dev_pairs(recipe, data))  # first, to find its errors early
    tokenizer = given_tokenizer(recipe, run, initial)
    prepared = prepare(recipe, data, run.prepared_folder(), notify, tokenizer)
    return Setup(recipe, prepared, dev_pairs, initial)


def open_setup(recipe: Recipe, data: DataFolder, run: RunFolder) -> Setup:
    """Return the setup that another worker has written into the run folder.

    recipe: that of the other worker's setup.
    """
    prepared = open_prepared(recipe, run.prepared_folder())
    return Setup(recipe, prepared, tuple(read_dev_pairs(recipe, data)), initial_model(recipe, run))


def set_up_workers(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    notify: Notify,
    device: "torch.device",
    workers: "Workers",
) -> Setup:
    """Set up on the first worker, open its result on the others, and return the setup.

    Arguments and errors are those of `set_up`.
    """
    own: Setup | None = None

    def set_up_first() -> str:
        nonlocal own
        own = set_up(recipe, data, run, notify, device)
        return to_toml(own.recipe) if workers.count > 1 else ""

    shared = workers.on_first_worker(set_up_first)
    if own is None:
        own = open_setup(parse_recipe(shared, recipe.name, "the first worker's recipe"), data, run)
    return own


def resolve_precision(recipe: Recipe, run: RunFolder, device: "torch.device | None") -> Recipe:
    """Return the recipe with a precision of "auto" replaced.

    A started run keeps its precision. Otherwise it is bf16 on a device that multiplies bf16 fast,
    else float32; without a device it stays "auto".
    """
    if recipe.train.precision != "auto":
        return recipe
    if run.is_started() and run.recipe.is_file():
        precision = run.load_recipe().train.precision
    elif device is not None:
        precision = "bf16" if has_bf16(device) else "float32"
    else:
        return recipe
    return replace(recipe, train=replace(recipe.train, precision=precision))


def has_bf16(device: "torch.device") -> bool:
    """Return True if the device has hardware for bf16 products, which are then the fastest."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # PyTorch has no public function for this; where these are missing, float32 is safe.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return False


def initial_model(recipe: Recipe, run: RunFolder) -> "ModelFile | None":
    """Return the model that `train.init_from` names; None if it is unset or the run has started.

    Raises NmtError if the model does not exist, or its architecture or vocabulary is not the
    recipe's.
    """
    if not recipe.train.init_from or run.is_started():
        return None
    from nmt.artifacts.model_file import read_model

    path = Path(recipe.train.init_from)
    if not path.exists():
        raise NmtError(
            f"{path}, the initial model, does not exist; train it first, or name another with"
            " --init-from"
        )
    content = read_model(path)
    differing = model_differences(content, recipe)
    if differing:
        raise NmtError(
            f"{path} does not fit the recipe: it has {', '.join(differing)}, the recipe"
            f" {', '.join(differing.values())}; change the recipe, its tokenizer is kept"
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
        wanted.kind == "bpe" and vocab_size < wanted.vocab_size
    ):
        differing[f"tokenizer.vocab_size={vocab_size}"] = (
            f"tokenizer.vocab_size={wanted.vocab_size}"
        )
    return differing


def given_tokenizer(recipe: Recipe, run: RunFolder, initial: "ModelFile | None") -> bytes | None:
    """Return the tokenizer of the model that the run starts or started from.

    None if the run learns its own tokenizer.
    """
    if initial is not None:
        return initial.tokenizer
    return load_tokenizer(run.tokenizer).model if recipe.train.init_from else None
