"""The Python interface: load models and translate, train recipes, evaluate.

`import nmt` makes everything here available and imports PyTorch only when it is needed.
"""

from nmt.api.model import Model, load
from nmt.api.recipes import evaluate, train

__all__ = ["Model", "evaluate", "load", "train"]
