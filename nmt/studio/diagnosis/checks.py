"""Say what goes wrong in a training, and what more updates may gain.

It is seen from settings, text and losses. Each check is one that trainings of real corpora have
needed, and each limit lies between the figures of trainings that went well and those of trainings
with the fault.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from nmt.runs.history import ValidationRecord
from nmt.studio.diagnosis.training import NOTABLE_GAIN, Finding, Point, Training, points
from nmt.system.arguments import argument
from nmt.text.facts import RARE, SideFacts

# Share of a run that the suggested warm-up takes. Those of the shipped recipes are 1 to 24 %.
WARMUP_SHARE = 0.1
# Share of the vocabulary that is seen less than RARE times. Tuned vocabularies: 15 % (8,000 tokens
# for Multi30k, 2,000 for pocket) and 5 % (8,000 for Tatoeba); those that `nmt init` chooses for 500
# to 20,000 of these pairs: 6 to 17 %. Twice Multi30k's has 63 %, four times Tatoeba's 61 %, and
# 8,000 for a quarter of Multi30k's pairs 69 %. Characters, up to 1 %, are part of some figures.
MOST_RARE = 0.4
FEWEST_TOKENS = 500  # a vocabulary of so few is never too large
# Nats by which dev tokens are rarer in the training text than its own. Dev sets of the same kind
# have up to 0.23 (newstest), and 0.65 with 2,000 pairs and 8,000 tokens; those of another kind
# 1.2 to 2.0 (Tatoeba or newstest for Multi30k, Multi30k or newstest for Tatoeba).
MOST_SURPRISE = 1.0
# Ratio of tokens a segment, dev to train, or train to dev. It is at most 1.2 for dev sets of the
# same kind (newstest), and 2.5 to 3.5 for newstest with the other two.
MOST_LENGTH_RATIO = 2.0

# Peak learning rate times d_model that works from random weights. The shipped recipes have 0.36
# (the paper's base model), 0.5 (big; also Multi30k with d_model 128), 0.77 (Tatoeba) and 0.47
# (pocket).
PEAK_TIMES_WIDTH = 0.5
HIGH = 1.5  # peaks of this many times the usual one are high; with lower ones, the text may be bad
# Nats by which the training loss exceeds its lowest mean so far. In the shipped recipes' trainings
# it does by at most 0.07. During the warm-up, a fine-tuned model may first lose some of its skill.
MOST_RISE = 0.3
MOST_RISE_IN_WARMUP = 1.0
# Parts of the loss of a model that knows only how frequent each token is. After the warm-up, the
# shipped recipes' trainings are below 0.6 of it. Ten times pocket's rate stays at 1.01 for ever; a
# hundredth of it is above 1 after four warm-ups, a tenth at 0.87 after two.
STUCK = 0.95
UNLEARNED = 0.8
# Nats by which a training that learns lowers its loss over half of its updates.
LEAST_FALL = 0.1

# Nats by which the dev loss is above its lowest value while the training loss falls. In the
# shipped recipes' trainings the score improves to the end, which makes it no overfitting.
MOST_DEV_RISE = 0.1
WORSE_VALIDATIONS = 2  # in loss and in score; one alone may be chance
# Nats by which the dev loss is above the training loss. In the shipped recipes' trainings it is
# between 0.3 below (dropout is off) and 0.4 above, after 30 epochs.
MOST_GAP = 1.0
# In which a model has not yet learned its text by heart. Without dropout, on 1,500 pairs of
# Multi30k, the gap is 0.5 in epoch 4 and 2.4 in epoch 7.
FIRST_EPOCHS = 3
HIGHEST_DROPOUT = 0.5
PATIENCE = 4  # validations

LEAST_FITTED = 3  # validations; also those over which the dev loss must fall
RECENT = 0.5  # of the updates; all scores since then are fitted, so that chance counts less
LONGER = 1.5  # times as many updates
# Nats by which the dev loss falls over the last validations, so that a score near 0 may rise yet.
LEAST_DEV_FALL = 0.1
IDLE_VALIDATIONS = 3  # without a better score

Scores = Sequence[tuple[int, float]]  # updates and scores


def diagnose(training: Training) -> tuple[Finding, ...]:
    """Return what stands out in a training so far: warnings, and a note on the expected gain.

    Each kind of finding occurs once at most. Before the first update, there is only what the
    settings and the text show. A wrong learning rate ends the diagnosis: the losses would show its
    consequences.
    """
    found = [*long_warmup(training), *large_vocabulary(training), *unlike_dev_text(training)]
    if wrong_rate := learning_rate(training):
        later = [wrong_rate]
    else:
        checks = (unlike_dev_losses, overfitting, expected_gain)
        later = [finding for check in checks for finding in check(training)]
    known = {finding.kind for finding in found}
    return (*found, *(finding for finding in later if finding.kind not in known))


def long_warmup(training: Training) -> Iterator[Finding]:
    """Yield a note if the training ends before the learning rate reaches its peak.

    It is no warning: `--max-updates` makes a short trial of a recipe, which may go on later.
    """
    train = training.recipe.train
    if train.warmup_updates < train.max_updates or train.max_updates < 2:
        return
    highest = training.peak_rate * train.max_updates / train.warmup_updates
    warmup = max(1, two_digits(WARMUP_SHARE * train.max_updates))
    scale = scale_for(training, training.peak_rate, warmup)
    yield Finding(
        "long_warmup",
        "note",
        "the warm-up is longer than the training",
        None,
        f"train.warmup_updates={train.warmup_updates} is not below"
        f" train.max_updates={train.max_updates}: the learning rate only rises, to {highest:.2g} at"
        f" the end; its peak is {training.peak_rate:.2g}",
        "the learning rate is too low for most of the training; it never falls, so the weights"
        " cannot settle",
        f"train.warmup_updates={warmup} with train.learning_rate_scale={scale}, which keeps the"
        " peak; or more updates (train.max_updates)",
    )


def large_vocabulary(training: Training) -> Iterator[Finding]:
    """Yield a finding if many tokens of a vocabulary are too rare in the training text."""
    facts, tokenizer = training.facts, training.recipe.tokenizer
    if facts is None or tokenizer.kind != "bpe" or training.recipe.train.init_from:
        return  # another tokenizer has no rare merges; a given one cannot be changed
    for vocabulary in facts.vocabularies:
        share = vocabulary.rare / vocabulary.size
        if share <= MOST_RARE or vocabulary.size <= FEWEST_TOKENS:
            continue
        which = f"the {vocabulary.side} vocabulary" if vocabulary.side else "the vocabulary"
        # One size is for both sides, and each must be able to learn it.
        needed = max(100, rounded_up(max(side.size - side.rare for side in facts.vocabularies)))
        fix = f"tokenizer.vocab_size={needed}, about the number of the other tokens; or more text"
        if needed >= vocabulary.size:
            fix = "more text, or tokenizer.joint=true, one vocabulary for both sides"
        yield Finding(
            "large_vocabulary",
            "warning",
            f"{which} is too large for the text",
            None,
            f"{vocabulary.rare:,} of its {vocabulary.size:,} tokens ({100 * share:.0f} %) have"
            f" several characters and occur less than {RARE} times in the training text",
            "the model cannot learn such tokens, and they take memory and time",
            fix,
        )
        return


def rounded_up(number: int) -> int:
    """Return a positive whole number with two digits at most, such as 480 for 471."""
    unit = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // unit) * unit


def unlike_dev_text(training: Training) -> Iterator[Finding]:
    """Yield a finding if the dev set's tokens differ from those of the training text."""
    facts = training.facts
    if facts is None or facts.dev is None:
        return
    differences = [
        difference
        for name, train, dev in zip(("sources", "targets"), facts.sides, facts.dev, strict=True)
        for difference in text_differences(name, train, dev)
    ]
    if differences:
        yield Finding(
            "unlike_dev_set",
            "warning",
            "the dev set is unlike the training text",
            None,
            "; ".join(differences),
            "dev scores say little about text like the training text, and the model translates text"
            " like the dev set badly",
            "hold out the dev set from the training text (`nmt split`), or add training text like"
            " the dev set; `nmt check` with the recipe looks closer",
        )


