"""Suggest learning rates."""

import math

from nmt.diagnosis.figures import Training

# Peak learning rate times d_model that works from random weights. The shipped recipes have 0.36
# (the paper's base model), 0.5 (big; also Multi30k with d_model 128), 0.77 (Tatoeba) and 0.47
# (pocket).
PEAK_TIMES_WIDTH = 0.5


def usual_peak(training: Training) -> float:
    """Return a peak learning rate that works for the model's width, from random weights."""
    return PEAK_TIMES_WIDTH / training.recipe.model.d_model


def scale_for(training: Training, peak: float, warmup_updates: int) -> float:
    """Return the `train.learning_rate_scale` with which a warm-up reaches a peak (equation 3)."""
    scale = peak * math.sqrt(training.recipe.model.d_model * warmup_updates)
    return float(f"{scale:.2g}")


def rounded_up(number: int) -> int:
    """Return a positive whole number with two digits at most, such as 480 for 471."""
    unit = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // unit) * unit


def two_digits(number: float) -> int:
    """Return a positive number rounded to two digits, such as 480 for 478.2."""
    return round(float(f"{number:.2g}"))
