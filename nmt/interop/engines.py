"""Engines: the programs that can translate with a model. One loader serves every command.

`nmt translate`, `nmt evaluate`, `nmt serve` and `nmt.load` call `load_for`. Its result goes to
`nmt.decoding.translator.translator.Translator.of`, which works the same for every engine. A new
engine is a function that loads a model, like `ctranslate2_engine.load_ctranslate2`, and an entry of
`ENGINES` here.
"""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from nmt.config import DecodeSettings
from nmt.decoding.translator.load import Load, load_models
from nmt.errors import UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import Notify

OWN = "nmt"  # this program
# The functions that load models, by the engine's name; None is that of this program.
ENGINES: dict[str, tuple[str, str] | None] = {
    OWN: None,
    "ctranslate2": ("nmt.interop.ctranslate2_engine", "load_ctranslate2"),
}


def load_for(
    engine: str,
    paths: Sequence[Path],
    device: str,
    notify: Notify,
    overrides: Iterable[str] = (),
) -> tuple[TrainedModel, DecodeSettings]:
    """Load a model for an engine, and return it with its search settings.

    Args:
        engine: a name in `ENGINES`.
        paths: as in `load_models`; for CTranslate2 one model, which may also be a folder that
            `nmt export --to ctranslate2` wrote.
        device: name of a device, or "auto".
        notify: receives the name of the model, and why it was chosen.
        overrides: `decode.key=value` texts.

    Raises:
        NmtError: as `load_models` does, and if the engine's package is missing.
        UsageError: for an unknown engine, a bad override, or what the engine cannot do.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; the engines are: {', '.join(ENGINES)}")
    found = ENGINES[engine]
    load: Load | None = getattr(importlib.import_module(found[0]), found[1]) if found else None
    return load_models(paths, device, notify, overrides, load)
