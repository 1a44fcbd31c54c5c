"""Choose settings that suit a corpus, each with its reason: from a table, or for fine-tuning.

A row of the table has the settings for corpora up to a size. Three rows are recipes that were tuned
on corpora of their sizes; the other rows reach from one of these sizes to the next.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmt.config import DECLARED, Recipe
from nmt.errors import UsageError
from nmt.recipe.files import ENDING, model_tables, read_recipe
from nmt.recipe.rules import SPECIAL_TOKENS
from nmt.recipe.settings import get_setting
from nmt.recipe.toml import recipe_from_tables, toml_key, toml_value, used_removed, without_removed
from nmt.runs.model_file import find_model
from nmt.runs.run_folder import model_name


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
    rewritten: int = 0  # pairs whose source has no words, such as a number, and is not the target

    @property
    def tokens(self) -> float:
        """Return about how many tokens the longer side has, in a vocabulary of some thousands."""
        return max(1.4 * self.words, self.characters / 4) + self.pairs

    def doubled(self) -> "CorpusFacts":
        """Return the facts of a text that is twice as long."""
        names = ("pairs", "words", "characters", "long_pairs", "rewritten")
        return replace(self, **{name: 2 * getattr(self, name) for name in names})


SMALL, MEDIUM, LARGE = "multi30k_en_de", "tatoeba_en_de", "wmt14_en_de_base"
TUNED_ON = {SMALL: 29_000, MEDIUM: 165_813, LARGE: 4_500_000}  # pairs
COLUMNS = (
    "tokenizer.vocab_size",
    "model.d_model",
    "model.d_ff",
    "model.encoder_layers",
    "model.heads",
    "model.dropout",
    "train.batch_source_tokens",  # and as many target tokens
    "train.warmup_updates",
    "train.learning_rate_scale",
    "train.weight_decay",
    "train.max_updates",
    "train.checkpoint_updates",
)
# Settings that a row has from its recipe, or from the first of two.
INHERITED = (
    "model.decoder_layers",
    "model.positions",
    "model.norm",
    "model.activation",
    "train.optimizer",
    "train.average_checkpoints",
    "decode.beam_size",
    "decode.length_penalty",
)


@dataclass(frozen=True)
class Preset:
    """Hold the settings for corpora up to a size."""

    most_tokens: float  # of the corpus, as `CorpusFacts` estimates them
    numbers: tuple[float, ...]  # values of COLUMNS
    recipes: tuple[str, ...]  # that were tuned; two: the settings lie between theirs
    reason: str  # why the settings suit corpora of this size
    needs_gpu: bool = False

    def values(self) -> dict[str, Any]:
        """Return the settings by name."""
        tuned = read_recipe(self.recipes[0])
        values: dict[str, Any] = dict(zip(COLUMNS, self.numbers, strict=True))
        values |= {name: get_setting(tuned, name) for name in INHERITED}
        values["model.d_k"] = values["model.d_model"] // values["model.heads"]
        values["model.d_v"] = values["model.d_k"]
        values["train.batch_target_tokens"] = values["train.batch_source_tokens"]
        values["train.precision"] = "auto"
        if self.recipes != (LARGE,):  # the paper validates and ends by updates alone
            values["train.validate_updates"] = 2 * values["train.checkpoint_updates"]
            cooldown = tuned.train.cooldown_updates / tuned.train.max_updates
            values["train.cooldown_updates"] = round(cooldown * values["train.max_updates"])
        return values

    @property
    def origin(self) -> str:
        """Return a sentence about the recipes that the settings come from."""
        first, *others = self.recipes
        gpu = " It needs a GPU." if self.needs_gpu else ""
        if not others:
            return (
                f'The model has the sizes of the recipe "{first}", which was tuned on'
                f" {TUNED_ON[first]:,} pairs.{gpu}"
            )
        names = " and ".join(f'"{name}" ({TUNED_ON[name]:,} pairs)' for name in self.recipes)
        return f"The sizes of the model lie between those of the recipes {names}.{gpu}"


# By size: Multi30k has about 540,000 tokens, Tatoeba 1.7 million, WMT14 165 million. Rows for more
# text than Tatoeba have less weight decay, because an epoch has more updates; the last has none, as
# in the paper.
# fmt: off
PRESETS = (
    Preset(15_000, (500, 128, 256, 4, 4, 0.3, 2_048, 200, 2.05, 0.3, 2_400, 150), (SMALL,),
           "a wider model would memorise so few; of more tokens, most would be too rare"),
    Preset(100_000, (1_000, 128, 256, 4, 4, 0.3, 2_048, 200, 2.05, 0.3, 2_400, 150), (SMALL,),
           "a wider model would memorise so few; they need few tokens, but some thousand updates"),
    Preset(250_000, (3_000, 128, 256, 4, 4, 0.3, 2_048, 200, 2.05, 0.3, 4_000, 250), (SMALL,),
           "a wider model would memorise so few; they need fewer tokens and updates than Multi30k"),
    Preset(720_000, (8_000, 128, 256, 4, 4, 0.25, 2_048, 400, 2.9, 0.3, 8_000, 500), (SMALL,),
           "a wider model would memorise so few instead of learning from them; these sizes were"
           " tuned on Multi30k"),
    Preset(1_300_000, (8_000, 192, 384, 4, 4, 0.2, 2_048, 400, 2.22, 0.3, 10_000, 500),
           (SMALL, MEDIUM), "between Multi30k and Tatoeba, for which widths of 128 and 256 were"
           " tuned; nothing was measured there"),
    Preset(3_000_000, (8_000, 256, 512, 6, 4, 0.2, 4_096, 400, 1.6, 0.3, 9_000, 500), (MEDIUM,),
           "about as much text as Tatoeba, for which this width was tuned"),
    Preset(9_000_000, (12_000, 256, 512, 6, 4, 0.15, 4_096, 800, 1.81, 0.1, 24_000, 1_500),
           (MEDIUM,), "more text than Tatoeba, enough for more tokens and updates; nothing was"
           " measured there"),
    Preset(53_000_000, (17_000, 384, 768, 6, 6, 0.1, 7_000, 1_700, 2.43, 0.03, 56_000, 2_000),
           (MEDIUM, LARGE), "between Tatoeba and WMT14, for which widths of 256 and 512 were"
           " tuned; nothing was measured there", needs_gpu=True),
    Preset(math.inf, (37_000, 512, 2_048, 6, 8, 0.1, 25_000, 4_000, 1.0, 0.0, 100_000, 1_500),
           (LARGE,), "enough text for the paper's base model", needs_gpu=True),
)
# fmt: on


def preset_for(facts: CorpusFacts, *, has_gpu: bool) -> Preset:
    """Return the row for a corpus; without a GPU, the last one that needs none has no limit."""
    rows = [preset for preset in PRESETS if has_gpu or not preset.needs_gpu]
    return next((preset for preset in rows if facts.tokens <= preset.most_tokens), rows[-1])


def needs_gpu(facts: CorpusFacts) -> bool:
    """Return whether a corpus is so large that a GPU allows for better settings."""
    return preset_for(facts, has_gpu=True).needs_gpu


@dataclass(frozen=True)
class ChosenSettings:
    """Hold settings that differ from those they would have otherwise."""

    values: dict[str, Any]  # by name, in the order of a recipe
    reasons: dict[str, str]  # by name, also of settings that keep their defaults
    notes: tuple[str, ...] = ()  # about the whole recipe

    def value(self, name: str) -> Any:
        """Return a setting's value, its default if it was not chosen."""
        return self.values.get(name, DECLARED[name].metadata["default"])


