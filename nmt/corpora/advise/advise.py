"""Advise on the settings for a corpus, and on the time that their training takes here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from nmt.config import Recipe
from nmt.corpora.advise.fitting import few_pairs_notes, fitting_settings
from nmt.corpora.advise.sample import Sampler
from nmt.corpora.advise.survey import Survey, survey
from nmt.corpora.advise.words import advised_settings, advised_time
from nmt.corpora.check.advised import Advice, Difference, Forecast
from nmt.corpora.check.reading import Pair, Refused, Text, read_leniently
from nmt.corpora.clean.held_out import SETS, Sizes, hashed, hold_out, placed
from nmt.errors import NmtError
from nmt.recipe.chosen import ChosenSettings, commented_recipe
from nmt.recipe.files import parse_recipe
from nmt.recipe.settings import recipe_differences
from nmt.system.devices import pick_device
from nmt.system.log import Notify

if TYPE_CHECKING:
    import torch

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

    training: tuple[Text, ...]
    held_out: tuple[Text, ...] = ()  # dev and test sets
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


def read_all(texts: Iterable[Text]) -> Iterator[Pair]:
    """Yield the pairs of texts; lines that cannot be read are blank."""
    return chain.from_iterable(read_leniently(text, Refused()) for text in texts)


def advise(question: Question, notify: Notify) -> Advice:
    """Read a corpus, choose settings for it, and try them for up to a minute.

    notify: receives what is done. Raises NmtError if the text is too small to train on.
    """
    device = pick_device()
    sampler = Sampler(SAMPLED)
    # A recipe's text is trained on as it is; pairs of two files must not be in a given set.
    given = None if question.recipe else hashed(read_all(question.held_out)).segments()
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
    plan = hold_out(found.rows, Sizes(dev, test), name=question.name, fix="give more text")

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
    from nmt.corpora.advise.trial import TrialText, forecast

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