def text_differences(name: str, train: SideFacts, dev: SideFacts) -> Iterator[str]:
    """Yield a phrase for each way in which one side of the dev set differs."""
    if not train.tokens or not dev.tokens:
        return
    surprise = dev.entropy - train.entropy
    if surprise > MOST_SURPRISE:
        yield (
            f"in the training text, the tokens of dev {name} are {math.exp(surprise):.1f} times as"
            " rare as its own tokens"
        )
    means = [dev.tokens / dev.segments, train.tokens / train.segments]
    if max(means) > MOST_LENGTH_RATIO * min(means):
        yield f"dev {name} have {means[0]:.1f} tokens on average, training {name} {means[1]:.1f}"


def learning_rate(training: Training) -> Finding | None:
    """Return the finding that the learning rate is wrong, if it is."""
    if not training.train:
        return None
    last, lowest = training.train[-1], min(training.train, key=lambda point: point.loss)
    most = MOST_RISE if training.is_past_warmup else MOST_RISE_IN_WARMUP
    if last.loss - lowest.loss < most:
        return stuck(training, last)
    return high_rate(
        training,
        lowest.update,
        f"the training loss rose from {lowest.loss:.2f} at update {lowest.update:,} to"
        f" {last.loss:.2f} at update {last.update:,} (unsmoothed)",
        "steps are so large that they destroy what was learned",
    )


