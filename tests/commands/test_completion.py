"""Shell completion: what is offered for a typed line, and that a real bash inserts it."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.commands import COMMANDS, cli
from nmt.commands.completion import BashCompletion
from nmt.recipe.files import shipped_recipes
from tests.commands.test_translate_interactive import Terminal


def offered(
    monkeypatch: pytest.MonkeyPatch, line: str, *, bash_splits: bool = False
) -> tuple[list[str], set[str]]:
    """Return what bash is offered for a line: the texts, and the kinds of files.

    bash_splits: whether bash replaces only what follows "=" or ":", as it does by default.
    """
    last = line.rpartition(" ")[2].removeprefix("'")
    if bash_splits:
        last = last.replace(":", "=").rpartition("=")[2]
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", last)
    completion = BashCompletion(cli, {}, "nmt", "_NMT_COMPLETE")
    parts = [answer.partition(",") for answer in completion.complete().splitlines()]
    texts = [text for kind, _, text in parts if kind == "plain"]
    return texts, {kind for kind, _, _ in parts} - {"plain"}


def test_commands_recipes_and_files_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(monkeypatch, "nmt ") == (list(COMMANDS), set())
    assert offered(monkeypatch, "nmt tra") == (["train", "translate"], set())
    assert offered(monkeypatch, "nmt inspect cmu") == (["cmudict"], {"file"})
    assert offered(monkeypatch, "nmt fetch ") == (shipped_recipes(), {"file"})
    assert "opus-mt-en-de" in offered(monkeypatch, "nmt fetch opus-mt-en-d")[0]
    assert offered(monkeypatch, "nmt train --dev") == (["--device"], set())


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("nmt train --set model.d_", "model.d_model= model.d_ff= model.d_k= model.d_v="),
        ("nmt train --set=model.norm=pr", "--set=model.norm=pre"),
        ("nmt train --set 'model.norm=pr", "model.norm=pre"),
        ("nmt train --set train.compile=", "train.compile=true train.compile=false"),
        ("nmt translate --set mod", ""),
        ("nmt translate --set decode.st", "decode.stopping="),
        ("nmt train --device=c", "--device=cpu --device=cuda"),
        ("nmt evaluate --metric ", "bleu error_rate"),
        ("nmt ablate --vary model.activation=relu,gl", "model.activation=relu,glu"),
    ],
)
def test_settings_and_values_are_offered(
    monkeypatch: pytest.MonkeyPatch, typed: str, texts: str
) -> None:
    """If bash splits words at "=", it is offered only what follows."""
    assert offered(monkeypatch, typed) == (texts.split(), set())
    if "'" not in typed:
        parts = [text.rpartition("=")[2] if text[-1] != "=" else text for text in texts.split()]
        assert offered(monkeypatch, typed, bash_splits=True) == (parts, set())


def test_run_folders_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: dict[str, list[str]] = {"average ": [], "report a ": [], "train --run ": []}
    lines |= {"translate --model ": ["everyday"], "explain --model ": ["everyday"]}
    for typed, shipped in lines.items():
        assert offered(monkeypatch, f"nmt {typed}") == (shipped, {"file"})
    for name in ("runs/mine", "runs/paper/base", "runs/other"):
        Path(name).mkdir(parents=True)
    for name in ("runs/mine", "runs/paper/base"):
        Path(name, "recipe.toml").touch()
    for typed, shipped in lines.items():
        texts, kinds = offered(monkeypatch, f"nmt {typed}")
        assert (set(texts), kinds) == ({*shipped, "runs/mine", "runs/paper/base"}, {"file"})


@pytest.fixture
def bash() -> Iterator[Terminal]:
    """Start an interactive bash in an empty folder, with the completion turned on."""
    program = shutil.which("bash")
    if program is None:
        pytest.skip("there is no bash")
    variables = {"TERM": "dumb", "HISTFILE": "/dev/null", "PS1": "$ "}
    variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    options = ["--norc", "--noprofile", "-i"]
    with Terminal([program, *options], {**os.environ, **variables}) as terminal:
        for line in ('bind "set bell-style none"', 'eval "$(_NMT_COMPLETE=bash_source nmt)"'):
            terminal.press(f"{line}; echo do''ne\n")
            terminal.wait_for("done")
        yield terminal


def test_a_real_bash_inserts_what_was_meant(bash: Terminal) -> None:
    """The bar shows where bash leaves the cursor: behind a space only if a word is complete."""
    Path("mine.toml").touch()
    for typed, expected in (
        ("nmt train --set model.norm_k", "norm_kind=|"),
        ("nmt train --set=model.positions=l", "positions=learned |"),
        ("A=1 nmt train --device=cu", "--device=cuda |"),
        ("nmt ablate --vary 'model.norm=post,pre model.norm_kind=r", "norm_kind=rms' |"),
        ("nmt prepare cmu", "cmudict |"),
        ("nmt prepare mi", "mine.toml |"),
    ):
        bash.press(f"{typed}\t|")
        bash.wait_for(expected)
        bash.press("\x15")  # erases the line
