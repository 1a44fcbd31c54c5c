"""Advise on the settings for a corpus, and on the time that their training takes here."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from nmt.config import Recipe
from nmt.corpora.check import Task
from nmt.corpora.held_out import SETS, HashedPairs, Sizes, hold_out
from nmt.corpora.pairs import Refused, has_text, read_leniently, sample_evenly
from nmt.corpora.presets import ChosenSettings, CorpusFacts
from nmt.corpora.report import Advice, Advised, Difference, Forecast
from nmt.corpora.survey import (
    Corpus,
    few_pairs_notes,
    fitting_settings,
    survey,
    training_pairs,
)
from nmt.errors import NmtError
from nmt.recipe.settings import get_setting, recipe_differences, with_settings
from nmt.recipe.size import count_parameters
from nmt.system.devices import pick_device
from nmt.system.log import Notify
from nmt.text.corpus import Pair, ParallelText

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
BUSY = 0.75  # a smaller share of the processor's time means that other programs took much of it

# Each topic with the setting that has its reason, and its other settings.
TOPICS = {
    "vocabulary": ("tokenizer.vocab_size", "tokenizer.character_coverage"),
    "model": (
        "model.d_model",
        "model.encoder_layers",
        "model.decoder_layers",
        "model.d_ff",
        "model.heads",
        "model.d_k",
        "model.d_v",
        "model.norm",
        "model.positions",
        "model.activation",
    ),
    "dropout": ("model.dropout",),
    "batch": ("train.batch_source_tokens", "train.batch_target_tokens"),
    "warm-up": ("train.warmup_updates", "train.learning_rate_scale"),
    "updates": ("train.max_updates", "train.patience"),
}


def advised_settings(recipe: Recipe, settings: ChosenSettings) -> list[Advised]:
    """Return the advice on the settings of a recipe, with the reasons for their choice."""
    model, train, vocabulary = recipe.model, recipe.train, recipe.tokenizer.vocab_size
    words = (
        f"{vocabulary:,} tokens",
        f"{model.encoder_layers}+{model.decoder_layers} layers, d_model {model.d_model},"
        f" d_ff {model.d_ff}: {count_parameters(model, vocabulary):,} parameters",
        f"{model.dropout:g}",
        f"{train.batch_source_tokens:,} tokens",
        f"{train.warmup_updates:,} updates",
        f"{train.max_updates:,}",
    )
    return [
        Advised(
            topic,
            advice,
            settings.reasons[names[0]],
            {name: get_setting(recipe, name) for name in names},
        )
        for (topic, names), advice in zip(TOPICS.items(), words, strict=True)
    ]


def advised_time(forecast: Forecast | None, problem: str) -> Advised:
    """Return the time of the training; problem: the reason why it was not measured."""
    if forecast is None:
        return Advised("time", "not measured", problem, {})
    reason = (
        f"{forecast.updates:,} updates of {figure(forecast.seconds_per_update)} s and"
        f" {forecast.validations} validations of {figure(forecast.seconds_per_validation)} s, by a"
        f" trial of {forecast.measured_updates} updates ({forecast.device}, {forecast.precision})"
    )
    if forecast.processor_share < BUSY:
        alone = duration(forecast.seconds * forecast.processor_share)
        taken = 100 * (1 - forecast.processor_share)
        reason += (
            f"; other programs took {taken:.0f} % of the processor; without them, the training may"
            f" take {alone}"
        )
    return Advised("time", f"at most {duration(forecast.seconds)}", reason, {})


def figure(number: float) -> str:
    """Return a number with two digits, or more before the decimal point."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def duration(seconds: float) -> str:
    """Return seconds in words, in the unit that suits them."""
    if seconds < HOUR:
        minutes = max(1, round(seconds / MINUTE))
        return f"about {minutes} minute{'s' * (minutes > 1)}"
    if seconds < 2 * DAY:
        return f"about {seconds / HOUR:.1f} hours"
    return f"about {seconds / DAY:.1f} days"


