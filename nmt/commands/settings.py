"""`nmt settings`: list the settings of recipes."""

import textwrap
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click

from nmt.commands.completion import complete_settings
from nmt.config import DECLARED, SECTIONS, Download, TextFiles
from nmt.errors import UsageError, suggestion
from nmt.recipe.toml import toml_value

INDENT = 6 * " "  # of a setting's meaning
WIDTH = 78  # of a line
TABLES: dict[str, type[Any]] = {"data.train": TextFiles, "data.downloads": Download}


@click.command("settings")
@click.argument(
    "names", nargs=-1, metavar="[SECTION | SECTION.KEY]...", shell_complete=complete_settings
)
def command(names: tuple[str, ...]) -> None:
    """List the settings of recipes with their defaults, meanings and ranges.

    SECTION is data, tokenizer, model, train or decode; by default all are listed. A setting is
    changed with `--set SECTION.KEY=VALUE`, or in a recipe.

    \b
    Examples:
      nmt settings train
      nmt settings decode.beam_size decode.length_penalty
    """
    known = (*SECTIONS, *DECLARED)
    for name in names:
        if name not in known:
            raise UsageError(f"no setting or section '{name}'{suggestion(name, known)}")
    for name, declared in DECLARED.items():
        if not names or name in names or name.split(".")[0] in names:
            show(name, declared.metadata, "")
            if TABLES.get(name):
                click.echo(f"{INDENT}keys of each:")
                for key in fields(TABLES[name]):
                    show(key.name, key.metadata, INDENT)


def show(name: str, declared: Mapping[str, Any], indent: str) -> None:
    """Print a setting with its default, its meaning and its range."""
    default = declared["default"]
    is_shown = isinstance(default, (int, float, str))  # lists and tables are empty
    click.echo(indent + (f"{name}={toml_value(default)}" if is_shown else name))
    low, high = declared["minimum"], declared["maximum"]
    valid = "" if low is None else f" [{low:,} to {high:,}]"
    meaning = textwrap.wrap(declared["meaning"] + valid, WIDTH - len(indent + INDENT))
    click.echo(textwrap.indent("\n".join(meaning), indent + INDENT))
