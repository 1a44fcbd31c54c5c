"""Neural machine translation as in "Attention Is All You Need" (Vaswani et al., 2017).

The Python interface; PyTorch is imported only when a name needs it:

    import nmt

    model = nmt.load("runs/pocket")
    for translation in model.translate(["The boy sleeps."]):
        print(translation.text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.api import Model, evaluate, load, train
    from nmt.config import Recipe
    from nmt.decoding.files.score import PairScore
    from nmt.decoding.translator.translation import Candidate, Token, Translation
    from nmt.documents.translate import TranslatedSegment
    from nmt.errors import DivergenceError, NmtError, UsageError
    from nmt.evaluation.results import Evaluation
    from nmt.recipe.files import read_recipe, write_recipe
    from nmt.training.files.progress import TrainingOutcome

__version__ = "0.1.0"

__all__ = [
    "Candidate",
    "DivergenceError",
    "Evaluation",
    "Model",
    "NmtError",
    "PairScore",
    "Recipe",
    "Token",
    "TrainingOutcome",
    "TranslatedSegment",
    "Translation",
    "UsageError",
    "__version__",
    "evaluate",
    "load",
    "read_recipe",
    "train",
    "write_recipe",
]

# The public names of each module.
_NAMES = {
    "nmt.api": ("Model", "evaluate", "load", "train"),
    "nmt.config": ("Recipe",),
    "nmt.decoding.files.score": ("PairScore",),
    "nmt.decoding.translator.translation": ("Candidate", "Token", "Translation"),
    "nmt.documents.translate": ("TranslatedSegment",),
    "nmt.errors": ("DivergenceError", "NmtError", "UsageError"),
    "nmt.evaluation.results": ("Evaluation",),
    "nmt.recipe.files": ("read_recipe", "write_recipe"),
    "nmt.training.files.progress": ("TrainingOutcome",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'nmt' has no attribute '{name}'")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]
