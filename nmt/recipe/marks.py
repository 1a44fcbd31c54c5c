"""Tell from a recipe what its model knows about marks, such as placeholders and tags."""

from nmt.config import Recipe


def knows_marks(recipe: Recipe) -> bool:
    """Return whether a model of this recipe has learned to copy placeholders or tags.

    Such a model is given a text with its marks. Others would translate or lose them.
    """
    return recipe.train.augments_marks
