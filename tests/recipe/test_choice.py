"""Settings that suit a corpus: those of the nearest tuned recipe, with a length by the corpus."""

from dataclasses import replace

import pytest

from nmt.config import declared_settings
from nmt.recipe import get_setting, load_recipe, parse_recipe
from nmt.recipe.choice import (
    LARGE,
    MEDIUM,
    SMALL,
    ChosenSettings,
    CorpusFacts,
    StartingPoint,
    choose_settings,
    commented_recipe,
    round_down,
)

# Of the training text of these recipes, as `nmt init` counts them.
MULTI30K = CorpusFacts(29_000, 345_020, 2_046_956, 110, 71, 26_000)
TATOEBA = CorpusFacts(165_813, 1_073_087, 6_242_253, 150, 72, 60_000)


def choose(facts: CorpusFacts, *, has_gpu: bool = False) -> ChosenSettings:
    return choose_settings(facts, has_gpu=has_gpu)


@pytest.mark.parametrize(
    ("facts", "start"), [(MULTI30K, SMALL), (TATOEBA, MEDIUM)], ids=["multi30k", "tatoeba"]
)
def test_the_tuned_corpora_get_what_was_tuned_for_them(
    facts: CorpusFacts, start: StartingPoint
) -> None:
    """The model, the vocabulary, the batch and the learning rate are equal, the length nearly."""
    chosen, tuned = choose(facts), load_recipe(start.recipe)
    assert chosen.start is start
    same = [name for name, _ in declared_settings() if name.startswith(("model.", "tokenizer."))]
    same += ["train.batch_source_tokens", "train.warmup_updates", "train.learning_rate_scale"]
    same += ["train.average_checkpoints", "decode.beam_size", "decode.length_penalty"]
    for name in same:
        assert chosen.value(name) == get_setting(tuned, name), name
    assert chosen.value("train.max_updates") == pytest.approx(tuned.train.max_updates, rel=0.1)


@pytest.mark.parametrize("pairs", [1, 300, 9_000, 50_000, 400_000, 3_000_000])
@pytest.mark.parametrize("has_gpu", [False, True])
def test_every_choice_is_a_recipe_without_defaults(pairs: int, has_gpu: bool) -> None:
    facts = CorpusFacts(pairs, 12 * pairs, 60 * pairs, 90, 80, min(200_000, 2 * pairs))
    chosen = choose(facts, has_gpu=has_gpu)
    recipe = parse_recipe(commented_recipe(["A heading."], [], chosen), "x", "x")
    for name, _ in declared_settings():
        if not name.startswith("data."):
            assert get_setting(recipe, name) == chosen.value(name), name
    assert len({each.name for each in chosen.choices}) == len(chosen.choices)
    defaults = {name: declared.default for name, declared in declared_settings()}
    assert not [each for each in chosen.choices if each.value == defaults[each.name]]
    updates, every = chosen.value("train.max_updates"), chosen.value("train.checkpoint_updates")
    if chosen.start is not LARGE:
        averaged = every * chosen.value("train.average_checkpoints")
        assert updates / 4 < averaged < updates / 2
        assert chosen.value("train.validate_updates") * chosen.value("train.patience") == averaged


def test_without_a_gpu_the_papers_base_is_never_chosen_and_a_note_says_so() -> None:
    facts = replace(TATOEBA, pairs=4_500_000, words=120_000_000, distinct_words=200_000)
    on_cpu, on_gpu = choose(facts), choose(facts, has_gpu=True)
    assert (on_cpu.value("model.d_model"), on_gpu.value("model.d_model")) == (256, 512)
    assert any("needs a GPU" in note and "--gpu" in note for note in on_cpu.notes)
    assert on_gpu.value("tokenizer.vocab_size") == 37_000
    assert "the paper's base" in on_gpu.notes[0]


def test_a_small_text_gets_a_vocabulary_that_it_can_fill() -> None:
    """4 special tokens, 50 characters and half of the words are certain."""
    few_words = CorpusFacts(20, 200, 1_000, 50, 50, 60)
    assert choose(few_words).value("tokenizer.vocab_size") == 4 + 50 + 30
    more = CorpusFacts(7_250, 80_000, 400_000, 90, 80, 9_000)  # a quarter of Multi30k
    assert choose(more).value("tokenizer.vocab_size") == 2_000


def test_rare_characters_of_a_large_script_are_left_out() -> None:
    chinese = CorpusFacts(50_000, 100_000, 1_000_000, 5_000, 3_500, 200_000)
    chosen = choose(chinese)
    assert chosen.value("tokenizer.character_coverage") == 0.9995
    assert chosen.value("tokenizer.vocab_size") >= 2 * 3_500
    assert choose(replace(chinese, alphabet=900)).value("tokenizer.character_coverage") == 1


@pytest.mark.parametrize(
    ("number", "rounded"), [(0.3, 1), (7.9, 7), (99.5, 99), (478.2, 470), (12_999, 12_000)]
)
def test_numbers_are_rounded_to_two_digits(number: float, rounded: int) -> None:
    assert round_down(number) == rounded
