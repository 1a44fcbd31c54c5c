"""Fixtures that all tests share: run a command, a tiny corpus, and models trained on it."""

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.commands import main
from nmt.runs.run_folder import RunFolder

WORDS = ["sun", "moon", "star", "rain", "snow", "wind", "tree", "leaf", "root", "seed"]

RECIPE = """
[data]
train = [{ source = "train.src", target = "train.tgt" }]
dev = [{ source = "dev.src", target = "dev.tgt" }]
test.tiny = { source = "dev.src", target = "dev.tgt" }

[tokenizer]
vocab_size = 40

[model]
encoder_layers = 1
decoder_layers = 1
d_model = 16
d_ff = 32
heads = 2
d_k = 8
d_v = 8

[train]
max_updates = 12
batch_source_tokens = 200
batch_target_tokens = 200
warmup_updates = 10
checkpoint_updates = 4
average_checkpoints = 2
validate_updates = 6
report_updates = 2

[decode]
max_extra_tokens = 4
"""


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., CommandResult]


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name binary parameters of tests by their length.

    The bytes of a compressed file contain the time, but parallel workers must collect tests with
    equal names.
    """
    return f"{len(val)} bytes" if isinstance(val, bytes) and not val.isascii() else None


@pytest.fixture(autouse=True, scope="session")
def _leave_checkout_and_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide what commands wrote into the checkout, and do not wait for the disk.

    The disk takes half the time of a tiny training. What is written is lost only if the machine
    fails, and no test does that.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NMT_DATA_DIR", raising=False)
        patch.chdir(tmp_path_factory.mktemp("empty"))
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder of its own, which is `tmp_path`."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="session")
def _handle_signals() -> None:
    """Handle signals that whoever started the tests made them ignore, and so the commands in them.

    A shell starts background jobs with SIGINT ignored, nohup starts any with SIGHUP ignored.
    """
    usual: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
    }
    for number, handler in usual.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Compute in one thread, also in fixtures that many tests share.

    CTranslate2 changes the number, where a test makes its own.
    """
    torch.set_num_threads(1)


