"""`nmt init`: write a recipe for a corpus of one's own, as `nmt train` and `nmt check` also do."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.commands import options
from nmt.commands.options import FILE, PATH, Function
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError, join_words
from nmt.recipe.toml import recipe_from_tables
from nmt.runs.outputs import check_new, check_output
from nmt.runs.run_folder import RunFolder, run_folder
from nmt.system.arguments import argument
from nmt.system.log import note
from nmt.text.reading.corpus import ParallelText, Reader, reader_for
from nmt.text.reading.languages import (
    BILINGUAL,
    TABLES,
    is_contradicted,
    is_language,
    languages_in_names,
    primary,
    same_codes,
    unpacked_name,
)

if TYPE_CHECKING:
    from nmt.corpora.presets import StartModel


def language_code(text: str) -> str:
    """Return an ISO 639 code that was typed; raises click's usage error if it is none."""
    if not is_language(text):
        raise click.BadParameter(f"{text!r} is not an ISO 639 code such as de or deu")
    return text


def language_codes(text: str) -> str:
    """Return codes that were typed with commas between them; errors are as above."""
    return ",".join(map(language_code, text.split(",")))


def languages(function: Function) -> Function:
    """Add the options --source-language and --target-language."""
    for side in ("target", "source"):
        function = click.option(
            f"--{side}-language",
            type=language_codes,
            metavar="CODE",
            help=f"ISO 639 code of the {side} language.  [default: by the file or its name]",
        )(function)
    return function


both_directions = click.option(
    "--both-directions",
    is_flag=True,
    help="Also train from TARGET to SOURCE.",
)


def given_texts(
    paths: Sequence[Path], source_language: str | None = None, target_language: str | None = None
) -> tuple[ParallelText, ...]:
    """Return the texts in pairs of files, TSV files and bilingual files, with their languages.

    A code, or codes with commas between them, are those of each text. Raises UsageError for a file
    without a partner, another number of codes, a text that is given twice, or a language with two
    codes.
    """
    groups = [[*paths]] if len(paths) == 1 else group_files(paths)
    codes = []
    for side, given in (("source", source_language), ("target", target_language)):
        named = given.split(",") if given else [""]
        if len(named) not in (1, len(groups)):
            raise UsageError(
                f"--{side}-language has {len(named)} codes, but there are {len(groups)} texts; give"
                " one code for all, or one for each"
            )
        codes.append(named * len(groups) if len(named) == 1 else named)
    texts = tuple(map(given_text, groups, *codes))
    if len(texts) < 2:
        return texts
    check_different(texts)
    return tuple(replace(text, name=f"text {number}") for number, text in enumerate(texts, start=1))


def group_files(paths: Sequence[Path]) -> list[list[Path]]:
    """Return the files of each text; raises UsageError for a file without a partner."""
    groups = list[list[Path]]()
    single: list[Path] = []
    for path in paths:
        is_whole = unpacked_name(path)[1] in (*TABLES, *BILINGUAL)
        if is_whole and single:
            break
        single.append(path)
        if is_whole or len(single) == 2:
            groups.append(single)
            single = []
    if single:
        raise UsageError(
            f"{single[0]} has no partner: give text as SOURCE TARGET SOURCE TARGET and so on, or as"
            f" files with both sides ({', '.join((*TABLES, *BILINGUAL))})"
        )
    return groups


def check_different(texts: Sequence[ParallelText]) -> None:
    """Raise UsageError for a text that is given twice, or a language that has two codes."""
    codes = filter(None, {code for text in texts for code in text.languages})
    if double := same_codes(sorted(codes)):
        raise UsageError(
            f"{double} are one language; name it by one code, with --source-language and"
            " --target-language"
        )
    known = dict[object, str]()
    for text in texts:
        same = frozenset((*map(os.path.realpath, text.paths), *text.languages))
        if same in known:
            raise UsageError(
                f"{text.title} is given twice, as {known[same]} before; leave one out;"
                " --both-directions adds the other direction"
            )
        known[same] = text.title


