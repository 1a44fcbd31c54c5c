"""Command lines, generated from the declarations of the subcommands.

Each option and argument gets values that fit it, and values that do not. The names of files are
those that `tests/fuzz/world.py` creates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import click
from hypothesis import strategies as st

from nmt.commands import COMMANDS, cli
from nmt.config import DECLARED

GOOD = 2  # values at the start of a pool that are right, for most commands
INTEGERS = ["1", "2", "3", "0", "-1", "5", "2147483647", "99999999999999999999", "1e3", "1.5", "x"]
FLOATS = ["0.6", "0", "1", "-1", "nan", "-inf", "inf", "1e308", "1e999", "1,5", "x"]
GARBAGE = [
    "",
    " ",
    "-",
    "--",
    "--nope",
    "-x",
    "=",
    "%s{0}",
    "größe",
    "a\tb\nc",
    "\x1b[31mred",
    "\x7f",
    "\udcff",
    "y" * 3000,
    "☃" * 300,
    "../..",
    "~",
]
RECIPES = ["tiny.toml", "other.toml", "pocket", "multi30k_en_de", "far.toml", "broken.toml"]
RECIPES += ["circle.toml", "huge.toml", "runs/tiny", "paper/base", "nope", "notes.txt", "folder"]
MODELS = ["runs/tiny", "runs/tiny/model.safetensors", "runs/tiny/best.safetensors", "runs/none"]
MODELS += ["damaged.safetensors", "cut.safetensors", "empty", "notes.txt", "folder", "runs", "."]
MODELS += ["runs/tiny/checkpoints", "tiny.toml", "dev.src/x", "runs/broken"]
TEXTS = ["dev.src", "dev.tgt", "dev.src.gz", "bad.gz", "latin1.txt", "empty", "blank.txt", "-"]
TEXTS += [
    "train.src",
    "folder",
    "none",
    "none/x",
    "dev.src/x",
    "/dev/null",
    "pairs.tsv",
    "card.json",
]
OUTPUTS = [
    "new.html",
    "out/new.txt",
    "new.json",
    "new.md",
    "new.safetensors",
    "notes.txt",
    "dev.src",
]
OUTPUTS += [
    "runs/tiny/model.safetensors",
    "runs/tiny/metrics.jsonl",
    "tiny.toml",
    "folder",
    "empty",
]
OUTPUTS += ["/dev/null", "/proc/version", "dev.src/x", "loop", "link", "runs/tiny", "card.json"]
FOLDERS = [
    "runs/new",
    "runs/tiny",
    "folder",
    ".",
    "notes.txt",
    "out",
    "runs",
    "loop",
    "runs/broken",
]
DEVICES = ["auto", "cpu", "cuda", "cuda:99", "mps", "meta", "nonsense", "hpu"]
LANGUAGES = ["en", "de", "zh", "ja", "xx", "english"]
SENTENCES = ["sun moon", "Sun, moon!", "sun " * 50, "ß☃"]
VALUES = ["1", "2", "0", "-1", "0.5", "1e999", "nan", "true", "x", "[]", "{}", "[[1]]", "bf16", '"']
VALUES += [
    "10000000",
    "2147483647",
    "99999999999999999999",
    "pre",
    "rotary",
    "char",
    "none",
    "loss",
]
CORRECTED = {
    "data.source_language",
    "data.target_language",
}  # a run's may be changed: its models are
NAMES = [name for name in DECLARED if name not in CORRECTED]
SETTINGS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.sampled_from(["model.d_model", "nope.x=1", "model.=1", "=1", "decode.beam_size=2"]),
)
AXES = st.builds(
    "{}={},{}".format, st.sampled_from(NAMES), st.sampled_from(VALUES), st.sampled_from(VALUES)
)

# What an option or an argument may hold, by its name.
POOLS: dict[str, list[str]] = {
    "recipe": RECIPES,
    "run": FOLDERS,
    "model": MODELS,
    "models": MODELS,
    "reverse_models": MODELS,
    "new_recipe": ["new.toml", "out/new.toml", "tiny.toml", *OUTPUTS],
    "tag": ["<BT>", "", "BT", "<s>", "<\x1b>"],
    "init_from": MODELS,
    "runs": FOLDERS,
    "output": OUTPUTS,
    "page": OUTPUTS,
    "prefix": [*FOLDERS, *OUTPUTS],
    "cards": OUTPUTS,
    "card": OUTPUTS,
    "data_dir": [".", "folder", "none", "notes.txt", "runs"],
    "device": DEVICES,
    "source_language": LANGUAGES,
    "target_language": LANGUAGES,
    "language_pair": ["en-de", "de-en", "en", "x-y-z"],
    "test_set": ["wmt14", "wmt99", "wmt14/full"],
    "sentence": SENTENCES,
    "seeds": ["1", "1,2", "1,1", "x", "0-9"],
    "updates": ["8", "4,8", "99", "x", "8,8"],
    "tokenize": ["13a", "char", "none", "moses", "x"],
}


def values(parameter: click.Parameter) -> st.SearchStrategy[str]:
    """Return what a parameter may hold: mostly what fits its name and type."""
    wrong = st.sampled_from([*GARBAGE, *GARBAGE, *INTEGERS, *FLOATS, *TEXTS, *MODELS])
    if parameter.name == "overrides":
        return st.one_of(SETTINGS, SETTINGS, SETTINGS, wrong)
    if parameter.name == "varied":
        return st.one_of(AXES, AXES, AXES, wrong)
    pool = pool_of(parameter)
    good, fitting = st.sampled_from(pool[:GOOD]), st.sampled_from(pool)
    return st.one_of(good, good, fitting, fitting, wrong)


def pool_of(parameter: click.Parameter) -> list[str]:
    """Return values of the kind that a parameter takes, right ones first."""
    if parameter.name in POOLS:
        return POOLS[parameter.name]
    if isinstance(parameter.type, click.types.IntParamType):
        return INTEGERS
    if isinstance(parameter.type, click.types.FloatParamType):
        return FLOATS
    if isinstance(parameter.type, click.Choice):
        return [*map(str, parameter.type.choices), "x"]
    return TEXTS


@dataclass(frozen=True)
class Subcommand:
    """A subcommand with the strategies for its arguments and options."""

    name: str
    arguments: list[st.SearchStrategy[list[str]]]
    options: list[st.SearchStrategy[list[str]]]

    @classmethod
    def of(cls, name: str) -> "Subcommand":
        """Return a subcommand by its name."""
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        arguments, options = [], [st.just(["--help"])]
        for each in command.params:
            if isinstance(each, click.Argument):
                most = max(each.nargs, 1) if each.nargs >= 0 else 3
                fewest = most if each.required and each.nargs >= 0 else 0
                arguments.append(st.lists(values(each), min_size=fewest, max_size=most))
            elif isinstance(each, click.Option):
                options += map(option_of(each), [*each.opts, *each.secondary_opts])
        return cls(name, arguments, options)


def option_of(option: click.Option) -> Callable[[str], st.SearchStrategy[list[str]]]:
    """Return a function that takes a spelling of an option and returns its strategy."""

    def strategy(spelling: str) -> st.SearchStrategy[list[str]]:
        if option.is_flag:
            return st.just([spelling])
        return st.lists(values(option), min_size=option.nargs, max_size=option.nargs).map(
            lambda given: [spelling, *given]
        )

    return strategy


SUBCOMMANDS = [Subcommand.of(name) for name in COMMANDS]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Generate a command line: a subcommand with arguments and options, or damage to one."""
    command = draw(st.sampled_from(SUBCOMMANDS))
    parts = [draw(each) for each in command.arguments]
    for _ in range(draw(st.integers(0, 3))):
        parts.append(draw(draw(st.sampled_from(command.options))))
    if len(parts) > 1 and draw(st.booleans()):
        parts.reverse()
    line = [command.name, *(word for part in parts for word in part)]
    damage = draw(st.integers(0, 19))
    if damage == 0:
        line.insert(draw(st.integers(1, len(line))), draw(st.sampled_from(GARBAGE)))
    elif damage == 1 and len(line) > 1:
        del line[draw(st.integers(1, len(line) - 1))]
    return line
