"""The program as a whole: help, version, imports and exit codes."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from nmt import __version__
from nmt.commands import COMMANDS, cli
from nmt.config.decode import RERANK_SETTINGS, SCORE_SETTINGS
from nmt.errors import is_out_of_memory
from tests.conftest import Run


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in its own process."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


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


def test_version_is_printed(nmt: Run) -> None:
    result = nmt("--version")
    assert (result.code, result.out) == (0, f"nmt, version {__version__}\n")


def test_help_names_every_command(nmt: Run) -> None:
    result = nmt("--help")
    assert result.code == 0
    for name, about in COMMANDS.items():
        assert name in result.out
        assert about in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_shows_an_example(nmt: Run, name: str) -> None:
    result = nmt(name, "--help")
    assert result.code == 0
    example = result.out[result.out.index("Example") :]
    assert f"\n    nmt {name} " in example or f"\n    nmt {name}\n" in example


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_fits_two_screens_and_names_its_options(
    nmt: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = nmt(name, "--help").out
    lines = out.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for option in command.params:
        if isinstance(option, click.Option):
            assert re.search(rf"(?<![-\w]){option.opts[-1]}(?![-\w])", out), option.opts


def test_flags_of_decode_settings_are_checked_like_other_options(nmt: Run) -> None:
    """--help names most of them behind --set, where no type is shown."""
    for flag, fault in (
        ("--min-length", "'x' is not a valid integer."),
        ("--length-penalty", "'x' is not a valid float."),
        ("--mbr", "'x' is not one of 'none', 'chrf', 'bleu'."),
    ):
        result = nmt("translate", flag, "x")
        assert (result.code, result.out) == (2, "")
        assert f"Error: Invalid value for '{flag}': {fault}\n" in result.err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_which_search_settings_set_takes(nmt: Run, name: str) -> None:
    out = " ".join(nmt(name, "--help").out.split())
    takes = "--set decode.KEY=VALUE" in out
    named = {"augment", "translate", "score", "rerank", "evaluate", "explain", "serve"}
    assert takes == (name in named)
    if takes:
        known = {"score": SCORE_SETTINGS, "rerank": RERANK_SETTINGS}
        assert all(setting in out for setting in known.get(name, ["`nmt settings decode`"]))


# Run commands one after the other; print each one's exit code and what was imported so far.
IMPORTS = """
import json, sys
from nmt.commands import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        heavy = {"torch", "numpy", "sentencepiece", "sacrebleu", "requests"} & set(sys.modules)
        print("\\nENDED" + json.dumps([end.code, sorted(heavy)]))
"""


def exits_and_imports(*commands: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return each command's exit code, and the heavy packages that it or one before imported."""
    result = python("-c", IMPORTS, json.dumps(commands))
    assert "Traceback" not in result.stderr
    ends = [line for line in result.stdout.splitlines() if line.startswith("ENDED")]
    return [tuple(json.loads(line.removeprefix("ENDED"))) for line in ends]


def test_help_and_usage_errors_import_no_torch() -> None:
    expected = {
        ("--help",): 0,
        ("--version",): 0,
        ("init", "--help"): 0,
        ("train", "--help"): 0,
        ("translate", "--help"): 0,
        ("explain", "--help"): 0,
        ("report", "--help"): 0,
        ("report",): 1,
        ("ablate", "--help"): 0,
        ("ablate", "pocket", "--vary", "model.headz=3"): 2,
        ("ablate", "pocket", "--seeds", "1"): 2,
        ("evaluate", "--help"): 0,
        ("average", "--help"): 0,
        ("rerank", "--help"): 0,
        ("rerank", "nowhere", "--source", "nowhere", "--model", "x"): 1,
        ("rerank", "--source", "nowhere"): 2,
        ("inspect", "--help"): 0,
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


def test_scoring_a_file_imports_no_torch() -> None:
    expected = {
        ("--hypotheses", "nowhere", "nowhere"): 1,
        ("--card", "card.txt"): 2,
        ("--hypotheses", __file__, __file__): 0,
    }
    found = exits_and_imports(*(("evaluate", *options) for options in expected))
    assert [code for code, _ in found] == [*expected.values()]
    assert not any("torch" in heavy for _, heavy in found)


def test_python_m_nmt_runs_the_program() -> None:
    result = python("-m", "nmt", "--version")
    assert (result.returncode, result.stdout) == (0, f"nmt, version {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["train", "--max-updates", "many"],
        ["train", "--max-updates", "0"],
        ["train", "--seed", "-1"],
        ["train", "a", "b"],
        ["translate", "--beam-size", "x"],
        ["evaluate", "one"],
        ["evaluate", "--language-pair", "en-de"],
        ["evaluate", "--hypotheses", "x"],
        ["evaluate", "a", "b", "--test-set", "wmt14"],
        ["evaluate", "--target-language", "fr"],
        ["explain"],
        ["explain", "a", "b"],
        ["report", *"abcdefg"],
        ["average"],
        ["average", "runs/x", "--last", "0"],
        ["average", "runs/x", "--last", "2", "--updates", "3"],
        ["average", "runs/x", "--updates", "3,x"],
    ],
)
def test_usage_errors_exit_2(nmt: Run, tmp_path: Path, arguments: list[str]) -> None:
    result = nmt(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("device", ["bogus", "cuda:99", "meta", "hpu", ""])
def test_an_unavailable_device_is_a_usage_error(
    nmt: Run, tiny_run: Path, tmp_path: Path, device: str
) -> None:
    (tmp_path / "in").write_text("sun\n")
    result = nmt("translate", tmp_path / "in", "--model", tiny_run, "--device", device)
    assert (result.code, result.out) == (2, "")
    assert f"nmt: device '{device}' " in result.err
    assert result.err.count("\n") == 1


def test_control_characters_of_a_name_stay_on_one_line(nmt: Run, tmp_path: Path) -> None:
    result = nmt("translate", "a\nb\x1b[31m\udcff", "--model", tmp_path / "none")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert r"a\nb\x1b[31m\udcff" in result.err
    result = nmt("average", "a", "b\x07")
    assert r"Error: Got unexpected extra argument (b\x07)" in result.err


def test_choices_of_a_missing_option_are_indented_lines(nmt: Run) -> None:
    assert "Choose from:\n  ctranslate2,\n" in nmt("export", "model", "folder").err


def test_out_of_memory_is_one_message_without_a_traceback(
    nmt: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments: object, **options: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr("nmt.api.train", train)
    result = nmt("train", tiny)
    assert result.code == 1
    assert "nmt: out of memory" in result.err
    assert "train.micro_batch_tokens" in result.err
    assert "Traceback" not in result.err


def test_other_errors_of_torch_are_not_out_of_memory() -> None:
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(RuntimeError("std::bad_alloc"))
    assert is_out_of_memory(RuntimeError("[enforce fail a"))
    assert not is_out_of_memory(RuntimeError("[enforce fail at inline_container.cc:603] . pos 64"))
    assert is_out_of_memory(MemoryError())
    for message in (
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDNN_BACKEND_TENSOR: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "NCCL error: Failed to CUDA calloc async 608 bytes",
    ):
        assert is_out_of_memory(RuntimeError(message))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_file_name_that_is_not_utf_8_is_written_as_it_is(tmp_path: Path) -> None:
    """A strict stdout, as in most locales, would raise an error for it."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    ended = subprocess.run(
        [sys.executable, "-m", "nmt", "ablate", "--seeds", "1,2", "--output", folder, "--dry-run"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert folder + b"/base/seed-1\tbase\n" in ended.stdout