def given_text(
    paths: Sequence[Path], source_language: str | None = None, target_language: str | None = None
) -> ParallelText:
    """Return the text in two files, in a TSV file or in a bilingual one, with its languages.

    They are those that are given, else those that the file or its name states, else "". Raises
    UsageError for a bilingual file unless it is clear which two of its languages are meant.
    """
    from nmt.documents.registry import bilingual_reader

    given = source_language or "", target_language or ""
    text = ParallelText(tuple(paths), reader=reader_for(paths, bilingual_reader))
    if text.reader:
        text.check_files()
        return replace(text, languages=languages_in_file(text, text.reader, given))
    named = languages_in_names(paths)
    if named[0] == named[1]:  # one of two equal names must be wrong
        named = ("", "")
    sides = zip(("source", "target"), (paths[0], paths[-1]), given, named, strict=True)
    for side, path, code, name in sides:
        if code and is_contradicted(code, name):
            note(f"warning: {path} is in {name} by its name, but --{side}-language is {code}")
    return replace(text, languages=(given[0] or named[0], given[1] or named[1]))


def languages_in_file(
    text: ParallelText, reader: Reader, given: tuple[str, str]
) -> tuple[str, str]:
    """Return the languages to read from a bilingual file; on a terminal, ask which of several."""
    found = reader.languages(text.paths[0])
    if len(found) == 1:
        return with_unstated(text, found[0], given)
    listed = join_words(found) or "no language"
    for code in filter(None, given):
        if primary(code) not in found:
            raise UsageError(f"{text.paths[0]} has text in {listed}, not in {code}")
    if len(found) < 2:
        raise UsageError(
            f"{text.paths[0]} has text in {listed}, and pairs need two languages; give another file"
        )
    chosen = [*given] if any(given) or len(found) > 2 else [*found]
    for side, name in enumerate(("source", "target")):
        left = [code for code in found if code != primary(chosen[1 - side])]
        if not chosen[side] and len(left) > 1 and not is_terminal():
            raise UsageError(
                f"{text.paths[0]} has text in {listed}; choose two with --source-language and"
                " --target-language"
            )
        if not chosen[side]:
            question = f"{name.title()} language ({', '.join(left)})"
            kind = click.Choice(left)
            chosen[side] = (
                left[0] if len(left) == 1 else click.prompt(question, type=kind, err=True)
            )
    return chosen[0], chosen[1]


def with_unstated(text: ParallelText, stated: str, given: tuple[str, str]) -> tuple[str, str]:
    """Return the languages of a file that states one; raises UsageError without the other one."""
    sides = [given[0] or stated, given[1] or stated]
    if sorted(code == stated for code in map(primary, sides)) != [False, True]:
        raise UsageError(
            f"{text.paths[0]} states one language, {stated}, and pairs need two; name the other one"
            " with --source-language or --target-language"
        )
    return sides[0], sides[1]


