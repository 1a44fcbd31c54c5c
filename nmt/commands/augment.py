"""`nmt augment`: make training pairs with models."""

from functools import partial
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_recipe
from nmt.commands.options import FILE, PATH, SAMPLING
from nmt.errors import UsageError
from nmt.runs.runs import check_named_once
from nmt.system.log import note

METHODS = ("back-translation", "self-training", "diversification")


@click.command("augment")
@click.argument("method_name", metavar="METHOD", type=click.Choice(METHODS))
@click.argument("text", type=FILE)
@click.argument("target", type=FILE, required=False)
@options.models("--model", "Model that translates TEXT. May be repeated.")
@options.models("--reverse-model", "Model that translates the target side. May be repeated.")
@options.prefix
@click.option(
    "--recipe",
    shell_complete=complete_recipe,
    metavar="RECIPE",
    help="Recipe that the new recipe extends.",
)
@click.option(
    "--write-recipe",
    "new_recipe",
    type=PATH,
    metavar="NEW.toml",
    help="Recipe to write, which trains with the new pairs.",
)
@click.option(
    "--tag",
    metavar="TOKEN",
    help="Tag of the new pairs; '' for none.  [default: <BT> or <ST>, by METHOD]",
)
@options.data_dir()
@options.decode_flags("beam_size", "length_penalty", "batch_tokens")
@options.sample
@options.decode_flags(*SAMPLING, "to")
@options.engine
@options.device
@options.set_decode()
@options.as_json_too
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
) -> None:
    """Make more training pairs with models that are trained already.

    \b
    METHOD is one of:
      back-translation  translate TEXT, which is in the target language
      self-training     translate TEXT, which is in the source language
      diversification   translate both sides of parallel text: TEXT and TARGET, or
                        one TSV file

    The pairs are written to two files: PREFIX, a dot and the language code of the model, such as
    bt.en and bt.de. PREFIX.rejected.tsv lists what is left out, with the reasons. If the command is
    stopped, the same command continues.

    \b
    Examples:
      nmt augment back-translation mono.de --model runs/de_en -o bt/
      nmt augment back-translation mono.de --model runs/de_en -o bt/ --sample
      nmt augment back-translation mono.de --model runs/de_en -o bt/ \\
        --recipe mine.toml --write-recipe mine_bt.toml
      nmt augment self-training mono.en --model runs/en_de -o st/
      nmt augment diversification train.en train.de --model runs/en_de \\
        --reverse-model runs/de_en -o more/
    """
    check_named_once({"--model": models, "--reverse-model": reverse_models})
    if method_name == "diversification":
        if not models and not reverse_models:
            raise UsageError("no model is given; name one with --model or --reverse-model")
    elif target is not None:
        raise UsageError(f"{method_name} takes one text, but {target} is given, too; leave it out")
    elif reverse_models:
        raise UsageError(
            f"{method_name} has models of one direction only; name each with --model, not with"
            " --reverse-model"
        )
    elif not models:
        raise UsageError(f"no model is given to translate {text}; name one with --model")
    if (recipe is None) != (new_recipe is None):
        raise UsageError(
            "--recipe and --write-recipe need each other: the first is read, the second is written"
        )
    if recipe is None and tag is not None:
        raise UsageError("--tag is written into a recipe; add --recipe and --write-recipe")

    from nmt.corpora.augment import METHODS as KNOWN
    from nmt.corpora.augment import AugmentTask, augment, augment_text
    from nmt.corpora.new_recipe import RecipeExtension
    from nmt.decoding.translator.load import load_models
    from nmt.documents.registry import bilingual_reader
    from nmt.text.reading.corpus import DataFolder, ParallelText, reader_for

    tag = KNOWN[method_name].tag if tag is None else tag
    data = DataFolder(data_dir, bilingual_reader)
    extension = RecipeExtension(recipe, new_recipe, data, tag) if recipe and new_recipe else None
    paths = (text,) if target is None else (text, target)
    texts = ParallelText(paths, reader=reader_for(paths, None))  # refuses a bilingual file
    task = AugmentTask(method_name, texts, models, reverse_models, prefix, extension, engine)
    load = partial(load_models, device=device, notify=note, overrides=overrides, engine=engine)
    report = augment(task, lambda path: load([path]), note)
    click.echo(augment_text(report), nl=False, err=True)
    if as_json:
        options.print_json(report)
