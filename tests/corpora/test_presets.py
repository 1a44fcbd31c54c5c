"""Settings that suit a corpus: those of a row of the table, and those to fine-tune a model."""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nmt.config import DECLARED
from nmt.corpora.advice import duration, figure
from nmt.corpora.presets import (
    LARGE,
    MEDIUM,
    PRESETS,
    SMALL,
    CorpusFacts,
    StartModel,
    choose_settings,
    commented_recipe,
    fine_tuning_settings,
)
from nmt.recipe.files import load_recipe, parse_recipe
from nmt.recipe.settings import get_setting, with_settings

# Of the training text of these recipes, as `nmt init` counts them.
MULTI30K = CorpusFacts(29_000, 345_020, 2_046_956, 110, 71, 26_000)
TATOEBA = CorpusFacts(165_813, 1_073_087, 6_242_253, 150, 72, 60_000)
WMT14 = replace(TATOEBA, pairs=4_500_000, words=120_000_000, distinct_words=200_000)


choose = partial(choose_settings, has_gpu=False)


def of_size(tokens: float) -> CorpusFacts:
    pairs = max(1, int(tokens / 17))
    return CorpusFacts(pairs, int((tokens - pairs) / 1.4), 0, 90, 80, 200_000)


def test_the_manual_shows_the_table() -> None:
    path = Path(__file__).parents[2] / "docs" / "howto" / "choose-settings.md"
    page = path.read_text(encoding="utf-8")
    for preset in PRESETS:
        vocabulary, width, inner, layers, _, dropout, batch, *_, updates, _ = preset.numbers
        decoder_layers = preset.values()["model.decoder_layers"]
        size = f"{vocabulary:,} | {layers}+{decoder_layers}, {width}, {inner}"
        row = f" | {size} | {dropout:g} | {batch:,} | {updates:,} |"
        assert len([line for line in page.splitlines() if line.endswith(row)]) == 1


@pytest.mark.parametrize(
    ("facts", "recipe", "has_gpu", "updates"),
    [(MULTI30K, SMALL, False, 8_000), (TATOEBA, MEDIUM, False, 9_000), (WMT14, LARGE, True, 1e5)],
    ids=[SMALL, MEDIUM, LARGE],
)
def test_the_tuned_corpora_get_what_was_tuned_for_them(
    facts: CorpusFacts, recipe: str, has_gpu: bool, updates: int
) -> None:
    chosen, tuned = choose(facts, has_gpu=has_gpu), load_recipe(recipe)
    same = [name for name in DECLARED if name.startswith("model.")]
    same += ["tokenizer.vocab_size", "train.average_checkpoints", "train.optimizer"]
    same += ["train.weight_decay", "train.cooldown_updates"]
    same += ["train.batch_source_tokens", "train.batch_target_tokens", "train.precision"]
    same += ["train.warmup_updates", "train.learning_rate_scale", "train.micro_batch_tokens"]
    same += ["decode.beam_size", "decode.length_penalty"]
    for name in same:
        assert chosen.value(name) == get_setting(tuned, name), name
    assert chosen.value("train.max_updates") == updates
    assert not chosen.value("train.patience")  # a cooldown decides the end
    assert f'"{recipe}", which was tuned on' in chosen.notes[0]


def test_a_part_held_out_changes_no_setting() -> None:
    for facts in (MULTI30K, TATOEBA):
        share = 1 - 2_000 / facts.pairs
        words, characters = int(share * facts.words), int(share * facts.characters)
        less = replace(facts, pairs=facts.pairs - 2_000, words=words, characters=characters)
        assert choose(facts).values == choose(less).values


def test_a_row_is_for_corpora_up_to_its_size() -> None:
    for smaller, larger in pairwise(PRESETS):
        for tokens, preset in ((0.98, smaller), (1.02, larger)):
            chosen = choose(of_size(tokens * smaller.most_tokens), has_gpu=True)
            size = chosen.value("model.d_model"), chosen.value("tokenizer.vocab_size")
            assert size == (preset.numbers[1], preset.numbers[0])


def test_long_sentences_count_by_their_words() -> None:
    """Use few pairs, as Multi30k, but as many words as Tatoeba."""
    assert choose(replace(MULTI30K, words=1_300_000)).value("model.d_model") == 256
    assert choose(replace(MULTI30K, words=700_000)).value("model.d_model") == 192


def test_reasons_name_what_is_true_for_the_corpus() -> None:
    chosen = choose(MULTI30K)
    assert "29,000 pairs" in chosen.reasons["model.d_model"]
    lines = commented_recipe([], chosen).splitlines()  # in which long reasons are wrapped
    assert max(map(len, lines)) <= 100
    before = lines[lines.index("d_model = 128") - 2 : lines.index("d_model = 128")]
    assert chosen.reasons["model.d_model"] in " ".join(line.removeprefix("# ") for line in before)
    assert "about 110 pairs, 265 updates" in chosen.reasons["train.batch_source_tokens"]
    between = choose(replace(TATOEBA, words=600_000, characters=2_400_000, pairs=60_000))
    assert "between Multi30k and Tatoeba" in between.reasons["model.d_model"]
    # A setting that equals its default has a reason too, though it is not in the recipe.
    assert "seen 14 times" in choose(WMT14, has_gpu=True).reasons["model.dropout"]
    assert "model.dropout" not in choose(WMT14, has_gpu=True).values