def is_terminal() -> bool:
    """Return whether someone can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


@click.command("init")
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="SOURCE TARGET [...]")
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("mine.toml"),
    show_default=True,
    help="Recipe to write: NAME.toml.",
)
@languages
@both_directions
@options.held_out("pairs held out")
@options.model("--init-from", "Model to fine-tune: a run folder or a .safetensors file.", "model")
@options.data_dir()
@click.option(
    "--gpu/--cpu",
    "has_gpu",
    default=None,
    help="Whether you will train on a GPU.  [default: whether there is one]",
)
def command(
    files: tuple[Path, ...],
    output: Path,
    source_language: str | None,
    target_language: str | None,
    both_directions: bool,
    dev: tuple[Path, Path] | None,
    test: tuple[Path, Path] | None,
    model: Path | None,
    data_dir: Path,
    has_gpu: bool | None,
) -> None:
    """Write a recipe for your own corpus: SOURCE and TARGET, or one file with both.

    Several corpora, in any languages, make one model: SOURCE TARGET SOURCE TARGET and so on. Then
    --target-language de is for all of them, and --target-language de,fr has a code for each.

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
      nmt init a.en a.de b.en b.fr --both-directions
    """
    from nmt.corpora.new_recipe import RecipeRequest, make_recipe
    from nmt.corpora.presets import read_start_model

    texts = given_texts(files, source_language, target_language)
    if len(texts) > 1 and (dev or test):
        raise UsageError(
            "--dev and --test are for one corpus; of several, sets are held out, and you can change"
            " data.dev and data.test in the recipe"
        )
    dev_set, test_set = (None if pair is None else given_text(pair) for pair in (dev, test))
    check_recipe_path(output)
    for given in filter(None, [*texts, dev_set, test_set]):
        given.check()
    start = None if model is None else read_start_model(model)
    texts = with_languages(texts, start)
    request = RecipeRequest(
        texts, output, data_dir, dev_set, test_set, has_gpu, start, both_directions=both_directions
    )
    if request.held_out:
        check_new(request.files[0]["train"][0], "--data-dir")
    make_recipe(request, note)
    print_next(run_folder(Recipe(request.name)), request.directions, request.training)


def check_recipe_path(path: Path, option: str = "--output") -> None:
    """Raise UsageError unless a new recipe can be written at the path that an option names."""
    if path.suffix != ".toml":
        raise UsageError(f"{option} {path} must end in .toml, because it is a recipe")
    try:
        recipe_from_tables({}, path.stem, str(path))
    except NmtError as error:
        raise UsageError(f"{option} {str(path)!r} cannot name a recipe") from error
    if path.is_file():
        raise UsageError(f"{path} exists already; name another recipe with {option}")
    check_output(path, option=option)


def with_languages(
    texts: Sequence[ParallelText], start: "StartModel | None"
) -> tuple[ParallelText, ...]:
    """Return texts with their languages; those that are not known are asked for on a terminal.

    start: the model to start from. If it has one direction, its languages are taken before anyone
    is asked. A note says so if the texts have others. Raises UsageError, without a terminal, for a
    language that nothing states.
    """
    own = start.recipe.data.known_directions if start else ()
    known = own[0] if len(own) == 1 else ("", "")
    found = []
    for text in texts:
        sides = dict(zip(("source", "target"), text.languages, strict=True))
        if len(texts) == 1:
            sides = {side: sides[side] or code for side, code in zip(sides, known, strict=True)}
        missing = [side for side, language in sides.items() if not language]
        of = f" of {text.title}" if texts[1:] else ""
        if missing:
            next(text.pairs(), None)  # a file without tabs lacks its target, not a language
        if missing and not is_terminal():
            raise UsageError(
                f"the file names have no code for the {' and the '.join(missing)} language{of};"
                f" give {' and '.join(f'--{side}-language' for side in missing)}, such as"
                f" --{missing[0]}-language fr{',de for two corpora' if texts[1:] else ''}"
            )
        for side in missing:
            question = f"{side.title()} language{of} (a code such as fr)"
            sides[side] = click.prompt(question, value_proc=language_code, err=True)
        found.append(replace(text, languages=(sides["source"], sides["target"])))
    directions = {text.languages for text in found}
    if start and not directions <= {*own}:
        model, others = (", ".join(map(" to ".join, pairs)) for pairs in (own, directions))
        note(f"the model translates {model}, but the text is {others}")
    return tuple(found)


def print_next(run: RunFolder, directions: Iterable[tuple[str, str]], *first: str) -> None:
    """Print on stderr what to run next: some commands, and those for the model of a run.

    directions: those of the model.
    """
    folder, (one, *others) = argument(run.path), dict.fromkeys(target for _, target in directions)
    to = f" --to {one}" if others else ""
    last = f"nmt evaluate --model {folder}", f"nmt translate FILE{to} --model {folder}"
    note("\n  ".join(("next:", *first, *last)))
