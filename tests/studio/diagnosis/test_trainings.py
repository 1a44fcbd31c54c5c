"""When `nmt train` prints a finding: once, also over several starts."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nmt.runs.history import TrainRecord, ValidationRecord
from nmt.runs.run_folder import RunFolder
from nmt.studio.diagnosis.live import thinned
from nmt.studio.diagnosis.training import Finding, Training
from nmt.studio.report import find_faults, read_run
from tests.conftest import RECIPE, SKILLED, WORDS, Run

HIGH = "the learning rate is too high, since update 15\n"
UNLIKE = "the dev set is unlike the training text\n"
# A model of width 32 that learns to translate one or two words within some 60 updates.
LEARNS = SKILLED | {
    "tokenizer.kind": "word",
    "train.warmup_updates": 30,
    "train.learning_rate_scale": 0.5,
    "train.batch_source_tokens": 300,
    "train.batch_target_tokens": 300,
    "train.report_updates": 5,
    "train.validate_updates": 20,
}


def write_text(
    folder: Path, train: Sequence[tuple[str, str]], dev: Sequence[tuple[str, str]]
) -> Path:
    """Write a training and a dev set with a recipe, and return the recipe's path."""
    for name, pairs in (("train", train), ("dev", dev)):
        for ending, side in zip(("src", "tgt"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{line}\n" for line in side)
            (folder / f"{name}.{ending}").write_text(text, encoding="utf-8")
    recipe = folder / "fault.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


def arguments(recipe: Path, run: Path, changes: Mapping[str, object]) -> list[object]:
    """Return the arguments of `nmt train` with the settings of `LEARNS` and some changes."""
    settings = LEARNS | dict(changes)
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["train", recipe, "--data-dir", recipe.parent, "--run", run, *overrides]


def drawn(count: int, copies: int = 1) -> list[tuple[str, str]]:
    """Draw pairs of one or two words, which are repeated in the segment."""
    draw = random.Random(count)
    sources = [" ".join(draw.choices(WORDS, k=draw.randint(1, 2)) * copies) for _ in range(count)]
    return [(source, source.upper()) for source in sources]


def test_a_fault_is_printed_once_and_in_the_summary_of_each_start(nmt: Run, tmp_path: Path) -> None:
    recipe = write_text(tmp_path, drawn(300), drawn(6))
    settings = {"train.learning_rate_scale": 200, "train.max_updates": 40}
    first = nmt(*arguments(recipe, Path("run"), settings))
    assert first.code == 0, first.err
    assert first.err.count(f"warning: {HIGH}") == 1
    warning = first.err.index(f"warning: {HIGH}")
    assert first.err.index("update 20, ") < warning  # after the validation that shows it
    lines = first.err[warning:].splitlines()[1:4]
    assert lines[0].startswith("  seen: the training loss rose from")
    assert lines[1].startswith("  meaning: steps are so large")
    assert lines[2].startswith("  to do: train.learning_rate_scale=0.48, for a peak of 0.016")
    assert f"diagnosis: {HIGH}" in first.err
    run = RunFolder(Path("run"))
    assert [fault.heading for fault in find_faults(run, read_run(run))] == [HIGH.strip()]
    more = nmt("train", "run", "--max-updates", 45)
    assert more.code == 0, more.err
    assert f"warning: {HIGH}" not in more.err
    assert f"diagnosis: {HIGH}" in more.err


def test_what_is_known_before_is_not_repeated_either(nmt: Run, tmp_path: Path) -> None:
    recipe = write_text(tmp_path, drawn(300), drawn(6, copies=4))
    settings = {"train.warmup_updates": 1, "train.max_updates": 6}
    first = nmt(*arguments(recipe, Path("run"), settings))
    assert first.err.index(f"warning: {UNLIKE}") < first.err.index("update 1 of 6")
    assert "dev sources have" in first.err
    assert UNLIKE not in nmt("train", "run", "--max-updates", 8).err.partition("diagnosis:")[0]


def test_a_bug_in_the_diagnosis_does_not_end_a_training(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(training: Training) -> tuple[Finding, ...]:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("nmt.studio.diagnosis.live.diagnose", broken)
    result = nmt("train", tiny, "--max-updates", 6)
    assert result.code == 0
    assert "no diagnosis because of a bug in this program: ZeroDivisionError: oh" in result.err


def test_records_are_thinned_but_validations_and_the_last_lines_stay() -> None:
    train = [TrainRecord("train", update) for update in range(10)]
    dev = [ValidationRecord("dev", 4), ValidationRecord("dev", 9)]
    kept = thinned([*train[:5], dev[0], *train[5:], dev[1]])
    assert [record.update for record in kept] == [1, 3, 4, 5, 6, 7, 8, 9, 9]
