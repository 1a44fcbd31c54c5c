"""Turn a user's own text into a recipe, for `nmt init` and `nmt train SOURCE TARGET`."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nmt.config import Recipe
from nmt.errors import UsageError
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.runs.run_folder import run_folder
from nmt.system.arguments import argument
from nmt.system.files import is_present
from nmt.text.languages import PACKED, TABLES, TEXT, is_language

if TYPE_CHECKING:
    from nmt.advice.first_recipe import FirstRecipe, Wish
    from nmt.recipe.fine_tuning import TrainedModel
    from nmt.text.corpus import GivenText

# Endings of a text, where it could be a recipe.
TEXT_ENDINGS = (*TABLES, *PACKED, *TEXT)
Function = TypeVar("Function", bound=Callable[..., Any])


def language_code(text: str) -> str:
    """Return an ISO 639 code that was typed; raises click's usage error if it is none."""
    if not is_language(text):
        raise click.BadParameter(f"{text!r} is not an ISO 639 code such as de or deu")
    return text


def language_options(function: Function) -> Function:
    """Add the options --source-language and --target-language."""
    for side in ("target", "source"):
        function = click.option(
            f"--{side}-language",
            type=language_code,
            metavar="CODE",
            help=f"ISO 639 code of the {side} language.  [default: the ending of the file's name]",
        )(function)
    return function


def trained_model(path: Path) -> "TrainedModel":
    """Return the model at a path, a file or a run folder; raises NmtError if there is none."""
    from nmt.recipe.fine_tuning import read_trained
    from nmt.runs.model_file import find_model

    return read_trained(find_model(path, "--init-from"))


def choose_languages(
    text: "GivenText", given: tuple[str | None, str | None], start: "TrainedModel | None"
) -> tuple[str, str]:
    """Return the languages that were given, else those of the file names, else ask on a terminal.

    start: the model to start from, whose languages are taken before anyone is asked; a note says so
    if the text has others. Raises UsageError, without a terminal, for a language that nothing
    states.
    """
    from nmt.system.log import note

    known = ("", "")
    if start is not None:
        known = start.recipe.data.source_language, start.recipe.data.target_language
    named = named_languages(text)
    sides = [
        first or second or third for first, second, third in zip(given, named, known, strict=True)
    ]
    found = dict(zip(("source", "target"), sides, strict=True))
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
    languages = found["source"], found["target"]
    if start and languages != known:
        note(f"the model translates {' to '.join(known)}, but the text is {' to '.join(languages)}")
    return languages


def named_languages(text: "GivenText") -> tuple[str, str]:
    """Return the languages that the names of the files state, or empty texts."""
    from nmt.text.languages import languages_in_names

    named = languages_in_names(text.paths)
    return ("", "") if named[0] == named[1] else named  # one of two equal names must be wrong


def is_terminal() -> bool:
    """Return whether someone can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def text_of(names: Sequence[str]) -> "GivenText | None":
    """Return the text that the arguments name; None if they name a recipe, a run or nothing.

    Raises UsageError for more names, or for two that are not files, or one of which is a recipe.
    """
    from nmt.text.corpus import GivenText

    paths = [Path(name) for name in names]
    are_files = any(path.suffix or is_present(path) for path in paths)
    if len(paths) > 2 or (len(paths) == 2 and not are_files):
        raise UsageError(
            f"train takes one recipe, or the files SOURCE and TARGET, but {len(names)} names were"
            f" given{'' if are_files else f', and there are no files {names[0]} and {names[1]}'}"
        )
    recipes = [str(path) for path in paths if path.suffix == ".toml"]
    if len(paths) == 2 and recipes:
        raise UsageError(
            f"{recipes[0]} is a recipe by its name, which is given alone; SOURCE and TARGET are two"
            " texts"
        )
    if len(paths) == 2 or (paths and paths[0].suffix in TEXT_ENDINGS):
        return GivenText(*paths)
    return None


def check_no_language(*languages: str | None) -> None:
    """Raise UsageError if a language is given beside a recipe."""
    if any(languages):
        raise UsageError(
            "--source-language and --target-language are for SOURCE and TARGET; a recipe has its"
            " own languages, which --set data.source_language=CODE corrects"
        )


def training_wish(
    text: "GivenText",
    languages: tuple[str, str],
    start: "TrainedModel | None",
    run: Path | None,
    data_dir: Path | None,
    device: str,
) -> "Wish":
    """Return the recipe that `nmt train` needs for a text.

    run, data_dir, device: as the user gave them. Raises UsageError for a device that cannot be
    used.
    """
    from nmt.advice.first_recipe import Wish
    from nmt.advice.two_files import recipe_path
    from nmt.system.devices import choose_device

    path = recipe_path(text, languages)
    folder = run_folder(Recipe(path.stem), run).data_dir(data_dir)
    has_gpu = choose_device(device).startswith("cuda")
    return Wish(text, languages, path, folder, has_gpu=has_gpu, start=start, command="nmt train")


def write_recipe(wish: "Wish", run: Path | None, settings: Sequence[str]) -> None:
    """Check a text and write its recipe, unless that is done, and print notes.

    settings: of the training, as `section.key=value`; errors in them are raised before any work.
    """
    from nmt.advice.two_files import recipe_of_files
    from nmt.system.log import note

    recipe = with_settings(Recipe(wish.name), parse_overrides(settings))
    made = recipe_of_files(wish, run_folder(recipe, run), note)
    if made is not None:
        print_made(made, wish)


def print_made(made: "FirstRecipe", wish: "Wish") -> None:
    """Print on stderr what was found in the text and what was written."""
    from nmt.system.log import note

    facts, model = made.survey.facts, made.recipe.model
    source, target = wish.languages
    blank = f", {made.survey.blank:,} more with an empty side" if made.survey.blank else ""
    note(f"{facts.pairs:,} pairs, {source} to {target}{blank}")
    if made.sets:
        sizes = ", ".join(f"{pairs:,} {name}" for name, pairs in made.sets.items())
        repeated = facts.pairs - sum(made.sets.values())
        more = f"{repeated:,} pairs are" if repeated > 1 else "1 pair is"
        clean = "no two sets share a near duplicate"
        if repeated:
            clean = f"{more} left out, because they are near duplicates of pairs in other sets"
        elif made.shared:  # by the dev and the test set that the user gave
            clean = "the training text has no near duplicate of another set"
        note(f"{wish.folder}: {sizes} pairs; {clean}")
    note(
        f"{wish.output}: {model.encoder_layers}+{model.decoder_layers} layers,"
        f" d_model {model.d_model}, {made.recipe.tokenizer.vocab_size:,} tokens, at most"
        f" {made.recipe.train.max_updates:,} updates; its comments say why"
    )
    for line in made.settings.notes:
        note(line)


def next_commands(run: Path) -> list[str]:
    """Return the commands to run when a training has ended in a run folder."""
    folder = argument(run)
    return [f"nmt evaluate --model {folder}", f"nmt translate FILE --model {folder}"]


def print_next(commands: Iterable[str]) -> None:
    """Print on stderr what to run next."""
    from nmt.system.log import note

    note("next:\n" + "\n".join(f"  {command}" for command in commands))
