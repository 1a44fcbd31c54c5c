"""When `nmt train` prints a finding: once, also over several starts."""

import random
from collections.abc import Sequence
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
# A model of width 32 with a fault; it trains in seconds.
SETTINGS: dict[str, object] = SKILLED | {
    "tokenizer.kind": "word",
    "train.max_updates": 40,
    "train.warmup_updates": 30,
    "train.learning_rate_scale": 200,
    "train.batch_source_tokens": 300,
    "train.batch_target_tokens": 300,
    "train.report_updates": 5,
    "train.validate_updates": 20,
}


def arguments(recipe: Path, changes: dict[str, object]) -> list[object]:
    """Return the arguments of `nmt train` with `SETTINGS` and some changes."""
    settings = SETTINGS | changes
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["train", recipe, "--data-dir", recipe.parent, "--run", "run", *overrides]


def write_text(folder: Path, dev_copies: int) -> Path:
    """Write pairs of one or two words and a dev set; return the recipe's path.

    dev_copies: how often a dev segment repeats its words.
    """
    draw = random.Random(1)

    def lines(count: int, copies: int) -> Sequence[str]:
        return [" ".join(draw.choices(WORDS, k=draw.randint(1, 2)) * copies) for _ in range(count)]

    for name, sources in (("train", lines(300, 1)), ("dev", lines(6, dev_copies))):
        text = "".join(f"{source}\n" for source in sources)
        (folder / f"{name}.src").write_text(text, encoding="utf-8")
        (folder / f"{name}.tgt").write_text(text.upper(), encoding="utf-8")
    recipe = folder / "fault.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


def test_a_fault_is_printed_once_and_in_the_summary_of_each_start(nmt: Run, tmp_path: Path) -> None:
    first = nmt(*arguments(write_text(tmp_path, 1), {}))
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
    recipe = write_text(tmp_path, 4)
    settings: dict[str, object] = {"train.warmup_updates": 1, "train.max_updates": 6}
    first = nmt(*arguments(recipe, settings))
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
