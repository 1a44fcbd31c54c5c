"""When a training prints a finding: once, also over several starts."""

import math
from pathlib import Path
from typing import Any

import pytest

from nmt.runs.history import TrainRecord, ValidationRecord
from nmt.studio.diagnosis.live import LiveDiagnosis, thinned
from nmt.studio.diagnosis.training import Finding, Training
from tests.conftest import WORDS, Run
from tests.studio.diagnosis.test_checks import FACTS, with_peak

HIGH = "the learning rate is too high, since update 100"
UNLIKE = "warning: the dev set is unlike the training text\n"


def test_a_fault_is_printed_once_and_in_the_summary_of_each_start(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A loss of 5.8 is that of a model that knows frequencies alone."""

    def line(kind: str, update: int) -> dict[str, Any]:
        return {"kind": kind, "update": update, "epoch": 1, "perplexity": math.exp(5.8)}

    def told(diagnosis: LiveDiagnosis, *lines: dict[str, Any]) -> list[str]:
        diagnosis([*lines])
        return capfd.readouterr().err.splitlines()

    recipe = with_peak(2)
    first, again = (LiveDiagnosis(recipe, FACTS, "runs/mine") for _ in "ab")
    train = [line("train", update) for update in range(50, 601, 50)]
    assert told(first) == told(first, *train) == []
    warning, seen, meaning, change = told(first, line("dev", 600))
    assert warning == f"warning: {HIGH}"
    assert seen.startswith("  seen: after 600 updates the training loss is 5.80")
    assert meaning.startswith("  meaning: ")
    assert change.startswith("  to do: train.learning_rate_scale=0.44, for a peak of 0.0039")
    assert told(first, line("dev", 610)) == []
    assert told(first, line("average", 610)) == [f"diagnosis: {HIGH}"]
    # A resumed run has these lines from the beginning.
    assert told(again, *train, line("dev", 600)) == []
    assert told(again, line("average", 610)) == [f"diagnosis: {HIGH}"]


def test_what_is_known_before_is_printed_before_the_first_update_alone(
    nmt: Run, tiny: Path
) -> None:
    Path("dev.src").write_text(f"{' '.join(WORDS)}\n" * 10)
    first = nmt("train", tiny, "--max-updates", 1)
    assert first.err.index(UNLIKE) < first.err.index("update 1 of 1")
    assert "dev sources have" in first.err
    assert UNLIKE not in nmt("train", tiny, "--max-updates", 2).err


def test_a_bug_in_the_diagnosis_does_not_end_a_training(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(training: Training) -> tuple[Finding, ...]:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("nmt.studio.diagnosis.live.diagnose", broken)
    result = nmt("train", tiny, "--max-updates", 1)
    assert result.code == 0
    assert "no diagnosis because of a bug in this program: ZeroDivisionError: oh" in result.err


def test_records_are_thinned_but_validations_and_the_last_lines_stay() -> None:
    train = [TrainRecord("train", update) for update in range(10)]
    dev = [ValidationRecord("dev", 4), ValidationRecord("dev", 9)]
    kept = thinned([*train[:5], dev[0], *train[5:], dev[1]])
    assert [record.update for record in kept] == [1, 3, 4, 5, 6, 7, 8, 9, 9]
