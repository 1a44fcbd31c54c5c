"""Put advice into words."""

from nmt.config import Recipe
from nmt.corpora.check.advised import Advised, Forecast
from nmt.recipe.chosen import ChosenSettings
from nmt.recipe.settings import get_setting
from nmt.recipe.size import count_parameters

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
