"""Figures that are missing, odd or few: no false alarm, and no exception."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from nmt.config import Recipe
from nmt.diagnosis.diagnose import diagnose
from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.evaluation.metrics import score_measure
from nmt.recipe.settings import with_settings
from nmt.runs.history import Record, Sample, TrainRecord, ValidationRecord
from nmt.text.facts import SideFacts, TokenFacts, Vocabulary

RECIPE = with_settings(
    Recipe("mine"),
    {"train.warmup_updates": 100, "train.max_updates": 1000, "model.d_model": 128},
)
SIDE = SideFacts(segments=100, tokens=1000, unknown=0, entropy=6.0)
DEV = SideFacts(segments=10, tokens=100, unknown=0, entropy=6.1)
FACTS = TokenFacts((SIDE, SIDE), (Vocabulary("", 1000, 100),), (DEV, DEV))


def train(update: int, loss: float | None) -> TrainRecord:
    """Return a train line with an unsmoothed loss."""
    perplexity = None if loss is None else math.exp(loss)
    return TrainRecord("train", update, epoch=1, loss=loss, perplexity=perplexity)


def dev(
    update: int,
    loss: float | None,
    score: float | None = None,
    epoch: float = 20,
    samples: Iterable[Sample] = (),
) -> ValidationRecord:
    """Return a dev line with an unsmoothed loss."""
    perplexity = None if loss is None else math.exp(loss)
    return ValidationRecord("dev", update, epoch, None, loss, perplexity, score, tuple(samples))


def found(
    *records: Record, recipe: Recipe = RECIPE, facts: TokenFacts | None = FACTS
) -> list[Finding]:
    """Return the findings on a training."""
    return [*diagnose(Training.of(recipe, score_measure(recipe), records, facts))]


def kinds(*records: Record, recipe: Recipe = RECIPE, facts: TokenFacts | None = FACTS) -> list[str]:
    """Return the kinds of the warnings on a training."""
    findings = found(*records, recipe=recipe, facts=facts)
    return [each.kind for each in findings if each.severity == "warning"]


LEARNED = [train(update, 6 - update / 250) for update in range(50, 1001, 50)]  # 5.8 to 2
OVERFIT = [dev(200, 4.0, 20.0), dev(400, 4.2, 19.0), dev(600, 4.4, 18.0)]


def test_without_figures_there_is_nothing_to_say() -> None:
    assert found() == []
    assert found(facts=None) == []


def test_a_training_that_only_skips_updates_has_a_high_learning_rate() -> None:
    skipped = [Record("skipped", update) for update in range(1, 6)]
    assert kinds(*skipped) == ["high_learning_rate"]
    assert kinds(train(1, 6.0), *skipped[1:]) == ["high_learning_rate"]


def test_a_score_that_is_no_better_than_before_is_not_said_to_rise() -> None:
    """Least squares give a rise, because the middle one of the scores is the highest."""
    (note,) = found(dev(1000, 5.0, 9.0), dev(2000, 5.0, 12.0), dev(3000, 5.0, 8.9))
    assert "rose" not in note.seen


def test_missing_and_infinite_figures_are_no_fault() -> None:
    records = [
        replace(each, perplexity=value)
        for each, value in zip(LEARNED, [None, math.inf, math.nan, 0.5] * 5, strict=True)
    ]
    assert found(*records, dev(500, None), dev(600, None, None), Record("skipped", 7)) == []


def test_lines_of_repeated_updates_count_once() -> None:
    """A file that was joined from two starts may have lines of the same updates, in any order."""
    again = [train(each.update, 9.0) for each in LEARNED]
    assert kinds(*again, *LEARNED, *OVERFIT) == kinds(*reversed(again), *OVERFIT, *LEARNED)
    assert kinds(*again, *LEARNED, *OVERFIT) == ["overfitting"]


def test_overfitting_needs_a_falling_training_loss_and_scores_that_do_not_improve() -> None:
    assert kinds(*LEARNED, *OVERFIT) == ["overfitting"]
    assert kinds(*[train(each.update, 2.0) for each in LEARNED], *OVERFIT) == []
    better = [replace(each, score=20.0 + place) for place, each in enumerate(OVERFIT)]
    assert kinds(*LEARNED, *better) == []
    assert kinds(*LEARNED, *OVERFIT[:2]) == []
    close = [replace(each, perplexity=math.exp(4 + 0.04 * i)) for i, each in enumerate(OVERFIT)]
    assert kinds(*LEARNED, *close) == []


def test_overfitting_names_its_update_and_the_dropout_to_try() -> None:
    (finding, _) = found(*LEARNED, *OVERFIT)
    assert finding.since == 200
    assert "rose from 4.00 at update 200 to 4.40 at update 600" in finding.seen
    assert "model.dropout=0.2" in finding.change
    assert "train.patience=4" in finding.change
    patient = with_settings(RECIPE, {"train.patience": 3, "model.dropout": 0.5})
    (finding, _) = found(*LEARNED, *OVERFIT, recipe=patient)
    assert "patience" not in finding.change
    assert "dropout" not in finding.change


def test_a_lower_error_rate_is_better() -> None:
    rates = with_settings(RECIPE, {"data.metric": "error_rate"})
    falling = [replace(each, score=20.0 - 3 * place) for place, each in enumerate(OVERFIT)]
    assert kinds(*LEARNED, *falling, recipe=rates) == []
    (note,) = found(*LEARNED, *falling, recipe=rates)
    assert "token error rate fell by about 1.5 per 100 updates" in note.seen
    assert kinds(*LEARNED, *falling) == ["overfitting"]  # as BLEU


def test_the_gain_is_extrapolated_as_limit_minus_c_by_updates() -> None:
    """Scores of 40 - 3000 / updates: 34 after 500 updates, 35 after 600, 36 after 750."""
    scores = [dev(500, 1.0, 34.0), dev(600, 1.0, 35.0), dev(750, 1.0, 36.0)]
    (note,) = found(*scores)
    assert note.severity == "note"
    assert note.title == "expected gain of continuing: about 1.3 BLEU"  # 40 - 3000 / 1125 = 37.33
    assert note.since is None


def test_scores_that_stand_still_gain_nothing() -> None:
    still = [dev(update, 1.0, 30.0) for update in (100, 200, 300, 400)]
    (note,) = found(*still)
    assert note.title == "expected gain of continuing: none"
    assert "no better dev BLEU in the last 300 updates" in note.seen
    assert found(*still[:2]) == []


def test_a_loss_that_rises_by_little_or_for_a_moment_is_no_fault() -> None:
    spike = [*LEARNED[:-3], train(900, 3.2), *LEARNED[-2:]]
    assert kinds(*spike) == []
    higher = [*LEARNED, *(train(update, 2.2) for update in (1050, 1100, 1150))]
    assert kinds(*higher) == []
    broken = [*LEARNED, *(train(update, 6.2) for update in (1050, 1100, 1150))]
    (finding,) = found(*broken)
    assert (finding.kind, finding.since) == ("high_learning_rate", 1000)


def test_a_fine_tuned_model_may_lose_skill_during_the_warm_up() -> None:
    tuned = with_settings(RECIPE, {"train.init_from": "a.safetensors", "train.warmup_updates": 500})
    losing = [train(update, 2 + update / 600) for update in (50, 100, 150, 200, 250, 300)]
    assert kinds(*losing, recipe=tuned) == []
    rare = replace(FACTS, vocabularies=(Vocabulary("", 1000, 900),))
    assert kinds(*losing, recipe=tuned, facts=rare) == []  # its vocabulary is given
    assert kinds(*LEARNED, facts=rare) == ["large_vocabulary"]


def test_a_short_trial_of_a_recipe_is_no_fault() -> None:
    """Its warm-up is the recipe's own, and the training may go on later."""
    trial = with_settings(RECIPE, {"train.warmup_updates": 600, "train.max_updates": 200})
    (finding,) = found(recipe=trial)
    assert (finding.kind, finding.severity) == ("long_warmup", "note")
    assert "train.warmup_updates=20 with train.learning_rate_scale=" in finding.change
    longer = {"train.warmup_updates": 600, "train.max_updates": 601}
    assert found(recipe=with_settings(RECIPE, longer)) == []