def stuck(training: Training, last: Point) -> Finding | None:
    """Return a finding if the model knows little more than how frequent tokens are."""
    if training.facts is None or not training.is_past_warmup:
        return None
    frequencies = training.facts.sides[1].entropy
    half = training.train_at(last.update // 2)
    if last.loss < UNLEARNED * frequencies or half is None:
        return None
    seen = (
        f"after {last.update:,} updates the training loss is {last.loss:.2f} (unsmoothed); a model"
        f" that only knows how frequent each token is has {frequencies:.2f}"
    )
    width, since = training.recipe.model.d_model, training.recipe.train.warmup_updates
    usual = PEAK_TIMES_WIDTH / width
    is_falling = half.loss - last.loss >= LEAST_FALL
    if last.loss >= STUCK * frequencies and training.peak_rate > HIGH * usual and not is_falling:
        what = "the loss no longer falls: steps are too large to find anything better"
        return high_rate(training, since, seen, what)
    if not is_falling or training.peak_rate >= usual:
        return None  # it learns all that it can, or it needs more updates
    return Finding(
        "low_learning_rate",
        "warning",
        "the learning rate is too low",
        since,
        f"{seen}; the highest learning rate is {training.peak_rate:.2g}",
        "steps are so small that the training needs many times as many updates",
        f"train.learning_rate_scale={scale_for(training, usual, since)}; its peak,"
        f" {usual:.2g}, is usual for d_model {width}",
    )


def high_rate(training: Training, since: int, seen: str, meaning: str) -> Finding:
    """Return the finding that the learning rate is too high."""
    model = training.recipe.model
    peak = min(training.peak_rate / 2, PEAK_TIMES_WIDTH / model.d_model)
    scale = scale_for(training, peak, training.recipe.train.warmup_updates)
    norm = "; or model.norm=pre, which allows a higher peak" if model.norm == "post" else ""
    return Finding(
        "high_learning_rate",
        "warning",
        "the learning rate is too high",
        since,
        seen,
        meaning,
        f"train.learning_rate_scale={scale}, for a peak of {peak:.2g} instead of"
        f" {training.peak_rate:.2g}; or a longer train.warmup_updates{norm}",
    )


def scale_for(training: Training, peak: float, warmup_updates: int) -> float:
    """Return the `train.learning_rate_scale` with which a warm-up reaches a peak (equation 3)."""
    scale = peak * math.sqrt(training.recipe.model.d_model * warmup_updates)
    return float(f"{scale:.2g}")


def overfitting(training: Training) -> Iterator[Finding]:
    """Yield a finding if the dev loss rises and scores fall while the training loss falls."""
    dev = training.dev
    if len(dev) < 1 + WORSE_VALIDATIONS:
        return
    last, lowest = dev[-1], min(dev, key=lambda point: point.loss)
    before, now = training.train_at(lowest.update), training.train_at(last.update)
    rise = min(point.loss for point in dev[-WORSE_VALIDATIONS:]) - lowest.loss
    if rise < MOST_DEV_RISE or before is None or now is None:
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
    if recipe.train.cooldown_updates:  # excludes patience
        yield "fewer train.max_updates end such a training sooner"
    elif not recipe.train.patience:
        yield f"train.patience={PATIENCE} ends such a training"
    dropout = min(HIGHEST_DROPOUT, round(recipe.model.dropout + 0.1, 1))
    if dropout > recipe.model.dropout:
        yield f"next time, train with model.dropout={dropout}, more text, or a smaller model"
    else:
        yield "next time, train with more text, or a smaller model"


def unlike_dev_losses(training: Training) -> Iterator[Finding]:
    """Yield a finding if the dev loss is far above the training loss from the beginning."""
    first = [
        record for record in training.validations if (record.epoch or math.inf) <= FIRST_EPOCHS
    ]
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
    if scored[0][0] < training.recipe.train.warmup_updates:
        return  # scores of the warm-up say nothing about those of updates with a higher rate
    last = scored[-1][0]
    gain = training.improvement(0, extrapolated(scored, LONGER * last))
    is_better = training.improvement(scored[0][1], scored[-1][1]) > 0
    if training.worse_validations < IDLE_VALIDATIONS and gain >= NOTABLE_GAIN and is_better:
        yield some_gain(training, scored, gain)
    elif (fall := loss_fall(training)) >= LEAST_DEV_FALL:
        yield lower_loss(training, last, fall)
    else:
        yield no_gain(training, best, last)


def gain_note(gain: str, seen: str, meaning: str, change: str) -> Finding:
    """Return the note on what more updates may gain."""
    title = f"expected gain of continuing{gain}"
    return Finding("expected_gain", "note", title, None, seen, meaning, change)


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
    return gain_note(
        ": the dev loss still falls",
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
    xs = [-1 / update for update, _ in scored]
    middle = sum(xs) / len(xs)
    mean = sum(score for _, score in scored) / len(scored)
    products = sum((x - middle) * (score - mean) for x, (_, score) in zip(xs, scored, strict=True))
    slope = products / sum((x - middle) ** 2 for x in xs)
    return slope * (-1 / later - xs[-1])


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
    return gain_note(
        ": none",
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
    return gain_note(
        f" to update {further:,}: about {gain:.1f} {name}",
        f"dev {name} {verb} by about {rate:.1f} per {unit:,} updates, from {before:.2f} at update"
        f" {first:,} to {now:.2f} at update {last:,}",
        f"if it goes on as before, {further:,} updates give about {gain:.1f} {name} more than"
        f" {last:,}",
        how_to_continue(training, further),
    )
