"""The translations that the manual shows are those of the model that its first tutorial trains.

A block of text or JSON right after a block of shell or Python shows what that prints. `...` stands
for what is left out. White space does not count, because long lines are broken. Nor do decimal
numbers: scores depend on the processor that trained the model.
"""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Block, pages, parts
from tests.docs.shell import read_commands

OTHERS = {"printf", "echo", "cat"}  # the former two write a file for a later block, or stdin
SHOWN = {"translate", "explain", "score"}
POCKET = {"runs/pocket", "runs/pocket/model.safetensors"}
DECIMAL = re.compile(r"-?\d+\.\d+")
MARK = "-- what follows is shown --"


def examples(page: Path) -> list[tuple[Block, Block]]:
    """Return the blocks of a page that print translations of the model, each with what it shows."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [
        (block, shown)
        for block, shown in pairwise(parts(page)[0])
        if not any(lines[block.line + block.text.count("\n") : shown.line - 2])
        and shown.language in ("text", "json")
        and uses_pocket(block)
    ]


def uses_pocket(block: Block) -> bool:
    """Return whether a block translates with the model of the tutorial, and does nothing else."""
    if block.language != "sh":
        return block.language == "python" and bool(re.search(r"\.(translate|score)\(", block.text))
    commands = [*read_commands(block)]
    own = [command.nmt for command in commands if command.nmt]
    models = {word for words in own for flag, word in pairwise(words) if flag == "--model"}
    others = {command.words[0] for command in commands if not command.nmt}
    is_known = {words[0] for words in own} <= SHOWN and models <= POCKET and others <= OTHERS
    return bool(own) and is_known and "--interactive" not in block.text  # which needs a terminal


EXAMPLES = [pytest.param(*pair, id=pair[0].place) for page in pages() for pair in examples(page)]


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of the tutorial's model."""
    folder = tmp_path_factory.mktemp("runs") / "pocket"
    run(sys.executable, "-m", "nmt", "train", "pocket", "--run", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("block", "shown"), EXAMPLES)
def test_what_is_shown_comes_out(block: Block, shown: Block, pocket: Path) -> None:
    Path("runs").symlink_to(pocket.parent)
    Path("data").symlink_to(ROOT / "data")
    before = [other for other in parts(block.page)[0] if other.line < block.line]
    if block.language == "python":
        code = [other.text for other in before if other.language == "python"]
        code += [f"print({MARK!r})", block.text]
        printed = run(sys.executable, "-c", "\n".join(code)).rpartition(MARK)[2]
    else:
        script = [f'nmt() {{ {shlex.quote(sys.executable)} -m nmt "$@"; }}', "set -e"]
        earlier = "".join(other.text for other in before if other.language == "sh")
        script += re.findall(r"^(?:printf|echo) (?!.*\| nmt).*$", earlier, re.MULTILINE)
        printed = run("bash", "-c", "\n".join([*script, block.text]))
    assert re.search(pattern(shown.text), printed, re.MULTILINE | re.DOTALL), printed


def test_examples_are_found() -> None:
    found = {page.name for page in pages() if examples(page)}
    assert {"README.md", "first-translation.md"} <= found


def pattern(text: str) -> str:
    """Return what matches the output that a text stands for."""
    words = [re.escape(DECIMAL.sub("0.0", word)) for word in text.split()]
    whole = r"\s*".join(words).replace(re.escape("..."), ".*?")
    return rf"^{whole.replace(re.escape('0.0'), DECIMAL.pattern)}\s*?$"


def run(*command: str) -> str:
    """Return what a command prints for a new user who has this checkout, but for the model."""
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return re.sub(r"^model: .*\n", "", done.stdout, flags=re.MULTILINE)
