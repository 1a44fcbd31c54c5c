"""Choose settings that suit a corpus, each with its reason.

Three recipes were tuned on corpora of different sizes. A corpus of such a size gets these settings;
between two sizes, settings lie between those of both recipes. The vocabulary and the length of the
training also depend on the corpus itself.
"""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from nmt.config import DECLARED, ModelSettings, Recipe
from nmt.recipe.files import read_recipe
from nmt.recipe.rules import SPECIAL_TOKENS
from nmt.recipe.settings import get_setting
from nmt.recipe.toml import toml_value
from nmt.text.learning import FEWEST_TOKENS

# A corpus whose place is this close to a tuned one gets the settings that were tuned.
MARGIN = 0.05


@dataclass(frozen=True)
class CorpusFacts:
    """Hold the properties of a corpus that the choice depends on."""

    pairs: int  # training pairs with text on both sides
    words: int  # between spaces, on the side that has more
    characters: int  # on the side that has more
    alphabet: int  # distinct characters of both sides
    frequent_alphabet: int  # the most frequent of them, all but RARE_SHARE of the text
    distinct_words: int  # of 2 to 15 letters; a text with very many may have more
    most_tokens: int | None = None  # that the text allows, if that is known exactly
    long_pairs: int = 0  # with a side of more characters than data.max_length allows tokens

    @property
    def tokens(self) -> float:
        """Return about how many tokens the longer side has, in a vocabulary of some thousands."""
        return max(1.4 * self.words, self.characters / 4) + self.pairs


@dataclass(frozen=True)
class StartingPoint:
    """Name a recipe that was tuned, here or by the paper, and the size of its corpus."""

    recipe: str
    title: str  # of the corpus
    pairs: int
    tokens: float  # as `CorpusFacts` estimates them
    epochs: float
    updates: tuple[int, int]  # fewest and most for corpora of about this size


SMALL = StartingPoint("multi30k_en_de", "Multi30k", 29_000, 540_000, 61, (4_200, 14_000))
MEDIUM = StartingPoint("tatoeba_en_de", "Tatoeba", 165_813, 1_726_000, 18, (16_000, 42_000))
LARGE = StartingPoint("wmt14_en_de_base", "WMT14", 4_500_000, 165e6, 15, (7_000, 100_000))


@dataclass(frozen=True)
class Place:
    """Place a corpus between two starting points, by the logarithm of its tokens."""

    lower: StartingPoint
    upper: StartingPoint
    share: float  # 0: as small as the lower one, or smaller; 1: as large as the upper one

    @property
    def is_between(self) -> bool:
        """Return True unless the settings are those of one starting point."""
        return 0 < self.share < 1

    @property
    def nearest(self) -> StartingPoint:
        """Return the nearer starting point."""
        return self.upper if self.share > 0.5 else self.lower

    def mean(self, lower: float, upper: float) -> float:
        """Return a value between those of the starting points, on a straight line."""
        return lower + (upper - lower) * self.share

    def ratio_mean(self, lower: float, upper: float) -> float:
        """Return a value between those of the starting points, on a straight line of logarithms."""
        return float(lower ** (1 - self.share) * upper**self.share)

    def whole(self, lower: int, upper: int) -> int:
        """Return a whole number between two of them; it has two digits unless it is one of them."""
        if lower == upper or not self.is_between:
            return upper if self.share else lower
        return round_down(self.ratio_mean(lower, upper))


def place_of(tokens: float, lower: StartingPoint, upper: StartingPoint) -> Place:
    """Return the place of a corpus with so many tokens."""
    distance = math.log(upper.tokens / lower.tokens)
    share = math.log(max(1.0, tokens) / lower.tokens) / distance
    return Place(lower, upper, min(1.0, max(0.0, (share - MARGIN) / (1 - 2 * MARGIN))))


def needs_gpu(facts: CorpusFacts) -> bool:
    """Return whether a corpus is so large that a GPU allows for better settings."""
    return place_of(facts.tokens, MEDIUM, LARGE).share > 0


def round_down(number: float) -> int:
    """Return a number with two digits at most, such as 470 for 478.2; it is at least 1."""
    whole = max(1, int(number))
    unit = int(10 ** max(0, len(str(whole)) - 2))
    return whole // unit * unit


