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

from tests.commands.test_translate_interactive import PROMPT, Terminal
from tests.docs.markdown import ROOT, Block, pages, parts
from tests.docs.shell import commands_of

WRITERS = (["printf"], ["echo"])  # write a file for a later block, or stdin
READERS = (["cat"],)  # show a file that the block wrote
SHOWN = {"translate", "explain", "score"}
POCKET = {"runs/pocket", "runs/pocket/model.safetensors"}
DECIMAL = re.compile(r"-?\d+\.\d+")
PYTHON = """
import contextlib, io, sys
names = {}
with contextlib.redirect_stdout(io.StringIO()):
    exec(sys.argv[1], names)
exec(sys.argv[2], names)
"""


def examples(page: Path) -> list[tuple[Block, Block]]:
    """Return the blocks of a page that print translations of the model, each with what it shows."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found = []
    for block, shown in pairwise(parts(page)[0]):
        fence = block.line - 1 + block.text.count("\n")
        is_next = not any(lines[fence + 1 : shown.line - 2])
        if is_next and shown.language in ("text", "json") and uses_pocket(block):
            found.append((block, shown))
    return found


def uses_pocket(block: Block) -> bool:
    """Return whether a block translates with the model of the tutorial, and does nothing else."""
    if block.language != "sh":
        return block.language == "python" and bool(re.search(r"\.(translate|score)\(", block.text))
    commands = [*commands_of(block)]
    own = [each.nmt for each in commands if each.nmt]
    models = {word for words in own for flag, word in pairwise(words) if flag == "--model"}
    return (
        bool(own)
        and {words[0] for words in own} <= SHOWN
        and models <= POCKET
        and all([each.words[0]] in (*WRITERS, *READERS) for each in commands if not each.nmt)
    )


EXAMPLES = [pytest.param(*pair, id=pair[0].place) for page in pages() for pair in examples(page)]


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the trained model in runs/pocket."""
    folder = tmp_path_factory.mktemp("pocket")
    command = [sys.executable, "-m", "nmt", "train", "pocket"]
    subprocess.run(command, cwd=folder, env=environment(), check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("block", "shown"), EXAMPLES)
def test_what_is_shown_comes_out(block: Block, shown: Block, pocket: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(pocket / "runs")
    (tmp_path / "data").symlink_to(ROOT / "data")
    printed = output(block, shown, tmp_path)
    assert re.search(pattern(shown.text), printed, re.MULTILINE | re.DOTALL), printed


def test_what_shows_other_translations_is_found() -> None:
    text = 'Der Junge schläft.\n{"text": "x", "score": -0.26...}\n...\n'
    for printed, is_equal in (
        ('model: m\nDer Junge schläft.\n{"text": "x",  "score": -0.2612}\nmore\n', True),
        ('Der Junge schläft.\n{"text": "y", "score": -0.2612}\nmore\n', False),
        ('Der Junge schlief.\n{"text": "x", "score": -0.2612}\nmore\n', False),
    ):
        assert bool(re.search(pattern(text), printed, re.MULTILINE | re.DOTALL)) == is_equal
    shown = {page.name for page in pages() if examples(page)}
    assert shown >= {"README.md", "first-translation.md"}


def pattern(text: str) -> str:
    """Return what matches the output that a text stands for."""
    words = [re.escape(DECIMAL.sub("0.0", word)) for word in text.split()]
    whole = r"\s*".join(words).replace(re.escape("..."), ".*?")
    return rf"^{whole.replace(re.escape('0.0'), DECIMAL.pattern)}\s*?$"


def output(block: Block, shown: Block, folder: Path) -> str:
    """Return what a block prints in a folder, after the blocks of its page that it may need."""
    before = [each for each in parts(block.page)[0] if each.line < block.line]
    if block.language == "python":
        code = "\n".join(each.text for each in before if each.language == "python")
        return printed_by([sys.executable, "-c", PYTHON, code, block.text], folder)
    if "--interactive" in block.text:
        return typed(block, shown, folder)
    script = [f'nmt() {{ {shlex.quote(sys.executable)} -m nmt "$@"; }}', "set -e"]
    for each in before:
        if each.language == "sh":
            writing = [x for x in each.text.splitlines() if x.split()[:1] in WRITERS]
            script += [line for line in writing if "| nmt" not in line]
    return printed_by(["bash", "-c", "\n".join([*script, block.text])], folder)


def printed_by(command: list[str], folder: Path) -> str:
    """Return what a command prints on stdout and stderr, but for the note that names the model."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return re.sub(r"^model: .*\n", "", done.stdout, flags=re.MULTILINE)


def typed(block: Block, shown: Block, folder: Path) -> str:
    """Return what is on the terminal if the lines are typed that the page shows after a prompt."""
    (command,) = commands_of(block)
    program = [sys.executable, "-m", *command.words]
    shell = f"cd {shlex.quote(str(folder))}; exec {shlex.join(program)}"
    found = []
    with Terminal(["/bin/sh", "-c", shell], environment()) as terminal:
        terminal.wait_for(PROMPT)
        for line in re.findall(rf"^{PROMPT}(.+)$", shown.text, re.MULTILINE):
            found += [PROMPT + line, *terminal.ask(line)]
    return "\n".join([*found, PROMPT])


def environment() -> dict[str, str]:
    """Return the environment of a new user who uses this checkout."""
    kept = {name: value for name, value in os.environ.items() if name != "NMT_DATA_DIR"}
    return {**kept, "PYTHONPATH": str(ROOT), "NMT_HISTORY": ""}