MOST_REWRITTEN = 0.05  # of the pairs; a corpus of translations has far fewer


def choose_settings(facts: CorpusFacts, *, has_gpu: bool) -> ChosenSettings:
    """Return the settings that suit a corpus and the machine that will train on it."""
    preset = preset_for(facts, has_gpu=has_gpu)
    values = preset.values()
    reasons = explain(facts, values) | {"model.d_model": f"{facts.pairs:,} pairs: {preset.reason}"}
    if values["train.average_checkpoints"] == 1:
        reasons["train.average_checkpoints"] = "no average: the learning rate ends at 0"
    fit_vocabulary(facts, values, reasons)
    if facts.rewritten > MOST_REWRITTEN * facts.pairs:
        values["decode.odd_input"] = "as_is"
        reasons["decode.odd_input"] = (
            f"{facts.rewritten:,} sources have no words, such as numbers, and other targets: they"
            " must not be copied"
        )
    changed = {
        name: values[name]
        for name, setting in DECLARED.items()
        if name in values and values[name] != setting.metadata["default"]
    }
    notes = [preset.origin]
    if needs_gpu(facts) and not has_gpu:
        notes.append(
            "A larger model would suit such a large corpus, but needs a GPU; `nmt init --gpu`"
            " chooses it."
        )
    return ChosenSettings(changed, reasons, tuple(notes))


REASONS = {
    "model.d_ff": "inner width of the feed-forward layers",
    "model.norm": "pre-norm, rotary positions and SwiGLU are newer than the paper; they train"
    " several times faster",
    "train.weight_decay": "shrinks the weights in each update, so that the text can be read more"
    " often before it is learned by heart",
    "train.cooldown_updates": "the last ones, in which the learning rate falls to 0",
    "train.precision": "bf16 if it is faster on this device",
    "train.average_checkpoints": "the final model is the average of these",
    "train.validate_updates": "updates between two scores on the dev set",
    "decode.length_penalty": "beam and penalty were best on the dev set of that recipe; try others"
    " on yours",
}


