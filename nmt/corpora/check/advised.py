"""Hold advice on settings for a corpus, as a part of its report."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Advised:
    """Hold a piece of advice, which may concern several settings or none."""

    topic: str  # such as "vocabulary"
    advice: str  # in words, such as "8,000 tokens"
    reason: str  # a phrase
    settings: dict[str, Any]  # values by name


@dataclass(frozen=True)
class Forecast:
    """Hold how long a training takes on this machine, by a trial."""

    seconds: float  # of all updates and validations; patience may end the training earlier
    seconds_per_update: float  # the median of those measured
    measured_updates: int
    updates: int  # of the whole training
    seconds_per_validation: float
    validations: int
    processor_share: float  # of the CPU's time that the trial got; 1 if there is a GPU
    precision: str  # of the matrix products, as the trainer chooses it
    device: str  # such as "CPU, 2 threads"


@dataclass(frozen=True)
class Difference:
    """Hold a setting for which a recipe has another value than the advice."""

    name: str
    recipe: Any
    advice: Any


@dataclass(frozen=True)
class Advice:
    """Hold the advice for a training text and this machine."""

    pairs: int  # with text on both sides
    advised: tuple[Advised, ...]
    forecast: Forecast | None  # None: it could not be measured
    differences: tuple[Difference, ...]  # from the recipe that is checked
    notes: tuple[str, ...]


def advice_lines(advice: Advice) -> list[str]:
    """Return the lines about advice for a terminal."""
    width = max(len(each.topic) for each in advice.advised)
    lines = [f"advice: settings for {advice.pairs:,} pairs, and the time on this machine"]
    for each in advice.advised:
        lines += [f"  {each.topic:{width}}  {each.advice}", f"  {'':{width}}    {each.reason}"]
    lines += [f"  note: {note}" for note in advice.notes]
    lines += [f"  differs: {difference_words(each)}" for each in advice.differences]
    return lines


def difference_words(difference: Difference) -> str:
    """Return a phrase with both values of a setting."""
    return f"the recipe has {difference.name}={difference.recipe}, not {difference.advice}"
