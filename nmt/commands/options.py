"""Arguments and options that several commands share."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from nmt.commands.completion import (
    complete_decode_setting,
    complete_device,
    complete_recipe,
    complete_recipe_or_run,
    complete_run,
    complete_setting,
)
from nmt.config import Recipe
from nmt.recipe.files import DEFAULT_RECIPE
from nmt.recipe.settings import parse_overrides
from nmt.recipe.toml import toml_value
from nmt.runs.outputs import check_run_folder
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import find_recipe_and_run
from nmt.system.arguments import DATA

Function = TypeVar("Function", bound=Callable[..., Any])

# click does not check that a file is readable: whoever opens it raises NmtError, exit code 1.
FILE = click.Path(path_type=Path, allow_dash=True, readable=False)
recipe_argument = click.argument("recipe", default=DEFAULT_RECIPE, shell_complete=complete_recipe)
recipe_or_run_argument = click.argument(
    "recipe",
    metavar="[RECIPE | RUN]",
    default=DEFAULT_RECIPE,
    shell_complete=complete_recipe_or_run,
)


def data_dir_option_of(default: Path | None, help_text: str) -> Callable[[Function], Function]:
    """Return the option --data-dir with a default; None if the command chooses the folder."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        envvar="NMT_DATA_DIR",
        show_default=True,
        show_envvar=True,
        help=help_text,
    )


data_dir_option = data_dir_option_of(DATA, "Folder with the text files that a recipe names.")
run_data_dir_option = data_dir_option_of(
    None,
    "Folder with the text files that a recipe names.  [default: the folder that the run was"
    f" trained with, or {DATA}]",
)
run_option = click.option(
    "--run",
    type=click.Path(path_type=Path),
    shell_complete=complete_run,
    help="Run folder to write to.  [default: runs/RECIPE]",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    shell_complete=complete_setting,
    metavar="SECTION.KEY=VALUE",
    help="Change a setting of the recipe; `nmt settings` lists them. May be repeated.",
)


def set_decode_option_of(*names: str) -> Callable[[Function], Function]:
    """Return the option --set for these settings of the search; by default all."""
    which = "a [decode] setting of the model's recipe; `nmt settings decode` lists them"
    if names:
        which = f"{', '.join(names[:-1])} or {names[-1]}"
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        shell_complete=complete_decode_setting,
        metavar="decode.KEY=VALUE",
        help=f"Change {which}. May be repeated.",
    )


set_decode_option = set_decode_option_of()
device_option = click.option(
    "--device",
    default="auto",
    shell_complete=complete_device,
    show_default=True,
    help="Device to run on: cpu, cuda, cuda:1, mps or auto. auto is the first CUDA GPU, or the CPU"
    " if there is none.",
)


def models_option_of(flag: str, name: str, help_text: str) -> Callable[[Function], Function]:
    """Return an option that names models and may be repeated."""
    return click.option(
        flag, name, multiple=True, type=FILE, shell_complete=complete_run, help=help_text
    )


models_option = models_option_of(
    "--model",
    "models",
    "Model: a run folder or a .safetensors file. Repeat it for an ensemble."
    "  [default: the newest finished model under runs/]",
)
ENGINES = ("nmt", "ctranslate2")  # those of `nmt.decoding.translator.load`, which imports more
engine_option = click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="nmt",
    show_default=True,
    help="Program that translates. With ctranslate2, --model may also be a folder of `nmt export"
    " --to ctranslate2`; any other model is converted first. It searches with one"
    " model, not with an ensemble.",
)
output_option = click.option(
    "--output",
    type=click.Path(path_type=Path),
    callback=lambda _, __, path: None if path == Path("-") else path,
    help="File to write to; - is stdout.  [default: stdout]",
)
prefix_option = click.option(
    "-o",
    "--output",
    "prefix",
    required=True,
    metavar="PREFIX",
    help="Beginning of the names of the files to write, or a folder that ends in a slash.",
)
length_penalty_option = click.option(
    "--length-penalty",
    type=float,
    help="Length penalty: alpha in ((5 + length) / 6)^alpha of GNMT."
    "  [default: decode.length_penalty of the recipe]",
)
batch_tokens_option = click.option(
    "--batch-tokens",
    type=int,
    help="Most tokens of one batch, padding included."
    "  [default: decode.batch_tokens of the recipe]",
)


