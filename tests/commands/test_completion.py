"""Shell completion: what is offered for a typed line, and that a real bash inserts it."""

import os
import pty
import select
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import FishComplete, ShellComplete, ZshComplete

from nmt.commands import COMMANDS, cli
from nmt.commands.completion import BashCompletion
from nmt.recipe.files import shipped_recipes


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
    assert offered(monkeypatch, "nmt inspect poc") == (["pocket"], {"file"})
    assert offered(monkeypatch, "nmt fetch ") == (shipped_recipes(), {"file"})
    assert "opus-mt-en-de" in offered(monkeypatch, "nmt fetch opus-mt-en-d")[0]
    assert offered(monkeypatch, "nmt train --dev") == (["--device"], set())


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("nmt train --set model.d_", "model.d_model= model.d_ff= model.d_k= model.d_v="),
        ("nmt train --set model.norm=pr", "model.norm=pre"),
        ("nmt train --set=model.norm=pr", "--set=model.norm=pre"),
        ("nmt train --set 'model.norm=pr", "model.norm=pre"),
        ("nmt train --set train.compile=", "train.compile=true train.compile=false"),
        ("nmt train --set train.seed=", ""),
        ("nmt train --set train.none=", ""),
        ("nmt translate --set mod", ""),
        ("nmt translate --set decode.st", "decode.stopping="),
        ("nmt train --device ", "auto cpu cuda mps"),
        ("nmt train --device=c", "--device=cpu --device=cuda"),
        ("nmt evaluate --metric ", "bleu error_rate"),
        ("nmt ablate --vary model.activation=relu,gl", "model.activation=relu,glu"),
        ("nmt ablate --vary model.norm_k", "model.norm_kind="),
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
    lines = ("average ", "report a ", "train --run ", "translate --model ", "explain --model ")
    for typed in lines:
        assert offered(monkeypatch, f"nmt {typed}") == ([], {"file"})
    for name in ("runs/mine", "runs/paper/base", "runs/other"):
        Path(name).mkdir(parents=True)
    for name in ("runs/mine", "runs/paper/base"):
        Path(name, "recipe.toml").touch()
    for typed in lines:
        texts, kinds = offered(monkeypatch, f"nmt {typed}")
        assert (set(texts), kinds) == ({"runs/mine", "runs/paper/base"}, {"file"})


@pytest.mark.parametrize("shell", [ZshComplete, FishComplete])
def test_other_shells_are_offered_the_same(
    monkeypatch: pytest.MonkeyPatch, shell: type[ShellComplete]
) -> None:
    word = "model.norm="
    monkeypatch.setenv("COMP_WORDS", f"nmt train --set {word}")
    monkeypatch.setenv("COMP_CWORD", "3" if shell is ZshComplete else word)
    answer = shell(cli, {}, "nmt", "_NMT_COMPLETE").complete()
    assert "model.norm=post" in answer
    assert "model.norm=pre" in answer


class Bash:
    """An interactive bash on a terminal, with the completion turned on."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.setup('bind "set bell-style none"')
        self.setup('eval "$(_NMT_COMPLETE=bash_source nmt)"')

    def setup(self, line: str) -> None:
        self.type(f"{line}; echo do''ne\n", "done")

    def type(self, text: str, expected: str) -> None:
        """Type a text, and wait until bash shows what is expected."""
        os.write(self.descriptor, text.encode())
        shown, ends = "", time.monotonic() + 60
        while expected not in shown and time.monotonic() < ends:
            if select.select([self.descriptor], [], [], 1)[0]:
                shown += os.read(self.descriptor, 1 << 16).decode()
        assert expected in shown

    def complete(self, line: str, expected: str) -> None:
        """Type a line, TAB and a bar, wait until bash shows what is expected, and erase it."""
        self.type(f"{line}\t|", expected)
        os.write(self.descriptor, b"\x15")


@pytest.fixture
def bash(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bash]:
    """Start bash in an empty folder."""
    program = shutil.which("bash")
    if program is None:
        pytest.skip("there is no bash")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name, value in {"TERM": "dumb", "HISTFILE": "/dev/null", "PS1": "$ "}.items():
        monkeypatch.setenv(name, value)
    process, descriptor = pty.fork()
    if process == 0:
        os.execv(program, ["bash", "--norc", "--noprofile", "-i"])  # noqa: S606 (no shell text)
    try:
        yield Bash(descriptor)
    finally:
        os.close(descriptor)  # bash gets SIGHUP
        os.waitpid(process, 0)


def test_a_real_bash_inserts_what_was_meant(bash: Bash) -> None:
    """The bar shows where bash leaves the cursor: behind a space only if a word is complete."""
    Path("mine.toml").touch()
    bash.complete("nmt train --set model.norm_k", "norm_kind=|")
    bash.complete("nmt train --set=model.positions=l", "positions=learned |")
    bash.complete("A=1 nmt train --device=cu", "--device=cuda |")
    bash.complete("nmt ablate --vary 'model.norm=post,pre model.norm_kind=r", "norm_kind=rms' |")
    bash.complete("nmt prepare poc", "pocket |")
    bash.complete("nmt prepare mi", "mine.toml |")