@pytest.mark.parametrize("pairs", [1, 9_000, 400_000, 3_000_000])
@pytest.mark.parametrize("has_gpu", [False, True])
def test_every_choice_is_a_recipe_without_defaults(pairs: int, has_gpu: bool) -> None:
    facts = CorpusFacts(pairs, 12 * pairs, 60 * pairs, 90, 80, min(200_000, 2 * pairs))
    chosen = choose(facts, has_gpu=has_gpu)
    recipe = parse_recipe(commented_recipe(["A heading."], chosen), "x", "x")
    for name in DECLARED:
        if not name.startswith("data."):
            assert get_setting(recipe, name) == chosen.value(name), name
    defaults = {name: declared.default for name, declared in DECLARED.items()}
    assert not [name for name, value in chosen.values.items() if value == defaults[name]]


def test_without_a_gpu_no_model_is_wider_than_that_of_tatoeba_and_a_note_says_so() -> None:
    on_cpu, on_gpu = choose(WMT14), choose(WMT14, has_gpu=True)
    assert (on_cpu.value("model.d_model"), on_gpu.value("model.d_model")) == (256, 512)
    assert any("needs a GPU" in note and "--gpu" in note for note in on_cpu.notes)
    assert on_gpu.value("tokenizer.vocab_size") == 37_000
    assert "It needs a GPU" in on_gpu.notes[0]
    assert not any("--gpu" in note for note in choose(TATOEBA).notes)


def test_a_small_text_gets_a_vocabulary_that_it_can_fill() -> None:
    """4 special tokens, 50 characters and half of the words are certain."""
    few_words = CorpusFacts(20, 200, 1_000, 50, 50, 60)
    assert choose(few_words).value("tokenizer.vocab_size") == 4 + 50 + 30
    more = CorpusFacts(7_250, 80_000, 400_000, 90, 80, 9_000)  # a quarter of Multi30k
    assert choose(more).value("tokenizer.vocab_size") == 3_000
    long = replace(more, words=800_000, distinct_words=90_000)  # ten times as much text in them
    assert choose(long).value("tokenizer.vocab_size") == 8_000
    assert choose(replace(more, most_tokens=700)).value("tokenizer.vocab_size") == 700


def test_rare_characters_of_a_large_script_are_left_out() -> None:
    chinese = CorpusFacts(50_000, 100_000, 1_000_000, 5_000, 3_500, 200_000)
    chosen = choose(chinese)
    assert chosen.value("tokenizer.character_coverage") == 0.9995
    recipe = parse_recipe(commented_recipe([], chosen), "x", "x")
    assert recipe.tokenizer.character_coverage == 0.9995
    assert chosen.value("tokenizer.vocab_size") >= 2 * 3_500
    assert choose(replace(chinese, alphabet=900)).value("tokenizer.character_coverage") == 1


def ten_words(pairs: int) -> CorpusFacts:
    return CorpusFacts(pairs, 10 * pairs, 60 * pairs, 60, 60, pairs)


@pytest.mark.parametrize("pairs", [1, 100, 10_000, 1_000_000, 100_000_000])
@pytest.mark.parametrize(("base", "width"), [("pocket", 128), ("wmt14_en_de_base", 512)])
def test_training_is_short_and_its_learning_rate_small(pairs: int, base: str, width: int) -> None:
    model = StartModel(Path("old.safetensors"), load_recipe(base))
    chosen = fine_tuning_settings(ten_words(pairs), model)
    scale, warmup = map(chosen.value, ("train.learning_rate_scale", "train.warmup_updates"))
    assert scale / math.sqrt(width * warmup) == pytest.approx(0.05 / width, rel=0.01)
    updates = chosen.value("train.max_updates")
    assert 280 <= updates <= 14_000
    assert warmup < updates / 5
    assert updates % chosen.value("train.checkpoint_updates") == 0
    assert 500 <= chosen.value("train.batch_source_tokens") <= 4000


def test_every_value_to_fine_tune_is_a_setting_and_no_0_is_idle() -> None:
    recipe = load_recipe("pocket")
    values = fine_tuning_settings(ten_words(50), StartModel(Path("m"), recipe)).values
    for name in values:
        get_setting(recipe, name)
    more: dict[str, Any] = {"train.cooldown_updates": 9, "train.checkpoint_minutes": 1.0}
    more["train.weight_decay"] = 0.3
    zeros = dict.fromkeys(more, 0)
    assert not more.keys() & values.keys()
    start = StartModel(Path("m"), with_settings(recipe, more))
    assert zeros.items() <= fine_tuning_settings(ten_words(50), start).values.items()


def test_times_have_the_unit_that_suits_them_and_figures_two_digits_or_more() -> None:
    times = {5: "1 minute", 150: "2 minutes", 3_599: "60 minutes", 5_400: "1.5 hours"}
    for seconds, words in {**times, 100_000: "27.8 hours", 200_000: "2.3 days"}.items():
        assert duration(seconds) == f"about {words}"
    for number, text in {0.01234: "0.012", 9.87: "9.9", 10: "10", 1_234.5: "1,234"}.items():
        assert figure(number) == text
