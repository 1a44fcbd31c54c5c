"""`nmt inspect`: show the layers, the cost and the deviations from the paper."""

from dataclasses import replace
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_recipe_or_run
from nmt.errors import UsageError
from nmt.recipe.files import DEFAULT_RECIPE, load_recipe, shipped_recipes
from nmt.recipe.paper import SENTENCE_TOKENS
from nmt.runs.run_folder import SHIPPED_MODEL, RunFolder, is_folder, names_shipped_model
from nmt.runs.runs import find_newest_model
from nmt.system.files import is_present


@click.command("inspect")
@click.argument(
    "subject", metavar="[RECIPE | MODEL]", required=False, shell_complete=complete_recipe_or_run
)
@options.number(
    "--length",
    click.IntRange(1, 65_000),
    "Tokens per sentence, on each side, for the cost of attention.",
    SENTENCE_TOKENS,
)
@click.option("--heads", is_flag=True, help="Show what each attention head of MODEL attends to.")
@options.run_data_dir
@options.as_json
@options.set_any
def command(
    subject: str | None,
    length: int,
    heads: bool,
    data_dir: Path | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Show what RECIPE or MODEL consists of.

    RECIPE is the name of a shipped recipe or the path of a TOML file. MODEL is a .safetensors file
    or a run folder. The default is the newest finished run under runs/, or the recipe "pocket" if
    there is no model.

    The command lists the weights of each layer, the floating-point operations, the memory that
    training needs, and every deviation from "Attention Is All You Need".

    With --heads, it lists instead what each attention head attends to on the dev set, and what the
    model loses without the head. It translates up to 500 pairs of the dev set once for each head.

    \b
    Examples:
      nmt inspect wmt14_en_de_base
      nmt inspect paper/c-d256 --set model.dropout=0.2
      nmt inspect runs/multi30k_en_de/model.safetensors --json
      nmt inspect runs/pocket --heads
    """
    if heads:
        options.refuse(("--length", "--set"), "says nothing about heads; leave it out")
        model, name = find_subject(subject)
        if model is None:
            raise UsageError(f"--heads reads a trained model, and {name} is a recipe; name a model")
        from nmt.studio.heads import inspect_heads, render_heads

        data = inspect_heads(model, data_dir)
        options.print_json(data) if as_json else click.echo(render_heads(data))
        return
    options.refuse(["--data-dir"], "is read with --heads only; leave it out")
    model, name = find_subject(subject)
    if model is None:
        recipe = load_recipe(name, overrides)
        from nmt.studio.inspection import inspect_recipe

        inspection = inspect_recipe(recipe, length)
    else:
        from nmt.decoding.translator.load import decode_settings
        from nmt.runs.model_file import read_model
        from nmt.studio.inspection import inspect_model

        content = read_model(model)
        decode = decode_settings(content.recipe, overrides)
        content = replace(content, recipe=replace(content.recipe, decode=decode))
        inspection = inspect_model(model, content, length)

    from nmt.studio.inspection import inspection_data, render_text

    if as_json:
        options.print_json(inspection_data(inspection))
    else:
        click.echo(render_text(inspection))


def find_subject(subject: str | None) -> tuple[Path | None, str]:
    """Return the model file that the argument names, the newest by default, and a recipe.

    The model is None if the argument names a recipe, by name or path, or a run folder without a
    model. Raises NmtError if a folder cannot be read or is not that of a run.
    """
    if subject is None:
        newest = find_newest_model()
        return newest.path if newest else None, DEFAULT_RECIPE
    path = Path(subject)
    if path.suffix == ".safetensors":
        return path, ""
    if names_shipped_model(path):
        return SHIPPED_MODEL, ""
    if subject in shipped_recipes() or not is_folder(path):
        return None, subject
    run = RunFolder(path)
    if is_present(run.model) or is_present(run.best):
        return run.translation_model(), ""
    run.check_is_run()
    return None, str(run.recipe)
