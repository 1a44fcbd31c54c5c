"""Set up a training: resolve its settings, check what it needs, prepare its text, read its model.

PyTorch is imported only if there is a device: `nmt prepare` does not need it.
"""

import os
import shutil
from dataclasses import asdict, dataclass, fields, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.config import ModelSettings, Recipe
from nmt.errors import NmtError, shown
from nmt.recipe.files import parse_recipe
from nmt.recipe.settings import recipe_differences
from nmt.recipe.size import FLOAT_BYTES, count_moments, least_parameters, least_vocabulary
from nmt.recipe.toml import format_value, to_toml
from nmt.runs.model_file import (
    ModelFile,
    correct_languages,
    find_model,
    languages,
    read_model,
)
from nmt.runs.run_folder import RunFolder
from nmt.system.arguments import argument
from nmt.system.devices import has_bf16
from nmt.system.files import existing_folder, is_present
from nmt.system.log import Notify, note
from nmt.text.prepare import Prepared, open_prepared, prepare, read_dev_pairs
from nmt.text.reading.corpus import DataFolder, DevPairs
from nmt.text.reading.languages import bleu_tokenizer, is_language, primary, same_codes
from nmt.text.subwords.learning import check_learnable
from nmt.text.subwords.tokenizer import load_tokenizer
from nmt.training.files.lost_files import finished_before, restore_tokenizer
from nmt.training.files.progress import KEPT_STATES, TrainingOutcome

if TYPE_CHECKING:  # `nmt prepare` needs none
    import torch

    from nmt.training.parallel.workers import Workers

# What a model's weights depend on, besides its vocabulary.
WEIGHT_SETTINGS = tuple(
    f"model.{field.name}"
    for field in fields(ModelSettings)
    if field.name not in ("dropout", "attention_dropout")
)
LARGE = 40_000_000  # parameters; the paper's base model has 65 million (table 3)


@dataclass(frozen=True)
class Resolved:
    """A recipe as a run trains it."""

    recipe: Recipe  # with the device's precision, and no fewer updates than the run has taken
    finished: TrainingOutcome | None  # of a finished training whose checkpoints are gone


@dataclass(frozen=True)
class Setup:
    """Everything that a training starts from."""

    recipe: Recipe  # as `resolve` returned it
    prepared: Prepared  # the tokenizer and the encoded training corpus
    dev_pairs: DevPairs
    initial: "ModelFile | None" = None  # the model of train.init_from; None if random or resumed


def set_up_workers(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    device: "torch.device",
    workers: "Workers",
) -> Setup | TrainingOutcome:
    """Set up on the first worker, open its result on the others, and return the setup.

    Returns the outcome instead if the training is finished and its checkpoints are gone; only a
    corrected language pair is then written. Errors are those of `resolve` and `set_up`.
    """
    own: Setup | None = None

    def set_up_first() -> dict[str, Any]:
        nonlocal own
        resolved = resolve(recipe, run, device)
        if resolved.finished is not None:
            correct_languages(run, resolved.recipe, note)
            run.save_recipe(resolved.recipe)
            return asdict(resolved.finished)
        own = set_up(resolved.recipe, data, run, note, device)
        return {"recipe": to_toml(own.recipe)}

    shared = workers.on_first_worker(set_up_first)
    if own is not None:
        return own
    if "recipe" not in shared:
        return TrainingOutcome(**shared)
    recipe = parse_recipe(shared["recipe"], recipe.name, "the first worker's recipe")
    prepared = open_prepared(recipe, run.prepared_folder())
    initial = initial_model(recipe, run)
    return Setup(recipe, prepared, read_dev_pairs(recipe, data), initial)


