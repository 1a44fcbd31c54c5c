"""Set up a training: resolve its precision, prepare its text and read its initial model."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.recipe import parse_recipe, to_toml
from nmt.runs.model_file import correct_languages
from nmt.runs.run_folder import RunFolder
from nmt.system.devices import has_bf16
from nmt.system.log import Notify
from nmt.system.reading import is_present
from nmt.text.corpus import DataFolder
from nmt.text.learning import check_learnable
from nmt.text.parts import Share
from nmt.text.prepare import (
    Prepared,
    do_steps,
    open_prepared,
    prepare,
    read_dev_pairs,
    training_files,
)
from nmt.text.tokenizer import load_tokenizer
from nmt.training.initial_model import initial_model
from nmt.training.lost_files import finished_before, restore_tokenizer
from nmt.training.requirements import check_languages, check_requirements, note_large_model

if TYPE_CHECKING:  # `nmt prepare` needs neither
    import torch

    from nmt.diagnosis.token_facts import TokenFacts
    from nmt.runs.model_file import ModelFile
    from nmt.training.workers import Workers


@dataclass(frozen=True)
class Start:
    """The part of a setup that can be read before the corpus is prepared."""

    recipe: Recipe  # as `check_set_up` resolved it: precision, updates
    dev_pairs: tuple[tuple[str, str], ...]  # source and target segments
    initial: "ModelFile | None"  # as in `Setup`


@dataclass(frozen=True)
class Setup:
    """Everything that a training starts from."""

    recipe: Recipe  # as `check_set_up` resolved it: precision, updates
    prepared: Prepared  # the tokenizer and the encoded training corpus
    dev_pairs: tuple[tuple[str, str], ...]  # source and target segments
    initial: "ModelFile | None"  # the model of train.init_from; None if random or resumed
    facts: "TokenFacts | None" = None  # for the diagnosis


def set_up(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    notify: Notify,
    device: "torch.device | None" = None,
    verify: bool = False,
) -> Setup:
    """Write the recipe into the run folder, prepare the corpus and return the setup.

    The run folder must be locked. device: where the model will train; None leaves a precision of
    "auto" for later. verify: see `nmt.text.prepare.prepare`. Raises NmtError if the run has started
    with other settings, or if the corpus or the initial model cannot be used.
    """
    start = check_set_up(recipe, data, run, device)
    if device is not None:
        note_large_model(start.recipe, run, device, notify)
    with recorded(start, data, run, notify):
        tokenizer = given_tokenizer(start.recipe, run, start.initial)
        prepared = prepare(start.recipe, data, run.prepared_folder(), notify, tokenizer, verify)
    return Setup(start.recipe, prepared, start.dev_pairs, start.initial)


@contextmanager
def recorded(start: Start, data: DataFolder, run: RunFolder, notify: Notify) -> Iterator[None]:
    """Write recipe, languages and path of the data around a block that prepares the corpus.

    For a new run, they are written before it, so that a stop keeps them. For a run that goes on,
    they are written after it: a corpus that is refused leaves the run as it was.
    """

    def write() -> None:
        correct_languages(run, start.recipe, notify)
        run.save_recipe(start.recipe)
        run.remember(data.path)

    goes_on = run.is_in_use()
    if not goes_on:
        write()
    restore_tokenizer(run, notify)
    yield
    if goes_on:
        write()


def prepare_share(
    recipe: Recipe, data: DataFolder, run: RunFolder, notify: Notify, share: Share
) -> None:
    """Encode one machine's share of the corpus; other machines work in the run folder too.

    Only the first machine writes the recipe. Errors are those of `set_up`. Raises NmtError on the
    others if their recipe differs, or if the first machine must learn the tokenizer first.
    """
    start = check_set_up(recipe, data, run)
    is_first = share.number == 1
    if not is_first and is_present(run.recipe):
        run.check_same_recipe(start.recipe, f"part {share.number}/{share.machines}")
    with recorded(start, data, run, notify) if is_first else nullcontext():
        tokenizer = given_tokenizer(start.recipe, run, start.initial)
        do_steps(start.recipe, data, run.prepared_folder(), notify, tokenizer, share)


def check_set_up(
    recipe: Recipe, data: DataFolder, run: RunFolder, device: "torch.device | None" = None
) -> Start:
    """Read what a training starts from, without writing anything.

    Arguments and errors are those of `set_up`, except for errors inside the training corpus.
    """
    recipe = with_reached_updates(resolve_for_device(recipe, run, device), run)
    run.check_recipe(recipe)
    check_languages(recipe, run)
    if not recipe.train.init_from:
        check_learnable(recipe)
    finished_before(recipe, run)
    check_text_files(recipe, data)
    if device is not None and device.type == "cpu":
        from nmt.training.memory_probe import check_model_fits

        check_model_fits(recipe)
    if device is not None:
        check_requirements(recipe, run, device)
    initial = initial_model(recipe, run)
    dev_pairs = tuple(read_dev_pairs(recipe, data))
    if not dev_pairs:
        raise NmtError(f"the dev set of recipe {recipe.name} is empty; set data.dev")
    return Start(recipe, dev_pairs, initial)


def check_text_files(recipe: Recipe, data: DataFolder) -> None:
    """Raise NmtError, which names them all, if training or dev files are missing."""
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
    training_files(recipe, data)


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


def with_reached_updates(recipe: Recipe, run: RunFolder) -> Recipe:
    """Return the recipe with `train.max_updates` not below the updates that the run has taken.

    With a smaller limit, a training ends where it is.
    """
    most = max(recipe.train.max_updates, run.reached_update())
    return replace(recipe, train=replace(recipe.train, max_updates=most))


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


def given_tokenizer(recipe: Recipe, run: RunFolder, initial: "ModelFile | None") -> bytes | None:
    """Return the tokenizer of the model that the run starts or started from.

    None if the run learns its own tokenizer.
    """
    if initial is not None:
        return initial.tokenizer
    return load_tokenizer(run.tokenizer).model if recipe.train.init_from else None