def explain(facts: CorpusFacts, values: dict[str, Any]) -> dict[str, str]:
    """Return the reasons for the settings of a row, by name."""
    batch, updates = values["train.batch_source_tokens"], values["train.max_updates"]
    per_epoch = max(1.0, facts.tokens / batch)
    at_once, passes = max(1, round(facts.pairs / per_epoch)), math.ceil(per_epoch)
    epochs = max(1, round(updates / per_epoch))
    times = "once" if epochs == 1 else f"{epochs:,} times"
    vocabulary, warmup = values["tokenizer.vocab_size"], values["train.warmup_updates"]
    scale = values["train.learning_rate_scale"]
    rate = f"{scale / math.sqrt(values['model.d_model'] * warmup):.4f}"
    return {
        **REASONS,
        "train.optimizer": "the paper's"
        if values["train.optimizer"] == "adam"
        else "learns more from each update than Adam",
        "tokenizer.vocab_size": f"in {facts.pairs:,} pairs, each of {vocabulary:,} tokens occurs"
        f" about {round_down(facts.tokens / vocabulary):,} times on average in each language; rare"
        " tokens are learned badly",
        "model.dropout": f"each pair is seen {times}; dropout prevents that it is learned by heart",
        "train.batch_source_tokens": f"tokens of each side in an update: about {at_once:,} pairs,"
        f" {passes:,} update{'s' * (passes > 1)} for each pass over the corpus",
        "train.warmup_updates": f"the learning rate rises to {rate} in"
        f" {100 * warmup / updates:.2g} % of the updates; training may diverge if it starts so"
        " high",
        "train.learning_rate_scale": f"maximum {rate}",
        "train.max_updates": f"about {epochs:,} epoch{'s' * (epochs > 1)} of this corpus",
    }


MANY_CHARACTERS = 1000  # distinct ones: a script such as Chinese, or stray characters
RARE_SHARE = 0.0005  # of the text: what the rarest characters of such a text may make up


def fit_vocabulary(facts: CorpusFacts, values: dict[str, Any], reasons: dict[str, str]) -> None:
    """Change a vocabulary that does not fit the text, and cover only the frequent characters.

    A text has at least its characters and, as whole words, half of its distinct words as possible
    tokens.
    """
    name, alphabet = "tokenizer.vocab_size", facts.alphabet
    if facts.alphabet > MANY_CHARACTERS:
        alphabet = facts.frequent_alphabet
        values["tokenizer.character_coverage"] = 1 - RARE_SHARE
        reasons["tokenizer.character_coverage"] = (
            f"the text has {facts.alphabet:,} distinct characters, most of them rare"
        )
    smallest = len(SPECIAL_TOKENS) + alphabet + 1
    largest = len(SPECIAL_TOKENS) + alphabet + facts.distinct_words // 2
    if values[name] > largest:
        values[name] = largest
        reasons[name] = "the text has too few different words for many more tokens"
    if values[name] < smallest + alphabet:
        values[name] = max(smallest, min(largest, smallest + alphabet))
        reasons[name] = f"room for {alphabet:,} distinct characters, and as many longer tokens"
    if facts.most_tokens and values[name] > facts.most_tokens:
        values[name], reasons[name] = facts.most_tokens, "the most that so small a text allows"


def round_down(number: float) -> int:
    """Return a number with two digits at most, such as 470 for 478.2; it is at least 1."""
    whole = max(1, int(number))
    unit = int(10 ** max(0, len(str(whole)) - 2))
    return whole // unit * unit


@dataclass(frozen=True)
class StartModel:
    """A model file that a training starts from."""

    path: Path  # as the user names it
    recipe: Recipe
    removed: tuple[str, ...] = ()  # removed settings that its training used


def read_start_model(path: Path) -> StartModel:
    """Return the model at a path, a file or a run folder, with its recipe.

    Raises NmtError if there is no model, UsageError if no recipe can extend it.
    """
    path = find_model(path, "--init-from")
    tables = model_tables(path)
    recipe = recipe_from_tables(without_removed(tables), path.stem, f"the recipe inside {path}")
    if path.suffix != ENDING:  # a recipe that is extended has another ending
        raise UsageError(f"the name of the model {path} must end in {ENDING}; rename the file")
    return StartModel(path, recipe, tuple(used_removed(tables)))


