"""Check the text of `nmt train SOURCE TARGET`, for which one recipe is written."""

import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from nmt.corpora.check import Task, check_corpus
from nmt.corpora.detectors import CheckLimits
from nmt.corpora.findings import Finding
from nmt.corpora.first_recipe import NAME, Origin, Wish
from nmt.corpora.pairs import REJECTED, Names
from nmt.corpora.report import brief_lines
from nmt.errors import NmtError, UsageError
from nmt.recipe.toml import recipe_from_tables
from nmt.runs.outputs import check_new, check_output, check_run_folder
from nmt.runs.run_folder import RunFolder
from nmt.system.arguments import argument, arguments, data_option
from nmt.system.files import entries, is_present
from nmt.system.log import Notify
from nmt.system.processes import worker_count
from nmt.text.corpus import ParallelText
from nmt.text.languages import (
    BILINGUAL,
    CODE_PAIR,
    ENDING,
    PACKED,
    TABLES,
    TEXT,
    language_in_name,
    languages_in_names,
)

CLEANABLE = {"encoding", "no_tab"}  # errors that `nmt clean` removes
FEW = 5  # percent of the lines; with more, the whole file has another encoding or form


def recipe_path(text: ParallelText, languages: tuple[str, str]) -> Path:
    """Return the path of the recipe for a text: corpus_en_de.toml for corpus.en and corpus.de.

    It is in the current folder, whatever the folder of the text. Raises UsageError for a name that
    no recipe can have.
    """
    path = Path(f"{'_'.join((stem(text), *languages))}.toml")
    try:
        recipe_from_tables({}, path.stem, str(path))
    except NmtError as error:
        name = repr(text.paths[0].name)
        raise UsageError(f"a recipe cannot be named after {name}; rename the file") from error
    return path


def stem(text: ParallelText) -> str:
    """Return the name of a text's first file without its endings."""
    name = text.paths[0].name
    for endings in (PACKED, (*TABLES, *BILINGUAL, *TEXT)):
        for ending in endings:
            name = name.removesuffix(ending)
    if len(text.paths) == 1:
        name = CODE_PAIR.sub("", name)
    elif language_in_name(text.paths[0]):
        name = re.sub(rf"\.?{ENDING.pattern}$", "", name)
    return name.strip(".") or "text"


def needs_recipe(wish: Wish, run: RunFolder, notify: Notify) -> bool:
    """Check a text and return whether its recipe must be written: not if an earlier call did so.

    run: the run folder of the training. Raises NmtError if the check finds errors, and UsageError
    if the recipe, its data or its run belong to something else.
    """
    if is_present(wish.output):
        check_origin(wish, run)
        return False
    check_places(wish, run)
    check_alone(wish)
    check_text(wish, notify)
    return True


def check_origin(wish: Wish, run: RunFolder) -> None:
    """Raise UsageError unless the recipe that exists was made of these files as they are."""
    known, now = Origin.read(wish.folder), Origin.of(wish.text, wish.start)
    if not is_present(wish.folder):
        raise UsageError(
            f"{wish.output} exists, but its text in {wish.folder} is missing; put it back, or name"
            f" its data folder (--data-dir); to start again, move {wish.output} and {run.path}"
            f" away; if the recipe is yours, train it with `{wish.training}`"
        )
    if known is None:
        raise UsageError(
            f"{wish.output} exists, but {wish.folder / NAME} does not name its files; train it with"
            f" `{wish.training}`, name its data folder (--data-dir), or move it away"
        )
    changed = known.changed(now)
    if changed and known.files != now.files:
        raise UsageError(
            f"{wish.output} belongs to other files, {' and '.join(known.files)}; write a recipe of"
            f" another name: `nmt init {input_of(wish)} --output NAME.toml`"
        )
    if changed:
        raise UsageError(
            f"{' and '.join(changed)} changed since {wish.output} was written; `{wish.training}`"
            f" trains on the old text; to start again, move {wish.output}, {wish.folder} and"
            f" {run.path} away"
        )
    if known.init_from != now.init_from:
        raise UsageError(
            f"{wish.output} was written to start from {known.init_from or 'random weights'}, not"
            f" from {now.init_from or 'random weights'} (--init-from); write a recipe of another"
            f" name: `nmt init {input_of(wish)} --output NAME.toml`"
        )


