"""Load the models to translate with, and settle how they search."""

from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nmt.config import DecodeSettings, Recipe
from nmt.errors import UsageError
from nmt.recipe.rules import check_decode, check_used
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.runs.runs import choose_model
from nmt.system.devices import choose_device
from nmt.system.log import Notify

if TYPE_CHECKING:
    from nmt.runs.trained_model import TrainedModel

# Loads models for a device, named in full.
Load: TypeAlias = Callable[[Sequence[Path], str], "TrainedModel"]


def load_models(
    paths: Sequence[Path],
    device: str,
    notify: Notify,
    overrides: Iterable[str] = (),
    load: Load | None = None,
    used: Container[str] | None = None,
) -> "tuple[TrainedModel, DecodeSettings]":
    """Load a model, or several as an ensemble, and return it with its search settings.

    Args:
        paths: run folders or .safetensors files; if there are none, the newest model of a finished
            training under `runs/`, else the newest model.
        device: name of a device, or "auto".
        notify: receives the names of the models, and why a model was chosen.
        overrides, used: as in `decode_settings`.
        load: loads the models; by default `load_ensemble`.

    Raises:
        NmtError: if a model is missing or damaged, or if the models do not fit each other.
        UsageError: for a bad override.
    """
    chosen = None if paths else choose_model()
    paths = paths if chosen is None else [chosen.path]

    if load is None:
        # A missing model is reported before safetensors and NumPy are imported.
        from nmt.runs.trained_model import load_ensemble

        load = load_ensemble
    model = load(paths, choose_device(device))
    settings = decode_settings(model.recipe, overrides, used)
    names = [f"{each.path} ({each.recipe.name})" for each in (model, *model.ensemble)]
    why = f", {chosen.reason}; --model names another" if chosen and chosen.reason else ""
    notify(f"{'ensemble' if model.ensemble else 'model'}: {' + '.join(names)}{why}")
    return model, settings


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
