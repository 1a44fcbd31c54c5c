"""Settings that suit a corpus: those of tuned recipes, or between two of them."""

from dataclasses import replace
from itertools import pairwise

import pytest

from nmt.config import DECLARED
from nmt.corpora.presets import (
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
from nmt.recipe.files import load_recipe, parse_recipe
from nmt.recipe.settings import get_setting

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
    same = [name for name in DECLARED if name.startswith(("model.", "tokenizer."))]
    same += ["train.batch_source_tokens", "train.warmup_updates", "train.learning_rate_scale"]
    same += ["train.average_checkpoints", "decode.beam_size", "decode.length_penalty"]
    for name in same:
        assert chosen.value(name) == get_setting(tuned, name), name
    assert chosen.value("train.max_updates") == pytest.approx(tuned.train.max_updates, rel=0.1)


@pytest.mark.parametrize("facts", [MULTI30K, TATOEBA], ids=["multi30k", "tatoeba"])
def test_a_part_held_out_changes_no_setting(facts: CorpusFacts) -> None:
    share = 1 - 2_000 / facts.pairs
    words, characters = int(share * facts.words), int(share * facts.characters)
    less = replace(facts, pairs=facts.pairs - 2_000, words=words, characters=characters)
    values = [[(each.name, each.value) for each in choose(of).choices] for of in (facts, less)]
    assert values[0] == values[1]


@pytest.mark.parametrize("has_gpu", [False, True], ids=["cpu", "gpu"])
def test_settings_do_not_jump_between_neighbouring_sizes(has_gpu: bool) -> None:
    """Each corpus has 4 % more pairs than the one before, below the size of the paper's base."""
    sizes = [int(1_000 * 1.04**step) for step in range(200)]  # up to 2.4 million
    facts = [CorpusFacts(n, 15 * n, 80 * n, 90, 80, 200_000) for n in sizes]
    chosen = [choose(each, has_gpu=has_gpu) for each in facts if each.tokens < 100e6]
    most = {
        "model.d_model": 64,
        "model.encoder_layers": 1,
        "model.heads": 1,
        "model.dropout": 0.051,
    }
    for name, step in most.items():
        values = [each.value(name) for each in chosen]
        assert max(abs(b - a) for a, b in pairwise(values)) <= step, name
        assert values in (sorted(values), sorted(values, reverse=True)), name
    for name in ("tokenizer.vocab_size", "train.max_updates", "train.batch_source_tokens"):
        values = [each.value(name) for each in chosen]
        assert max(max(a / b, b / a) for a, b in pairwise(values)) < 1.15, name


def test_long_sentences_count_by_their_words() -> None:
    """Use few pairs, as Multi30k, but as many words as Tatoeba."""
    assert choose(replace(MULTI30K, words=1_300_000)).value("model.d_model") == 256
    assert choose(replace(MULTI30K, words=700_000)).value("model.d_model") == 192


def test_reasons_name_what_is_true_for_the_corpus() -> None:
    chosen = choose(MULTI30K)
    assert "29,000 pairs" in chosen.reason("model.d_model")
    epochs = round(chosen.value("train.max_updates") * 2048 / MULTI30K.tokens)
    assert f"about {epochs} times" in chosen.reason("model.dropout")
    assert f"about {epochs} epochs" in chosen.reason("train.max_updates")
    few = choose(CorpusFacts(300, 3_600, 18_000, 50, 50, 1_000))
    assert "few thousand updates" in few.reason("train.max_updates")
    between = choose(replace(TATOEBA, words=600_000, characters=2_400_000, pairs=60_000))
    assert "between Multi30k and Tatoeba" in between.reason("model.d_model")
    assert "lie between" in between.notes[0]
    # A setting that equals its default has a reason too, though it is not in the recipe.
    assert "about 19 times" in choose(TATOEBA).reason("model.dropout")


def test_a_long_reason_is_wrapped_above_its_setting() -> None:
    lines = commented_recipe([], [], choose(MULTI30K)).splitlines()
    assert max(map(len, lines)) <= 100
    place = lines.index("d_model = 128")
    reason = choose(MULTI30K).reason("model.d_model")
    assert reason in " ".join(line.removeprefix("# ") for line in lines[place - 2 : place])


@pytest.mark.parametrize("pairs", [1, 300, 9_000, 50_000, 400_000, 3_000_000])
@pytest.mark.parametrize("has_gpu", [False, True])
def test_every_choice_is_a_recipe_without_defaults(pairs: int, has_gpu: bool) -> None:
    facts = CorpusFacts(pairs, 12 * pairs, 60 * pairs, 90, 80, min(200_000, 2 * pairs))
    chosen = choose(facts, has_gpu=has_gpu)
    recipe = parse_recipe(commented_recipe(["A heading."], [], chosen), "x", "x")
    for name in DECLARED:
        if not name.startswith("data."):
            assert get_setting(recipe, name) == chosen.value(name), name
    assert len({each.name for each in chosen.choices}) == len(chosen.choices)
    defaults = {name: declared.default for name, declared in DECLARED.items()}
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
    assert choose(more).value("tokenizer.vocab_size") == 2_200  # a quarter of 8,000, over 0.9
    long = replace(more, words=800_000, distinct_words=90_000)  # ten times as much text in them
    assert choose(long).value("tokenizer.vocab_size") == 8_000


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
