"""The Python interface: load models and translate, train recipes, evaluate.

`import nmt` makes everything here available and imports PyTorch only when it is needed.
"""

from nmt.api import recipes
from nmt.api.arguments import names_arguments
from nmt.api.model import Model, load
from nmt.api.recipes import evaluate

train = names_arguments(recipes.train)  # `nmt train` calls the one whose errors name options
__all__ = ["Model", "evaluate", "load", "train"]