SAMPLED = 40_000  # pairs for the trial, at most
DEV_SAMPLED = 1_000  # pairs of them that stand for a dev set
# Settings that grow with the number of pairs, and the share by which they may differ and still be
# as advised. `nmt init` chooses them for all pairs, of which up to a tenth is then held out.
GROWING = (
    "tokenizer.vocab_size",
    "train.max_updates",
    "train.warmup_updates",
    "train.checkpoint_updates",
    "train.validate_updates",
)
CLOSE = 0.15


def read_each(texts: Iterable[ParallelText]) -> Iterator[Corpus]:
    """Yield languages and pairs of texts; lines that cannot be read are blank."""
    return ((text.languages, read_leniently(text, Refused())) for text in texts)


def read_all(texts: Iterable[ParallelText]) -> Iterator[Pair]:
    """Yield the pairs of texts; lines that cannot be read are blank."""
    return chain.from_iterable(pairs for _, pairs in read_each(texts))


def advise(task: Task, recipe: Recipe | None, notify: Notify) -> Advice:
    """Read a corpus, choose settings for it, and try them for up to a minute.

    recipe: whose text this is; None: the text is two files, from which sets would be held out.
    notify: receives what is done. Raises NmtError if the text is too small to train on.
    """
    from nmt.corpora.trial import TrialText, forecast

    device = pick_device()
    dev_texts = [text for text in task.held_out if text.name == "dev"]
    dev = [*filter(has_text, read_all(dev_texts))]
    facts, settings, held_out = choose(task, recipe, has_gpu=device.type == "cuda")
    source, target = task.training[0].languages
    languages = {"data.source_language": source, "data.target_language": target}
    advised = with_settings(Recipe("advice"), settings.values | languages)
    if recipe:
        advised = replace(advised, data=recipe.data)
    notify("advice: a trial measures the speed of this machine; it takes up to a minute")
    sample = sample_evenly(filter(has_text, read_all(task.training)), SAMPLED)
    dev_pairs = max(1, held_out or len(dev))
    dev = dev or sample[:: -(-len(sample) // DEV_SAMPLED)]
    measured, problem = None, ""
    try:
        measured = forecast(advised, TrialText(sample, dev, dev_pairs), device)
    except NmtError as error:
        problem = str(error)
    return Advice(
        facts.pairs,
        (*advised_settings(advised, settings), advised_time(measured, problem)),
        measured,
        differences(recipe, advised),
        (*few_pairs_notes(facts.pairs), *settings.notes),
    )


def choose(
    task: Task, recipe: Recipe | None, *, has_gpu: bool
) -> tuple[CorpusFacts, ChosenSettings, int]:
    """Return the facts of a corpus, its settings, and how many pairs to hold out as a dev set."""
    names = [text.title for text in task.training]
    name = ", ".join(names)
    if recipe:  # its text is trained on as it is
        facts, _ = survey(read_each(task.training), name)
        settings = fitting_settings(facts, lambda: read_all(task.training), has_gpu=has_gpu)
        return facts, settings, 0
    given = HashedPairs(read_all(task.held_out))
    facts, hasher = survey(read_each(task.training), name, given)
    known = {text.name for text in task.held_out}
    sizes = Sizes(dev=0 if "dev" in known else None, test=0 if "test" in known else None)
    plan = hold_out(hasher, sizes, names=names, fix="give more text")
    settings = fitting_settings(
        facts, lambda: training_pairs(read_all(task.training), plan), has_gpu=has_gpu
    )
    return facts, settings, int((plan.places == SETS.index("dev")).sum())


def differences(theirs: Recipe | None, advised: Recipe) -> tuple[Difference, ...]:
    """Return the settings of a recipe that differ from the advice, if there is a recipe."""
    if theirs is None:
        return ()
    found = recipe_differences(theirs, advised, chain.from_iterable(TOPICS.values()))
    return tuple(
        Difference(setting.name, setting.old, setting.new)
        for setting in found
        if setting.name not in GROWING
        or abs(setting.old - setting.new) > CLOSE * max(setting.old, setting.new)
    )
