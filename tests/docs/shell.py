"""Split the shell lines of the manual into commands, and parse those of this program."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from nmt.commands import cli
from tests.docs.markdown import ROOT, Block, blocks, parts

# What stands for a reader's own names.
PLACEHOLDERS = {"RECIPE": "pocket", "RUN": "runs/pocket", "MODEL": "runs/pocket", "FILE": "in.en"}
OPERATORS = {"|", "&&", "||", ";", "&"}


@dataclass(frozen=True)
class Command:
    """One command of a line: what stands between pipes."""

    words: tuple[str, ...]
    page: Path
    place: str  # page and line, for messages and for names of tests
    stdin: str | None = None  # what an `echo` before the pipe gives it

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
    return [command for block in blocks("sh") for command in read_commands(block)]


def read_commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block, with lines that end in a backslash joined."""
    for match in re.finditer(r"(?:.*\\\n)*.+", block.text):
        number = block.line + block.text.count("\n", 0, match.start())
        yield from split(match[0].replace("\\\n", " "), block.page, number)


def split(line: str, page: Path, number: int) -> Iterator[Command]:
    """Yield the commands of a line; redirections, comments and variables are left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    echoed = None  # by the command before the last pipe
    is_file = False  # of a redirection
    place = f"{page.relative_to(ROOT)}:{number}"
    for word in [*lexer, ";"]:
        if word in OPERATORS:
            if words:
                yield Command(tuple(words), page, place, echoed)
            is_piped = word == "|" and words[:1] == ["echo"]
            echoed = " ".join(words[1:]) + "\n" if is_piped else None
            words = []
        elif word and set(word) <= set("<>&()"):
            is_file = "(" not in word and ")" not in word
        elif is_file:
            is_file = False
        elif words or not re.match(r"\w+=", word):  # a variable that is set for the command
            words.append(PLACEHOLDERS.get(word, word))


def shell_lines(page: Path) -> list[str]:
    shell = (block.text for block in parts(page)[0] if block.language == "sh")
    return "".join(shell).splitlines()


def parse(arguments: Sequence[str]) -> click.Context | None:
    """Parse arguments as the program does and return the subcommand's context.

    Returns None if they ask for help or the version. Raises click's errors.
    """
    try:
        if not arguments or arguments[0].startswith("-"):
            cli.make_context("nmt", [*arguments])
            return None
        name, command, rest = cli.resolve_command(click.Context(cli), [*arguments])
        return command.make_context(name, rest) if command else None
    except click.exceptions.Exit:  # --help, --version
        return None
