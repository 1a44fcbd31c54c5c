"""`nmt inspect`: layers, cost and deviations from the paper of a recipe or a model."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.artifacts.run_folder import RunFolder, newest_model
from nmt.commands.options import complete_recipe, decode_settings, set_option
from nmt.errors import NmtError, UsageError
from nmt.recipe import DEFAULT_RECIPE, load_recipe
from nmt.studio.inspection.paper import SENTENCE_TOKENS

if TYPE_CHECKING:
    from nmt.studio.inspection.summary import Inspection


@click.command("inspect")
@click.argument("what", metavar="[RECIPE | MODEL]", required=False, shell_complete=complete_recipe)
@click.option(
    "--length",
    type=click.IntRange(1, 65_000),
    default=SENTENCE_TOKENS,
    show_default=True,
    help="Tokens of each source and target, for what attention costs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--paper-table", is_flag=True, help="Print the paper's tables beside ours instead.")
@set_option
def command(
    what: str | None,
    length: int,
    as_json: bool,
    paper_table: bool,
    overrides: tuple[str, ...],
) -> None:
    """Show what RECIPE, a shipped name or a path, or MODEL, a file or a run folder, is made of.

    Its weights layer by layer, floating-point operations, memory of its training by part, and every
    deviation from "Attention Is All You Need". Without an argument: the newest model under runs/,
    else the recipe "pocket".

    \b
    Examples:
      nmt inspect wmt14_en_de_base
      nmt inspect paper/c-d256 --set model.dropout=0.2
      nmt inspect runs/multi30k_en_de/model.safetensors --json
      nmt inspect --paper-table
    """
    if paper_table:
        if what or as_json or overrides:
            raise UsageError("--paper-table goes with no recipe or model, --json or --set")
        from nmt.studio.inspection.page import page

        click.echo(page(length), nl=False)
        return
    inspection = inspection_of(what, length, overrides)

    from nmt.studio.inspection.summary import as_data, as_text

    if as_json:
        click.echo(json.dumps(as_data(inspection), indent=1, ensure_ascii=False))
    else:
        click.echo(as_text(inspection))


def inspection_of(what: str | None, length: int, overrides: tuple[str, ...]) -> "Inspection":
    """What is meant, inspected; raises NmtError, or UsageError for what is neither."""
    model = model_file(what)
    if model is None:
        recipe = load_recipe(recipe_meant(what), overrides)
        from nmt.studio.inspection.summary import inspect_recipe

        return inspect_recipe(recipe, length)
    from nmt.artifacts.model_file import read_model
    from nmt.studio.inspection.summary import inspect_model

    content = read_model(model)
    decode = decode_settings(content.recipe, overrides)
    content = replace(content, recipe=replace(content.recipe, decode=decode))
    return inspect_model(model, content, length)


def model_file(what: str | None) -> Path | None:
    """The model file that is meant: by itself, by its run folder, or the newest; None: a recipe."""
    if what is not None and Path(what).suffix == ".safetensors":
        return Path(what)
    try:
        if what is None:
            return newest_model()
        return RunFolder(Path(what)).translation_model() if is_run(what) else None
    except NmtError:  # nothing is trained yet
        return None


def recipe_meant(what: str | None) -> str:
    """The recipe's name or path: that of a run folder, or the default."""
    if what is None:
        return DEFAULT_RECIPE
    return str(RunFolder(Path(what)).recipe) if is_run(what) else what


def is_run(what: str) -> bool:
    """Whether it names a run folder."""
    return RunFolder(Path(what)).recipe.is_file()