LONGEST_LINE = 100  # of a recipe; a comment that is too long stands above its setting


@dataclass(frozen=True)
class Choice:
    """Hold a setting, its value, and the reason for it as a comment."""

    name: str  # section.key
    value: Any
    reason: str = ""


@dataclass(frozen=True)
class ChosenSettings:
    """Hold the settings that differ from the defaults, in the order of a recipe."""

    start: StartingPoint | None  # the nearest tuned recipe; None: a model
    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()  # notes about the whole recipe
    considered: tuple[Choice, ...] = ()  # the choices with those that equal the defaults

    def value(self, name: str) -> Any:
        """Return a setting's value, its default if it was not chosen."""
        chosen = {each.name: each.value for each in self.choices}
        return chosen.get(name, DECLARED[name].metadata["default"])

    def reason(self, name: str) -> str:
        """Return the reason for a setting, also for one that equals its default."""
        return next((each.reason for each in self.considered if each.name == name), "")


def commented_recipe(
    heading: Sequence[str], data: Iterable[Choice], settings: ChosenSettings, extends: str = ""
) -> str:
    """Return a recipe as TOML with a comment beside or above each setting that has a reason.

    heading: the first lines, as sentences. data: the [data] settings; a name may have a third part,
    as in `data.test.mine`. extends: what the recipe extends, or "".
    """
    lines = [f"# {part}" for line in heading for part in wrapped(line)]
    if extends:
        lines += ["", f"extends = {toml_value(extends)}"]
    section = ""
    for each in (*data, *settings.choices):
        name, _, key = each.name.partition(".")
        if name != section:
            lines += ["", f"[{name}]"]
            section = name
        line = f"{key} = {toml_value(each.value)}"
        beside = f"{line} # {each.reason}" if each.reason else line
        if len(beside) <= LONGEST_LINE:
            lines.append(beside)
        else:
            lines += [*(f"# {part}" for part in wrapped(each.reason)), line]
    return "\n".join(lines) + "\n"


def wrapped(comment: str) -> list[str]:
    """Return a comment in lines that fit into a recipe; a long name is never broken."""
    return textwrap.wrap(
        comment, LONGEST_LINE - len("# "), break_long_words=False, break_on_hyphens=False
    )


MANY_CHARACTERS = 1000  # distinct ones: a script such as Chinese, or stray characters
RARE_SHARE = 0.0005  # of the text: what the rarest characters of such a text may make up
TUNED, LARGEST = 8_000, 37_000  # tokens of the tuned recipes, and of the paper
WHOLE_SHARE = 0.9  # of Multi30k's pairs or tokens: a text with so much gets its vocabulary
MOST_ON_CPU = 16_000  # with more, the output layer of a small model takes most of the time


def vocabulary(facts: CorpusFacts, *, has_gpu: bool) -> list[Choice]:
    """Return the size of the vocabulary, and the share of characters that it covers.

    The size is one that the text is large enough for: a text has at least its characters and, as
    whole words, half of its distinct words as possible tokens.
    """
    alphabet, coverage = facts.alphabet, []
    if facts.alphabet > MANY_CHARACTERS:
        alphabet = facts.frequent_alphabet
        reason = f"the text has {facts.alphabet:,} distinct characters, most of them rare"
        coverage = [Choice("tokenizer.character_coverage", 1 - RARE_SHARE, reason)]
    wanted, reason = by_amount(facts, has_gpu=has_gpu)
    smallest = len(SPECIAL_TOKENS) + alphabet + 1
    largest = len(SPECIAL_TOKENS) + alphabet + facts.distinct_words // 2
    if wanted > largest:
        wanted, reason = largest, "the text has too few different words for many more tokens"
    if wanted < smallest + alphabet:
        wanted = max(smallest, min(largest, smallest + alphabet))
        reason = f"room for {alphabet:,} distinct characters, and as many longer tokens"
    if facts.most_tokens and wanted > facts.most_tokens:
        wanted, reason = facts.most_tokens, "the most that so small a text allows"
    return [Choice("tokenizer.vocab_size", wanted, reason), *coverage]


