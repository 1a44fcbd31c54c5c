"""Advise on the settings for a corpus, and on the time that their training takes here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from nmt.config import Recipe
from nmt.corpora.held_out import SETS, HashedPairs, Sizes, hold_out, placed
from nmt.corpora.pairs import Refused, read_leniently
from nmt.corpora.presets import ChosenSettings, commented_recipe
from nmt.corpora.report import Advice, Advised, Difference, Forecast
from nmt.corpora.survey import Sampler, Survey, few_pairs_notes, fitting_settings, survey
from nmt.errors import NmtError
from nmt.recipe.files import parse_recipe
from nmt.recipe.settings import get_setting, recipe_differences
from nmt.recipe.size import count_parameters
from nmt.system.devices import pick_device
from nmt.system.log import Notify
from nmt.text.corpus import Pair, ParallelText

if TYPE_CHECKING:
    import torch

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
    words = value_words(recipe)
    return [
        Advised(
            topic,
            words[topic],
            settings.reason(names[0]),
            {name: get_setting(recipe, name) for name in names},
        )
        for topic, names in TOPICS.items()
    ]


def value_words(recipe: Recipe) -> dict[str, str]:
    """Return the values in words, by topic."""
    model, train = recipe.model, recipe.train
    parameters = count_parameters(model, recipe.tokenizer.vocab_size)
    return {
        "vocabulary": f"{recipe.tokenizer.vocab_size:,} tokens",
        "model": f"{model.encoder_layers}+{model.decoder_layers} layers, d_model {model.d_model},"
        f" d_ff {model.d_ff}: {parameters:,} parameters",
        "dropout": f"{model.dropout:g}",
        "batch": f"{train.batch_source_tokens:,} tokens",
        "warm-up": f"{train.warmup_updates:,} updates",
        "updates": f"{train.max_updates:,}",
    }


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


def time_remark(time: Advised) -> str:
    """Return a sentence about the time, for a recipe."""
    return f"Training takes {time.advice} on the machine of this trial: {time.reason}."


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


@dataclass(frozen=True)
class Question:
    """Name the text that advice is wanted for."""

    training: tuple[ParallelText, ...]
    held_out: tuple[ParallelText, ...] = ()  # dev and test sets
    recipe: Recipe | None = None  # whose text this is; None: two files
    languages: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        """Return the names of the training files."""
        return ", ".join(text.title for text in self.training)

    def has(self, name: str) -> bool:
        """Return whether there is a set of this name."""
        return any(text.name == name for text in self.held_out)

    def dev(self) -> list[Pair]:
        """Return the pairs of the dev set with text on both sides."""
        texts = (text for text in self.held_out if text.name == "dev")
        return [pair for pair in read_all(texts) if all(map(str.strip, pair))]

    def pairs(self) -> Iterator[Pair]:
        """Yield the training pairs; lines that cannot be read are blank."""
        return read_all(self.training)


def read_all(texts: Iterable[ParallelText]) -> Iterator[Pair]:
    """Yield the pairs of texts; lines that cannot be read are blank."""
    return chain.from_iterable(read_leniently(text, Refused()) for text in texts)


def advise(question: Question, notify: Notify) -> Advice:
    """Read a corpus, choose settings for it, and try them for up to a minute.

    notify: receives what is done. Raises NmtError if the text is too small to train on.
    """
    device = pick_device()
    sampler = Sampler(SAMPLED)
    # A recipe's text is trained on as it is; pairs of two files must not be in a given set.
    given = None if question.recipe else HashedPairs(read_all(question.held_out)).segments()
    found = survey(sampler.watch(question.pairs()), given)
    if not found.facts.pairs:
        other = ", unless it is in a given dev or test set" if found.overlap else ""
        raise NmtError(f"{question.name} has no pair with text on both sides{other}")
    dev_pairs, settings = chosen(question, found, has_gpu=device.type == "cuda")
    recipe = recipe_of(settings, question)
    notify("advice: a trial measures the speed of this machine; it takes up to a minute")
    forecast, problem = tried(recipe, question, sampler.pairs, dev_pairs, device)
    return Advice(
        found.facts.pairs,
        (*advised_settings(recipe, settings), advised_time(forecast, problem)),
        forecast,
        differences(question.recipe, recipe, settings),
        (*few_pairs_notes(found.facts.pairs), *settings.notes),
    )


def chosen(question: Question, found: Survey, *, has_gpu: bool) -> tuple[int, ChosenSettings]:
    """Return the size of the dev set, and the settings; pairs of two files are held out."""
    if question.recipe:
        return len(question.dev()), fitting_settings(found.facts, question.pairs, has_gpu=has_gpu)
    dev, test = (0 if question.has(name) else None for name in ("dev", "test"))
    plan = hold_out(found.hashed, Sizes(dev, test), name=question.name, fix="give more text")

    def training() -> Iterator[Pair]:
        every = placed(question.pairs(), plan, question.name)
        return (pair for kind, pair in every if kind == "train")

    settings = fitting_settings(found.facts, training, has_gpu=has_gpu)
    dev_pairs = int((plan.places == SETS.index("dev")).sum())
    return dev_pairs or len(question.dev()), settings


def recipe_of(settings: ChosenSettings, question: Question) -> Recipe:
    """Return settings as a recipe for the text that is asked about."""
    recipe = parse_recipe(commented_recipe([], [], settings), "advice", "the advice")
    if question.recipe:
        return replace(recipe, data=question.recipe.data)
    source, target = question.languages
    data = replace(recipe.data, source_language=source, target_language=target)
    return replace(recipe, data=data)


def tried(
    recipe: Recipe,
    question: Question,
    sample: list[Pair],
    dev_pairs: int,
    device: "torch.device",
) -> tuple[Forecast | None, str]:
    """Return the forecast of a trial, or None and the reason why there is none."""
    from nmt.corpora.trial import TrialText, forecast

    dev = question.dev() or sample[:: -(-len(sample) // DEV_SAMPLED)]
    try:
        return forecast(recipe, TrialText(sample, dev, max(1, dev_pairs)), device), ""
    except NmtError as error:
        return None, str(error)


def differences(
    theirs: Recipe | None, ours: Recipe, settings: ChosenSettings
) -> tuple[Difference, ...]:
    """Return the settings of a recipe that differ from the advice, if there is a recipe."""
    if theirs is None:
        return ()
    names = [name for each in advised_settings(ours, settings) for name in each.settings]
    found = recipe_differences(theirs, ours, names)
    return tuple(
        Difference(each.name, each.old, each.new)
        for each in found
        if each.name not in GROWING or abs(each.old - each.new) > CLOSE * max(each.old, each.new)
    )