def check_places(wish: Wish, run: RunFolder) -> None:
    """Raise UsageError unless the recipe, its sets and its run can be written to new places."""
    if run.is_in_use() or is_present(run.recipe):
        raise UsageError(
            f"{run.path} holds a training already, but the recipe {wish.output} does not exist;"
            f" resume it with `nmt train {argument(run.path)}`, or name another folder"
            " (--run)"
        )
    check_run_folder(run.path)
    if entries(wish.folder):
        raise UsageError(
            f"the folder {wish.folder} exists, but not its recipe {wish.output}, as after a crash;"
            " move the folder away and repeat the command, or name another data folder (--data-dir)"
        )
    check_output(wish.output, wish.text.paths, "the recipe")
    check_new(wish.folder / wish.files["train"][0], "--data-dir")


def check_alone(wish: Wish) -> None:
    """Raise UsageError if torchrun started several workers, which would all write the recipe."""
    if worker_count() > 1:
        raise UsageError(
            f"several workers cannot write {wish.output} together; write it first with `nmt init"
            f" {input_of(wish)} --output {argument(wish.output)}`, then train it"
        )


def check_text(wish: Wish, notify: Notify) -> None:
    """Check a text and print what was found in short; raises NmtError for errors."""
    task = Task((wish.text,), languages=wish.languages)
    report = check_corpus(task, CheckLimits())
    for line in brief_lines(report):
        notify(line)
    files = paths_of(wish)
    findings = [finding for text in report.texts for finding in text.findings]
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        if findings:
            notify(
                f"`nmt check {files}` prints the full report, and `nmt clean {files} -o"
                f" {new_names(wish).prefix}` removes bad pairs"
            )
        return
    fix = fix_of_errors(wish, errors)
    if is_cleanable(errors):
        train = f"nmt train {arguments(*new_names(wish).sides())}{language_options(wish)}"
        fix += f", then `{train}`"
    title = " and ".join(map(str, wish.text.paths))
    raise NmtError(f"{title} cannot be trained on; {fix}; `nmt check {files}` says more")


def is_cleanable(errors: Sequence[Finding]) -> bool:
    """Return whether `nmt clean` removes what is wrong."""
    return all(each.kind in CLEANABLE and each.percent <= FEW for each in errors)


def fix_of_errors(wish: Wish, errors: Sequence[Finding]) -> str:
    """Return what to do about the errors of a text."""
    if is_cleanable(errors):
        prefix = new_names(wish).prefix
        return f"leave these lines out: `nmt clean {paths_of(wish)} -o {prefix}`"
    return "correct the files as the report says"


def input_of(wish: Wish) -> str:
    """Return the files and options of `nmt init` that lead to the same recipe."""
    start = f" --init-from {argument(wish.start.path)}" if wish.start else ""
    folder = data_option(wish.data_dir)
    return f"{paths_of(wish)}{language_options(wish)}{start}{folder}"


def new_names(wish: Wish) -> Names:
    """Return the names of files, of which none exists, for the cleaned text and its rest."""
    prefixes = (f"clean{number if number > 1 else ''}" for number in count(1))
    names = (Names.of(prefix, wish.languages, wish.text.paths) for prefix in prefixes)
    return next(
        each
        for each in names
        if not any(map(is_present, (*each.sides(), each.path(f"{REJECTED}.tsv"))))
    )


def paths_of(wish: Wish) -> str:
    """Return the files as arguments of a command."""
    return arguments(*wish.text.paths)


def language_options(wish: Wish) -> str:
    """Return the options for the languages of a text unless its files' names state them."""
    if languages_in_names(wish.text.paths) == wish.languages:
        return ""
    source, target = wish.languages
    return f" --source-language {source} --target-language {target}"