def by_amount(facts: CorpusFacts, *, has_gpu: bool) -> tuple[int, str]:
    """Return the size of the vocabulary by the amount of text, and the reason."""
    pairs = f"{facts.pairs:,} pairs"
    share = max(facts.pairs / SMALL.pairs, facts.tokens / SMALL.tokens) / WHOLE_SHARE
    place = place_of(facts.tokens, MEDIUM, LARGE)
    if share < 1:
        size = max(FEWEST_TOKENS, round_down(share * TUNED))
        return size, f"{pairs} are few: of more tokens, most would be too rare to be learned"
    size = round(place.ratio_mean(TUNED, LARGEST) / 1000) * 1000
    if size == TUNED:
        times = round_down(facts.tokens / TUNED)
        return TUNED, (
            f"in {pairs}, each of {TUNED:,} tokens occurs about {times:,} times on average in each"
            f" language, enough to be learned; as in the recipes for {SMALL.title} and"
            f" {MEDIUM.title}"
        )
    if size > MOST_ON_CPU and not has_gpu:
        return (
            MOST_ON_CPU,
            "the text is large enough for more tokens, but they would be slow on a CPU",
        )
    return int(size), f"{pairs} show many words often enough to be tokens of their own"


WIDTH_STEP = 64  # of d_model
FEWEST_HEADS, HEAD_WIDTH = 4, 64
DROPOUT_STEP = 0.05
LITTLE_DROPOUT = 0.1
ROUNDING = 1e-6  # updates; a mean of logarithms may be a little less than a whole number
CHECKPOINTS = (
    28  # in a training; the last 10, a third of it, are averaged, as in both tuned recipes
)
PATIENCE = 5  # validations; the checkpoints since the best one are then those that are averaged


def choose_settings(facts: CorpusFacts, *, has_gpu: bool) -> ChosenSettings:
    """Return the settings that suit a corpus and the machine that will train on it."""
    place = place_of(facts.tokens, MEDIUM, LARGE)
    # A GPU helps only if the model for it is wider.
    is_too_large = not has_gpu and model_at(place).d_model > model_of(MEDIUM).d_model
    if not has_gpu or not place.share:
        place = place_of(facts.tokens, SMALL, MEDIUM)
    length = length_of(facts, place)
    choices = [
        *vocabulary(facts, has_gpu=has_gpu),
        *shape(facts, place, length, is_too_large=is_too_large),
        *training(facts, place, length),
        *search(recipe_of(place.nearest)),
    ]
    order = list(DECLARED)
    choices.sort(key=lambda each: order.index(each.name))
    changed = [each for each in choices if each.value != DECLARED[each.name].metadata["default"]]
    notes = [about_size(place)]
    if is_too_large:
        notes.append(
            "A larger model would suit such a large corpus, but needs a GPU; `nmt init --gpu`"
            " chooses it."
        )
    return ChosenSettings(place.nearest, tuple(changed), tuple(notes), tuple(choices))


def about_size(place: Place) -> str:
    """Return a sentence about the recipes that the sizes of the model come from."""
    if is_paper(place):
        pairs = f"{LARGE.pairs:,}"
        return f"The model is the paper's base, which was tuned on {pairs} pairs. It needs a GPU."
    model = model_at(place)
    for start in (place.lower, place.upper):
        if replace(model, dropout=0.0) == replace(model_of(start), dropout=0.0):
            return (
                f'The model has the sizes of the recipe "{start.recipe}", which was tuned on'
                f" {start.pairs:,} pairs."
            )
    lower, upper = (
        f'"{each.recipe}" ({each.pairs:,} pairs)' for each in (place.lower, place.upper)
    )
    return f"The sizes of the model lie between those of the recipes {lower} and {upper}."


@lru_cache
def recipe_of(start: StartingPoint) -> Recipe:
    """Return a tuned recipe."""
    return read_recipe(start.recipe)


def model_of(start: StartingPoint) -> ModelSettings:
    """Return the model of a tuned recipe."""
    return recipe_of(start).model


