"""The learning rate (section 5.3)."""

from nmt.config import Recipe


def learning_rate(recipe: Recipe, update: int) -> float:
    """Return the learning rate of an update, counted from 1.

    This is equation 3 times `train.learning_rate_scale`, and times `cooldown`, which begins after
    the warm-up, also in a trial of a few updates.
    """
    train = recipe.train
    length = min(train.cooldown_updates, max(0, train.max_updates - train.warmup_updates))
    rate = inverse_sqrt(update, d_model=recipe.model.d_model, warmup=train.warmup_updates)
    factor = cooldown(update, last=train.max_updates, length=length)
    return train.learning_rate_scale * rate * factor


def inverse_sqrt(update: int, *, d_model: int, warmup: int) -> float:
    """Return d_model^-0.5 * min(update^-0.5, update * warmup^-1.5), equation 3; update >= 1."""
    return float(d_model**-0.5 * min(update**-0.5, update * warmup**-1.5))


def cooldown(update: int, *, last: int, length: int) -> float:
    """Return the factor that falls in equal steps in the last `length` of `last` updates.

    It is 1 before them and would be 0 one update after the last one (Haegele et al., 2024).
    """
    return min(1.0, max(0, last + 1 - update) / (length + 1))
