"""Eole's time to quality, with a stand-in for Eole that knows the dev set after 10 updates."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.eole_time_to_quality import command
from tests.conftest import Run

STAND_IN = f"""#!{sys.executable}
import sys
from pathlib import Path

task, options = sys.argv[3], sys.argv[4:]
given = dict(zip(options[::2], options[1::2]))
if task == "train":
    print("[2026-11-26 23:59:30,500 INFO] Start training loop without validation...")
    print("[2026-11-27 00:00:30,500 INFO] Step  5/   10; acc: 0.1; ppl: 7993.61; 124 sec;")
    print("[2026-11-27 00:02:00,500 INFO] Step 10/   10; acc: 0.9; ppl: 1.61; 244 sec;")
    sys.exit(0)
learned = given["-model_path"].endswith("step_10")
source = Path("work", "dev.target" if learned else "dev.source")
lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
Path(given["-output"]).write_text("".join(lines[0:]), encoding="utf-8")
"""


@pytest.fixture
def prepared(nmt: Run, tiny: Path) -> None:
    """Prepare a run in the current folder."""
    assert nmt("prepare", tiny).code == 0


def measure(*options: str, peer: str = STAND_IN) -> Result:
    """Run the script in the current folder with a stand-in for Eole."""
    Path("peer").write_text(peer)
    Path("peer").chmod(0o755)
    given = ["runs/tiny", "work", "--data-dir", ".", "--bleu", "5", "--bleu", "101"]
    given += ["--python", "./peer", "--updates", "10", "--every", "5"]
    return CliRunner().invoke(command, [*given, *options])


@pytest.mark.usefixtures("prepared")
def test_eole_gets_the_run_and_minutes_count_from_the_start_of_the_training_loop() -> None:
    ended = measure()
    assert ended.exit_code == 0, ended.output
    reached = "dev BLEU 5: 100.00 at 2.5 minutes, update 10"
    assert ended.stdout.splitlines()[-2:] == [reached, "dev BLEU 101: not reached"]
    source = Path("work/dev.source").read_text(encoding="utf-8").splitlines()
    texts = [line.replace(" ", "").replace("\u2581", " ").strip() for line in source]
    assert texts == Path("dev.src").read_text().splitlines()
    settings = json.loads(Path("work/eole.yaml").read_text())
    assert settings["training"]["warmup_steps"] == 10
    assert settings["model"]["hidden_size"] == 16
    known = Path("work/vocabulary").read_text(encoding="utf-8").splitlines()
    assert settings["src_vocab_size"] == len(known) + 4
    assert {piece for line in source for piece in line.split()} <= {w.split("\t")[0] for w in known}
    again = measure()
    assert (again.exit_code, "work exists; name a new folder" in again.output) == (2, True)


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("sys.exit(0)", "sys.exit(3)", "failed with exit status 3: see work/train.log"),
        ("lines[0:]", "lines[1:]", "translated 9 of 10 dev segments: see work/dev.5"),
        ("Start training loop", "Begin", "names no checkpoint: see work/train.log"),
    ],
)
def test_a_failure_of_eole_names_its_file(before: str, after: str, sentence: str) -> None:
    ended = measure(peer=STAND_IN.replace(before, after))
    assert ended.exit_code == 1
    assert sentence in ended.output


def test_mistakes_are_reported_before_anything_is_written(nmt: Run, tiny: Path) -> None:
    assert nmt("prepare", tiny, "--set", "train.bpe_dropout=0.1").code == 0
    assert "it needs train.bpe_dropout = 0" in measure().output
    assert nmt("prepare", tiny, "--run", "runs/other").code == 0
    for options, sentence in (
        (["--python", "nowhere/python"], "nowhere/python cannot be run"),
        (["--every", "4"], "--updates 10 is not a multiple of --every 4"),
    ):
        ended = CliRunner().invoke(
            command, ["runs/other", "work", "--python", "./peer", "--updates", "10", *options]
        )
        assert (ended.exit_code, sentence in ended.output) == (2, True), ended.output
    assert not Path("work").exists()
