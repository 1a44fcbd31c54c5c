"""Prepare the training on files of text: check them, and have their recipe written once.

`nmt train SOURCE TARGET` does this; `new_recipe` writes the recipe.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from nmt.corpora.check import Task, check_corpus
from nmt.corpora.faults.detectors import CheckLimits
from nmt.corpora.faults.findings import FEW, Finding
from nmt.corpora.faults.report import brief_lines
from nmt.corpora.new_recipe import ORIGIN, Origin, RecipeRequest, find_origin, text_arguments
from nmt.corpora.pairs import REJECTED, Names
from nmt.errors import NmtError, UsageError
from nmt.recipe.toml import recipe_from_tables
from nmt.runs.outputs import check_new, check_output, check_run_folder
from nmt.runs.run_folder import RunFolder
from nmt.system.arguments import argument
from nmt.system.files import entries, is_present, read_text
from nmt.system.json_data import parse_json
from nmt.system.log import Notify
from nmt.system.processes import worker_count
from nmt.text.reading.corpus import ParallelText
from nmt.text.reading.languages import (
    BILINGUAL,
    CODE_PAIR,
    ENDING,
    PACKED,
    TABLES,
    TEXT,
    language_in_name,
)

LARGEST = 1_000_000  # bytes of an origin; it has paths and hashes
CLEANABLE = {"encoding", "broken_unit", "no_tab"}  # errors that `nmt clean` removes


def recipe_path(texts: Sequence[ParallelText], *, both_directions: bool = False) -> Path:
    """Return the path of the recipe for texts: corpus_en_de.toml for corpus.en and corpus.de.

    It is in the current folder, whatever the folder of the text. It is named after the first text
    and all languages. Raises UsageError for a name that no recipe can have.
    """
    text = texts[0]
    stem = text.paths[0].name
    for endings in (PACKED, (*TABLES, *BILINGUAL, *TEXT)):
        for ending in endings:
            stem = stem.removesuffix(ending)
    if len(text.paths) == 1:
        stem = CODE_PAIR.sub("", stem)
    elif language_in_name(text.paths[0]):
        stem = re.sub(rf"\.?{ENDING.pattern}$", "", stem)
    codes = chain(text.languages, *(text.languages for text in texts[1:]))
    both = ("both",) if both_directions else ()
    names = (stem.strip(".") or "text", *(dict.fromkeys(codes) if texts[1:] else codes), *both)
    path = Path(f"{'_'.join(names)}.toml")
    try:
        recipe_from_tables({}, path.stem, str(path))
    except NmtError as error:
        name = repr(text.paths[0].name)
        raise UsageError(f"a recipe cannot be named after {name}; rename the file") from error
    return path


def needs_recipe(request: RecipeRequest, run: RunFolder, notify: Notify) -> bool:
    """Check a text and return whether its recipe must be written: not if an earlier call did so.

    run: the run folder of the training. Raises NmtError if the check finds errors, and UsageError
    if the recipe, its data or its run belong to something else.
    """
    if is_present(request.output):
        check_origin(request, run)
        return False
    check_outputs(request, run)
    if worker_count() > 1:
        raise UsageError(
            f"several workers cannot write {request.output} together; write it first with `nmt init"
            f" {request.arguments} --output {argument(request.output)}`, then train it"
        )
    check_text(request, notify)
    return True


def check_origin(request: RecipeRequest, run: RunFolder) -> None:
    """Raise UsageError unless the recipe that exists was made of these files as they are."""
    output, path, known = request.output, request.folder / ORIGIN, None
    if is_present(path):
        known = parse_json(read_text(path, "the file", most=LARGEST), Origin, str(path))
    now = find_origin(request)
    other = f"write a recipe of another name: `nmt init {request.arguments} --output NAME.toml`"
    if not is_present(request.folder):
        raise UsageError(
            f"{output} exists, but its text in {request.folder} is missing; put it back, or name"
            f" its data folder (--data-dir); to start again, move {output} and {run.path}"
            f" away; if the recipe is yours, train it with `{request.training}`"
        )
    if known is None:
        raise UsageError(
            f"{output} exists, but {path} does not name its files; train it with"
            f" `{request.training}`, name its data folder (--data-dir), or move it away"
        )
    if known.sha256 != now.sha256 and known.files != now.files:
        raise UsageError(f"{output} belongs to other files, {' and '.join(known.files)}; {other}")
    if known.sha256 != now.sha256:
        both = zip(now.files, known.sha256, now.sha256, strict=False)
        changed = " and ".join(path for path, old, new in both if old != new)
        raise UsageError(
            f"{changed} changed since {output} was written; `{request.training}`"
            f" trains on the old text; to start again, move {output}, {request.folder} and"
            f" {run.path} away"
        )
    if known.directions not in ((), now.directions):
        raise UsageError(f"{output} is for {', '.join(known.directions)}; {other}")
    if known.init_from != now.init_from:
        raise UsageError(
            f"{output} was written to start from {known.init_from or 'random weights'}, not"
            f" from {now.init_from or 'random weights'} (--init-from); {other}"
        )


def check_outputs(request: RecipeRequest, run: RunFolder) -> None:
    """Raise UsageError unless the recipe, its sets and its run can be written as new ones."""
    output, folder = request.output, request.folder
    if run.is_in_use() or is_present(run.recipe):
        raise UsageError(
            f"{run.path} holds a training already, but the recipe {output} does not exist; resume"
            f" it with `nmt train {argument(run.path)}`, or name another folder (--run)"
        )
    check_run_folder(run.path)
    if entries(folder):
        raise UsageError(
            f"the folder {folder} exists, but not its recipe {output}, as after a crash; move the"
            " folder away and repeat the command, or name another data folder (--data-dir)"
        )
    check_output(output, request.paths, "the recipe")
    check_new(request.files[0]["train"][0], "--data-dir")


def check_text(request: RecipeRequest, notify: Notify) -> None:
    """Check the texts and print what was found in short; raises NmtError for errors."""
    report = check_corpus(Task(request.texts), CheckLimits())
    for line in brief_lines(report):
        notify(line)
    checked = text_arguments(request.texts)
    reports = zip(request.texts, report.texts, strict=True)
    found = [(text, text_report.findings) for text, text_report in reports]
    for text, findings in found:
        errors = [finding for finding in findings if finding.severity == "error"]
        if not errors:
            continue
        fix = suggest_fix(text, errors)
        if is_cleanable(errors):
            cleaned = replace(text, paths=new_names(text).sides(), reader=None)
            texts = [cleaned if other is text else other for other in request.texts]
            fix += f", then `nmt train {text_arguments(texts)}{request.both}`"
        title = " and ".join(map(str, text.paths))
        raise NmtError(f"{title} cannot be trained on; {fix}; `nmt check {checked}` says more")
    for text in [text for text, findings in found if findings][:1]:
        notify(
            f"`nmt check {checked}` prints the full report, and `nmt clean"
            f" {text_arguments([text])} -o {new_names(text).prefix}` removes bad pairs"
        )


def is_cleanable(errors: Sequence[Finding]) -> bool:
    """Return whether `nmt clean` removes what is wrong."""
    return all(error.kind in CLEANABLE and error.percent <= FEW for error in errors)


def suggest_fix(text: ParallelText, errors: Sequence[Finding]) -> str:
    """Return what to do about the errors of a text."""
    if is_cleanable(errors):
        prefix = new_names(text).prefix
        clean = f"nmt clean {text_arguments([text])} -o {prefix}"
        return f"leave these {text.unit}s out: `{clean}`"
    return "correct the files as the report says"


def new_names(text: ParallelText) -> Names:
    """Return the names of files, of which none exists, for the cleaned text and its rest."""
    for number in count(1):
        names = Names.for_text(f"clean{number if number > 1 else ''}", text)
        if not any(map(is_present, (*names.sides(), names.path(f"{REJECTED}.tsv")))):
            break
    return names
