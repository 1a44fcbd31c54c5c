"""Eole's time to quality, with a stand-in for Eole that knows the dev set after 10 updates."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.eole_time_to_quality import command
from tests.conftest import Run

STAND_IN = """#!{python}
import sys
from pathlib import Path

task, options = sys.argv[3], sys.argv[4:]
given = dict(zip(options[::2], options[1::2]))
work = Path({work!r})
if task == "train":
    print("[2026-11-26 23:59:00,000 INFO] Starting training on CPU")
    print("[2026-11-26 23:59:30,500 INFO] Start training loop without validation...")
    print("[2026-11-27 00:00:30,500 INFO] Step  5/   10; acc: 0.1; ppl: 7993.61; 124 sec;")
    print("[2026-11-27 00:00:30,679 INFO] Saving optimizer and weights to step_5")
    print("[2026-11-27 00:02:00,500 INFO] Step 10/   10; acc: 0.9; ppl: 1.61; 244 sec;")
    sys.exit({code})
learned = given["-model_path"].endswith("step_10")
source = work / ("dev.target" if learned else "dev.source")
lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
Path(given["-output"]).write_text("".join(lines[{left_out}:]), encoding="utf-8")
"""


def stand_in(folder: Path, code: int = 0, left_out: int = 0) -> Path:
    """Write an executable that takes Eole's arguments, and may fail or leave out lines."""
    path = folder / "python"
    work = str(folder / "work")
    text = STAND_IN.format(python=sys.executable, work=work, code=code, left_out=left_out)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def arguments(nmt: Run, tiny: Path) -> list[str]:
    """Return the script's arguments, except for --python."""
    assert nmt("prepare", tiny).code == 0
    steps = ["--updates", "10", "--every", "5"]
    return ["runs/tiny", "work", "--data-dir", ".", "--bleu", "5", "--bleu", "99", *steps]


def test_minutes_count_from_the_start_of_the_training_loop(
    arguments: list[str], tmp_path: Path
) -> None:
    ended = CliRunner().invoke(command, [*arguments, "--python", str(stand_in(tmp_path))])
    assert ended.exit_code == 0, ended.output
    lines = ended.stdout.splitlines()
    assert lines[-2:] == [
        "dev BLEU 5: 100.00 at 2.5 minutes, update 10",
        "dev BLEU 99: 100.00 at 2.5 minutes, update 10",
    ]


def test_eole_gets_the_subwords_and_the_schedule_of_the_run(
    arguments: list[str], tmp_path: Path
) -> None:
    CliRunner().invoke(command, [*arguments, "--python", str(stand_in(tmp_path))])
    source = Path("work/dev.source").read_text(encoding="utf-8").splitlines()
    texts = [line.replace(" ", "").replace("\u2581", " ").strip() for line in source]
    assert texts == Path("dev.src").read_text().splitlines()
    settings = json.loads(Path("work/eole.yaml").read_text())
    assert settings["training"]["warmup_steps"] == 10
    assert settings["model"]["hidden_size"] == 16
    known = Path("work/vocabulary").read_text(encoding="utf-8").splitlines()
    assert settings["src_vocab_size"] == len(known) + 4
    subwords = {line.split("\t")[0] for line in known}
    assert {subword for line in source for subword in line.split()} <= subwords


def test_a_failed_training_names_its_log(arguments: list[str], tmp_path: Path) -> None:
    ended = CliRunner().invoke(command, [*arguments, "--python", str(stand_in(tmp_path, code=3))])
    assert ended.exit_code == 1
    assert "exit status 3" in ended.output
    assert "work/train.log" in ended.output


def test_a_score_that_is_not_reached_is_reported(arguments: list[str], tmp_path: Path) -> None:
    options = [*arguments, "--bleu", "101", "--python", str(stand_in(tmp_path))]
    ended = CliRunner().invoke(command, options)
    assert ended.stdout.splitlines()[-1] == "dev BLEU 101: not reached"


def test_missing_translations_are_refused(arguments: list[str], tmp_path: Path) -> None:
    ended = CliRunner().invoke(
        command, [*arguments, "--python", str(stand_in(tmp_path, left_out=1))]
    )
    assert ended.exit_code == 1
    assert "9 of 10" in ended.output
    assert "work/dev.5" in ended.output


def test_a_log_without_checkpoints_is_refused(arguments: list[str], tmp_path: Path) -> None:
    peer = stand_in(tmp_path)
    peer.write_text(peer.read_text().replace("Start training loop", "Begin"))
    ended = CliRunner().invoke(command, [*arguments, "--python", str(peer)])
    assert ended.exit_code == 1
    assert "no checkpoint" in ended.output
    assert "work/train.log" in ended.output


@pytest.mark.parametrize(
    ("setting", "needed"),
    [
        ("model.decoder_layers=7", "model.encoder_layers = model.decoder_layers"),
        ("train.bpe_dropout=0.1", "train.bpe_dropout = 0"),
        ("train.batch_source_tokens=99", "train.batch_source_tokens = train.batch_target_tokens"),
    ],
)
def test_a_setting_that_eole_lacks_is_refused(
    nmt: Run, tiny: Path, tmp_path: Path, setting: str, needed: str
) -> None:
    assert nmt("prepare", tiny, "--set", setting).code == 0
    options = ["runs/tiny", "work", "--data-dir", ".", "--python", str(stand_in(tmp_path))]
    ended = CliRunner().invoke(command, options)
    assert ended.exit_code == 2
    assert needed in ended.output
    assert not Path("work").exists()


def test_mistakes_are_reported_before_anything_is_written(
    arguments: list[str], tmp_path: Path
) -> None:
    peer = str(stand_in(tmp_path))
    for options, sentence in (
        (["--python", "nowhere/python"], "nowhere/python cannot be run"),
        (["--python", peer, "--every", "4"], "--updates 10 is not a multiple of --every 4"),
    ):
        ended = CliRunner().invoke(command, [*arguments, *options])
        assert (ended.exit_code, sentence in ended.output) == (2, True), ended.output
        assert not Path("work").exists()
    Path("work").mkdir()
    ended = CliRunner().invoke(command, [*arguments, "--python", peer])
    assert ended.exit_code == 2
    assert "work exists; name a new folder" in ended.output
    assert not any(Path("work").iterdir())
