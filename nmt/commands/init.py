"""`nmt init`: write a recipe for two aligned files."""

from pathlib import Path

import click

from nmt.commands.completion import complete_run
from nmt.commands.options import FILE, PATH, data_dir_option, held_out_options
from nmt.commands.own_text import (
    choose_languages,
    language_options,
    next_commands,
    print_made,
    print_next,
    trained_model,
)
from nmt.errors import UsageError
from nmt.recipe.toml import recipe_from_tables
from nmt.runs.run_folder import run_folder
from nmt.system.arguments import argument, data_option


@click.command("init")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE, required=False)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("mine.toml"),
    show_default=True,
    help="Recipe to write: NAME.toml.",
)
@language_options
@held_out_options("pairs held out")
@click.option(
    "--init-from",
    "model",
    type=FILE,
    shell_complete=complete_run,
    help="Model to fine-tune: a run folder or a .safetensors file.",
)
@data_dir_option()
@click.option(
    "--gpu/--cpu",
    "has_gpu",
    default=None,
    help="Whether you will train on a GPU.  [default: whether there is one]",
)
def command(
    source: Path,
    target: Path | None,
    output: Path,
    source_language: str | None,
    target_language: str | None,
    dev: tuple[Path, Path] | None,
    test: tuple[Path, Path] | None,
    model: Path | None,
    data_dir: Path,
    has_gpu: bool | None,
) -> None:
    """Write a recipe for your own corpus: SOURCE and TARGET, or one TSV file.

    Line N of TARGET is the translation of line N of SOURCE. A TSV file has the source, a tab and
    the target on each line.

    The command holds out pairs for a dev and a test set by the rule of `nmt split`. The training
    text and the sets are written into a folder with the recipe's name in the data folder. The
    settings suit the corpus; comments give the reasons. With --init-from, the recipe fine-tunes a
    model.

    \b
    Examples:
      nmt init corpus.en corpus.de
      nmt init pairs.en-de.tsv --output small.toml
      nmt init train.src.gz train.tgt.gz --source-language nl --target-language fr
      nmt init train.en train.de --dev dev.en dev.de --test test.en test.de
      nmt init corpus.en corpus.de --init-from opus.safetensors
    """
    from nmt.advice.first_recipe import Wish, make_recipe
    from nmt.runs.outputs import check_new
    from nmt.system.log import note
    from nmt.text.corpus import GivenText

    text = GivenText(source, target)
    dev_set, test_set = (None if pair is None else GivenText(*pair) for pair in (dev, test))
    check_recipe_path(output)
    for given in filter(None, [text, dev_set, test_set]):
        given.check()
    start = None if model is None else trained_model(model)
    languages = choose_languages(text, (source_language, target_language), start)
    wish = Wish(text, languages, output, data_dir, dev_set, test_set, has_gpu, start)
    if wish.held_out:
        check_new(wish.folder / wish.files["train"][0], "--data-dir")
    made = make_recipe(wish, note)
    print_made(made, wish)
    train = f"nmt train {argument(output)}{data_option(data_dir)}"
    print_next([train, *next_commands(run_folder(made.recipe).path)])


def check_recipe_path(path: Path, option: str = "--output") -> None:
    """Raise UsageError unless a new recipe can be written at the path that an option names."""
    from nmt.errors import NmtError
    from nmt.runs.outputs import check_output
    from nmt.system.files import is_present

    if path.suffix != ".toml":
        raise UsageError(f"{option} {path} must end in .toml, because it is a recipe")
    try:
        recipe_from_tables({}, path.stem, str(path))
    except NmtError as error:
        raise UsageError(f"{option} {str(path)!r} cannot name a recipe") from error
    if path.is_file() and is_present(path):
        raise UsageError(f"{path} exists already; name another recipe with {option}")
    check_output(path, option=option)
