"""Add advice to `nmt check`, and write a recipe from it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.commands.init import check_recipe_path
from nmt.commands.own_text import choose_languages, next_commands, print_made, print_next
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.runs.run_folder import run_folder
from nmt.system.arguments import argument, data_option

if TYPE_CHECKING:
    from nmt.advice.first_recipe import Wish
    from nmt.check.check_corpus import Task
    from nmt.check.finding import Finding
    from nmt.check.report import Report

OPTION = "--write-recipe"
LEFT_OUT = ("overlap", "near_overlap")  # errors of given sets: the recipe leaves such pairs out


def with_advice(report: "Report", task: "Task", recipe: Recipe | None) -> "Report":
    """Return a report with advice for the training text, or with the reason why there is none."""
    from nmt.advice.advise import Question, advise
    from nmt.check.report import Skipped
    from nmt.system.log import note

    question = Question(task.training, task.held_out, recipe, task.languages)
    try:
        advice = advise(question, note)
    except NmtError as error:
        return replace(report, skipped=(*report.skipped, Skipped("advice", str(error))))
    return replace(report, advice=advice)


def wish_for(task: "Task", output: Path, data_dir: Path) -> "Wish":
    """Return the wish for a recipe that trains on two files, or on a TSV file.

    Raises UsageError, before anything is read, if it could not be written.
    """
    from nmt.advice.first_recipe import Wish, check_folder
    from nmt.text.corpus import GivenText

    if task.recipe:
        raise UsageError(
            f"{OPTION} writes a recipe for two files or a TSV file, but {task.recipe} is a recipe"
            " already; leave the option out, and change what the advice says"
        )
    check_recipe_path(output, OPTION)
    text = GivenText(*task.training[0].paths)
    try:
        languages = choose_languages(text, (None, None), None)
    except UsageError as error:
        raise UsageError(
            f"{OPTION} needs files whose names end in the codes of two languages, such as"
            " corpus.en and corpus.de; `nmt init` takes --source-language and --target-language,"
            " and writes the same recipe"
        ) from error
    given = {each.name: GivenText(*each.paths) for each in task.held_out}
    wish = Wish(text, languages, output, data_dir, given.get("dev"), given.get("test"))
    if wish.held_out:
        check_folder(wish.folder)
    return wish


def check_errors(wish: "Wish", report: "Report") -> None:
    """Raise NmtError if the corpus has errors, because training would be useless."""
    from nmt.advice.two_files import fix_of_errors

    if errors := errors_of(report):
        own = errors_of(replace(report, texts=report.texts[:1]))  # of the training text
        fix = fix_of_errors(wish, errors) if own == errors else "correct the files of every text"
        raise NmtError(
            f"{wish.output} is not written, because the corpus has errors; {fix}, and repeat the"
            " command"
        )


def errors_of(report: "Report") -> "list[Finding]":
    """Return the findings that keep a recipe from being written."""
    findings = [finding for text in report.texts for finding in text.findings]
    return [each for each in findings if each.severity == "error" and each.kind not in LEFT_OUT]


def write_recipe(wish: "Wish", report: "Report") -> None:
    """Write the recipe that `nmt init` writes, with the time as a comment.

    Raises NmtError if the corpus has errors.
    """
    from nmt.advice.first_recipe import make_recipe
    from nmt.advice.words import time_remark
    from nmt.system.log import note

    check_errors(wish, report)
    advised = report.advice.advised if report.advice else ()
    remarks = [time_remark(each) for each in advised if each.topic == "time"]
    made = make_recipe(wish, note, remarks)
    print_made(made, wish)
    train = f"nmt train {argument(wish.output)}{data_option(wish.data_dir)}"
    print_next([train, *next_commands(run_folder(made.recipe).path)])