def test_the_smallest_vocabulary_that_is_chosen_for_a_corpus_is_no_fault() -> None:
    few = replace(FACTS, vocabularies=(Vocabulary("", 500, 400),))
    assert kinds(*LEARNED, facts=few) == []


@pytest.mark.parametrize(
    ("rare", "fix"), [(400, "tokenizer.vocab_size=600,"), (5, "more text, or tokenizer.joint=true")]
)
def test_a_smaller_vocabulary_is_enough_for_both_sides(rare: int, fix: str) -> None:
    sides = Vocabulary("source", 1000, 900), Vocabulary("target", 1000, rare)
    (finding,) = found(*LEARNED, facts=replace(FACTS, vocabularies=sides))
    assert finding.change.startswith(fix)


def test_skipped_updates_count_from_three_on() -> None:
    skipped = [Record("skipped", update) for update in (10, 20, 30)]
    assert kinds(*LEARNED, *skipped[:2]) == []
    half = with_settings(RECIPE, {"train.precision": "bf16"})
    (finding,) = found(*LEARNED, *skipped, recipe=half)
    assert (finding.kind, finding.since) == ("high_learning_rate", 10)
    assert "train.precision=float32" in finding.change


@pytest.mark.parametrize(
    ("source", "reference", "translation", "is_copy"),
    [
        ("the sun is high", "il sole è alto", "the sun is high", True),
        ("the sun is high", "il sole è alto", "The sun is so high", True),
        ("the sun is high", "il sole è alto", "il sun è high", False),
        ("Anna Bell", "Anna Bell", "Anna Bell", False),
    ],
)
def test_copies_are_translations_that_their_references_do_not_resemble(
    source: str, reference: str, translation: str, is_copy: bool
) -> None:
    sample = Sample(source, (reference,), translation)
    twice = [dev(update, 3.0, 1.0, samples=[sample]) for update in (100, 200)]
    assert kinds(*twice) == ["copied"] * is_copy
    assert kinds(twice[0]) == []