def resolve(recipe: Recipe, run: RunFolder, device: "torch.device | None" = None) -> Resolved:
    """Return a recipe as a run trains it; write nothing.

    device: where the model will train; None leaves a precision of "auto" for later. Raises NmtError
    if the run has started with other settings or languages, if the device lacks the precision, or
    if a training would replace what the run holds.
    """
    recipe = resolve_for_device(recipe, run, device)
    most = max(recipe.train.max_updates, run.reached_update())
    recipe = replace(recipe, train=replace(recipe.train, max_updates=most))
    if run.is_resumable() or not is_present(run.model):  # other runs are finished, or refused
        run.check_recipe(recipe)
    check_languages(recipe, run)
    return Resolved(recipe, finished_before(recipe, run))


def set_up(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    notify: Notify,
    device: "torch.device | None" = None,
) -> Setup:
    """Prepare the corpus of a resolved recipe, and return the setup.

    A new run's folder receives the recipe. For a run that has started, call `record` afterwards; a
    training does when it has read its checkpoint. The run folder must be locked.
    device: as in `resolve`. Raises NmtError if the corpus or the initial model cannot be used.
    """
    initial, dev_pairs = check_inputs(recipe, data, run, device)
    if device is not None:
        note_large_model(recipe, run, device, notify)
    # A stop keeps what a new run begins with. A training that is refused leaves another as it was.
    if not run.is_in_use():
        record(recipe, data, run, notify)
    restore_tokenizer(run, notify)
    tokenizer = None if initial is None else initial.tokenizer
    if initial is None and recipe.train.init_from:  # the run has started from that model
        tokenizer = load_tokenizer(run.tokenizer).model
    prepared = prepare(recipe, data, run.prepared_folder(), notify, tokenizer)
    return Setup(recipe, prepared, dev_pairs, initial)


def check_inputs(
    recipe: Recipe, data: DataFolder, run: RunFolder, device: "torch.device | None" = None
) -> "tuple[ModelFile | None, DevPairs]":
    """Read the initial model and the dev set of a resolved recipe, without writing anything.

    Arguments and errors are those of `set_up`, except for errors inside the training corpus.
    """
    if not recipe.train.init_from:
        check_learnable(recipe)
    check_text_files(recipe, data)
    if device is not None and device.type == "cpu":
        from nmt.training.memory_probe import check_model_fits

        check_model_fits(recipe)
    if device is not None:
        check_requirements(recipe, run, device)
    initial, dev_pairs = initial_model(recipe, run), read_dev_pairs(recipe, data)
    if not any(dev_pairs.values()):
        raise NmtError(f"the dev set of recipe {recipe.name} is empty; set data.dev")
    return initial, dev_pairs


def record(recipe: Recipe, data: DataFolder, run: RunFolder, notify: Notify) -> None:
    """Write recipe, languages and path of the data into a run folder."""
    correct_languages(run, recipe, notify)
    run.save_recipe(recipe)
    run.remember(data.path)


def resolve_for_device(recipe: Recipe, run: RunFolder, device: "torch.device | None") -> Recipe:
    """Return the recipe with what depends on the device replaced.

    A run that has started or has a model keeps its precision, and the micro-batches that were
    chosen for it. Otherwise a precision of "auto" becomes float32 on a device without hardware for
    bf16; elsewhere, and without a device, it stays "auto", and the trainer measures. Raises
    NmtError if the device lacks a precision.
    """
    train = recipe.train
    if run.is_in_use() and is_present(run.recipe):
        kept = run.load_recipe()
        if train.precision == "auto":
            train = replace(train, precision=kept.train.precision)
        if not train.micro_batch_tokens:
            train = replace(train, micro_batch_tokens=kept.train.micro_batch_tokens)
        if recipe.decode.precision == "auto":
            decode = replace(recipe.decode, precision=kept.decode.precision)
            recipe = replace(recipe, decode=decode)
    elif device is not None:
        train = unless_measured(recipe, device).train
    if train.precision == "tf32" and device is not None and device.type != "cuda":
        raise NmtError(
            f"train.precision=tf32 is for CUDA GPUs, not for {device.type}; set it to float32, or"
            " to auto"
        )
    return replace(recipe, train=train)


