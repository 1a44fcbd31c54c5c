"""Peers' time to quality, with stand-ins that know the dev set after 10 updates."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchmarks.peer_time_to_quality import command
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


JOEYNMT = f"""#!{sys.executable}
import json, sys
from pathlib import Path

task, file = sys.argv[3:5]
settings = json.loads(Path(file).read_text())
if task == "train":
    Path("work/model").mkdir()
    log = "2026-11-26 23:59:30,500 - INFO - joeynmt.training - "
    later = "2026-11-27 00:02:00,500 - INFO - joeynmt.training - "
    lines = log + "EPOCH 1", later + "Checkpoint saved in work/model/10.ckpt.", later + "EPOCH 1"
    Path("work/model/train.log").write_text("".join(line + chr(10) for line in lines))
else:
    assert settings["testing"]["load_model"] == "work/model/10.ckpt"
    assert sys.stdin.read() == Path("work/dev.source").read_text()
    print(Path("work/dev.target").read_text(), end="")
"""


@pytest.fixture(name="measure")
def _measure(nmt: Run, tiny: Path) -> Callable[..., Result]:
    """Return a function that runs the script on a new run, with a stand-in for a peer."""

    def run(
        *options: str, name: str = "eole", peer: str = STAND_IN, bpe_dropout: float = 0
    ) -> Result:
        assert nmt("prepare", tiny, "--set", f"train.bpe_dropout={bpe_dropout}").code == 0
        Path("peer").write_text(peer)
        Path("peer").chmod(0o755)
        given = [name, "runs/tiny", "work", "--data-dir", ".", "--bleu", "5", "--bleu", "101"]
        given += ["--python", "./peer", "--updates", "10", "--every", "5"]
        return CliRunner().invoke(command, [*given, *options])

    return run


def test_eole_gets_the_run_and_minutes_count_from_the_start_of_the_training_loop(
    measure: Callable[..., Result],
) -> None:
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


@pytest.mark.parametrize(
    ("before", "after", "options", "sentence"),
    [
        ("sys.exit(0)", "sys.exit(3)", [], "failed with exit status 3: see work/train.log"),
        ("lines[0:]", "lines[1:]", [], "9 of 10 dev segments are translated: see work/dev.5"),
        ("Start training loop", "Begin", [], "names no checkpoint: see work/train.log"),
        ("", "", ["--python", "nowhere/python"], "nowhere/python cannot be run"),
        ("", "", ["--every", "4"], "--updates 10 is not a multiple of --every 4"),
    ],
)
def test_a_failure_of_eole_names_its_file_and_a_mistake_writes_none(
    measure: Callable[..., Result], before: str, after: str, options: list[str], sentence: str
) -> None:
    ended = measure(*options, peer=STAND_IN.replace(before, after))
    assert ended.exit_code == (2 if options else 1)
    assert sentence in ended.output
    assert Path("work").exists() != bool(options)


def test_joeynmt_gets_the_run_as_well(measure: Callable[..., Result]) -> None:
    ended = measure(name="joeynmt", peer=JOEYNMT)
    assert ended.exit_code == 0, ended.output
    assert "dev BLEU 5: 100.00 at 2.5 minutes, update 10" in ended.stdout
    settings = json.loads(Path("work/train.yaml").read_text())
    assert settings["training"]["learning_rate_warmup"] == 10
    assert settings["model"]["encoder"]["hidden_size"] == 16
    special, known = ["<unk>", "<pad>", "<s>", "</s>"], Path("work/vocabulary").read_text()
    assert known.splitlines()[:4] == special


def test_a_run_that_eole_cannot_repeat_is_refused(measure: Callable[..., Result]) -> None:
    assert "it needs train.bpe_dropout = 0" in measure(bpe_dropout=0.1).output
