"""`nmt init`: write a recipe for two aligned files, as `nmt train` and `nmt check` also do."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.commands import options
from nmt.commands.completion import complete_run
from nmt.commands.options import FILE, PATH
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.recipe.toml import recipe_from_tables
from nmt.runs.outputs import check_new, check_output
from nmt.runs.run_folder import RunFolder, run_folder
from nmt.system.arguments import argument
from nmt.system.files import is_present
from nmt.system.log import note
from nmt.text.corpus import ParallelText

if TYPE_CHECKING:
    from nmt.corpora.presets import StartModel


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
@options.languages
@options.held_out("pairs held out")
@click.option(
    "--init-from",
    "model",
    type=FILE,
    shell_complete=complete_run,
    help="Model to fine-tune: a run folder or a .safetensors file.",
)
@options.data_dir()
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
    """Write a recipe for your own corpus: SOURCE and TARGET, or one file with both.

    Line N of TARGET is the translation of line N of SOURCE. A file with both may be a table (.tsv:
    source, tab, target), a translation memory (.tmx), .xlf, .xliff or .po.

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
    from nmt.corpora.first_recipe import RecipeRequest, make_recipe
    from nmt.corpora.presets import read_start_model

    paths = list(filter(None, (source, target)))
    text = options.given_text(paths, source_language, target_language)
    dev_set, test_set = (None if pair is None else options.given_text(pair) for pair in (dev, test))
    check_recipe_path(output)
    for given in filter(None, [text, dev_set, test_set]):
        given.check()
    start = None if model is None else read_start_model(model)
    text = with_languages(text, start)
    request = RecipeRequest(text, output, data_dir, dev_set, test_set, has_gpu, start)
    if request.held_out:
        check_new(request.files["train"][0], "--data-dir")
    make_recipe(request, note)
    print_next(run_folder(Recipe(request.name)), request.training)


def check_recipe_path(path: Path, option: str = "--output") -> None:
    """Raise UsageError unless a new recipe can be written at the path that an option names."""

    if path.suffix != ".toml":
        raise UsageError(f"{option} {path} must end in .toml, because it is a recipe")
    try:
        recipe_from_tables({}, path.stem, str(path))
    except NmtError as error:
        raise UsageError(f"{option} {str(path)!r} cannot name a recipe") from error
    if path.is_file() and is_present(path):
        raise UsageError(f"{path} exists already; name another recipe with {option}")
    check_output(path, option=option)


def with_languages(text: ParallelText, start: "StartModel | None") -> ParallelText:
    """Return a text with its languages; those that are not known are asked for on a terminal.

    start: the model to start from, whose languages are taken before anyone is asked; a note says so
    if the text has others. Raises UsageError, without a terminal, for a language that nothing
    states.
    """
    known = ("", "")
    if start is not None:
        known = start.recipe.data.source_language, start.recipe.data.target_language
    sides = [own or other for own, other in zip(text.languages, known, strict=True)]
    found = dict(zip(("source", "target"), sides, strict=True))
    missing = [side for side, language in found.items() if not language]
    if missing and not options.is_terminal():
        raise UsageError(
            f"the file names have no code for the {' and the '.join(missing)} language; give"
            f" {' and '.join(f'--{side}-language' for side in missing)}, such as"
            f" --{missing[0]}-language fr"
        )
    for side in missing:
        question = f"{side.title()} language (a code such as fr)"
        found[side] = click.prompt(question, value_proc=options.language_code, err=True)
    languages = found["source"], found["target"]
    if start and languages != known:
        note(f"the model translates {' to '.join(known)}, but the text is {' to '.join(languages)}")
    return replace(text, languages=languages)


def print_next(run: RunFolder, *first: str) -> None:
    """Print on stderr what to run next: some commands, and those for the model of a run."""

    folder = argument(run.path)
    last = f"nmt evaluate --model {folder}", f"nmt translate FILE --model {folder}"
    note("\n  ".join(("next:", *first, *last)))
