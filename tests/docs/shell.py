"""Split the shell lines of the manual into commands, and parse those of this program."""

import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from nmt.commands import cli
from tests.docs.markdown import ROOT, Block, blocks

# What stands for a reader's own names.
PLACEHOLDERS = {"RECIPE": "pocket", "RUN": "runs/pocket", "MODEL": "runs/pocket", "FILE": "in.en"}
OPERATORS = {"|", "&&", "||", ";", "&"}
# Commands that are not ours: their arguments are not checked, their names are.
FOREIGN = {
    ".",
    "cat",
    "cd",
    "comet-score",
    "curl",
    "cut",
    "echo",
    "eval",
    "export",
    "git",
    "grep",
    "gzip",
    "head",
    "jq",
    "paste",
    "printf",
    "sacrebleu",
    "sbatch",
    "sed",
    "shuf",
    "sort",
    "tail",
}


@dataclass(frozen=True)
class Command:
    """One command of a line: what stands between pipes."""

    words: tuple[str, ...]
    page: Path
    line: int
    stdin: str | None = None  # what an `echo` before the pipe gives it

    @property
    def place(self) -> str:
        """Return page and line for messages and for names of tests."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def nmt(self) -> tuple[str, ...] | None:
        """Return the arguments for this program, None if the command is another program's."""
        name, *arguments = self.words
        if name.rpartition("/")[2] == "nmt":
            return tuple(arguments)
        if name in ("python", "torchrun") and "cli.py" in self.words:
            return self.words[self.words.index("cli.py") + 1 :]
        return None


def commands() -> list[Command]:
    """Return every command of every `sh` block."""
    return [command for block in blocks("sh") for command in commands_of(block)]


def commands_of(block: Block) -> Iterator[Command]:
    """Yield the commands of a block, with lines that end in a backslash joined."""
    held = ""
    begin = block.line
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        begin = begin if held else number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        yield from split(held + line, block.page, begin)
        held = ""
    assert not held, f"{block.place}: the last line ends in a backslash"


def split(line: str, page: Path, number: int) -> Iterator[Command]:
    """Yield the commands of a line; redirections, comments and variables are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    before: list[str] | None = None  # the command before the last pipe
    is_file = False  # of a redirection
    for word in [*lexer, ";"]:
        if word in OPERATORS:
            words = without_variables(words)
            if words:
                yield Command(tuple(words), page, number, echoed(before))
            before = words if word == "|" else None
            words = []
        elif word and set(word) <= set("<>&()"):
            is_file = "(" not in word and ")" not in word
        elif is_file:
            is_file = False
        else:
            words.append(PLACEHOLDERS.get(word, word))


def without_variables(words: Sequence[str]) -> list[str]:
    """Return a command without the variables that are set for it."""
    rest = list(words)
    while rest and "=" in rest[0] and rest[0].partition("=")[0].isidentifier():
        del rest[0]
    return rest


def echoed(words: Sequence[str] | None) -> str | None:
    """Return what `echo` prints, None for another command."""
    return " ".join(words[1:]) + "\n" if words and words[0] == "echo" else None


def parse(arguments: Sequence[str]) -> click.Context | None:
    """Parse arguments as the program does and return the subcommand's context.

    Returns None if they ask for help or the version. Raises click's errors.
    """
    try:
        if not arguments or arguments[0].startswith("-"):
            cli.make_context("nmt", [*arguments])
            return None
        name, *rest = arguments
        command = cli.get_command(click.Context(cli), name)
        if command is None:
            raise click.UsageError(f"no command '{name}'")
        return command.make_context(name, rest)
    except click.exceptions.Exit:  # --help, --version
        return None


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    return {line.partition(":")[0] for line in lines if line[:1].isalpha() and ":" in line}


def extras() -> set[str]:
    """Return the optional extras that the project declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])