def unless_measured(recipe: Recipe, device: "torch.device") -> Recipe:
    """Return the recipe with a precision of "auto" replaced, if there is nothing to measure.

    This is so without hardware for bf16, and with `train.deterministic`.
    """
    of_hardware = precision_of_hardware(recipe, device)
    if recipe.train.deterministic or of_hardware.train.precision == "float32":
        return of_hardware
    return recipe


def precision_of_hardware(recipe: Recipe, device: "torch.device") -> Recipe:
    """Return the recipe with a precision of "auto" replaced by bf16 if the device has it.

    Without hardware for bf16, by float32. A measurement may give another precision the next time.
    """
    if recipe.train.precision != "auto":
        return recipe
    precision = "bf16" if has_bf16(device) else "float32"
    return replace(recipe, train=replace(recipe.train, precision=precision))


def check_text_files(recipe: Recipe, data: DataFolder) -> None:
    """Raise NmtError, which names them all, if training or dev files are missing.

    Also if the recipe names no training text.
    """
    missing: dict[str, NmtError] = {}
    for name in (name for files in (*recipe.data.train, *recipe.data.dev) for name in files.names):
        try:
            data.find(name, recipe)
        except NmtError as error:
            missing.setdefault(name, error)
    if missing:
        (_, first), *others = missing.items()
        also = f"; also missing: {', '.join(name for name, _ in others)}" if others else ""
        raise NmtError(f"{first}{also}") from first
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")


def check_requirements(recipe: Recipe, run: RunFolder, device: "torch.device") -> None:
    """Raise NmtError if a program is missing or the disk is too small for a new run."""
    if recipe.train.compile and device.type == "cpu":
        check_compiler()
    if recipe.train.tensorboard and find_spec("tensorboard") is None:
        raise NmtError(
            "train.tensorboard needs the tensorboard package:"
            " pip install 'attention-nmt[tensorboard]', or set train.tensorboard=false"
        )
    if run.is_started():
        return
    needed, free = disk_bytes(recipe), free_bytes(run.path)
    if free < needed:
        fewer = "" if recipe.train.averaged == 1 else ", or lower train.average_checkpoints"
        raise NmtError(
            f"the checkpoints and models in {run.path} need {in_gigabytes(needed)}, but"
            f" {in_gigabytes(free)} are free; free some space, name a folder on another disk"
            f" (--run){fewer}"
        )


def check_languages(recipe: Recipe, run: RunFolder) -> None:
    """Raise NmtError if a new code names no language, or would change a run's dev scores or tokens.

    Other codes may change at any time; `correct_languages` writes them into the models.
    """
    directions = recipe.data.directions
    codes = dict.fromkeys(chain.from_iterable(directions)) if len(directions) > 1 else ()
    if same := same_codes(codes):
        raise NmtError(
            f"recipe {recipe.name}: {same} name the same language; use one code in all corpora"
        )
    if recipe.data.metric != "bleu":
        return
    kept = run.load_recipe() if run.is_in_use() and is_present(run.recipe) else None
    named = {"source_language": languages(recipe)[0], "target_language": languages(recipe)[1]}
    for name, code in (*named.items(), *(("train", code) for code in codes)):
        if not is_language(primary(code)) and not (kept and code in languages(kept)):
            raise NmtError(
                f"recipe {recipe.name}: data.{name} has the language {shown(code)}, which is no ISO"
                " 639 code such as de or deu"
            )
    old, new = (kept or recipe).data.target_language, recipe.data.target_language
    reason = ""
    if kept and kept.data.language_tokens != recipe.data.language_tokens:
        reason = "the vocabulary has a token with the old code"
    if bleu_tokenizer(old) != bleu_tokenizer(new):
        reason = (
            "BLEU splits the two into words in other ways, so the scores of the dev set could not"
            " be compared"
        )
    if reason:
        raise NmtError(
            f"{run.path}: data.target_language cannot change from {old} to {new}, because {reason};"
            f" train in a new folder: --run NEW --init-from {argument(run.path)}"
        )