def model_at(place: Place) -> ModelSettings:
    """Return the model of a tuned recipe, or one between two, in the layers of the smaller one."""
    lower, upper = model_of(place.lower), model_of(place.upper)
    if not place.is_between:
        return upper if place.share else lower
    width = WIDTH_STEP * round(place.mean(lower.d_model, upper.d_model) / WIDTH_STEP)
    heads = max(FEWEST_HEADS, width // HEAD_WIDTH)
    dropout = DROPOUT_STEP * round(place.mean(lower.dropout, upper.dropout) / DROPOUT_STEP)
    return replace(
        lower,
        encoder_layers=round(place.mean(lower.encoder_layers, upper.encoder_layers)),
        decoder_layers=round(place.mean(lower.decoder_layers, upper.decoder_layers)),
        d_model=width,
        d_ff=width * lower.d_ff // lower.d_model,
        heads=heads,
        d_k=width // heads,
        d_v=width // heads,
        dropout=round(dropout, 2),
    )


@dataclass(frozen=True)
class Length:
    """Describe the length of a training."""

    batch_tokens: int  # of each side
    updates: int
    interval: int  # updates between two checkpoints
    per_epoch: float  # updates
    limit: str = ""  # "fewest" or "most" updates, if that is why there are not more or fewer

    @property
    def epochs(self) -> int:
        """Return how often each pair is seen."""
        return max(1, round(self.updates / self.per_epoch))


def length_of(facts: CorpusFacts, place: Place) -> Length:
    """Return how long a training on a corpus takes; that of the paper's base is the paper's."""
    lower, upper = (recipe_of(each).train for each in (place.lower, place.upper))
    batch_tokens = place.whole(lower.batch_source_tokens, upper.batch_source_tokens)
    per_epoch = max(1.0, facts.tokens / batch_tokens)
    if is_paper(place):
        return Length(batch_tokens, upper.max_updates, upper.checkpoint_updates, per_epoch)
    fewest, most = map(place.ratio_mean, place.lower.updates, place.upper.updates)
    epochs = place.ratio_mean(place.lower.epochs, place.upper.epochs)
    wanted = epochs * per_epoch
    limit = "fewest" if wanted < fewest else "most" if wanted > most else ""
    updates = min(most, max(fewest, wanted)) + ROUNDING
    interval = round_down(updates / CHECKPOINTS)
    return Length(batch_tokens, interval * CHECKPOINTS, interval, per_epoch, limit)


def is_paper(place: Place) -> bool:
    """Return whether the settings are those of the paper's base model."""
    return place.upper is LARGE and place.share == 1


def shape(facts: CorpusFacts, place: Place, length: Length, *, is_too_large: bool) -> list[Choice]:
    """Return the model settings with the reasons for them."""
    model = model_at(place)
    reasons = {
        "d_model": width_reason(facts, place, is_too_large=is_too_large),
        "d_ff": "inner width of the feed-forward layers",
        "dropout": dropout_reason(model.dropout, length.epochs),
        "norm": "pre-norm, rotary positions and SwiGLU are newer than the paper; they train"
        " several times faster",
    }
    recipe = Recipe("chosen", model=model)
    names = [name for name in DECLARED if name.startswith("model.")]
    return [
        Choice(name, get_setting(recipe, name), reasons.get(name.partition(".")[2], ""))
        for name in names
    ]


def width_reason(facts: CorpusFacts, place: Place, *, is_too_large: bool) -> str:
    """Return why the model is as wide as it is."""
    pairs, width = f"{facts.pairs:,} pairs", model_at(place).d_model
    widths = [model_of(each).d_model for each in (place.lower, place.upper)]
    if is_too_large:
        return f"{pairs} are enough for a wider model, but without a GPU it would be slow"
    if is_paper(place):
        return f"{pairs} are enough for the paper's base model"
    if width == widths[0] and place.lower is SMALL:
        return (
            f"a wider model would memorise {pairs} instead of learning from them; tuned on"
            f" {SMALL.title} ({SMALL.pairs:,} pairs)"
        )
    if width in widths:
        near = place.lower if width == widths[0] else place.upper
        return (
            f"{pairs} are about as much text as {near.title} ({near.pairs:,} pairs), for which this"
            " width was tuned"
        )
    return (
        f"{pairs} are between {place.lower.title} and {place.upper.title}, for which {widths[0]}"
        f" and {widths[1]} were tuned; between them nothing was measured"
    )


def dropout_reason(dropout: float, epochs: int) -> str:
    """Return why dropout is as strong as it is."""
    times = "once" if epochs == 1 else f"about {epochs:,} times"
    if dropout > LITTLE_DROPOUT:
        return f"each pair is seen {times}; without dropout it would be learned by heart"
    return f"each pair is seen only {times}, so little dropout prevents overfitting"


def training(facts: CorpusFacts, place: Place, length: Length) -> list[Choice]:
    """Return the training settings: those of a tuned recipe, and a length that suits the corpus."""
    near, tokens = recipe_of(place.nearest).train, length.batch_tokens
    at_once = max(1, round(facts.pairs / length.per_epoch))
    passes = math.ceil(length.per_epoch)
    batch = (
        f"tokens of each side in an update: about {min(facts.pairs, at_once):,} pairs,"
        f" {passes:,} update{'s' * (passes > 1)} for each pass over the corpus"
    )
    warmup, peak, scale = learning_rate(place)
    rise = f"{100 * warmup / length.updates:.2g} %"
    warm_up = (
        f"the learning rate rises to {peak:.4f} in {rise} of the updates; training may diverge if"
        " it starts so high"
    )
    chosen = [
        Choice("train.precision", "auto", "bf16 if it is faster on this device"),
        Choice("train.batch_source_tokens", tokens, batch),
        Choice("train.batch_target_tokens", tokens),
        Choice("train.micro_batch_tokens", near.micro_batch_tokens, "tokens in memory at once"),
        Choice("train.warmup_updates", warmup, warm_up),
        Choice("train.learning_rate_scale", scale, f"maximum {peak:.4f}"),
    ]
    if is_paper(place):
        return [*chosen, Choice("train.max_updates", length.updates, "as many as in the paper")]
    return [
        *chosen,
        Choice("train.max_updates", length.updates, length_reason(place, length)),
        Choice(
            "train.patience", PATIENCE, f"stop after {PATIENCE} validations without a better score"
        ),
        Choice("train.checkpoint_updates", length.interval),
        Choice("train.average_checkpoints", 10, "the final model is the average of these"),
        Choice(
            "train.validate_updates",
            2 * length.interval,
            "updates between two scores on the dev set",
        ),
    ]


def learning_rate(place: Place) -> tuple[int, float, float]:
    """Return the warm-up in updates, the highest learning rate, and the scale that leads to it."""
    first, second = (recipe_of(each) for each in (place.lower, place.upper))
    warmup = place.whole(first.train.warmup_updates, second.train.warmup_updates)
    if not place.is_between:
        chosen = second if place.share else first
        return warmup, peak_of(chosen), chosen.train.learning_rate_scale
    peak = place.ratio_mean(peak_of(first), peak_of(second))
    return warmup, peak, round(peak * math.sqrt(model_at(place).d_model * warmup), 2)


def peak_of(recipe: Recipe) -> float:
    """Return the highest learning rate of a recipe."""
    train = recipe.train
    return train.learning_rate_scale / math.sqrt(recipe.model.d_model * train.warmup_updates)


def length_reason(place: Place, length: Length) -> str:
    """Return why a training is as long as it is."""
    start = f"at most; about {length.epochs:,} epoch{'s' * (length.epochs > 1)} of this corpus"
    if length.limit == "fewest" and not place.share:
        return f"{start}; a model needs a few thousand updates even for few pairs"
    if length.limit == "most" and place.share == 1:
        return f"{start}; more would take too long without a GPU"
    starts = (place.lower, place.upper) if place.is_between else (place.nearest,)
    return f"{start}, as tuned on {' and '.join(each.title for each in starts)}"


def search(recipe: Recipe) -> list[Choice]:
    """Return the search settings; they may be changed after the training."""
    reason = "beam and penalty were best on the dev set of that recipe; try others on yours"
    return [
        Choice("decode.beam_size", recipe.decode.beam_size),
        Choice("decode.length_penalty", recipe.decode.length_penalty, reason),
    ]
