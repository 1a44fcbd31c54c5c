"""Find learning rates that are too high or too low."""

from collections.abc import Iterator

from nmt.diagnosis.figures import Point, Training
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.rates import scale_for, usual_peak

# Nats by which the training loss exceeds its lowest mean so far. In the shipped recipes' trainings
# it does by at most 0.07. During the warm-up, a fine-tuned model may first lose some of its skill.
MOST_RISE = 0.3
MOST_RISE_IN_WARMUP = 1.0
# Parts of the loss of a model that knows only how frequent each token is. After the warm-up, the
# shipped recipes' trainings are below 0.6 of it. Ten times pocket's rate stays at 1.01 for ever; a
# hundredth of it is above 1 after four warm-ups, a tenth at 0.87 after two.
STUCK = 0.95
UNLEARNED = 0.8
HIGH = 1.5  # peaks of this many times the usual one are high; with lower ones, the text may be bad
# Nats by which a training that learns lowers its loss over half of its updates.
LEAST_FALL = 0.1
MOST_SKIPPED = 3  # updates; none was skipped in the shipped recipes' trainings


def learning_rates(training: Training) -> Iterator[Finding]:
    """Yield at most one finding on the learning rate."""
    last = training.train[-1] if training.train else None
    found = (rising(training, last) or stuck(training, last)) if last else []
    yield from found or skipping(training)


def rising(training: Training, last: Point) -> list[Finding]:
    """Return a finding if the training loss rises for good."""
    lowest = min(training.train, key=lambda each: each.loss)
    most = MOST_RISE if training.is_past_warmup else MOST_RISE_IN_WARMUP
    if last.loss - lowest.loss < most:
        return []
    return too_high(
        training,
        lowest.update,
        f"the training loss rose from {lowest.loss:.2f} at update {lowest.update:,} to"
        f" {last.loss:.2f} at update {last.update:,} (unsmoothed)",
        "steps are so large that they destroy what was learned",
    )


def stuck(training: Training, last: Point) -> list[Finding]:
    """Return a finding if the model knows little more than how frequent tokens are."""
    if training.facts is None or not training.is_past_warmup:
        return []
    frequencies = training.facts.sides[1].entropy
    half = training.train_at(last.update // 2)
    if last.loss < UNLEARNED * frequencies or half is None:
        return []
    seen = (
        f"after {last.update:,} updates the training loss is {last.loss:.2f} (unsmoothed); a model"
        f" that only knows how frequent each token is has {frequencies:.2f}"
    )
    since = training.recipe.train.warmup_updates
    is_falling = half.loss - last.loss >= LEAST_FALL
    is_high = training.peak_rate > HIGH * usual_peak(training)
    if last.loss >= STUCK * frequencies and is_high and not is_falling:
        what = "the loss no longer falls: steps are too large to find anything better"
        return too_high(training, since, seen, what)
    if not is_falling or training.peak_rate >= usual_peak(training):
        return []  # it learns all that it can, or it needs more updates
    scale = scale_for(training, usual_peak(training), training.recipe.train.warmup_updates)
    return [
        Finding(
            "low_learning_rate",
            "warning",
            "the learning rate is too low",
            since,
            f"{seen}; the highest learning rate is {training.peak_rate:.2g}",
            "steps are so small that the training needs many times as many updates",
            f"train.learning_rate_scale={scale}; its peak, {usual_peak(training):.2g}, is usual for"
            f" d_model {training.recipe.model.d_model}",
        )
    ]


def skipping(training: Training) -> list[Finding]:
    """Return a finding if several updates had no finite loss or gradient."""
    skipped = training.skipped_updates
    if len(skipped) < MOST_SKIPPED:
        return []
    precision = training.recipe.train.precision
    return too_high(
        training,
        skipped[0],
        f"{len(skipped):,} updates were skipped, because loss or gradient was not finite",
        "numbers grow beyond what the format holds",
        others="" if precision == "float32" else "; or train.precision=float32",
    )


def too_high(
    training: Training, since: int, seen: str, meaning: str, others: str = ""
) -> list[Finding]:
    """Return the finding that the learning rate is too high."""
    recipe = training.recipe
    train = recipe.train
    peak = min(training.peak_rate / 2, usual_peak(training))
    scale = scale_for(training, peak, train.warmup_updates)
    norm = "; or model.norm=pre, which allows a higher peak" if recipe.model.norm == "post" else ""
    return [
        Finding(
            "high_learning_rate",
            "warning",
            "the learning rate is too high",
            since,
            seen,
            meaning,
            f"train.learning_rate_scale={scale}, for a peak of {peak:.2g} instead of"
            f" {training.peak_rate:.2g}; or a longer train.warmup_updates{norm}{others}",
        )
    ]