target_token_option = click.option(
    "--target-token",
    metavar="TOKEN",
    help="For models that write several languages: the language token, such as deu or '>>deu<<',"
    " to put before each line that has none.  [default: decode.target_token of the recipe]",
)


def bad_line_option(what: str, blank: str = "a blank line") -> Callable[[Function], Function]:
    """Return the option --on-bad-line; what: a bad line; blank: what is written for it."""
    return click.option(
        "--on-bad-line",
        type=click.Choice(("error", "skip", "blank")),
        default="error",
        show_default=True,
        help=f"For {what}: stop with an error, leave it out of the output, or write {blank} for"
        " it.",
    )


def part_of(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Return I and N of "I/N"; raises a usage error for other text."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise click.BadParameter(f"{value!r} is not I/N with 1 <= I <= N, such as 2/8")
    return number, count


def beam_options(function: Function) -> Function:
    """Add the options of beam search; each changes a `decode` setting of the model's recipe."""
    beam_size = click.option(
        "--beam-size",
        type=int,
        help="Hypotheses in the beam. 1 is greedy search."
        "  [default: decode.beam_size of the recipe]",
    )
    return beam_size(length_penalty_option(function))


def decoding_options(function: Function) -> Function:
    """Add the options of beam search and --batch-tokens."""
    return beam_options(batch_tokens_option(function))


def control_options(function: Function) -> Function:
    """Add the options that limit outputs; each changes a `decode` setting of the model's recipe."""
    for name, help_text in (
        ("--no-repeat-ngram", "Never repeat N tokens in a row of a translation"),
        ("--max-length", "Most tokens of a translation"),
        ("--min-length", "Fewest tokens of a translation"),
    ):
        setting = f"decode.{name[2:].replace('-', '_')}"
        text = f"{help_text}, or of each part of a split line.  [default: {setting} of the recipe]"
        function = click.option(name, type=int, metavar="N", help=text)(function)
    return function


def sampling_options(function: Function) -> Function:
    """Add the options of sampling and of minimum Bayes risk."""
    for name, kind, help_text in (
        ("--candidates", int, "Candidates of --mbr.  [default: decode.candidates of the recipe]"),
        (
            "--mbr",
            click.Choice(("none", "chrf", "bleu")),
            "Choose the candidate that is most like all candidates, by chrF or BLEU."
            "  [default: decode.mbr of the recipe]",
        ),
        ("--seed", int, "Another seed draws other samples.  [default: decode.seed of the recipe]"),
        (
            "--top-p",
            float,
            "Draw from the most probable tokens that together have this probability."
            "  [default: decode.top_p of the recipe]",
        ),
        (
            "--top-k",
            int,
            "Draw from the K most probable tokens; 0: from all."
            "  [default: decode.top_k of the recipe]",
        ),
        (
            "--temperature",
            float,
            "Below 1, samples are more probable and less varied."
            "  [default: decode.temperature of the recipe]",
        ),
    ):
        function = click.option(name, type=kind, help=help_text)(function)
    text = "Draw translations at random instead of searching for the most probable ones."
    return click.option("--sample", "method", flag_value="sample", help=text)(function)


def flags_as_overrides(section: str, **flags: object) -> list[str]:
    """Return the options that were given as `section.key=value` texts."""
    return [
        f"{section}.{key}={toml_value(value)}" for key, value in flags.items() if value is not None
    ]


def options_beside(*names: str) -> list[str]:
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


def recipe_and_run(
    name: str, run: Path | None, overrides: Iterable[str]
) -> tuple[Recipe, RunFolder]:
    """Return the recipe that an argument names, with its overrides, and the run folder.

    The argument is the name or the file of a recipe, or a run folder, which is resumed.
    """
    recipe, folder = find_recipe_and_run(name, run, parse_overrides(overrides))
    check_run_folder(folder.path)
    return recipe, folder
