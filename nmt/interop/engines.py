"""Engines: the programs that can translate with a model. One loader serves every command.

`nmt translate`, `nmt evaluate`, `nmt serve` and `nmt.load` call `load_models` with it. The model
goes to `Translator`, which works the same for every engine. A new engine is a function that loads a
model, like `ctranslate2_engine.load_ctranslate2`, and an entry of `ENGINES` here.
"""

import importlib

from nmt.decoding.translator.load import Load
from nmt.errors import UsageError

OWN = "nmt"  # this program
# The functions that load models, by the engine's name; None is that of this program.
ENGINES: dict[str, tuple[str, str] | None] = {
    OWN: None,
    "ctranslate2": ("nmt.interop.ctranslate2_engine", "load_ctranslate2"),
}


def engine_loader(engine: str) -> Load | None:
    """Return the function that loads models for an engine; None for this program.

    Raises UsageError for an unknown engine.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine {engine!r}; the engines are: {', '.join(ENGINES)}")
    found = ENGINES[engine]
    return getattr(importlib.import_module(found[0]), found[1]) if found else None