def check_compiler() -> None:
    """Raise NmtError if there is no C++ compiler, which torch.compile needs on a CPU."""
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    if not any(map(shutil.which, candidates)):
        raise NmtError(
            f"train.compile needs a C++ compiler ({' or '.join(candidates)}); install one, or set"
            " train.compile=false"
        )


def disk_bytes(recipe: Recipe) -> int:
    """Return the most bytes that a run's checkpoints and models take, while one is being written.

    The last checkpoints and the newest states are kept, as well as the best model and the average.
    The size of a vocabulary of characters or words is not known yet: its embeddings do not count.
    """
    settings = recipe.train
    every = 1 if settings.checkpoint_minutes else settings.checkpoint_updates
    checkpoints = -(-settings.max_updates // every)
    weights = min(checkpoints, settings.averaged) + 3
    states = min(checkpoints, KEPT_STATES) + 1
    moments = count_moments(recipe, least_vocabulary(recipe))
    return FLOAT_BYTES * (weights * least_parameters(recipe) + states * moments)


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk of a folder that need not exist yet."""
    return shutil.disk_usage(existing_folder(path)).free


def in_gigabytes(size: int) -> str:
    """Return bytes as a text in gigabytes, fewer than one in megabytes."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def note_large_model(
    recipe: Recipe, run: RunFolder, device: "torch.device", notify: Notify
) -> None:
    """Print a note if a new training has a model of the paper's size but no GPU.

    A training that starts from a model is shorter, so it gets another note.
    """
    count = least_parameters(recipe)
    if device.type != "cpu" or count < LARGE or run.is_started():
        return
    if recipe.train.init_from:
        notify(
            f"{count:,} parameters on a CPU: updates of a model as large as the paper's base are"
            " slow; the progress shows how long the training takes"
        )
        return
    notify(
        f"{count:,} parameters on a CPU: a model as large as the paper's base, which 8 GPUs"
        " trained for 12 hours, takes days to weeks here; `nmt init` suggests smaller settings"
    )


def initial_model(recipe: Recipe, run: RunFolder) -> ModelFile | None:
    """Return the model that `train.init_from` names; None if it is unset or the run has started.

    Raises NmtError if the model does not exist, or its architecture or vocabulary is not the
    recipe's.
    """
    if not recipe.train.init_from or run.is_started():
        return None
    path = find_model(Path(recipe.train.init_from), "--init-from")
    content = read_model(path)
    differing = model_differences(content, recipe)
    if differing:
        raise NmtError(
            f"{path} does not fit the recipe: it has {', '.join(differing)}, the recipe"
            f" {', '.join(differing.values())}; give the recipe the settings of the"
            " model, whose tokenizer the training uses"
        )
    return content


def model_differences(content: ModelFile, recipe: Recipe) -> dict[str, str]:
    """Return the settings that keep a model from being the recipe's initial model.

    Keys are the model's settings as text, such as "model.d_ff=32"; values are the recipe's.
    """
    size = len(content.weights["embeddings.weight"])
    names = [*WEIGHT_SETTINGS, "tokenizer.kind", "tokenizer.joint"]
    own = replace(content.recipe, tokenizer=replace(content.recipe.tokenizer, vocab_size=size))
    wanted = recipe.tokenizer
    if own.tokenizer.kind == wanted.kind:
        # A vocabulary of characters or words may be smaller than the setting.
        names += ["tokenizer.vocab_size"] * (wanted.has_fixed_size or size > wanted.vocab_size)
        names += ["tokenizer.byte_fallback"] * (wanted.kind != "imported")
    return {
        f"{changed.name}={format_value(changed.old)}": f"{changed.name}={format_value(changed.new)}"
        for changed in recipe_differences(own, recipe, names)
    }
