"""A peer's time to quality; a program that knows the dev set after 10 updates is the peer."""

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
    """An executable that takes Eole's arguments, and may fail or leave out lines."""
    path = folder / "python"
    work = str(folder / "work")
    text = STAND_IN.format(python=sys.executable, work=work, code=code, left_out=left_out)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def arguments(nmt: Run, tiny: Path) -> list[str]:
    """Of the script, but for --python."""
    assert nmt("prepare", tiny).code == 0
    steps = ["--updates", "10", "--every", "5"]
    return ["runs/tiny", "work", "--data-dir", ".", "--bleu", "5", "--bleu", "99", *steps]


def test_minutes_are_those_since_the_training_loop_began(
    arguments: list[str], tmp_path: Path
) -> None:
    told = CliRunner().invoke(command, [*arguments, "--python", str(stand_in(tmp_path))])
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[-2:] == [
        "dev BLEU 5: 100.00 at 2.5 minutes, update 10",
        "dev BLEU 99: 100.00 at 2.5 minutes, update 10",
    ]


def test_the_peer_gets_the_run_s_pieces_and_schedule(arguments: list[str], tmp_path: Path) -> None:
    CliRunner().invoke(command, [*arguments, "--python", str(stand_in(tmp_path))])
    source = Path("work/dev.source").read_text(encoding="utf-8").splitlines()
    texts = [line.replace(" ", "").replace("\u2581", " ").strip() for line in source]
    assert texts == Path("dev.src").read_text().splitlines()
    settings = json.loads(Path("work/eole.yaml").read_text())
    assert settings["training"]["warmup_steps"] == 10
    assert settings["model"]["hidden_size"] == 16
    known = Path("work/vocabulary").read_text(encoding="utf-8").splitlines()
    assert settings["src_vocab_size"] == len(known) + 4
    pieces = {line.split("\t")[0] for line in known}
    assert {piece for line in source for piece in line.split()} <= pieces


def test_a_training_that_failed_names_its_log(arguments: list[str], tmp_path: Path) -> None:
    told = CliRunner().invoke(command, [*arguments, "--python", str(stand_in(tmp_path, code=3))])
    assert told.exit_code == 1
    assert "Eole's training ended with 3: see work/train.log" in told.output


def test_a_score_never_reached_is_said(arguments: list[str], tmp_path: Path) -> None:
    options = [*arguments, "--bleu", "101", "--python", str(stand_in(tmp_path))]
    told = CliRunner().invoke(command, options)
    assert told.stdout.splitlines()[-1] == "dev BLEU 101: not reached"


def test_a_line_left_out_is_not_scored(arguments: list[str], tmp_path: Path) -> None:
    told = CliRunner().invoke(
        command, [*arguments, "--python", str(stand_in(tmp_path, left_out=1))]
    )
    assert told.exit_code == 1
    assert "Eole translated 9 of 10 dev segments: see work/dev.5" in told.output


def test_a_log_without_checkpoints_is_said(arguments: list[str], tmp_path: Path) -> None:
    peer = stand_in(tmp_path)
    peer.write_text(peer.read_text().replace("Start training loop", "Begin"))
    told = CliRunner().invoke(command, [*arguments, "--python", str(peer)])
    assert told.exit_code == 1
    assert "Eole's log tells of no checkpoint: see work/train.log" in told.output


@pytest.mark.parametrize(
    ("setting", "needed"),
    [
        ("model.decoder_layers=7", "model.encoder_layers = model.decoder_layers"),
        ("train.bpe_dropout=0.1", "train.bpe_dropout = 0"),
        ("train.batch_source_tokens=99", "train.batch_source_tokens = train.batch_target_tokens"),
    ],
)
def test_what_eole_lacks_is_refused(
    nmt: Run, tiny: Path, tmp_path: Path, setting: str, needed: str
) -> None:
    assert nmt("prepare", tiny, "--set", setting).code == 0
    options = ["runs/tiny", "work", "--data-dir", ".", "--python", str(stand_in(tmp_path))]
    told = CliRunner().invoke(command, options)
    assert told.exit_code == 2
    assert f"{needed} is needed" in told.output
    assert not Path("work").exists()


def test_mistakes_are_told_before_anything_is_written(arguments: list[str], tmp_path: Path) -> None:
    peer = str(stand_in(tmp_path))
    for options, sentence in (
        (["--python", "nowhere/python"], "nowhere/python cannot be run"),
        (["--python", peer, "--every", "4"], "--updates 10 is no multiple of --every 4"),
    ):
        told = CliRunner().invoke(command, [*arguments, *options])
        assert (told.exit_code, sentence in told.output) == (2, True), told.output
        assert not Path("work").exists()
    Path("work").mkdir()
    told = CliRunner().invoke(command, [*arguments, "--python", peer])
    assert told.exit_code == 2
    assert "work exists; name a new folder" in told.output
    assert not any(Path("work").iterdir())
