"""What each check finds, and figures that are missing, odd or few: no false alarm, no exception."""

import math
from dataclasses import replace

import pytest

from nmt.config import Recipe
from nmt.recipe.settings import with_settings
from nmt.runs.history import Record, TrainRecord, ValidationRecord
from nmt.studio.diagnosis.checks import diagnose
from nmt.studio.diagnosis.training import Finding, Training
from nmt.text.facts import SideFacts, TokenFacts, Vocabulary

RECIPE = with_settings(
    Recipe("mine"),
    {"train.warmup_updates": 100, "train.max_updates": 1000, "model.d_model": 128},
)
SIDE = SideFacts(segments=100, tokens=1000, entropy=6.0)
DEV = SideFacts(segments=10, tokens=100, entropy=6.1)
FACTS = TokenFacts((SIDE, SIDE), (Vocabulary("", 1000, 100),), (DEV, DEV))


def train(update: int, loss: float | None) -> TrainRecord:
    """Return a train line with an unsmoothed loss."""
    perplexity = None if loss is None else math.exp(loss)
    return TrainRecord("train", update, epoch=1, loss=loss, perplexity=perplexity)


def dev(
    update: int, loss: float | None, score: float | None = None, epoch: float = 20
) -> ValidationRecord:
    """Return a dev line with an unsmoothed loss."""
    perplexity = None if loss is None else math.exp(loss)
    return ValidationRecord("dev", update, epoch, None, loss, perplexity, score)


def found(
    *records: Record, recipe: Recipe = RECIPE, facts: TokenFacts | None = FACTS
) -> list[Finding]:
    return [*diagnose(Training.of(recipe, records, facts))]


def kinds(*records: Record, recipe: Recipe = RECIPE, facts: TokenFacts | None = FACTS) -> list[str]:
    """Return the kinds of the warnings on a training."""
    findings = found(*records, recipe=recipe, facts=facts)
    return [finding.kind for finding in findings if finding.severity == "warning"]


LEARNED = [train(update, 6 - update / 250) for update in range(50, 1001, 50)]  # 5.8 to 2
OVERFIT = [dev(200, 4.0, 20.0), dev(400, 4.2, 19.0), dev(600, 4.4, 18.0)]

PEAK = RECIPE.train.learning_rate_scale / math.sqrt(128 * 100)


def with_peak(times: float) -> Recipe:
    """Return the recipe with a peak learning rate of some times 0.5 / d_model."""
    return with_settings(RECIPE, {"train.learning_rate_scale": times * 0.5 / 128 / PEAK})


def flat(loss: float, fall: float = 0.0) -> list[Record]:
    """Return train lines up to update 600 whose loss falls evenly to one at the end."""
    return [train(update, loss + fall * (600 - update) / 300) for update in range(50, 601, 50)]


def test_a_loss_that_stays_at_that_of_frequencies_shows_a_high_learning_rate() -> None:
    """A model that only knows how frequent each token is has a loss of 6 here."""
    (finding,) = found(*flat(5.8), recipe=with_peak(2))
    assert (finding.kind, finding.since) == ("high_learning_rate", 100)
    assert "training loss is 5.80 (unsmoothed); a model that only knows" in finding.seen
    assert finding.change.startswith("train.learning_rate_scale=0.44, for a peak of 0.0039 instead")
    assert "or model.norm=pre" in finding.change
    assert kinds(*flat(5.8), recipe=with_peak(1.4)) == []  # the text may be bad
    assert kinds(*flat(5.6), recipe=with_peak(2)) == []
    assert kinds(*flat(5.8, 0.3), recipe=with_peak(2)) == []  # it still falls
    assert kinds(*flat(5.8)[:1], recipe=with_peak(2)) == []  # in the warm-up
    assert kinds(*flat(5.8), recipe=with_peak(2), facts=None) == []


def test_a_loss_that_falls_slowly_shows_a_low_learning_rate() -> None:
    (finding,) = found(*flat(5.0, 0.3), recipe=with_peak(0.1))
    assert (finding.kind, finding.since) == ("low_learning_rate", 100)
    assert finding.seen.endswith("the highest learning rate is 0.00039")
    assert finding.change == (
        "train.learning_rate_scale=0.44; its peak, 0.0039, is usual for d_model 128"
    )
    assert kinds(*flat(4.7, 0.3), recipe=with_peak(0.1)) == []  # it has learned something
    assert kinds(*flat(5.0), recipe=with_peak(0.1)) == []
    assert kinds(*flat(5.0, 0.3), recipe=with_peak(1)) == []


