"""`nmt init`: write a recipe for two aligned files."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from nmt.artifacts.run_folder import run_folder
from nmt.commands.completion import complete_run
from nmt.commands.options import FILE, data_dir_option
from nmt.config import Recipe
from nmt.errors import UsageError
from nmt.recipe import recipe_from_tables

if TYPE_CHECKING:
    from nmt.advice.first_recipe import FirstRecipe, Wish
    from nmt.recipe.fine_tuning import TrainedModel


def language_code(text: str) -> str:
    """Return an ISO 639 code that was typed; raises click's usage error if it is none."""
    from nmt.text.languages import is_language

    if not is_language(text):
        raise click.BadParameter(f"{text!r} is not an ISO 639 code such as de or deu")
    return text


@click.command("init")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE, required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("mine.toml"),
    show_default=True,
    help="Recipe to write; its name must end in .toml. An existing file is never overwritten.",
)
@click.option(
    "--source-language",
    type=language_code,
    metavar="CODE",
    help="ISO 639 code of the source language.  [default: the ending of the file's name]",
)
@click.option(
    "--target-language",
    type=language_code,
    metavar="CODE",
    help="ISO 639 code of the target language.  [default: the ending of the file's name]",
)
@click.option(
    "--dev",
    nargs=2,
    type=FILE,
    metavar="SOURCE TARGET",
    help="Dev set, to choose the best model.  [default: pairs held out of the corpus]",
)
@click.option(
    "--test",
    nargs=2,
    type=FILE,
    metavar="SOURCE TARGET",
    help="Test set, for the final score.  [default: pairs held out of the corpus]",
)
@click.option(
    "--init-from",
    "model",
    type=FILE,
    shell_complete=complete_run,
    help="Model to fine-tune: a run folder or a .safetensors file. The recipe extends it.",
)
@data_dir_option
@click.option(
    "--gpu/--cpu",
    "has_gpu",
    default=None,
    help="Whether you will train on a GPU. It matters only for corpora of about 100,000 pairs or"
    " more.  [default: whether this machine has one]",
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

    Line N of TARGET is the translation of line N of SOURCE. Files may end in .gz or .xz. A TSV file
    has the source, a tab and the target on each line.

    The command holds out pairs for a dev and a test set by the rule of `nmt split`: no segment of
    these sets is in the training text, not even with other case, punctuation, spaces or digits. If
    you give the sets yourself, such pairs of the training text are left out. The training text and
    the sets are written into a folder with the recipe's name in the data folder.

    The sizes in the recipe suit the corpus; comments give the reasons. With --init-from, the recipe
    fine-tunes a model. You can train with the recipe as it is, or change any setting. The corpus is
    read twice, so it cannot be a pipe.

    \b
    Examples:
      nmt init corpus.en corpus.de
      nmt init pairs.en-de.tsv --output small.toml
      nmt init train.src.gz train.tgt.gz --source-language nl --target-language fr
      nmt init train.en train.de --dev dev.en dev.de --test test.en test.de
      nmt init corpus.en corpus.de --init-from opus.safetensors
    """
    from nmt.advice.first_recipe import Wish, make_recipe
    from nmt.artifacts.outputs import check_new
    from nmt.system.log import note
    from nmt.text.given_text import GivenText

    text = GivenText(source, target)
    dev_set, test_set = (None if pair is None else GivenText(*pair) for pair in (dev, test))
    check_recipe_path(output)
    for given in filter(None, [text, dev_set, test_set]):
        given.check()
    start = None if model is None else trained_model(model)
    known = ("", "") if start is None else pair_of(start.recipe)
    languages = choose_languages(source, target, source_language, target_language, known)
    if start and languages != known:
        note(f"the model translates {' to '.join(known)}, but the text is {' to '.join(languages)}")
    wish = Wish(text, languages, output, data_dir, dev_set, test_set, has_gpu, start)
    if wish.held_out:
        check_new(wish.folder / wish.files["train"][0], "--data-dir")
    print_result(make_recipe(wish, note), wish)


def check_recipe_path(path: Path) -> None:
    """Raise UsageError unless a new recipe can be written at a path."""
    from nmt.artifacts.outputs import check_output
    from nmt.errors import NmtError
    from nmt.system.reading import is_present

    if path.suffix != ".toml":
        raise UsageError(f"--output {path} must end in .toml, because it is a recipe")
    try:
        recipe_from_tables({}, path.stem, str(path))
    except NmtError as error:
        raise UsageError(f"--output {str(path)!r} cannot name a recipe") from error
    if path.is_file() and is_present(path):
        raise UsageError(f"{path} exists already; name another recipe with --output")
    check_output(path, "init")


def trained_model(path: Path) -> "TrainedModel":
    """Return the model at a path, a file or a run folder; raises NmtError if there is none."""
    from nmt.artifacts.model_file import find_model
    from nmt.recipe.fine_tuning import read_trained

    return read_trained(find_model(path))


def pair_of(recipe: Recipe) -> tuple[str, str]:
    """Return the languages of a recipe."""
    return recipe.data.source_language, recipe.data.target_language


def choose_languages(
    source: Path,
    target: Path | None,
    given_source: str | None,
    given_target: str | None,
    known: tuple[str, str],
) -> tuple[str, str]:
    """Return the languages that were given, else those of the file names, else ask on a terminal.

    known: those of the model to start from, taken before anyone is asked; or "". Raises UsageError,
    without a terminal, for a language that nothing states.
    """
    from nmt.text.languages import language_of, languages_of_tsv

    named = (
        languages_of_tsv(source) if target is None else (language_of(source), language_of(target))
    )
    if named[0] == named[1]:  # one of the names must be wrong
        named = ("", "")
    given = (given_source or named[0] or known[0], given_target or named[1] or known[1])
    found = dict(zip(("source", "target"), given, strict=True))
    missing = [side for side, language in found.items() if not language]
    if missing and not is_terminal():
        raise UsageError(
            f"the file names have no code for the {' and the '.join(missing)} language; give"
            f" {' and '.join(f'--{side}-language' for side in missing)}, such as"
            f" --{missing[0]}-language fr"
        )
    for side in missing:
        question = f"{side.title()} language (a code such as fr)"
        found[side] = click.prompt(question, value_proc=language_code, err=True)
    return found["source"], found["target"]


def is_terminal() -> bool:
    """Return whether someone can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def print_result(made: "FirstRecipe", wish: "Wish") -> None:
    """Print on stderr what was written and what to do next."""
    from nmt.system.log import note

    facts, model = made.survey.facts, made.recipe.model
    source, target = wish.languages
    blank = f", {made.survey.blank:,} more with an empty side" if made.survey.blank else ""
    note(f"{facts.pairs:,} pairs, {source} to {target}{blank}")
    if made.sets:
        sizes = ", ".join(f"{pairs:,} {name}" for name, pairs in made.sets.items())
        repeated = facts.pairs - sum(made.sets.values())
        left_out = f", so {repeated:,} pairs are left out" if repeated else ""
        clean = "no two sets share a near duplicate"
        if made.shared:  # by the dev and the test set that the user gave
            clean = "the training text has no near duplicate of another set"
        note(f"{wish.folder}: {sizes} pairs; {clean}{left_out}")
    note(
        f"{wish.output}: {model.encoder_layers}+{model.decoder_layers} layers,"
        f" d_model {model.d_model}, {made.recipe.tokenizer.vocab_size:,} tokens, at most"
        f" {made.recipe.train.max_updates:,} updates; its comments say why"
    )
    for line in made.settings.notes:
        note(line)
    recipe, run = shlex.quote(str(wish.output)), shlex.quote(str(run_folder(made.recipe).path))
    folder = click.get_current_context().get_parameter_source("data_dir")
    is_typed = folder is ParameterSource.COMMANDLINE  # neither the default nor NMT_DATA_DIR
    data = f" --data-dir {shlex.quote(str(wish.data_dir))}" if is_typed else ""
    note(
        f"next:\n  nmt train {recipe}{data}\n  nmt evaluate --model {run}\n"
        f"  nmt translate FILE --model {run}"
    )