@pytest.fixture
def nmt(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `nmt ARGUMENTS` in this process."""
    monkeypatch.setattr("nmt.commands.exit_now", lambda code: None)

    def run(*arguments: object) -> CommandResult:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        captured = capfd.readouterr()
        return CommandResult(int(end.value.code or 0), captured.out, captured.err)

    return run


def write_tiny_corpus(folder: Path) -> Path:
    """Write a corpus and its recipe, and return the recipe's path.

    A target is its source's words in upper case and reverse order.
    """
    draw = random.Random(7)
    for name, count in (("train", 120), ("dev", 10)):
        sources = [" ".join(draw.choices(WORDS, k=draw.randint(1, 5))) for _ in range(count)]
        targets = [" ".join(reversed(source.upper().split())) for source in sources]
        (folder / f"{name}.src").write_text("".join(f"{line}\n" for line in sources))
        (folder / f"{name}.tgt").write_text("".join(f"{line}\n" for line in targets))
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE)
    return recipe


def reverse_recipe(folder: Path) -> Path:
    """Write the recipe of the tiny corpus from its target to its source; return its path."""
    text = (folder / "tiny.toml").read_text()
    for files in ("train", "dev"):
        text = text.replace(
            f'source = "{files}.src", target = "{files}.tgt"',
            f'source = "{files}.tgt", target = "{files}.src"',
        )
    languages = '[data]\nsource_language = "de"\ntarget_language = "en"'
    recipe = folder / "reverse.toml"
    recipe.write_text(text.replace("[data]", languages))
    return recipe


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the tiny corpus into the current folder, and return the path of its recipe."""
    monkeypatch.setenv("NMT_DATA_DIR", str(tmp_path))
    return write_tiny_corpus(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with prose in two folders, a picture, and hidden files."""
    folder = tmp_path / "docs"
    (folder / "more").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "a.txt").write_text("sun moon\nstar\n\nrain 12\n")
    (folder / "more" / "b.txt").write_text("\n\n  snow wind\n")
    (folder / "more" / "picture.png").write_bytes(b"\x89PNG\r\n")
    (folder / ".git" / "config").write_text("sun")
    (folder / ".hidden.txt").write_text("sun")
    return folder


def succeed(*arguments: object) -> None:
    """Run `nmt ARGUMENTS` in this process; it must succeed."""
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    assert not end.value.code


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a tiny model, trained once for all tests; do not write into it."""
    folder = tmp_path_factory.mktemp("tiny")
    run = folder / "runs" / "tiny"
    succeed("train", write_tiny_corpus(folder), "--data-dir", folder, "--run", run)
    return run


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> RunFolder:
    """Return a copy of the tiny run that a test may change."""
    shutil.copytree(tiny_run, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints"))
    return RunFolder(tmp_path / "copy")


@pytest.fixture(scope="session")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny ablation; do not write into it.

    It has a base and two variants, each from two seeds.
    """
    folder = tmp_path_factory.mktemp("ablation")
    recipe = write_tiny_corpus(folder)
    output = folder / "out"
    varied = ["--vary", "model.d_ff=32,64", "--vary", "train.label_smoothing=0.2"]
    options = ["--data-dir", folder, "--output", output, *varied, "--seeds", "1,2"]
    succeed("ablate", recipe, *options)
    return output


# A ladder of ten runs, which has a law, and the options of a tiny training.
SCALE = (
    *("--alone", "--sizes", "8,12,16,20,24", "--shares", "1/4,1/2"),
    *("--check", "28", "--set", "train.validate_updates=4", "--set", "decode.beam_size=1"),
)


@pytest.fixture(scope="session")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny `nmt scale`, with two seeds; do not write into it."""
    folder = tmp_path_factory.mktemp("scale")
    recipe = write_tiny_corpus(folder)
    output = folder / "out"
    succeed("scale", recipe, "--data-dir", folder, "--output", output, *SCALE, "--seeds", "1,2")
    return output


# Settings of a model that trains and searches in no time, and learns nothing.
SMALLEST = {
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.d_model": 8,
    "model.d_ff": 8,
    "model.heads": 1,
    "model.d_k": 8,
    "model.d_v": 8,
    "train.precision": "float32",
    "decode.beam_size": 1,
    "decode.max_extra_tokens": 1,
}

SKILLED = {
    "model.d_model": 32,
    "model.d_ff": 64,
    "model.d_k": 16,
    "model.d_v": 16,
    "model.dropout": 0,
    "train.max_updates": 120,
    "train.warmup_updates": 60,
    "train.learning_rate_scale": 1.2,
    "train.batch_source_tokens": 1000,
    "train.batch_target_tokens": 1000,
    "train.checkpoint_updates": 60,
    "train.validate_updates": 120,
    "train.average_checkpoints": 1,
    "train.precision": "float32",  # "auto" measures, so that two machines choose differently
}


def train_skilled(folder: Path, **others: object) -> Path:
    """Train a small model that translates words, with other settings; return its run folder.

    others: settings with two underscores for the point, such as model__norm="pre".
    """
    return train_recipe(write_tiny_corpus(folder), others)


def train_reverse_skilled(folder: Path) -> Path:
    """Train a small model that translates back; return its run folder."""
    write_tiny_corpus(folder)
    return train_recipe(reverse_recipe(folder), {})


def train_recipe(recipe: Path, others: Mapping[str, object]) -> Path:
    """Train a model beside its recipe; others: as of `train_skilled`."""
    settings = SKILLED | {key.replace("__", "."): value for key, value in others.items()}
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    folder = recipe.parent
    run = folder / "runs" / "skilled"
    succeed("train", recipe, "--data-dir", folder, "--run", run, *overrides)
    return run


@pytest.fixture(scope="session")
def skilled_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a small model that translates words; do not write into it."""
    return train_skilled(tmp_path_factory.mktemp("skilled"))