AVERAGED = 10  # checkpoints, because the learning rate doesn't end at 0
PATIENCE = 5  # validations; the checkpoints since the best one are then those that are averaged
EPOCHS = 10  # at most; patience usually ends the training before
UPDATES = (280, 14_000)  # fewest and most
BATCH_TOKENS = (500, 4000)  # fewest and most of an update
UPDATES_PER_EPOCH = 50  # of a small corpus; its batches are smaller
CHECKPOINTS = 28  # in a training
WARMUP_SHARE = 0.1  # of the updates
# The highest learning rate is this number over d_model: 0.0001 for the paper's base. It is a
# seventh of the paper's, because a trained model should keep what it knows.
RATE_TIMES_WIDTH = 0.05


def fine_tuning_settings(facts: CorpusFacts, model: StartModel) -> ChosenSettings:
    """Return the settings of a training that starts from a model and ends within some epochs."""
    fewest, most = BATCH_TOKENS
    batch = round_down(min(most, max(fewest, facts.tokens / UPDATES_PER_EPOCH)))
    per_epoch = max(1.0, facts.tokens / batch)
    interval = round_down(min(UPDATES[1], max(UPDATES[0], EPOCHS * per_epoch)) / CHECKPOINTS)
    updates = interval * CHECKPOINTS
    warmup = round_down(WARMUP_SHARE * updates)
    width = model.recipe.model.d_model
    rate = RATE_TIMES_WIDTH / width
    values = {
        "train.init_from": model_name(model.path),
        "train.precision": "auto",
        "train.batch_source_tokens": batch,
        "train.batch_target_tokens": batch,
        "train.max_updates": updates,
        "train.patience": PATIENCE,
        "train.cooldown_updates": 0,
        "train.weight_decay": 0.0,
        "train.warmup_updates": warmup,
        "train.learning_rate_scale": round(rate * math.sqrt(width * warmup), 4),
        "train.checkpoint_updates": interval,
        "train.checkpoint_minutes": 0.0,
        "train.validate_updates": 2 * interval,
    }
    if model.recipe.train.average_checkpoints == 1:  # its learning rate ended at 0
        values["train.average_checkpoints"] = AVERAGED
    base = "" if model.path.is_absolute() else "; relative to the folder where nmt is run"
    reasons = REASONS | {
        "train.patience": f"stop after {PATIENCE} validations without a better score",
        "train.init_from": f"weights and vocabulary to start from{base}",
        "train.batch_source_tokens": "tokens per update",
        "train.max_updates": f"at most; about {round(updates / per_epoch):,} epochs of this corpus",
        "train.cooldown_updates": "patience may end the training at any update",
        "train.weight_decay": "would make the model forget the tokens that this corpus lacks",
        "train.learning_rate_scale": f"maximum {rate:.6f}: small, so that the model keeps what it"
        " knows",
        "train.checkpoint_minutes": "by updates, also in a short training",
    }
    removed = " and ".join(model.removed)
    notes = [f"The recipe extends {model_name(model.path)}, with its model, vocabulary and search."]
    if removed:
        notes.append(
            f"The model was trained with {removed}, which was removed and has no effect here."
        )
    # A 0 replaces another value of the model's own recipe.
    needed = {
        name: value for name, value in values.items() if value or get_setting(model.recipe, name)
    }
    return ChosenSettings(needed, reasons, tuple(notes))


LONGEST_LINE = 100  # of a recipe; a comment that is too long stands above its setting


def commented_recipe(heading: Sequence[str], settings: ChosenSettings, extends: str = "") -> str:
    """Return a recipe as TOML with a comment beside or above each setting that has a reason.

    heading: the first lines, as sentences. extends: what the recipe extends, or "".
    """
    lines = [f"# {part}" for line in heading for part in wrapped(line)]
    if extends:
        lines += ["", f"extends = {toml_value(extends)}"]
    last = ""
    for name, value in settings.values.items():
        section, _, key = name.partition(".")
        if section != last:
            lines += ["", f"[{section}]"]
            last = section
        line, reason = f"{key} = {toml_value(value)}", settings.reasons.get(name, "")
        if name == "data.test":
            line = "\n".join(
                f"{key}.{toml_key(test)} = {toml_value(value[test])}" for test in value
            )
        elif name in ("data.train", "data.dev") and len(value) > 1:
            line = "\n".join((f"{key} = [", *(f"  {toml_value(entry)}," for entry in value), "]"))
        beside = f"{line} # {reason}" if reason else line
        if len(beside) <= LONGEST_LINE:
            lines.append(beside)
        else:
            lines += [*(f"# {part}" for part in wrapped(reason)), line]
    return "\n".join(lines) + "\n"


def wrapped(comment: str) -> list[str]:
    """Return a comment in lines that fit into a recipe; a long name is never broken."""
    return textwrap.wrap(
        comment, LONGEST_LINE - len("# "), break_long_words=False, break_on_hyphens=False
    )
