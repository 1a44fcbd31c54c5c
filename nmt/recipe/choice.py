"""Choose settings that suit a corpus, each with its reason, and write them as a recipe.

The choice starts from the tuned recipe whose corpus is nearest in size. The vocabulary and the
length of the training then follow from the corpus itself.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.config import Recipe
from nmt.recipe.files import read_recipe
from nmt.recipe.settings import DECLARED, get_setting
from nmt.recipe.toml import toml_value
from nmt.setting import default_of

SPECIAL_TOKENS = 4  # padding, unknown, begin and end
MANY_CHARACTERS = 1000  # distinct ones: a script such as Chinese, or stray characters
RARE_SHARE = 0.0005  # of the text: what the rarest characters of such a text may make up
FEWEST_TOKENS = 500  # in the vocabulary of a small corpus, if its text has so many
CHECKPOINTS = (
    28  # in a training; the last 10, a third of it, are averaged, as in both tuned recipes
)
LONGEST_LINE = 100  # of a recipe; a comment that is too long stands above its setting
PATIENCE = 5  # validations; the checkpoints since the best one are then those that are averaged


@dataclass(frozen=True)
class CorpusFacts:
    """The properties of a corpus that the choice depends on."""

    pairs: int  # training pairs with text on both sides
    words: int  # between spaces, on the side that has more
    characters: int  # on the side that has more
    alphabet: int  # distinct characters of both sides
    frequent_alphabet: int  # the most frequent of them, all but RARE_SHARE of the text
    distinct_words: int  # of 2 to 15 letters; a text with very many may have more
    most_tokens: int | None = None  # that the text allows, if that is known exactly

    @property
    def tokens(self) -> float:
        """About how many tokens the longer side has, in a vocabulary of some thousands."""
        return max(1.4 * self.words, self.characters / 4) + self.pairs


@dataclass(frozen=True)
class StartingPoint:
    """A recipe that was tuned, here or by the paper, on a corpus of a certain size."""

    recipe: str
    pairs: int
    epochs: float
    updates: tuple[int, int]  # fewest and most for corpora of about this size


SMALL = StartingPoint("multi30k_en_de", 29_000, 61, (4_200, 14_000))
MEDIUM = StartingPoint("tatoeba_en_de", 165_813, 8, (7_000, 42_000))
LARGE = StartingPoint("wmt14_en_de_base", 4_500_000, 0, (100_000, 100_000))


@dataclass(frozen=True)
class Choice:
    """A setting, its value, and the reason for it as a comment."""

    name: str  # section.key
    value: Any
    reason: str = ""


@dataclass(frozen=True)
class ChosenSettings:
    """The settings that differ from the defaults, in the order of a recipe."""

    start: StartingPoint | None  # None: a model
    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()  # notes about the whole recipe

    def value(self, name: str) -> Any:
        """Return a setting's value, its default if it was not chosen."""
        chosen = {each.name: each.value for each in self.choices}
        return chosen.get(name, default_of(DECLARED[name]))


def choose_settings(facts: CorpusFacts, *, has_gpu: bool) -> ChosenSettings:
    """Return the settings that suit a corpus and the machine that will train on it."""
    nearest = nearest_start(facts.pairs)
    is_too_large = nearest is LARGE and not has_gpu
    start = MEDIUM if is_too_large else nearest
    recipe = read_recipe(start.recipe)
    choices = [*vocabulary(facts, recipe), *shape(recipe), *training(facts, start, recipe)]
    choices += search(recipe)
    order = list(DECLARED)
    changed = [each for each in choices if each.value != default_of(DECLARED[each.name])]
    notes = [
        f'The model has the sizes of the recipe "{start.recipe}", which was tuned on'
        f" {start.pairs:,} pairs."
        if start is not LARGE
        else "The model is the paper's base, which was tuned on 4,500,000 pairs. It needs a GPU."
    ]
    if is_too_large:
        notes.append(
            "The paper's base model suits such a large corpus, but needs a GPU; `nmt init --gpu`"
            " chooses it."
        )
    return ChosenSettings(
        start, tuple(sorted(changed, key=lambda each: order.index(each.name))), tuple(notes)
    )


def nearest_start(pairs: int) -> StartingPoint:
    """Return the starting point whose corpus is nearest in size, as a ratio."""
    points = (SMALL, MEDIUM, LARGE)
    return min(points, key=lambda each: abs(math.log(max(1, pairs) / each.pairs)))


