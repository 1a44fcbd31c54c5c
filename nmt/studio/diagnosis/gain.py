"""Extrapolate the last validations: what more updates may gain."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nmt.runs.history import ValidationRecord
from nmt.studio.diagnosis.training import NOTABLE_GAIN, Finding, Training
from nmt.system.arguments import argument

LEAST_FITTED = 3  # validations; also those over which the dev loss must fall
RECENT = 0.5  # of the updates; all scores since then are fitted, so that chance counts less
LONGER = 1.5  # times as many updates
# Nats by which the dev loss falls over the last validations, so that a score near 0 may rise yet.
LEAST_FALL = 0.1
IDLE_VALIDATIONS = 3  # without a better score

Scores = Sequence[tuple[int, float]]  # updates and scores


def expected_gain(training: Training) -> Iterator[Finding]:
    """Yield a note on what more updates may gain, if there are enough validations.

    The recent scores are fitted by limit - c / updates. `benchmarks/results/gain-estimates.toml`
    compares such estimates with the real gains of recorded trainings.
    """
    if training.recipe.train.cooldown_updates:
        return  # scores rise while the learning rate falls; nothing follows for more updates
    scored, best = fitted(training.scores), training.best_by("score")
    if len(scored) < LEAST_FITTED or best is None:
        return
    last = scored[-1][0]
    gain = training.improvement(0, extrapolated(scored, LONGER * last))
    is_better = training.improvement(scored[0][1], scored[-1][1]) > 0
    if training.worse_validations < IDLE_VALIDATIONS and gain >= NOTABLE_GAIN and is_better:
        yield some_gain(training, scored, gain)
    elif (fall := loss_fall(training)) >= LEAST_FALL:
        yield lower_loss(training, last, fall)
    else:
        yield no_gain(training, best, last)


def fitted(scored: Scores) -> Scores:
    """Return the scores of the second half of a training, or the last `LEAST_FITTED`."""
    recent = [point for point in scored if point[0] >= RECENT * scored[-1][0]]
    return recent if len(recent) >= LEAST_FITTED else scored[-LEAST_FITTED:]


def loss_fall(training: Training) -> float:
    """Return by how much the dev loss fell over the last validations, to its lowest value so far.

    It is 0 if the last one is not the lowest.
    """
    losses = [point.loss for point in training.dev]
    if not losses or losses[-1] > min(losses):
        return 0.0
    return losses[-LEAST_FITTED:][0] - losses[-1]


def lower_loss(training: Training, last: int, fall: float) -> Finding:
    """Return the note that the dev loss still falls, though the score does not show it."""
    return Finding(
        "expected_gain",
        "note",
        "expected gain of continuing: the dev loss still falls",
        None,
        f"over the last {LEAST_FITTED} validations the dev loss fell by {fall:.2f} to"
        f" {training.dev[-1].loss:.2f} (unsmoothed), but dev {training.measure.name} did not"
        " improve steadily",
        "the score follows the loss later",
        how_to_continue(training, two_digits(LONGER * last)),
    )


def how_to_continue(training: Training, further: int) -> str:
    """Return what makes a training go on up to some number of updates."""
    train, command = training.recipe.train, f"nmt train {argument(Path(training.name))}"
    if training.update >= train.max_updates:
        return f"raise train.max_updates: `{command} --max-updates {further}`"
    if train.patience:  # it may have ended the training
        command += f" --set train.patience={2 * train.patience}"
    return f"let the training go on; if it has stopped, `{command}` continues it"


def two_digits(number: float) -> int:
    """Return a positive number rounded to two digits, such as 480 for 478.2."""
    return round(float(f"{number:.2g}"))


def extrapolated(scored: Scores, later: float) -> float:
    """Return by how much least squares let the score change up to a later update."""
    places = [-1 / update for update, _ in scored]
    middle = sum(places) / len(places)
    mean = sum(score for _, score in scored) / len(scored)
    products = sum(
        (place - middle) * (score - mean) for place, (_, score) in zip(places, scored, strict=True)
    )
    slope = products / sum((place - middle) ** 2 for place in places)
    return slope * (-1 / later - places[-1])


def no_gain(training: Training, best: ValidationRecord, last: int) -> Finding:
    """Return the note that more updates are not worth their time."""
    name = training.measure.name
    since = last - best.update
    seen = (
        f"no better dev {name} in the last {since:,} updates; the best is {best.score:.2f}, at"
        f" update {best.update:,}"
        if since
        else f"dev {name} hardly rises any more; the best is {best.score:.2f}, at update"
        f" {best.update:,}"
    )
    if not since and training.measure.lower_is_better:
        seen = seen.replace("rises", "falls")
    return Finding(
        "expected_gain",
        "note",
        "expected gain of continuing: none",
        None,
        seen,
        "more updates of the same kind are unlikely to help",
        "keep the model; for a better one, more text or another model helps, not more updates",
    )


def some_gain(training: Training, scored: Scores, gain: float) -> Finding:
    """Return the note that more updates are worth their time."""
    name, (first, before), (last, now) = training.measure.name, scored[0], scored[-1]
    unit = 10 ** (len(str(last)) - 1)  # updates, such as 1,000 of 2,500
    rate = abs(now - before) / (last - first) * unit
    further = two_digits(LONGER * last)
    verb = "fell" if training.measure.lower_is_better else "rose"
    return Finding(
        "expected_gain",
        "note",
        f"expected gain of continuing: about {gain:.1f} {name}",
        None,
        f"dev {name} {verb} by about {rate:.1f} per {unit:,} updates, from {before:.2f} at update"
        f" {first:,} to {now:.2f} at update {last:,}",
        f"if it goes on as before, {further:,} updates give about {gain:.1f} {name} more than"
        f" {last:,}",
        how_to_continue(training, further),
    )
