"""Arguments and options that several commands share."""

import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from nmt.artifacts.run_folder import RunFolder, run_folder
from nmt.config import SECTIONS, Recipe, declared_settings
from nmt.recipe import DEFAULT_RECIPE, load_recipe, shipped_recipes, toml_value

INDENT = 6 * " "  # of a setting's meaning in --help
Function = TypeVar("Function", bound=Callable[..., Any])


def complete_recipe(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the shipped recipes that the shell may complete to, and files."""
    names = [name for name in shipped_recipes() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def complete_setting(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of settings that the shell may complete to."""
    names = (f"{name}=" for name, _ in declared_settings())
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


# click does not check that a file is readable: whoever opens it raises NmtError, exit code 1.
FILE = click.Path(path_type=Path, allow_dash=True, readable=False)

recipe_argument = click.argument("recipe", default=DEFAULT_RECIPE, shell_complete=complete_recipe)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    envvar="NMT_DATA_DIR",
    show_default=True,
    show_envvar=True,
    help="Folder with the text files that a recipe names.",
)
run_option = click.option(
    "--run",
    type=click.Path(path_type=Path, file_okay=False),
    help="Run folder to write to.  [default: runs/RECIPE]",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    shell_complete=complete_setting,
    metavar="SECTION.KEY=VALUE",
    help="Change a setting of the recipe. May be repeated.",
)
set_decode_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    shell_complete=complete_setting,
    metavar="decode.KEY=VALUE",
    help="Change a [decode] setting of the model's recipe. May be repeated.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Device to run on: cpu, cuda, cuda:1, mps or auto. auto is the first CUDA GPU, or the CPU"
    " if there is none.",
)
models_option = click.option(
    "--model",
    "models",
    multiple=True,
    type=FILE,
    help="Model: a run folder or a .safetensors file. Repeat it for an ensemble."
    "  [default: the newest model under runs/]",
)


def beam_options(function: Function) -> Function:
    """Add the options of beam search; each changes a `decode` setting of the model's recipe."""
    for option in (
        click.option(
            "--length-penalty",
            type=float,
            help="Length penalty: alpha in ((5 + length) / 6)^alpha of GNMT."
            "  [default: decode.length_penalty of the recipe]",
        ),
        click.option(
            "--beam-size",
            type=int,
            help="Hypotheses in the beam. 1 is greedy search."
            "  [default: decode.beam_size of the recipe]",
        ),
    ):
        function = option(function)
    return function


def decoding_options(function: Function) -> Function:
    """Add the options of beam search and --batch-tokens."""
    batch = click.option(
        "--batch-tokens",
        type=int,
        help="Source tokens to translate in one batch."
        "  [default: decode.batch_tokens of the recipe]",
    )
    return beam_options(batch(function))


def flags_as_overrides(section: str, **flags: object) -> list[str]:
    """Return the options that were given as `section.key=value` texts."""
    return [
        f"{section}.{key}={toml_value(value)}" for key, value in flags.items() if value is not None
    ]


def recipe_and_run(
    name: str, run: Path | None, overrides: Iterable[str]
) -> tuple[Recipe, RunFolder]:
    """Return a recipe with its overrides, and its run folder."""
    recipe = load_recipe(name, overrides)
    return recipe, run_folder(recipe, run)


def settings_help(*sections: str) -> str:
    """Return a table of the settings of these sections, of all by default, for --help."""
    lines = ["\b", "Settings (--set SECTION.KEY=VALUE) with their defaults:"]
    for name, declared in declared_settings():
        if name.split(".")[0] in (sections or tuple(SECTIONS)):
            default = declared.default
            shown = toml_value(default) if isinstance(default, (int, float, str)) else ""
            lines.append(f"  {name}{'=' + shown if shown else ''}")
            lines += textwrap.wrap(
                declared.metadata["meaning"], 78, initial_indent=INDENT, subsequent_indent=INDENT
            )
    return "\n".join(lines)