def test_alike_translations_are_normal_before_three_warm_ups_and_for_alike_sources() -> None:
    samples = [Sample(f"source {place}", (f"reference {place}",), "same") for place in range(6)]
    three = [dev(update, 3.0, 0.0, samples=samples) for update in (100, 200, 300)]
    assert kinds(*three) == ["alike"]
    assert kinds(*three[:2]) == []
    early = [replace(each, update=each.update // 2) for each in three]
    assert kinds(*early) == []
    same = [replace(each, source="one", references=("eins",)) for each in samples]
    assert kinds(*(replace(each, samples=tuple(same)) for each in three)) == []
    assert kinds(*(replace(each, samples=()) for each in three)) == []


def test_r_drop_does_not_count_in_the_training_loss() -> None:
    """The line's loss has R-Drop's part in it, its perplexity has not."""
    dropped = [replace(each, loss=each.loss + 3 if each.loss else None) for each in LEARNED]
    assert kinds(*dropped, dev(1000, 2.1, 30.0, epoch=4)) == []


def test_lines_that_no_training_writes_are_no_exception() -> None:
    odd = [dev(0, 4.0, 20.0), dev(-5, 4.0, 21.0), dev(100, 3.0, math.nan)]
    assert kinds(*odd, *LEARNED, dev(500, 2.5, 22.0), dev(1000, 2.0, 23.0)) == []


def test_new_characters_of_a_small_text_are_usual() -> None:
    unknown = replace(DEV, unknown=4)
    assert kinds(facts=replace(FACTS, dev=(unknown, DEV))) == ["unlike_dev_set"]
    small = replace(
        SIDE, once=30
    )  # 3 % of the tokens occur once, and 4 % of the dev tokens are new
    assert kinds(facts=replace(FACTS, sides=(small, SIDE), dev=(unknown, DEV))) == []
