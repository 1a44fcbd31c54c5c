"""`nmt augment`: make training pairs with models."""

from pathlib import Path

import click

from nmt.commands.completion import complete_recipe
from nmt.commands.options import (
    FILE,
    data_dir_option,
    decoding_options,
    device_option,
    engine_option,
    flags_as_overrides,
    models_option_of,
    prefix_option,
    sampling_options,
    set_decode_option,
    target_token_option,
)
from nmt.errors import UsageError
from nmt.runs.runs import check_named_once

METHODS = ("back-translation", "self-training", "diversification")


@click.command("augment")
@click.argument("method_name", metavar="METHOD", type=click.Choice(METHODS))
@click.argument("text", type=FILE)
@click.argument("target", type=FILE, required=False)
@models_option_of(
    "--model",
    "models",
    "Model that translates TEXT: a run folder or a .safetensors file. Repeat it for further"
    " models, which translate the text again.",
)
@models_option_of(
    "--reverse-model",
    "reverse_models",
    "For diversification: model that translates the target side. May be repeated.",
)
@prefix_option
@click.option(
    "--recipe",
    shell_complete=complete_recipe,
    help="Recipe that the new recipe extends. For diversification, the pairs replace its training"
    " text; otherwise they are added.",
)
@click.option(
    "--write-recipe",
    "new_recipe",
    type=click.Path(path_type=Path),
    metavar="NEW.toml",
    help="Recipe to write: it extends --recipe and trains as it is.",
)
@click.option(
    "--tag",
    metavar="TOKEN",
    help="Tag of the pairs in the new recipe; '' for none.  [default: <BT> for back-translation,"
    " <ST> for self-training, none for diversification]",
)
@data_dir_option
@decoding_options
@sampling_options
@target_token_option
@engine_option
@device_option
@set_decode_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, too.")
def command(
    method_name: str,
    text: Path,
    target: Path | None,
    models: tuple[Path, ...],
    reverse_models: tuple[Path, ...],
    prefix: str,
    recipe: str | None,
    new_recipe: Path | None,
    tag: str | None,
    data_dir: Path,
    engine: str,
    device: str,
    overrides: tuple[str, ...],
    as_json: bool,
    **decoding: object,  # the options that change a `decode` setting, by its name
) -> None:
    """Make more training pairs with models that are trained already.

    \b
    METHOD is one of:
      back-translation  TEXT is in the target language. A model of the other direction
                        translates it, and the new pairs have synthetic sources.
      self-training     TEXT is in the source language. A model translates it, and the
                        new pairs have synthetic targets.
      diversification   TEXT and TARGET are parallel, or TEXT is a TSV file. Each model
                        translates one side. The pairs of the text are written, too.

    The pairs are written to PREFIX with the endings of the two languages. The command leaves out
    lines without text, translations that are empty, repeat themselves, copy the text or have an odd
    length, and pairs that repeat an earlier one. With --recipe, it also leaves out lines of the
    recipe's dev and test sets. PREFIX.rejected.tsv lists what is left out with the reasons, and a
    table on stderr counts it.

    If the command is stopped or killed, the same command continues where it was. The result is the
    same as without a stop.

    If TEXT is compressed (.gz, .xz), the output is compressed too.

    With --recipe and --write-recipe, a recipe is written that also trains with the new pairs. Those
    of back-translation and self-training get a tag: a token before each source, which tells the
    model that they are synthetic. The text files contain no tag.

    \b
    Examples:
      nmt augment back-translation mono.de --model runs/de_en -o bt/
      nmt augment back-translation mono.de --model runs/de_en -o bt/ --sample
      nmt augment back-translation mono.de --model runs/de_en -o bt/ --recipe mine.toml \\
        --write-recipe mine_bt.toml
      nmt augment self-training mono.en --model runs/en_de -o st/
      nmt augment diversification train.en train.de --model runs/one --model runs/two \\
        --reverse-model runs/de_en -o more/
    """
    flags = flags_as_overrides("decode", **decoding)
    check_models(method_name, text, target, models, reverse_models)
    check_recipes(recipe, new_recipe, tag)

    from nmt.augmentation.augment import AugmentTask, augment
    from nmt.augmentation.methods import METHODS as KNOWN
    from nmt.augmentation.next_recipe import RecipeWish
    from nmt.augmentation.report import as_text
    from nmt.config import DecodeSettings
    from nmt.decoding.translator.load import load_models
    from nmt.runs.trained_model import TrainedModel
    from nmt.system.log import note

    def load(path: Path) -> tuple[TrainedModel, DecodeSettings]:
        return load_models([path], device, note, [*overrides, *flags], engine=engine)

    wish = RecipeWish(recipe, new_recipe, data_dir, tag) if recipe and new_recipe else None
    paths = (text,) if target is None else (text, target)
    task = AugmentTask(KNOWN[method_name], paths, models, reverse_models, prefix, wish, engine)
    report = augment(task, load, note)
    click.echo(as_text(report), nl=False, err=True)
    if as_json:
        from nmt.system.json_data import json_text

        click.echo(json_text(report, indent=1))


def check_models(
    method: str,
    text: Path,
    target: Path | None,
    models: tuple[Path, ...],
    reverse_models: tuple[Path, ...],
) -> None:
    """Raise UsageError unless there are the files and models that a method needs."""
    check_named_once({"--model": models, "--reverse-model": reverse_models})
    if method == "diversification":
        if not models and not reverse_models:
            raise UsageError("no model is given; name one with --model or --reverse-model")
        return
    if target is not None:
        raise UsageError(f"{method} takes one text, but {target} is given, too; leave it out")
    if reverse_models:
        raise UsageError(
            f"{method} has models of one direction only; name each with --model, not with"
            " --reverse-model"
        )
    if not models:
        raise UsageError(f"no model is given to translate {text}; name one with --model")


def check_recipes(recipe: str | None, new_recipe: Path | None, tag: str | None) -> None:
    """Raise UsageError unless a recipe is both read and written, or neither."""
    if (recipe is None) != (new_recipe is None):
        raise UsageError(
            "--recipe and --write-recipe need each other: the first is read, the second is written"
        )
    if recipe is None and tag is not None:
        raise UsageError("--tag is written into a recipe; add --recipe and --write-recipe")