def vocabulary(facts: CorpusFacts, recipe: Recipe) -> list[Choice]:
    """Return the size of the vocabulary, and the share of characters that it covers.

    The size is one that the text is large enough for: a text has at least its characters and, as
    whole words, half of its distinct words as possible tokens.
    """
    alphabet, coverage = facts.alphabet, []
    if facts.alphabet > MANY_CHARACTERS:
        alphabet = facts.frequent_alphabet
        reason = f"the text has {facts.alphabet:,} distinct characters, most of them rare"
        coverage = [Choice("tokenizer.character_coverage", 1 - RARE_SHARE, reason)]
    wanted = recipe.tokenizer.vocab_size
    reason = f"as in {recipe.name}"
    per_pair = wanted / SMALL.pairs
    if facts.pairs * per_pair < wanted:
        size = max(FEWEST_TOKENS, round_down(facts.pairs * per_pair))
        wanted, reason = min(size, wanted), "tokens must be frequent to be learned"
    smallest = SPECIAL_TOKENS + alphabet + 1
    largest = SPECIAL_TOKENS + alphabet + facts.distinct_words // 2
    if wanted > largest:
        wanted, reason = largest, "the text is too small for many more"
    if wanted < smallest + alphabet:
        wanted = max(smallest, min(largest, smallest + alphabet))
        reason = f"room for {alphabet:,} distinct characters, and as many longer tokens"
    if facts.most_tokens and wanted > facts.most_tokens:
        wanted, reason = facts.most_tokens, "the most that so small a text allows"
    return [Choice("tokenizer.vocab_size", wanted, reason), *coverage]


def shape(recipe: Recipe) -> list[Choice]:
    """Return the model settings of a tuned recipe with the reasons for them."""
    reasons = {
        "encoder_layers": "a small corpus needs a small model; a large model memorises it",
        "d_model": "width of the model; d_k and d_v are d_model / heads",
        "d_ff": "inner width of the feed-forward layers",
        "dropout": "reduces overfitting; a small corpus needs more of it",
        "norm": "pre-norm, rotary positions and SwiGLU are newer than the paper; they train"
        " several times faster",
    }
    names = [name for name in DECLARED if name.startswith("model.")]
    return [
        Choice(name, get_setting(recipe, name), reasons.get(name.partition(".")[2], ""))
        for name in names
    ]


def training(facts: CorpusFacts, start: StartingPoint, recipe: Recipe) -> list[Choice]:
    """Return the training settings: those of a tuned recipe, and a length that suits the corpus."""
    train = recipe.train
    peak = train.learning_rate_scale / math.sqrt(recipe.model.d_model * train.warmup_updates)
    precision = Choice("train.precision", "auto", "bf16 if it is faster on this device")
    batch = "tokens per update"
    kept = [
        precision,
        Choice("train.batch_source_tokens", train.batch_source_tokens, batch),
        Choice("train.batch_target_tokens", train.batch_target_tokens),
        Choice("train.micro_batch_tokens", train.micro_batch_tokens, "tokens in memory at once"),
        Choice("train.warmup_updates", train.warmup_updates),
        Choice("train.learning_rate_scale", train.learning_rate_scale, f"maximum {peak:.4f}"),
    ]
    if start is LARGE:
        return kept
    fewest, most = start.updates
    per_epoch = max(1.0, facts.tokens / train.batch_source_tokens)
    updates = min(most, max(fewest, start.epochs * per_epoch))
    interval = round_down(updates / CHECKPOINTS)
    updates = interval * CHECKPOINTS
    epochs = round(updates / per_epoch)
    return [
        *kept,
        Choice("train.max_updates", updates, f"at most; about {epochs:,} epochs of this corpus"),
        Choice(
            "train.patience", PATIENCE, f"stop after {PATIENCE} validations without a better score"
        ),
        Choice("train.checkpoint_updates", interval),
        Choice("train.average_checkpoints", 10, "the final model is the average of these"),
        Choice("train.validate_updates", 2 * interval, "updates between two scores on the dev set"),
    ]


def search(recipe: Recipe) -> list[Choice]:
    """Return the search settings; they may be changed after the training."""
    reason = "beam and penalty were best on the dev set of that recipe; try others on yours"
    return [
        Choice("decode.beam_size", recipe.decode.beam_size),
        Choice("decode.length_penalty", recipe.decode.length_penalty, reason),
    ]


def round_down(number: float) -> int:
    """Return a number with two digits at most, such as 470 for 478.2; it is at least 1."""
    whole = max(1, int(number))
    unit = int(10 ** max(0, len(str(whole)) - 2))
    return whole // unit * unit


def commented_recipe(
    heading: Sequence[str], data: Iterable[Choice], settings: ChosenSettings, extends: str = ""
) -> str:
    """Return a recipe as TOML with a comment beside each setting that has a reason.

    heading: the first lines, as sentences. data: the [data] settings; a name may have a third part,
    as in `data.test.mine`. extends: what the recipe extends, or "".
    """
    lines = [f"# {line}" for line in heading]
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
        lines += [beside] if len(beside) <= LONGEST_LINE else [f"# {each.reason}", line]
    return "\n".join(lines) + "\n"
