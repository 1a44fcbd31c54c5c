"""Arguments and options that several commands share."""

import functools
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from nmt.commands.completion import (
    Completer,
    complete_decode_setting,
    complete_device,
    complete_model,
    complete_recipe,
    complete_recipe_or_run,
    complete_run,
    complete_setting,
)
from nmt.config import DECLARED
from nmt.errors import UsageError, join_words
from nmt.recipe.files import DEFAULT_RECIPE
from nmt.recipe.toml import toml_value
from nmt.system.arguments import DATA

Function = TypeVar("Function", bound=Callable[..., Any])


class GivenPath(click.Path):
    """A path that was typed; the empty text, as of an unset variable, is not the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; raises click's usage error for the empty text."""
        if value == "":
            self.fail("the name is empty; name a path, or . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


PATH = GivenPath(path_type=Path)
FOLDER = GivenPath(path_type=Path, file_okay=False)
# click does not check that a file is readable: whoever opens it raises NmtError, exit code 1.
FILE = GivenPath(path_type=Path, allow_dash=True, readable=False)
ENGINES = ("nmt", "ctranslate2")  # those of `nmt.decoding.translator.load`, which imports more


class Range(click.FloatRange):
    """A range of numbers; in click's own, which "nan" passes, no number is compared with it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that was typed; raises click's usage error for others."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def number(
    flag: str,
    kind: "click.ParamType[Any] | type[float]",
    help_text: str,
    default: float | None = None,
    metavar: str = "N",
) -> Callable[[Function], Function]:
    """Return an option that takes a number; None: the command chooses the default."""
    return click.option(
        flag,
        type=kind,
        default=default,
        show_default=default is not None,
        metavar=metavar,
        help=help_text,
    )


def choice(
    flag: str,
    choices: Sequence[str],
    help_text: str,
    default: str | None = None,
    metavar: str = "NAME",
) -> Callable[[Function], Function]:
    """Return an option that takes one of a few words; "{}" in its help stands for all of them."""
    return click.option(
        flag,
        type=click.Choice(choices),
        default=default,
        show_default=default is not None,
        metavar=metavar,
        help=help_text.format(join_words(choices, "or")),
    )


def repeated(
    flag: str,
    name: str,
    help_text: str,
    metavar: str | None = None,
    kind: "click.ParamType[Any] | None" = None,
    complete: Completer | None = None,
) -> Callable[[Function], Function]:
    """Return an option that may be repeated, as its help says; name: that of the argument."""
    return click.option(
        flag,
        name,
        multiple=True,
        type=kind,
        shell_complete=complete,
        metavar=metavar,
        help=f"{help_text} May be repeated.",
    )


# --- corpora, recipes and runs --------------------------------------------------------------------

recipe = click.argument("recipe", default=DEFAULT_RECIPE, shell_complete=complete_recipe)
recipe_or_run = click.argument(
    "recipe",
    metavar="[RECIPE | RUN]",
    default=DEFAULT_RECIPE,
    shell_complete=complete_recipe_or_run,
)
run = click.option(
    "--run",
    type=PATH,
    shell_complete=complete_run,
    help="Run folder to write to.  [default: runs/RECIPE]",
)
max_updates = number("--max-updates", int, "Updates of a training, in total.")
set_any = repeated(
    "--set",
    "overrides",
    "Change a setting; `nmt settings` lists them.",
    metavar="SECTION.KEY=VALUE",
    complete=complete_setting,
)


def data_dir(
    default: Path | None = DATA, help_text: str = "Folder of the text files that a recipe names."
) -> Callable[[Function], Function]:
    """Return the option --data-dir with a default; None if the command chooses the folder."""
    return click.option(
        "--data-dir",
        type=FOLDER,
        metavar="FOLDER",
        default=default,
        envvar="NMT_DATA_DIR",
        show_default=True,
        show_envvar=True,
        help=help_text,
    )


run_data_dir = data_dir(
    None, f"Folder of the recipe's text files.  [default: the run's, or {DATA}]"
)


def held_out(default: str) -> Callable[[Function], Function]:
    """Return the options --dev and --test, two files each; default: what is used without them."""

    def add(function: Function) -> Function:
        for name in ("test", "dev"):
            function = click.option(
                f"--{name}",
                nargs=2,
                type=FILE,
                metavar="SOURCE TARGET",
                help=f"{name.title()} set, two files.  [default: {default}]",
            )(function)
        return function

    return add


prefix = click.option(
    "-o",
    "--output",
    "prefix",
    required=True,
    metavar="PREFIX",
    help="Beginning of the names of the files to write, or a folder that ends in a slash.",
)
limit = repeated(
    "--limit", "changes", "Change a limit, such as max_deviation=5.", metavar="NAME=VALUE"
)

# --- models and devices ---------------------------------------------------------------------------

device = click.option(
    "--device",
    default="auto",
    shell_complete=complete_device,
    show_default=True,
    metavar="NAME",
    help="cpu, cuda, cuda:1, mps or auto.",
)
engine = choice(
    "--engine", ENGINES, "{}, which also takes a folder of `nmt export`.", default="nmt"
)
MODEL = "Model: a run folder or a .safetensors file; repeat for an ensemble."
NEWEST_MODEL = "  [default: the newest finished run, else everyday]"


def model(flag: str, help_text: str, name: str | None = None) -> Callable[[Function], Function]:
    """Return an option that names one model; name: of the argument, by default the flag's."""
    names = [flag] if name is None else [flag, name]
    return click.option(*names, type=FILE, shell_complete=complete_model, help=help_text)


def models(
    flag: str = "--model", help_text: str = f"{MODEL}{NEWEST_MODEL}"
) -> Callable[[Function], Function]:
    """Return an option that names models and may be repeated."""
    name = f"{flag.removeprefix('--').replace('-', '_')}s"
    return click.option(
        flag, name, multiple=True, type=FILE, shell_complete=complete_model, help=help_text
    )


# --- output ---------------------------------------------------------------------------------------

output = click.option(
    "-o",
    "--output",
    type=PATH,
    callback=lambda _, __, path: None if path == Path("-") else path,
    help="File to write; - is stdout.  [default: stdout]",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, not a table.")
as_json_too = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, too.")
opens = click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
on_bad_line = choice(
    "--on-bad-line", ("error", "skip", "blank"), "Bad lines: {}.", "error", metavar="ACTION"
)

# --- [decode] settings ----------------------------------------------------------------------------


WIDTH = 52  # of the help of --set, in 80 columns
# The flags of [decode] settings that `--help` describes; --set names the others.
DESCRIBED = {
    "beam_size": "Hypotheses kept; 1: greedy.  [default: the model's]",
    "to": "Target language, for a model of several languages.",
    "mbr": "Minimum Bayes risk: choose by mean chrF or BLEU.",
    "method": "Draw translations at random.",
}
NAMES = {"to": "target_language"}  # of settings, where a flag has another
SAMPLING = ("temperature", "top_k", "top_p", "seed", "mbr", "candidates")


class DecodeFlag(click.Option):
    """A flag that changes the [decode] setting of its name."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its help, or None if --set names it."""
        return super().get_help_record(ctx) if self.name in DESCRIBED else None


class DecodeSet(click.Option):
    """The option --set for [decode] settings, whose help names the flags for some of them."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help."""
        spelling, text = super().get_help_record(ctx) or ("", "")
        if flags := [
            option.opts[0]
            for option in ctx.command.params
            if isinstance(option, DecodeFlag) and option.name not in DESCRIBED
        ]:
            text = f"{text} Flags for some of them: {', '.join(flags)}."
        return spelling, "\b\n" + textwrap.fill(text, WIDTH, break_on_hyphens=False)


def decode_flags(*names: str) -> Callable[[Function], Function]:
    """Return flags for these [decode] settings of the model's recipe."""

    def add(function: Function) -> Function:
        for name in reversed(names):
            declared = DECLARED[f"decode.{NAMES.get(name, name)}"]
            kind, choices = type(declared.default), declared.metadata["choices"]
            meaning = declared.metadata["meaning"]
            function = click.option(
                f"--{name.replace('_', '-')}",
                cls=DecodeFlag,
                type=click.Choice(choices) if choices else kind,
                metavar=None if choices else {int: "N", float: "X", str: "LANGUAGE"}[kind],
                help=DESCRIBED.get(name) or f"{meaning[0].upper()}{meaning[1:]}.",
            )(function)
        return function

    return add


sample = click.option(
    "--sample", "method", cls=DecodeFlag, flag_value="sample", help=DESCRIBED["method"]
)


def set_decode(*names: str) -> Callable[[Function], Callable[..., Any]]:
    """Return the option --set for these settings of the search; by default all.

    The command receives all changes as `overrides`, those by flags too.
    """
    which = "a setting; `nmt settings decode` lists them"
    if names:
        which = join_words(names, "or")

    def add(function: Function) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(*context: Any, overrides: tuple[str, ...], **given: Any) -> Any:
            params = click.get_current_context().command.params
            flags = {option.name for option in params if isinstance(option, DecodeFlag)}
            changes = {name: given.pop(name) for name in [*given] if name in flags}
            overrides = (*overrides, *flags_as_overrides("decode", **changes))
            return function(*context, overrides=overrides, **given)

        return click.option(
            "--set",
            "overrides",
            cls=DecodeSet,
            multiple=True,
            shell_complete=complete_decode_setting,
            metavar="decode.KEY=VALUE",
            help=f"Change {which}. May be repeated.",
        )(command)

    return add


def print_json(value: object) -> None:
    """Print a value as JSON on stdout."""
    from nmt.system.json_data import json_text

    click.echo(json_text(value, indent=1))


def flags_as_overrides(section: str, **flags: object) -> list[str]:
    """Return the options that were given as `section.key=value` texts."""
    return [
        f"{section}.{NAMES.get(key, key)}={toml_value(value)}"
        for key, value in flags.items()
        if value is not None
    ]


# --- what was typed -------------------------------------------------------------------------------


def typed_beside(*names: str) -> list[str]:
    """Return the arguments and options of the running command that were given, but for some.

    names: of parameters to leave out.
    """
    context = click.get_current_context()
    return [
        option.human_readable_name.strip("[].")
        if isinstance(option, click.Argument)
        else option.opts[-1]
        for option in context.command.params
        if option.name
        and option.name not in names
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]


def refuse(names: Iterable[str], why: str) -> None:
    """Raise UsageError if one of these options was given; why: what follows its name."""
    given = typed_beside()
    for name in names:
        if name in given:
            raise UsageError(f"{name} {why}")
