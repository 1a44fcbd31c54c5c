"""Load the models to translate with, and settle how they search."""

import importlib
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import DecodeSettings, Recipe
from nmt.config.decode import BATCH_BEAM, BATCH_SAMPLES, CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from nmt.errors import NmtError, UsageError
from nmt.recipe.rules import check_decode, check_used
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.runs.run_folder import model_name
from nmt.runs.runs import choose_model
from nmt.system.devices import choose_device, has_bf16
from nmt.system.log import Notify
from nmt.text.reading.languages import find_language, is_same, language_of_file

if TYPE_CHECKING:
    from nmt.runs.trained_model import TrainedModel

OWN = "nmt"
# The programs that translate, and the function that loads models for each of them from paths for a
# device. Engines are imported only if they are asked for; their models are `EngineModel`s.
ENGINES = {
    OWN: "nmt.runs.trained_model:load_ensemble",
    "ctranslate2": "nmt.interop.ctranslate2_engine:load_ctranslate2",
}


def load_models(
    paths: Sequence[Path],
    device: str,
    notify: Notify,
    overrides: Iterable[str] = (),
    *,
    engine: str = OWN,
    used: Container[str] | None = None,
) -> "tuple[TrainedModel, DecodeSettings]":
    """Load a model, or several as an ensemble, and return it with its search settings.

    Args:
        paths: run folders or .safetensors files; if there are none, `choose_model` chooses.
        device: name of a device, or "auto".
        notify: receives the names of the models, and why a model was chosen.
        overrides, used: as in `decode_settings`.
        engine: a name in `ENGINES`. CTranslate2 takes one model, which may also be a folder that
            `nmt export --to ctranslate2` wrote.

    Raises:
        NmtError: if a model is missing or damaged, if the models do not fit each other, or if the
            engine's package is missing.
        UsageError: for an unknown engine, what it cannot do, or a bad override.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; the engines are: {', '.join(ENGINES)}")
    chosen = None if paths else choose_model()
    paths = paths if chosen is None else [chosen.path]

    # A missing model is reported before safetensors and NumPy are imported.
    module, function = ENGINES[engine].split(":")
    load: Callable[[Sequence[Path], str], TrainedModel]
    load = getattr(importlib.import_module(module), function)
    model = load(paths, choose_device(device))
    settings = decode_settings(model.recipe, overrides, used)
    names = [*map(describe, model.members)]
    why = f", {chosen.reason}; --model names another" if chosen and chosen.reason else ""
    notify(f"{'ensemble' if model.ensemble else 'model'}: {' + '.join(names)}{why}")
    return model, settings


def describe(model: "TrainedModel") -> str:
    """Return the name of a model for a message: its path, its recipe, and how its weights are."""
    name, facts = model_name(model.path), [model.recipe.name]
    facts += ["8-bit weights"] if model.eight_bits else []
    return f"{name} ({', '.join(facts)})"


def decode_settings(
    recipe: Recipe, overrides: Iterable[str] = (), used: Container[str] | None = None
) -> DecodeSettings:
    """Return the [decode] settings of a trained model's recipe with `decode.key=value` texts.

    used: the settings that the command uses, such as "decode.precision"; by default all.

    Raises UsageError for a bad value, for a setting of another section (a trained model is given),
    for one that is not used, and for settings that contradict each other.
    """
    changed = parse_overrides(overrides)
    for name in changed:
        if not name.startswith("decode."):
            raise UsageError(f"cannot change {name}: a trained model takes only [decode] settings")
    if used is not None:
        check_used(changed, used)
    recipe = with_settings(recipe, changed)
    check_decode(recipe, changed)
    return recipe.decode


def written_language(settings: DecodeSettings, recipe: Recipe) -> str:
    """Return the code of the language to write: the one that is chosen, else the recipe's."""
    return settings.target_language.strip("<>") or recipe.data.known_directions[0][1]


def find_direction(recipe: Recipe, settings: DecodeSettings, read: str = "") -> tuple[str, str]:
    """Return the languages that a model reads and writes; "" for one of several that it may read.

    read: the language of a text, "" if unknown. It may have no training text into the target.
    """
    known, written = recipe.data.known_directions, written_language(settings, recipe)
    found = find_language(written, dict.fromkeys(target for _, target in known))
    sources = [
        *dict.fromkeys(pair[0] for pair in known if pair[1] in found or pair[0] not in found)
    ]
    own = find_language(read, sources) or (sources if len(sources) == 1 else [""])
    return own[0], (found or [written])[0]


def only_target(recipe: Recipe, read: str) -> str:
    """Return the language to write if the model learned only one from that of a text, else "".

    read: the language of the text, "" if unknown.
    """
    pairs = recipe.data.known_directions if read else ()
    targets = {target for source, target in pairs if is_same(source, read)}
    return targets.pop() if len(targets) == 1 else ""


def check_direction(
    recipe: Recipe, path: Path, read: str, settings: DecodeSettings, other_fix: str = ""
) -> None:
    """Raise UsageError if a file is in the language to write, unless the model learned just that.

    read: the language of the file, "" if unknown. other_fix: follows those of the error.
    """
    written = settings.target_language.strip("<>")
    if read and is_same(read, written):
        known = recipe.data.known_directions
        if not any(is_same(source, read) and is_same(target, written) for source, target in known):
            reason, fix = (" by its name", ", or rename it") if language_of_file(path) else ("", "")
            raise UsageError(
                f"{path} is in {read}{reason}, so it cannot be translated into {written}; choose"
                f" another language (--to){fix}{other_fix}"
            )


def device_settings(
    settings: DecodeSettings, device: str, candidates: int | None = None
) -> DecodeSettings:
    """Return the settings with those that depend on the device replaced by its own.

    device: its name, such as "cuda:1". candidates: outputs that are wanted of each segment; None:
    nothing is searched or drawn.
    """
    # Each segment has a row for each hypothesis or sample, so more of them need smaller batches.
    outputs, usual = 1, 1
    if candidates is not None:
        is_sample = settings.method == "sample"
        outputs = candidates if is_sample else settings.beam_size
        usual = BATCH_SAMPLES if is_sample else BATCH_BEAM
    is_gpu = device.startswith("cuda")
    most = GPU_BATCH_TOKENS if is_gpu else CPU_BATCH_TOKENS
    batch_tokens = settings.batch_tokens or most * usual // max(outputs, usual)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if is_gpu and has_bf16(device) else "float32"
    return replace(settings, batch_tokens=batch_tokens, precision=precision)


def check_precision(settings: DecodeSettings, device: str) -> None:
    """Raise NmtError if the device cannot compute in `decode.precision`."""
    if settings.precision != "int8":
        return

    from nmt.kernels.linear import has_int8

    if not has_int8(device):
        on_cpu = "" if device == "cpu" else ", or add --device cpu"
        raise NmtError(f"decode.precision=int8 is for x86 CPUs; set it to float32 or bf16{on_cpu}")