def test_a_dev_loss_that_is_high_from_the_beginning_is_no_overfitting() -> None:
    high = [dev(400, 6.0, 20.0, 1), dev(600, 6.2, 19.0, 2), dev(800, 6.4, 18.0, 3)]
    (finding, _) = found(*LEARNED, *high)
    assert (finding.kind, finding.since) == ("unlike_dev_set", 400)
    assert "at update 800, in epoch 3, the dev loss is 6.40" in finding.seen
    later = [replace(record, epoch=9.0) for record in high]
    assert kinds(*LEARNED, *later) == ["overfitting"]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"entropy": 7.1}, "the tokens of dev targets are 3.0 times as rare as its own tokens"),
        ({"entropy": 6.9}, ""),
        ({"tokens": 210}, "dev targets have 21.0 tokens on average, training targets 10.0"),
        ({"tokens": 49}, "dev targets have 4.9 tokens on average"),
        ({"tokens": 190}, ""),
        ({"tokens": 0}, ""),
    ],
)
def test_dev_text_of_another_kind_is_found(changes: dict[str, float], seen: str) -> None:
    other = replace(FACTS, dev=(DEV, replace(DEV, **changes)))  # type: ignore[arg-type]
    assert [seen in finding.seen for finding in found(facts=other)] == [True] * bool(seen)


def test_without_figures_there_is_nothing_to_say() -> None:
    assert found() == []
    assert found(facts=None) == []


def test_a_score_that_is_no_better_than_before_is_not_said_to_rise() -> None:
    """Least squares give a rise, because the middle one of the scores is the highest."""
    (note,) = found(dev(1000, 5.0, 9.0), dev(2000, 5.0, 12.0), dev(3000, 5.0, 8.9))
    assert "rose" not in note.seen


def test_missing_and_infinite_figures_are_no_fault() -> None:
    records = [
        replace(record, perplexity=value)
        for record, value in zip(LEARNED, [None, math.inf, math.nan, 0.5] * 5, strict=True)
    ]
    assert found(*records, dev(500, None), dev(600, None, None), Record("skipped", 7)) == []


def test_lines_of_repeated_updates_count_once() -> None:
    """A file that was joined from two starts may have lines of the same updates, in any order."""
    again = [train(record.update, 9.0) for record in LEARNED]
    assert kinds(*again, *LEARNED, *OVERFIT) == kinds(*reversed(again), *OVERFIT, *LEARNED)
    assert kinds(*again, *LEARNED, *OVERFIT) == ["overfitting"]


def test_overfitting_needs_a_falling_training_loss_and_scores_that_do_not_improve() -> None:
    assert kinds(*LEARNED, *OVERFIT) == ["overfitting"]
    assert kinds(*[train(record.update, 2.0) for record in LEARNED], *OVERFIT) == []
    better = [replace(record, score=20.0 + index) for index, record in enumerate(OVERFIT)]
    assert kinds(*LEARNED, *better) == []
    assert kinds(*LEARNED, *OVERFIT[:2]) == []
    close = [
        replace(record, perplexity=math.exp(4 + 0.04 * index))
        for index, record in enumerate(OVERFIT)
    ]
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
    (finding, *_) = found(
        *LEARNED, *OVERFIT, recipe=with_settings(RECIPE, {"train.cooldown_updates": 3})
    )
    assert "fewer train.max_updates" in finding.change
    assert "patience" not in finding.change  # excludes a cooldown


def test_a_lower_error_rate_is_better() -> None:
    rates = with_settings(RECIPE, {"data.metric": "error_rate"})
    falling = [replace(record, score=20.0 - 3 * index) for index, record in enumerate(OVERFIT)]
    assert kinds(*LEARNED, *falling, recipe=rates) == []
    (note,) = found(*LEARNED, *falling, recipe=rates)
    assert "token error rate fell by about 1.5 per 100 updates" in note.seen
    assert kinds(*LEARNED, *falling) == ["overfitting"]  # as BLEU


def test_the_gain_is_extrapolated_as_limit_minus_c_by_updates() -> None:
    """Scores of 40 - 3000 / updates: 34 after 500 updates, 35 after 600, 36 after 750.

    After 1,125, it is 37.33.
    """
    scores = [dev(500, 1.0, 34.0), dev(600, 1.0, 35.0), dev(750, 1.0, 36.0)]
    (note,) = found(*scores)
    assert note.severity == "note"
    assert note.title == "expected gain of continuing to update 1,100: about 1.3 BLEU"
    assert note.since is None
    slow = with_settings(RECIPE, {"train.warmup_updates": 501})
    assert found(*scores, recipe=slow) == []  # the first score is of the warm-up


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


def test_r_drop_does_not_count_in_the_training_loss() -> None:
    """The line's loss has R-Drop's part in it, its perplexity has not."""
    dropped = [replace(record, loss=(record.loss or 0) + 3) for record in LEARNED]
    assert kinds(*dropped, dev(1000, 2.1, 30.0, epoch=4)) == []


def test_lines_that_no_training_writes_are_no_exception() -> None:
    odd = [dev(0, 4.0, 20.0), dev(-5, 4.0, 21.0), dev(100, 3.0, math.nan)]
    assert kinds(*odd, *LEARNED, dev(500, 2.5, 22.0), dev(1000, 2.0, 23.0)) == []
