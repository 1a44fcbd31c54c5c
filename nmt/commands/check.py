"""`nmt check`: look at parallel text before training."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.commands import options
from nmt.commands.completion import complete_recipe
from nmt.commands.init import (
    check_recipe_path,
    given_text,
    given_texts,
    languages,
    print_next,
    with_languages,
)
from nmt.commands.options import PATH
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError, printable
from nmt.recipe.files import DEFAULT_RECIPE, load_recipe
from nmt.runs.outputs import check_outputs
from nmt.runs.run_folder import run_folder
from nmt.system.atomic import write_text
from nmt.system.json_data import json_text, map_texts, parse_object
from nmt.system.log import note
from nmt.text.reading.corpus import DataFolder
from nmt.text.reading.languages import is_text

if TYPE_CHECKING:
    from nmt.corpora.check import Task
    from nmt.corpora.faults.findings import Finding
    from nmt.corpora.faults.report import Report, TextReport
    from nmt.corpora.new_recipe import RecipeRequest

OPTION = "--write-recipe"
LEFT_OUT = ("overlap", "near_overlap")  # errors of given sets: the recipe leaves such pairs out


@click.command("check")
@click.argument(
    "names", nargs=-1, metavar="[RECIPE | SOURCE TARGET ...]", shell_complete=complete_recipe
)
@options.data_dir()
@options.held_out("none, or RECIPE's")
@languages
@options.as_json
@click.option(
    "--html", "page", type=PATH, metavar="FILE", help="Write the report as an HTML page too."
)
@options.limit
@click.option("--advise", is_flag=True, help="Suggest settings, and measure the time to train.")
@click.option(
    OPTION,
    "output",
    type=PATH,
    metavar="FILE.toml",
    help="Write the suggested settings as a recipe.",
)
def command(
    names: tuple[str, ...],
    data_dir: Path,
    dev: tuple[Path, Path] | None,
    test: tuple[Path, Path] | None,
    source_language: str | None,
    target_language: str | None,
    as_json: bool,
    page: Path | None,
    changes: tuple[str, ...],
    advise: bool,
    output: Path | None,
) -> None:
    """Report what is wrong with a corpus, before you spend time on a training.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket". The
    command checks its training text, dev and test sets, and whether they overlap. SOURCE and TARGET
    are two aligned files. One file with both may be a table (.tsv), a translation memory (.tmx),
    .xlf, .xliff or .po. Several corpora may follow each other. Files may end in .gz or .xz.

    The report shows the lengths of the segments and, for each fault, its count and examples. The
    exit code is 1 if there is an error: a fault that stops the training or makes it useless. With
    --advise, the command suggests settings for the training text with reasons. It also runs the
    training for a minute to estimate the time.

    \b
    Examples:
      nmt check
      nmt check corpus.en corpus.de
      nmt check corpus.en corpus.de --dev dev.en dev.de
      nmt check mine.toml --limit max_deviation=5
      nmt check corpus.en corpus.de --advise
      nmt check corpus.en corpus.de --write-recipe mine.toml
    """
    from nmt.corpora.check import check_corpus
    from nmt.corpora.faults.detectors import change_limits
    from nmt.corpora.faults.findings import unused_limits

    limits = change_limits(changes, unused_limits())
    given = {name: paths for name, paths in (("dev", dev), ("test", test)) if paths}
    task, recipe = find_task(names, data_dir, given, (source_language, target_language))
    if page is not None:
        sources = [path for text in (*task.training, *task.held_out) for path in text.paths]
        check_outputs({"--html": page, OPTION: output}, [*sources, *map(Path, names)])
    request = None if output is None else make_request(task, output, data_dir)
    report = check_corpus(task, limits)
    if advise or (request and not find_errors(report.texts)):
        report = with_advice(report, task, recipe)
    if page is not None:
        write_text(page, render_check(report))
    if as_json:
        options.print_json(report)
    else:
        from nmt.corpora.faults.report import check_text

        click.echo(check_text(report), nl=False)
        if not (advise or request):
            click.echo("--advise suggests settings and measures how long the training takes")
    if request:
        sys.stdout.flush()
        write_advised_recipe(request, report)
    if report.count("error"):
        sys.stdout.flush()
        sys.exit(1)


def render_check(report: "Report") -> str:
    """Return the HTML page `nmt/studio/pages/check/` with the report of a corpus in it."""
    from nmt.corpora.faults.report import summary
    from nmt.studio.pages.page import FOLDER, render

    title = printable(
        report.recipe or " and ".join(Path(file).name for file in report.texts[0].files)
    )
    # Invisible characters are escapes, as the terminal shows them.
    data = map_texts(printable, parse_object(json_text(report), "the report"))
    texts = {"title": title, "summary": summary(report)}
    return render(FOLDER / "check", data, f"Check of {title}", texts)


def find_task(
    names: tuple[str, ...],
    data_dir: Path,
    given: Mapping[str, tuple[Path, Path]],
    languages: tuple[str | None, str | None],
) -> "tuple[Task, Recipe | None]":
    """Return what the arguments name: a recipe, which is read once, or files of text.

    given: dev and test sets, which only files may have. languages: of the files, as given.
    """
    from nmt.corpora.check import Task

    paths = tuple(map(Path, names))
    if len(paths) > 1 or (paths and is_text(paths[0])):
        training = given_texts(paths, *languages)
        held_out = tuple(replace(given_text(pair), name=name) for name, pair in given.items())
        for text in (*training, *held_out):
            text.check_files()
        return Task(training, held_out), None
    if given:
        raise UsageError(f"a recipe has its own sets; leave out --{next(iter(given))}")
    if any(languages):
        raise UsageError("a recipe has its own languages; leave out --source-language and the like")
    recipe = load_recipe(names[0] if names else DEFAULT_RECIPE)
    return recipe_task(recipe, data_dir), recipe


def recipe_task(recipe: Recipe, data_dir: Path) -> "Task":
    """Return the texts of a recipe."""
    from nmt.corpora.check import Task
    from nmt.documents.registry import bilingual_reader

    folder = DataFolder(data_dir, bilingual_reader)
    if not recipe.data.train:
        raise NmtError(f"recipe {recipe.name} names no training text; set data.train")

    several = len(recipe.data.train) > 1
    training = tuple(
        folder.text(files, recipe, f"train {number}" if several else "train")
        for number, files in enumerate(recipe.data.train, start=1)
    )
    held_out = tuple(folder.text(files, recipe, "dev") for files in recipe.data.dev) + tuple(
        folder.text(files, recipe, f"test {title}") for title, files in recipe.data.test.items()
    )
    return Task(
        training,
        held_out,
        recipe.name,
        run_folder(recipe).tokenizer,
        recipe.tokenizer.kind != "char",
    )


def with_advice(report: "Report", task: "Task", recipe: Recipe | None) -> "Report":
    """Return a report with advice for the training text, or with the reason why there is none."""
    from nmt.corpora.advice import advise
    from nmt.corpora.faults.report import Skipped

    try:
        advice = advise(task, recipe, note)
    except NmtError as error:
        return replace(report, skipped=(*report.skipped, Skipped("advice", str(error))))
    return replace(report, advice=advice)


def make_request(task: "Task", output: Path, data_dir: Path) -> "RecipeRequest":
    """Return the request for a recipe that trains on two files, or on a TSV file.

    Raises UsageError, before anything is read, if it could not be written.
    """
    from nmt.corpora.new_recipe import RecipeRequest, check_folder

    if task.recipe:
        raise UsageError(
            f"{OPTION} writes a recipe for two files or a TSV file, but {task.recipe} is a recipe"
            " already; leave the option out, and change what the advice says"
        )
    check_recipe_path(output, OPTION)
    try:
        texts = with_languages(task.training, None)
    except UsageError as error:
        raise UsageError(
            f"{OPTION} needs files whose names end in the codes of two languages, such as"
            " corpus.en and corpus.de, or --source-language and --target-language"
        ) from error
    given = {text.name: text for text in task.held_out}
    request = RecipeRequest(texts, output, data_dir, given.get("dev"), given.get("test"))
    if request.held_out:
        check_folder(request.folder)
    return request


def find_errors(texts: "Sequence[TextReport]") -> "list[Finding]":
    """Return the findings that keep a recipe from being written."""
    return [
        finding
        for text in texts
        for finding in text.findings
        if finding.severity == "error" and finding.kind not in LEFT_OUT
    ]


def write_advised_recipe(request: "RecipeRequest", report: "Report") -> None:
    """Write the recipe that `nmt init` writes, with the time as a comment.

    Raises NmtError if the corpus has errors, because training would be useless.
    """
    from nmt.corpora.new_recipe import make_recipe
    from nmt.corpora.train_files import suggest_fix

    if errors := find_errors(report.texts):
        fix = "correct the files of every text"
        if errors == find_errors(report.texts[:1]):
            fix = suggest_fix(request.texts[0], errors)
        raise NmtError(
            f"{request.output} is not written, because the corpus has errors; {fix}, and repeat the"
            " command"
        )
    advised = report.advice.advised if report.advice else ()
    remarks = [
        f"Training takes {time.advice} on the machine of this trial: {time.reason}."
        for time in advised
        if time.topic == "time"
    ]
    make_recipe(request, note, remarks)
    print_next(run_folder(Recipe(request.name)), request.directions, request.training)
