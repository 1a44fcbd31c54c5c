"""`nmt train` and `nmt prepare`: files, messages, resuming, and errors in the input."""

import gzip
import json
import lzma
import os
import shutil
from pathlib import Path

import pytest

from nmt.recipe.files import load_recipe
from nmt.runs.history import read_metrics
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from tests.conftest import Run


def files(folder: Path) -> set[str]:
    """Return the paths of all files in a folder, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_train_writes_the_best_and_the_average_model(nmt: Run, tiny: Path) -> None:
    first = nmt("train", tiny)
    assert first.code == 0
    assert first.out == ""
    lines = first.err.splitlines()
    assert lines[0] == "learning 40 BPE tokens from 240 lines"
    assert lines[1] == "train.src + train.tgt: 120 pairs kept"
    (started,) = (line for line in lines if "tiny (en-de): 120 pairs, " in line)
    assert started.endswith("run folder runs/tiny")
    assert sum(line.startswith("update ") and "dev loss" in line for line in lines) == 2
    assert lines[-4].startswith("average of 2 checkpoints: dev loss ")
    assert lines[-3].startswith("model: runs/tiny/model.safetensors, dev BLEU ")
    assert lines[-2].startswith("best: runs/tiny/best.safetensors, dev BLEU ")
    assert lines[-1] == "report: runs/tiny/report.html"
    run = Path("runs/tiny")
    assert files(run) == {
        ".lock",
        "recipe.toml",
        "run.json",
        "tokenizer.model",
        "prepared/manifest.json",
        "prepared/train-0.ids",
        "prepared/train-0.lines",
        "prepared/train-0.offsets",
        "checkpoints/update-00000008.json",
        "checkpoints/update-00000008.safetensors",
        "checkpoints/update-00000008.state.pt",
        "checkpoints/update-00000012.json",
        "checkpoints/update-00000012.safetensors",
        "checkpoints/update-00000012.state.pt",
        "best.safetensors",
        "model.safetensors",
        "metrics.jsonl",
        "report.html",
    }
    before = (run / "model.safetensors").read_bytes()
    again = nmt("train", tiny)
    assert again.code == 0
    assert "resumed at update 12 of 12" in again.err
    done = (
        "runs/tiny is done at update 12; train.max_updates={} asks for no more; raise it above 12"
    )
    assert done.format(12) in again.err
    assert "learning" not in again.err
    assert (run / "model.safetensors").read_bytes() == before
    assert done.format(5) in nmt("train", tiny, "--max-updates", 5).err


def test_a_training_that_patience_ended_says_what_to_raise(nmt: Run, tiny: Path) -> None:
    options = ["--set", "train.patience=1", "--set", "train.learning_rate_scale=0"]
    options += ["--set", "train.validate_updates=2"]
    assert nmt("train", tiny, *options).code == 0
    again = nmt("train", "runs/tiny")
    assert "runs/tiny is done at update 4; no better score on the dev set in 1 valid" in again.err
    assert "for example with --set train.patience=2\n" in again.err
    assert "resumed" not in nmt("train", "runs/tiny", "--max-updates", 99).out
    assert nmt("train", "runs/tiny", "--set", "train.patience=2").code == 0
    assert read_metrics(RunFolder(Path("runs/tiny")).metrics)[-1]["update"] > 4


def test_more_updates_resume_a_finished_run(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    result = nmt("train", tiny, "--max-updates", 8)
    assert result.code == 0
    assert "resumed at update 4 of 8" in result.err
    assert read_model(Path("runs/tiny/model.safetensors")).updates == (4, 8)
    lines = [json.loads(line) for line in Path("runs/tiny/metrics.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines if line["kind"] == "train"] == [2, 4, 6, 8]


def test_a_changed_recipe_is_refused_with_the_changed_settings(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny).code == 0
    before = Path("runs/tiny/recipe.toml").read_text()
    result = nmt("train", tiny, "--set", "model.d_ff=16", "--seed", 9)
    assert result.code == 1
    assert result.err.startswith("nmt: the training in runs/tiny started with other settings: ")
    assert "model.d_ff (32 -> 16), train.seed (1 -> 9);" in result.err
    assert "--run" in result.err
    assert Path("runs/tiny/recipe.toml").read_text() == before


def test_the_model_contains_the_resolved_recipe(tiny_run: Path) -> None:
    content = read_model(tiny_run / "model.safetensors")
    assert content.recipe == load_recipe(str(tiny_run / "recipe.toml"))
    assert content.tokenizer == (tiny_run / "tokenizer.model").read_bytes()
    assert content.updates == (8, 12)


def test_model_files_have_the_permissions_of_other_files(tiny_run: Path) -> None:
    modes = {path.stat().st_mode for path in tiny_run.glob("*.*")}
    assert modes == {(tiny_run / "metrics.jsonl").stat().st_mode}


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.heads=3", "model.d_k=5", "model.d_v=7"],
        ["model.heads=1", "model.d_k=1", "model.d_v=1"],
        ["model.d_model=15"],
        ["model.encoder_layers=2", "model.d_ff=1"],
        ["train.batch_source_tokens=1", "train.micro_batch_tokens=1"],
        ["train.learning_rate_scale=0"],
    ],
)
def test_unusual_settings_train_and_translate(nmt: Run, tiny: Path, overrides: list[str]) -> None:
    options = [part for each in overrides for part in ("--set", each)]
    result = nmt("train", tiny, "--max-updates", 2, *options)
    assert result.code == 0, result.err
    assert nmt("translate", "dev.src").out.count("\n") == 10


def test_a_missing_dev_set_is_reported(nmt: Run, tiny: Path) -> None:
    result = nmt("train", tiny, "--set", "data.dev=[]")
    assert result.code == 1
    message = result.err.splitlines()[-1]
    assert all(fact in message for fact in ("nmt: ", "recipe tiny", "data.dev"))


def test_prepare_prints_the_sizes_and_train_uses_the_corpus(nmt: Run, tiny: Path) -> None:
    result = nmt("prepare", tiny)
    assert (result.code, result.out) == (0, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("runs/tiny/prepared: 120 pairs, ")
    assert last.endswith(" tokens, a vocabulary of 40 tokens")
    assert nmt("prepare", tiny).err == last + "\n"
    assert "learning" not in nmt("train", tiny, "--max-updates", 1).err


def damage(name: str, folder: Path) -> None:
    """Damage the tiny corpus in one way."""
    train = folder / "train.tgt"
    if name == "misaligned":
        train.write_bytes(train.read_bytes() + b"SUN\n")
    elif name == "missing":
        train.unlink()
    elif name == "folder":
        train.unlink()
        train.mkdir()
    elif name == "utf8":
        lines = train.read_bytes().splitlines()
        train.write_bytes(b"\n".join([*lines[:6], b"SU\xff", *lines[7:]]) + b"\n")
    elif name == "empty":
        for path in folder.glob("train.*"):
            path.write_bytes(b"")
    elif name == "small":
        for path in folder.glob("train.*"):
            path.write_bytes(b"sun\n")
    elif name == "dev":
        (folder / "dev.tgt").write_bytes(b"SUN\n")
    else:
        pack = lzma.compress if name == "xz" else gzip.compress
        content = train.read_bytes()
        whole = pack(content)
        (folder / f"train.{name}").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("misaligned", "/train.src has 120 lines but {0}/train.tgt has 121"),
        ("missing", "/train.tgt does not exist"),
        ("folder", "/train.tgt is a folder, not a file"),
        ("utf8", "/train.tgt, line 7: not valid UTF-8 (byte 3 of the line)"),
        ("empty", "the training corpus is empty: train.src, train.tgt"),
        ("small", "tokenizer.vocab_size=40"),
        ("dev", "/dev.src has 10 lines but {0}/dev.tgt has 1"),
        ("gz", "{0}/train.gz is damaged after line "),
        ("xz", "{0}/train.xz is damaged after line "),
    ],
)
@pytest.mark.parametrize("command", ["prepare", "train"])
def test_a_bad_corpus_gets_one_message_and_leaves_no_partial_file(
    nmt: Run, tiny: Path, command: str, name: str, fact: str
) -> None:
    folder = tiny.parent
    damage(name, folder)
    if name in ("gz", "xz"):
        tiny.write_text(tiny.read_text().replace('"train.tgt"', f'"train.{name}"'))
    result = nmt(command, tiny)
    assert (result.code, result.out) == (1, "")
    messages = [line for line in result.err.splitlines() if line.startswith("nmt: ")]
    assert messages == result.err.splitlines()[-1:]
    assert fact.format(folder) in messages[0]
    assert "Traceback" not in result.err
    left = files(folder / "runs")
    assert not any("partial" in each for each in left)
    if name != "dev":
        assert left <= {"tiny/recipe.toml", "tiny/run.json", "tiny/.lock"}


def test_a_file_in_place_of_a_folder_is_reported(nmt: Run, tiny: Path) -> None:
    Path("runs").write_text("")
    result = nmt("train", tiny)
    assert result.code == 1
    assert result.err.startswith("nmt: cannot write into runs/tiny: ")
    result = nmt("train", tiny, "--data-dir", tiny)
    assert result.code == 2


def test_data_dir_has_precedence_over_the_environment(nmt: Run, tiny: Path) -> None:
    shutil.move("train.src", "moved")
    assert nmt("prepare", tiny).code == 1
    Path("other").mkdir()
    for name in ("train.tgt", "dev.src", "dev.tgt"):
        shutil.copy(name, "other")
    shutil.copy("moved", "other/train.src")
    assert nmt("prepare", tiny, "--data-dir", "other").code == 0
    os.environ["NMT_DATA_DIR"] = "other"  # the fixture `tiny` restores it
    assert nmt("prepare", tiny).code == 0


def test_nothing_is_written_into_the_data_folder(nmt: Run, tiny: Path) -> None:
    data = tiny.parent
    before = files(data)
    assert nmt("train", tiny, "--max-updates", 1, "--run", data / "run").code == 0
    assert {each for each in files(data) if not each.startswith("run/")} == before


@pytest.mark.parametrize("damaged", ["state", "weights"])
def test_a_damaged_checkpoint_is_named(nmt: Run, tiny: Path, damaged: str) -> None:
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    ending = "state.pt" if damaged == "state" else "safetensors"
    path = Path(f"runs/tiny/checkpoints/update-00000004.{ending}")
    path.write_bytes(path.read_bytes()[:1000])
    result = nmt("train", tiny)
    assert result.code == 1
    assert str(path) in result.err.splitlines()[-1]
    assert "damaged" in result.err
    assert "Traceback" not in result.err


def test_a_changed_corpus_is_refused_on_resuming(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    for ending in ("src", "tgt"):
        with Path(f"train.{ending}").open("a") as stream:
            stream.write("seed\n")
    result = nmt("train", tiny)
    assert result.code == 1
    assert "the corpus of runs/tiny has changed" in result.err
