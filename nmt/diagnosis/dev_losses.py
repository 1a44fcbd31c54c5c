"""Compare the dev loss with the training loss: overfitting, and dev sets unlike the text."""

import math
from collections.abc import Iterator

from nmt.diagnosis.figures import Training, points
from nmt.diagnosis.finding import Finding

# Nats by which the dev loss is above its lowest value while the training loss falls. In the
# shipped recipes' trainings the score improves to the end, which makes it no overfitting.
MOST_RISE = 0.1
WORSE_VALIDATIONS = 2  # in loss and in score; one alone may be chance
# Nats by which the dev loss is above the training loss. In the shipped recipes' trainings it is
# between 0.3 below (dropout is off) and 0.4 above, after 30 epochs.
MOST_GAP = 1.0
# In which a model has not yet learned its text by heart. Without dropout, on 1,500 pairs of
# Multi30k, the gap is 0.5 in epoch 4 and 2.4 in epoch 7.
FIRST_EPOCHS = 3
HIGHEST_DROPOUT = 0.5
PATIENCE = 4  # validations


def overfitting(training: Training) -> Iterator[Finding]:
    """Yield a finding if the dev loss rises and scores fall while the training loss falls."""
    dev = training.dev
    if len(dev) < 1 + WORSE_VALIDATIONS:
        return
    last, lowest = dev[-1], min(dev, key=lambda each: each.loss)
    before, now = training.train_at(lowest.update), training.train_at(last.update)
    rise = min(each.loss for each in dev[-WORSE_VALIDATIONS:]) - lowest.loss
    if rise < MOST_RISE or before is None or now is None:
        return
    if now.loss >= min(before.loss, last.loss) or training.worse_validations < WORSE_VALIDATIONS:
        return
    if any(unlike_dev_losses(training)):
        return  # the dev loss rises as the model becomes sure of other text
    name, best = training.measure.name, training.best_by("score")
    score = f"; the best {name} was {best.score:.2f}, at update {best.update:,}" if best else ""
    yield Finding(
        "overfitting",
        "warning",
        "overfitting",
        lowest.update,
        f"the dev loss rose from {lowest.loss:.2f} at update {lowest.update:,} to"
        f" {last.loss:.2f} at update {last.update:,}, while the training loss fell from"
        f" {before.loss:.2f} to {now.loss:.2f} (unsmoothed){score}",
        "the model learns the training text by heart, and becomes worse on other text",
        "; ".join(against_overfitting(training)),
    )


def against_overfitting(training: Training) -> Iterator[str]:
    """Yield what to do against overfitting, the model to use first."""
    recipe = training.recipe
    yield f"use {training.name}/best.safetensors, the best on the dev set"
    if not recipe.train.patience:
        yield f"train.patience={PATIENCE} ends such a training"
    dropout = min(HIGHEST_DROPOUT, round(recipe.model.dropout + 0.1, 1))
    if dropout > recipe.model.dropout:
        yield f"next time, train with model.dropout={dropout}, more text, or a smaller model"
    else:
        yield "next time, train with more text, or a smaller model"


def unlike_dev_losses(training: Training) -> Iterator[Finding]:
    """Yield a finding if the dev loss is far above the training loss from the beginning."""
    first = [each for each in training.validations if (each.epoch or math.inf) <= FIRST_EPOCHS]
    if not first:
        return
    gaps = [
        (dev, train)
        for dev in points(first)
        if (train := training.train_at(dev.update)) and dev.loss - train.loss >= MOST_GAP
    ]
    if not gaps or gaps[-1][0].update != first[-1].update:
        return
    dev, train = gaps[-1]
    yield Finding(
        "unlike_dev_set",
        "warning",
        "the dev set is unlike the training text",
        gaps[0][0].update,
        f"at update {dev.update:,}, in epoch {first[-1].epoch:.0f}, the dev loss is {dev.loss:.2f}"
        f" and the training loss {train.loss:.2f} (unsmoothed)",
        "this is too early for overfitting; the dev set is another kind of text, or its pairs are"
        " not translations of each other",
        "check both with `nmt check` and the recipe; hold out the dev set from the training text"
        " (`nmt split`), or add training text like the dev set",
    )
