"""The program as a whole: help, version, imports, settings, exit codes, the current folder."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from nmt import __version__
from nmt.commands import COMMANDS, cli
from nmt.config import DECLARED
from nmt.config.decode import RERANK_SETTINGS, SCORE_SETTINGS
from nmt.errors import is_out_of_memory
from tests.conftest import Run


@pytest.mark.parametrize("options", [[], ["-u"]])
def test_output_that_does_not_fit_is_an_error(options: list[str], tmp_path: Path) -> None:
    """Unbuffered output, too, of which the first part fits."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with (tmp_path / "help").open("w") as file:
        code = subprocess.run(
            [sys.executable, *options, "-m", "nmt", "settings"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,
            check=False,
        )
    assert code.returncode == 1
    assert code.stderr == "nmt: cannot write to stdout: File too large\n"


def test_help_names_every_command(nmt: Run) -> None:
    assert nmt("--version").out == f"nmt, version {__version__}\n"
    result = nmt("--help")
    assert result.code == 0
    assert all(name in result.out and about in result.out for name, about in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_fits_two_screens(
    nmt: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names all options, shows an example, and says which settings of the search --set takes."""
    monkeypatch.setenv("COLUMNS", "80")
    result = nmt(name, "--help")
    lines = result.out.splitlines()
    assert (result.code, len(lines) <= 60, max(map(len, lines)) <= 80) == (0, True, True)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for option in command.params:
        if isinstance(option, click.Option):
            assert re.search(rf"(?<![-\w]){option.opts[-1]}(?![-\w])", result.out), option.opts
    example = result.out[result.out.index("Example") :]
    assert f"\n    nmt {name} " in example or f"\n    nmt {name}\n" in example
    named = {"augment", "translate", "score", "rerank", "evaluate", "explain", "serve"}
    assert ("--set decode.KEY=VALUE" in result.out) == (name in named)
    if name in named:
        known = {"score": SCORE_SETTINGS, "rerank": RERANK_SETTINGS}
        text = " ".join(result.out.split())
        assert all(setting in text for setting in known.get(name, ["`nmt settings decode`"]))


# Run commands one after the other; print each one's exit code and what was imported so far.
IMPORTS = """
import json, sys
from nmt.commands import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        slow = {"torch", "numpy", "sentencepiece", "sacrebleu", "requests", "starlette", "uvicorn"}
        print("\\nENDED" + json.dumps([end.code, sorted(slow & set(sys.modules))]))
"""


def exits_and_imports(*commands: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return each command's exit code, and the heavy packages that it or one before imported."""
    script = [sys.executable, "-c", IMPORTS, json.dumps(commands)]
    result = subprocess.run(script, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    ends = [line for line in result.stdout.splitlines() if line.startswith("ENDED")]
    return [tuple(json.loads(line.removeprefix("ENDED"))) for line in ends]


def test_help_lists_and_refusals_import_no_torch(tiny_run: Path) -> None:
    expected: dict[tuple[str, ...], int] = {
        ("--help",): 0,
        ("--version",): 0,
        **{(name, "--help"): 0 for name in COMMANDS},
        ("report",): 1,
        ("ablate", "pocket", "--vary", "model.headz=3"): 2,
        ("ablate", "pocket", "--seeds", "1"): 2,
        ("rerank", "nowhere", "--source", "nowhere", "--model", "x"): 1,
        ("rerank", "--source", "nowhere"): 2,
        ("train", "--bogus"): 2,
        ("train", "bogus"): 2,
        ("train", "multi30k_en_de", "--set", "model.headz=3"): 2,
        ("translate", "nowhere"): 1,
        ("inspect", "nowhere"): 2,
        ("explain", ""): 1,
        ("bogus",): 2,
    }
    found = zip(expected, exits_and_imports(*expected), strict=True)
    assert dict(found) == {command: (code, []) for command, code in expected.items()}
    for name in ("mine.safetensors", "mine.md"):
        shutil.copy(tiny_run / "model.safetensors", name)
    shutil.copy(tiny_run / "recipe.toml", "recipe.toml")
    others = {
        f"runs {tiny_run.parent}": 0,
        "translate /dev/null --output mine.safetensors": 2,
        "explain sun --output mine.safetensors": 2,
        "report . --output mine.safetensors": 2,
        "average . --output mine.safetensors": 2,
        "evaluate --hypotheses recipe.toml recipe.toml --card mine.md": 2,
        "evaluate --hypotheses nowhere nowhere": 1,
        "evaluate --card card.txt": 2,
        "evaluate --hypotheses recipe.toml recipe.toml": 0,
    }
    ends = exits_and_imports(*map(str.split, others))
    assert [code for code, _ in ends] == [*others.values()]
    assert not any("torch" in heavy for _, heavy in ends)


def test_messages_stay_readable(nmt: Run, tmp_path: Path) -> None:
    """Control characters of a name stay on one line; click's choices are indented lines."""
    result = nmt("translate", "a\nb\x1b[31m\udcff", "--model", tmp_path / "none")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert r"a\nb\x1b[31m\udcff" in result.err
    assert r"Error: Got unexpected extra argument (b\x07)" in nmt("average", "a", "b\x07").err
    assert "Choose from:\n  back-translation,\n" in nmt("augment").err


def test_out_of_memory_is_one_message_without_a_traceback(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments: object, **options: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr("nmt.api.train", train)
    result = nmt("train", tiny)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "nmt: out of memory" in result.err
    assert "train.micro_batch_tokens" in result.err


def test_other_errors_of_torch_are_not_out_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("[enforce fail at inline_container.cc:603] . pos 64"))
    assert is_out_of_memory(MemoryError())
    for message in (
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDNN_BACKEND_TENSOR: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "[enforce fail a",
        "CUDA out of memory. Tried to allocate 2 GiB",
        "std::bad_alloc",
        "NCCL error: Failed to CUDA calloc async 608 bytes",
    ):
        assert is_out_of_memory(RuntimeError(message))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_file_name_that_is_not_utf_8_is_written_as_it_is() -> None:
    """A strict stdout, as in most locales, would raise an error for it."""
    options = ["--seeds", "1,2", "--output", os.fsdecode(b"caf\xe9"), "--dry-run"]
    ended = subprocess.run(
        [sys.executable, "-m", "nmt", "ablate", *options],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"caf\xe9/base/seed-1\tbase\n" in ended.stdout


def test_a_removed_current_folder_is_one_sentence(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Help needs none."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    refused = nmt("translate", "/etc/hostname")
    message = "nmt: the current folder cannot be used (No such file or directory)"
    told = f"{message}; change to another one\n"
    assert (refused.code, refused.out, refused.err) == (1, "", told)
    helped = nmt("train", "--help")
    assert (helped.code, helped.err, bool(helped.out)) == (0, "", True)


def test_settings_are_listed_with_their_defaults(nmt: Run) -> None:
    lines = nmt("settings").out.splitlines()
    assert [line.partition("=")[0] for line in lines if line[0] != " "] == [*DECLARED]
    assert {"model.heads=8", 'tokenizer.kind="bpe"', "data.train"} <= {*lines}
    assert max(map(len, lines)) < 80
    some = nmt("settings", "decode.beam_size", "model").out.splitlines()
    names = [line.partition("=")[0] for line in some if line[0] != " "]
    assert names[-1] == "decode.beam_size"
    assert {name.partition(".")[0] for name in names[:-1]} == {"model"}
    message = nmt("settings", "model.head").err
    assert "no setting or section 'model.head'; did you mean 'model.heads'?" in message
