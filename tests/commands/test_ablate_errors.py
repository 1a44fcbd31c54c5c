"""`nmt ablate`: the dry run, and what is refused before any run starts."""

from pathlib import Path

import pytest

from nmt.runs.run_folder import RunFolder
from tests.conftest import Run


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--vary", "model.d_ff=64", "--vary", "model.hedas=2"], "did you mean 'model.heads'?"),
        (["--vary", "model.d_ff=64,none"], "model.d_ff is 'none' but must be a whole number"),
        (["--vary", "model.d_ff=64", "--seeds", "1,1"], "names a seed twice"),
        (["--vary", "model.d_ff=64", "--seeds", "1,-1"], "train.seed is -1"),
        (["--vary", "model.d_ff=32"], "nothing varies"),
        ([], "nothing varies"),
        (["--vary", "tokenizer.kind=char train.bpe_dropout=0.1"], "needs tokenizer.kind=bpe"),
        (["--vary", "model.d_ff=64", "--set", "model.d_ff"], "--set takes section.key=value"),
    ],
)
def test_a_wrong_option_is_refused_before_any_run_starts(
    nmt: Run, tiny: Path, options: list[str], fact: str
) -> None:
    refused = nmt("ablate", tiny, *options)
    assert (refused.code, refused.out) == (2, "")
    assert fact in refused.err
    assert not Path("runs").exists()


def test_an_unsuitable_corpus_is_refused_before_any_training(nmt: Run, tiny: Path) -> None:
    refused = nmt("ablate", tiny, "--vary", "tokenizer.vocab_size=30000", "--output", "out")
    assert refused.code == 1
    assert "nmt: tokenizer.vocab_size=30000, seed 1: " in refused.err
    assert not [*Path("out").rglob("metrics.jsonl")]


def test_dry_run_lists_the_runs(nmt: Run, tiny: Path) -> None:
    options = (
        "--grid",
        "--vary",
        "model.d_ff=32,64",
        "--vary",
        "model.heads=1,2",
        "--seeds",
        "5,6",
    )
    listed = nmt("ablate", tiny, *options, "--output", "out", "--dry-run")
    assert listed.code == 0
    lines = [line.split("\t") for line in listed.out.splitlines()]
    assert len(lines) == 2 * 2 * 2
    assert listed.err == ""
    assert lines[0] == ["out/base/seed-5", "base"]
    assert ["out/model.d_ff=64,model.heads=1/seed-6", "model.d_ff=64 model.heads=1"] in lines
    assert not Path("out").exists()


def test_a_decode_setting_is_said_to_need_no_training(nmt: Run, tiny: Path) -> None:
    vary = ("--vary", "decode.beam_size=1,2", "--output", "out")
    listed = nmt("ablate", tiny, *vary, "--dry-run")
    assert (listed.code, listed.err.count("\n")) == (0, 1)
    assert "nmt evaluate SOURCE REFERENCE --set decode.beam_size=VALUE" in listed.err


@pytest.mark.parametrize(
    ("options", "code", "fact"),
    [
        (["--device", "nonsense"], 2, "device 'nonsense' is not on this machine"),
        (["--set", "train.init_from=nowhere"], 1, "nowhere"),
        (["--set", "train.init_from=tiny.toml"], 1, "tiny.toml"),
        (["--data-dir", "nowhere"], 1, "nowhere/train.src does not exist"),
        (["--set", "data.dev=[{source='dev.src', target='train.tgt'}]"], 1, "train.tgt"),
        (["--set", "data.train=[]"], 1, "names no training text"),
        (["--output", "train.src/out"], 2, "cannot be written"),
        (["--output", "/proc/nowhere/out"], 2, "cannot be written"),
        (
            ["--output", "foreign"],
            2,
            "foreign/base/seed-1 (--output) is not a run folder but holds notes",
        ),
        (["--output", "pages"], 2, "pages/ablation.html is a folder"),
    ],
)
def test_a_dry_run_refuses_what_the_start_refuses(
    nmt: Run, tiny: Path, options: list[str], code: int, fact: str
) -> None:
    Path("foreign/base/seed-1").mkdir(parents=True)
    Path("foreign/base/seed-1/notes.txt").touch()
    Path("pages/ablation.html").mkdir(parents=True)
    before = sorted(Path().rglob("*"))
    for dry in (["--dry-run"], []):
        refused = nmt("ablate", tiny, "--vary", "model.d_ff=64", *options, *dry)
        assert (refused.code, refused.out) == (code, "")
        assert fact in refused.err
        assert refused.err.count("\n") == 1
        assert sorted(Path().rglob("*")) == before


def test_a_dry_run_of_started_runs_checks_their_settings(
    nmt: Run, ablation: Path, tmp_path: Path
) -> None:
    data = ablation.parent
    command = ["ablate", data / "tiny.toml", "--data-dir", data, "--output", ablation, "--dry-run"]
    command += ["--vary", "model.d_ff=64"]
    assert nmt(*command).code == 0
    refused = nmt(*command, "--set", "train.warmup_updates=99")
    assert (refused.code, refused.out) == (1, "")
    assert "started with other settings" in refused.err
    refused = nmt(*command, "--max-updates", 2)
    assert (refused.code, refused.out) == (1, "")
    assert "updates, more than train.max_updates=2; give --max-updates" in refused.err


def test_a_run_folder_a_busy_folder_and_torchrun_are_refused(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = nmt("ablate", tiny, "--vary", "model.d_ff=64", "--output", tiny_run)
    assert refused.code == 2
    assert "is a run folder" in refused.err
    with RunFolder(Path("out")).lock():
        refused = nmt("ablate", tiny, "--vary", "model.d_ff=64", "--output", "out")
    assert refused.code == 1
    assert "another nmt process is using out" in refused.err
    assert "--output" in refused.err
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = nmt("ablate", tiny, "--vary", "model.d_ff=64")
    assert refused.code == 2
    assert "without torchrun" in refused.err
    monkeypatch.setenv("WORLD_SIZE", "two")
    refused = nmt("ablate", tiny, "--vary", "model.d_ff=64")
    assert refused.code == 1
    assert "WORLD_SIZE is 'two', not a whole number" in refused.err
