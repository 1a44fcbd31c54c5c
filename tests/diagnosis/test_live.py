"""When `nmt train` prints a finding: once, also over several starts."""

import json
from pathlib import Path

import pytest

from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.live import thinned
from nmt.runs.history import TrainRecord, ValidationRecord, read_metrics
from nmt.runs.run_folder import RunFolder
from nmt.studio.report.page import render_report
from tests.conftest import SKILLED, Run
from tests.diagnosis.trainings import arguments, drawn, write_text

HEADING = "warning: the learning rate is too high"
FEW: dict[str, object] = {"tokenizer.kind": "bpe", "train.validate_updates": 10}
SETTINGS: dict[str, object] = {"train.learning_rate_scale": 200, "train.max_updates": 40}


def test_a_resumed_training_does_not_repeat_what_it_printed(nmt: Run, tmp_path: Path) -> None:
    recipe = write_text(tmp_path, drawn(300, 1), drawn(6, 2))
    line = arguments(recipe, tmp_path / "run", SETTINGS)
    first = nmt(*line)
    assert first.err.count(HEADING) == 1
    assert "diagnosis: the learning rate is too high, since update 15\n" in first.err
    more = nmt("train", tmp_path / "run", "--max-updates", 60)
    assert more.code == 0, more.err
    assert HEADING not in more.err
    assert "diagnosis: the learning rate is too high, since update 15\n" in more.err


def test_what_is_known_before_is_not_repeated_either(nmt: Run, tmp_path: Path) -> None:
    longer = [(" ".join([source] * 4), " ".join([target] * 4)) for source, target in drawn(6, 2)]
    recipe = write_text(tmp_path, drawn(300, 1), longer)
    settings: dict[str, object] = {"train.warmup_updates": 1, "train.max_updates": 6}
    heading = "warning: the dev set is unlike the training text\n"
    first = nmt(*arguments(recipe, tmp_path / "run", settings))
    assert first.err.index(heading) < first.err.index("update 1 of 6")
    assert heading not in nmt("train", tmp_path / "run", "--max-updates", 8).err
    assert heading not in nmt("train", tmp_path / "run", "--max-updates", 51).err


def test_the_report_escapes_what_a_finding_quotes(run: RunFolder) -> None:
    markup = "</script><script>alert(1)</script>"
    lines = read_metrics(run.metrics)
    for line in lines:
        for sample in line.get("samples", []):
            sample["source"], sample["references"] = markup, ["other"]
            sample["translation"] = markup
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = render_report([run])
    assert "translations copy their sources" in page
    assert markup not in page


def test_a_bug_in_the_diagnosis_does_not_end_a_training(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(training: Training) -> tuple[Finding, ...]:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("nmt.diagnosis.live.diagnose", broken)
    result = nmt("train", tiny, "--max-updates", 6)
    assert result.code == 0
    assert "no diagnosis because of a bug in this program: ZeroDivisionError: oh" in result.err


def test_records_are_thinned_but_validations_and_the_last_lines_stay() -> None:
    train = [TrainRecord("train", update) for update in range(10)]
    dev = [ValidationRecord("dev", 4), ValidationRecord("dev", 9)]
    kept = thinned([*train[:5], dev[0], *train[5:], dev[1]])
    assert [each.update for each in kept] == [1, 3, 4, 5, 6, 7, 8, 9, 9]


def test_fine_tuning_with_r_drop_that_patience_ends_has_no_fault(
    nmt: Run, tmp_path: Path, skilled_run: Path
) -> None:
    recipe = skilled_run.parent.parent / "tiny.toml"
    settings: dict[str, object] = {
        "train.init_from": skilled_run / "model.safetensors",
        "train.r_drop": 1,
        "train.learning_rate_scale": 0.001,
        "train.patience": 2,
        "train.max_updates": 200,
    }
    result = nmt(*arguments(recipe, tmp_path / "run", SKILLED | settings | FEW))
    assert result.code == 0, result.err
    assert "of 200" in result.err
    assert "update 200, " not in result.err
    assert "warning:" not in result.err
    assert result.err.count("diagnosis: ") == 1
    assert "expected gain of continuing: none" in result.err
