"""Find translations that are all alike, or copies of their sources."""

from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from itertools import takewhile

from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.errors import shown
from nmt.runs.history import Sample, ValidationRecord

# Distinct translations for each distinct source. In the shipped recipes' trainings, all samples of
# the first validation differ.
MOST_ALIKE = 1 / 3
LEAST_SOURCES = 3  # distinct ones; fewer show nothing
ALIKE_VALIDATIONS = 3  # in a row; early in a training, translations are often alike
ALIKE_WARMUPS = 3  # updates so far, in warm-ups
# Share of equal words in equal order. A copy may lack a word or two; Multi30k's references and
# sources share 0.1.
COPY = 0.8
NO_COPY = 0.5
MOST_COPIES = 0.5  # share of the samples
COPIED_VALIDATIONS = 2  # in a row; one alone may be chance


def alike(training: Training) -> Iterator[Finding]:
    """Yield a finding if translations of different sources are the same, after the warm-up."""
    streak = last_validations(training, are_alike)
    is_early = training.update < ALIKE_WARMUPS * training.recipe.train.warmup_updates
    if len(streak) < ALIKE_VALIDATIONS or (is_early and not training.is_finished):
        return
    last = streak[-1]
    outputs = distinct(each.translation for each in last.samples)
    sources = distinct(each.source for each in last.samples)
    number = "one translation" if len(outputs) == 1 else f"{len(outputs)} translations"
    yield Finding(
        "alike",
        "warning",
        "translations are all alike",
        streak[0].update,
        f"since update {streak[0].update:,}, validations have few different translations; the last"
        f" one has {number} for {len(sources)} different sources, such as {shown(outputs[0])}",
        "the decoder ignores the source and writes what is frequent",
        "check that each target line translates its source line (`nmt check` with the recipe); if"
        " the loss still falls, train longer; if not, lower train.learning_rate_scale or set"
        " model.norm=pre",
    )


def copied(training: Training) -> Iterator[Finding]:
    """Yield a finding if translations are copies of their sources."""
    streak = last_validations(training, are_copies)
    if len(streak) < COPIED_VALIDATIONS:
        return
    last = streak[-1]
    copies = [each for each in last.samples if is_copy(each)]
    yield Finding(
        "copied",
        "warning",
        "translations copy their sources",
        streak[0].update,
        f"in the last {len(streak)} validations, most samples were copies; in the last one,"
        f" {len(copies)} of {len(last.samples)}, such as {shown(copies[0].translation)}",
        "many targets of the training text are copies of their sources, or texts in the wrong"
        " language",
        "count them with `nmt check` and the recipe, remove them with `nmt clean`, and train again",
    )


def last_validations(
    training: Training, have: Callable[[ValidationRecord], bool]
) -> list[ValidationRecord]:
    """Return the longest run of validations at the end that have a property, oldest first."""
    return [*takewhile(have, reversed(training.validations))][::-1]


def are_alike(validation: ValidationRecord) -> bool:
    """Return True if there are far fewer distinct translations than sources and references."""
    samples = validation.samples
    sources = len(distinct(each.source for each in samples))
    references = len(distinct(each.references[0] for each in samples if each.references))
    most = MOST_ALIKE * min(sources, references)
    is_enough = min(sources, references) >= LEAST_SOURCES
    return is_enough and len(distinct(each.translation for each in samples)) <= most


def are_copies(validation: ValidationRecord) -> bool:
    """Return True if many samples are copies."""
    copies = sum(map(is_copy, validation.samples))
    return copies > MOST_COPIES * len(validation.samples)


def is_copy(sample: Sample) -> bool:
    """Return True if a translation is its source, and no reference is."""
    likeness = [agreement(sample.source, each) for each in sample.references]
    return (
        agreement(sample.source, sample.translation) >= COPY and max(likeness, default=0) < NO_COPY
    )


def agreement(first: str, second: str) -> float:
    """Return the share of words that two texts have in the same order, without case."""
    return SequenceMatcher(None, first.lower().split(), second.lower().split(), False).ratio()


def distinct(texts: Iterable[str]) -> list[str]:
    """Return the different texts in the order in which they first occur."""
    return [*dict.fromkeys(texts)]
