"""Make the first recipe for a corpus of one's own: divide the text and choose the settings.

`nmt init` does this, and `nmt train SOURCE TARGET` after a check of the text.
"""

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from nmt.config import Recipe
from nmt.corpora.check import Task, check_corpus
from nmt.corpora.detectors import CheckLimits
from nmt.corpora.findings import Finding
from nmt.corpora.held_out import HashedPairs, Plan, Sides, Sizes, hold_out, write_sets
from nmt.corpora.pairs import REJECTED, Names, shown
from nmt.corpora.presets import (
    ChosenSettings,
    CorpusFacts,
    StartModel,
    commented_recipe,
    fine_tuning_settings,
    needs_gpu,
)
from nmt.corpora.report import brief_lines
from nmt.corpora.survey import few_pairs_notes, fitting_settings, survey, training_pairs
from nmt.errors import NmtError, UsageError
from nmt.recipe.rules import check_together
from nmt.recipe.settings import with_settings
from nmt.recipe.toml import recipe_from_tables, toml_value
from nmt.runs.outputs import check_new, check_output, check_run_folder
from nmt.runs.run_folder import RunFolder
from nmt.system.arguments import argument, arguments, data_option
from nmt.system.atomic import atomic_folder, write_text
from nmt.system.devices import pick_device
from nmt.system.files import entries, is_present, read_text, sha256_of
from nmt.system.json_data import json_text, parse_json
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
from nmt.text.lines import TEXT as TEXT_FILE
from nmt.text.lines import text_file


@dataclass(frozen=True)
class RecipeRequest:
    """Hold the input of `nmt init`."""

    text: ParallelText  # with its languages
    output: Path  # the recipe to write
    data_dir: Path
    dev: ParallelText | None = None  # held out of the text if there is none
    test: ParallelText | None = None
    has_gpu: bool | None = None  # of the machine that will train; None: look at this one
    start: StartModel | None = None  # the model that training starts from
    command: str = "nmt init"  # that writes the recipe

    @property
    def name(self) -> str:
        """Return the name of the recipe."""
        return self.output.stem

    @property
    def folder(self) -> Path:
        """Return the folder of the sets that are written."""
        return self.data_dir / self.name

    @property
    def training(self) -> str:
        """Return the command that trains with the recipe."""
        return f"nmt train {argument(self.output)}{data_option(self.data_dir)}"

    @property
    def held_out(self) -> list[str]:
        """Return the names of the sets to hold out of the text."""
        return [kind for kind in ("dev", "test") if getattr(self, kind) is None]

    @property
    def files(self) -> dict[str, tuple[Path, Path]]:
        """Return the files of source and target by set. They are for a divided text."""
        source, target = self.text.languages
        sides = (source, target) if source != target else ("source", "target")
        packed = ".gz" if any(path.suffix in (".gz", ".xz") for path in self.text.paths) else ""
        first, second = (f"{side}{packed}" for side in sides)
        kinds = ["train", *self.held_out]
        return {
            kind: (self.folder / f"{kind}.{first}", self.folder / f"{kind}.{second}")
            for kind in kinds
        }

    @property
    def arguments(self) -> str:
        """Return the files and options of `nmt init` that lead to the same recipe."""
        start = f" --init-from {argument(self.start.path)}" if self.start else ""
        return f"{self.files_and_languages()}{start}{data_option(self.data_dir)}"

    def files_and_languages(self, paths: Sequence[Path] = ()) -> str:
        """Return files as arguments of a command, and the languages that their names do not state.

        paths: those of the text by default.
        """
        options = ""
        named = paths if paths and self.text.reader else self.text.paths
        if languages_in_names(named) != self.text.languages:
            source, target = self.text.languages
            options = f" --source-language {source} --target-language {target}"
        return f"{arguments(*(paths or self.text.paths))}{options}"

    @property
    def checked(self) -> str:
        """Return the text as arguments of `nmt check` and `nmt clean`."""
        if self.text.reader:
            return self.files_and_languages()
        return arguments(*self.text.paths)


ORIGIN = "origin.json"  # in the folder of the sets
LARGEST = 1_000_000  # bytes; it has two paths and hashes


@dataclass(frozen=True)
class Origin:
    """Name the files that sets were made of."""

    files: tuple[str, ...]  # absolute paths
    sha256: tuple[str, ...]  # of each file
    init_from: str = ""  # absolute path of the model that the recipe fine-tunes


def find_origin(request: RecipeRequest) -> Origin:
    """Return the origin of sets that are made now; raises NmtError for an unreadable file."""
    paths, start = request.text.paths, request.start
    hashes = (sha256_of(path, TEXT_FILE) for path in paths)
    model = os.path.realpath(start.path) if start else ""
    return Origin(tuple(map(os.path.realpath, paths)), tuple(hashes), model)


def make_recipe(request: RecipeRequest, notify: Notify, remarks: Sequence[str] = ()) -> None:
    """Read a corpus, hold out dev and test sets as needed, and write a recipe.

    notify: receives warnings, then what was found and written. remarks: more comments for the head
    of the recipe. Raises NmtError for text that cannot be read or does not align, or is too small
    to hold something out, UsageError for files that exist already or cannot be used. In either case
    nothing is written.
    """
    given = [text for text in (request.dev, request.test) if text]
    for text in (request.text, *given):
        text.check()
        text.entry(request.data_dir)  # its names can stand in a recipe
    if request.held_out:
        check_folder(request.folder)
    origin = find_origin(request)
    known, shared = read_given(given)
    name = str(request.text.paths[0])
    facts, hasher = survey(shown(request.text.pairs(), "read"), name, known)
    plan = hold_out(
        hasher,
        Sizes(dev=0 if request.dev else None, test=0 if request.test else None),
        name=name,
        fix="give `nmt init` a dev and a test set with --dev and --test",
    )
    is_divided = bool(request.held_out or hasher.overlap)
    settings = suitable_settings(request, facts, plan)
    settings = with_data(request, settings, is_divided=is_divided)
    warn(request, facts, hasher.overlap, shared, notify)
    base = request.start.recipe if request.start else Recipe(request.name)
    recipe = with_settings(base, settings.values)
    check_together(recipe)
    first_lines = [*heading(request, facts, hasher.blank, settings), *remarks]
    extends = request.start.link(request.output) if request.start else ""
    written = commented_recipe(first_lines, settings, extends)
    sets = write_files(request, written, origin, plan if is_divided else None)
    more = f", {hasher.blank:,} more with an empty side" if hasher.blank else ""
    notify(f"{facts.pairs:,} pairs, {' to '.join(request.text.languages)}{more}")
    if sets:
        repeated = facts.pairs - sum(sets.values())
        notify(f"{request.folder}: {sets_words(sets, repeated, is_clean=not shared)}")
    model = recipe.model
    notify(
        f"{request.output}: {model.encoder_layers}+{model.decoder_layers} layers,"
        f" d_model {model.d_model}, {recipe.tokenizer.vocab_size:,} tokens, at most"
        f" {recipe.train.max_updates:,} updates; its comments say why"
    )
    for line in settings.notes:
        notify(line)


def sets_words(sets: dict[str, int], repeated: int, *, is_clean: bool) -> str:
    """Return the sizes of sets in words, and whether they have near duplicates.

    repeated: pairs that are in no set. is_clean: whether the given dev and test sets share none.
    """
    sizes = ", ".join(f"{pairs:,} {name}" for name, pairs in sets.items())
    clean = "no two sets share a near duplicate"
    if repeated:
        clean = "1 pair is left out as a near duplicate of a pair in another set"
        if repeated > 1:
            clean = f"{repeated:,} pairs are left out as near duplicates of pairs in other sets"
    elif not is_clean:
        clean = "the training text has no near duplicate of another set"
    return f"{sizes} pairs; {clean}"


def read_given(given: Sequence[ParallelText]) -> tuple[Sides, int]:
    """Return the segments of given sets, and how many pairs are nearly in an earlier one."""
    known, shared = Sides(), 0
    for text in given:
        hasher = HashedPairs(text.pairs(), known)
        shared += hasher.overlap
        known = hasher.segments()
    return known, shared


def check_folder(folder: Path) -> None:
    """Raise UsageError unless the sets can be written into a folder, which must be new or empty."""
    if names := [path.name for path in entries(folder)]:
        raise UsageError(
            f"the folder {folder} exists already and holds {names[0]}; choose another name for the"
            " recipe"
        )


def suitable_settings(request: RecipeRequest, facts: CorpusFacts, plan: Plan) -> ChosenSettings:
    """Return the settings for a corpus, or for the model to fine-tune."""
    if request.start:
        return fine_tuning_settings(facts, request.start)
    has_gpu = request.has_gpu
    if has_gpu is None:  # look only if that matters
        has_gpu = needs_gpu(facts) and pick_device().type == "cuda"
    return fitting_settings(
        facts, lambda: training_pairs(request.text.pairs(), plan), has_gpu=has_gpu
    )


def write_files(
    request: RecipeRequest, text: str, origin: Origin, plan: Plan | None
) -> dict[str, int]:
    """Write the recipe, and the sets with their origin if the text is divided: all or nothing.

    Returns the number of pairs by set.
    """
    if plan is None:
        write_text(request.output, text)
        return {}
    check_folder(request.folder)
    with atomic_folder(request.folder) as partial, ExitStack() as stack:
        streams = {
            kind: [stack.enter_context(text_file(partial / path.name)) for path in paths]
            for kind, paths in request.files.items()
        }
        sets = write_sets(request.text, plan, streams)
        write_text(partial / ORIGIN, json_text(origin, indent=1) + "\n")
    try:
        write_text(request.output, text)
    except BaseException:
        shutil.rmtree(request.folder, ignore_errors=True)
        raise
    return sets


def warn(
    request: RecipeRequest, facts: CorpusFacts, overlap: int, shared: int, notify: Notify
) -> None:
    """Print notes that a user should read before training."""
    if not request.start:
        for line in few_pairs_notes(facts.pairs):
            notify(line)
    if overlap:
        notify(
            f"{overlap:,} more pairs are left out: their source or target is nearly equal to"
            " one in the given dev or test set, which would make scores too high"
        )
    if shared:
        notify(
            f"{shared:,} pairs of the given test set have a source or target that is nearly equal"
            " to one in the given dev set: test scores will be too high; remove these pairs from"
            " one of the two sets"
        )


def heading(
    request: RecipeRequest, facts: CorpusFacts, blank: int, settings: ChosenSettings
) -> list[str]:
    """Return the first comments of the recipe."""
    files = " and ".join(toml_value(path.name) for path in request.text.paths)
    words = round(facts.words / facts.pairs)
    rest = "the model's value" if request.start else "its default"
    left_out = f" {blank:,} pairs with an empty side do not count." if blank else ""
    return [
        f"Recipe for {files}, written by `{request.command}`.",
        f"{facts.pairs:,} pairs of about {words:,} words each.{left_out}",
        *settings.notes,
        f"A setting that is not here has {rest}; `nmt settings` lists them all.",
    ]


def with_data(
    request: RecipeRequest, settings: ChosenSettings, *, is_divided: bool
) -> ChosenSettings:
    """Return settings with those of the [data] section.

    is_divided: whether sets are written, or the recipe names the files as they are.
    """
    texts = {"train": request.text, "dev": request.dev, "test": request.test}
    if is_divided:
        texts |= {kind: ParallelText(paths) for kind, paths in request.files.items()}
    entries = {kind: text.entry(request.data_dir) for kind, text in texts.items() if text}
    source, target = request.text.languages
    data = {
        "data.source_language": source,
        "data.target_language": target,
        "data.train": [entries["train"]],
        "data.dev": [entries["dev"]],
        # A model's own recipe may download its text, which this training does not use.
        "data.downloads": [],
        "data.test": {request.name: entries["test"]},
    }
    if not (request.start and request.start.recipe.data.downloads):
        del data["data.downloads"]
    reasons = dict(settings.reasons)
    if is_divided:
        reasons["data.train"] = "all pairs that are not in the dev and test sets"
    if not request.dev:
        reasons["data.dev"] = "held out; scored during training to choose the best model"
    if not request.test:
        reasons["data.test"] = "held out; no near duplicate of it is in the training text"
    return ChosenSettings(data | settings.values, reasons, settings.notes)


CLEANABLE = {"encoding", "broken_unit", "no_tab"}  # errors that `nmt clean` removes
FEW = 5  # percent of the lines; with more, the whole file has another encoding or form


def recipe_path(text: ParallelText) -> Path:
    """Return the path of the recipe for a text: corpus_en_de.toml for corpus.en and corpus.de.

    It is in the current folder, whatever the folder of the text. Raises UsageError for a name that
    no recipe can have.
    """
    stem = text.paths[0].name
    for endings in (PACKED, (*TABLES, *BILINGUAL, *TEXT)):
        for ending in endings:
            stem = stem.removesuffix(ending)
    if len(text.paths) == 1:
        stem = CODE_PAIR.sub("", stem)
    elif language_in_name(text.paths[0]):
        stem = re.sub(rf"\.?{ENDING.pattern}$", "", stem)
    path = Path(f"{'_'.join((stem.strip('.') or 'text', *text.languages))}.toml")
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
    check_places(request, run)
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
    if known.init_from != now.init_from:
        raise UsageError(
            f"{output} was written to start from {known.init_from or 'random weights'}, not"
            f" from {now.init_from or 'random weights'} (--init-from); {other}"
        )


def check_places(request: RecipeRequest, run: RunFolder) -> None:
    """Raise UsageError unless the recipe, its sets and its run can be written to new places."""
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
    check_output(output, request.text.paths, "the recipe")
    check_new(request.files["train"][0], "--data-dir")


def check_text(request: RecipeRequest, notify: Notify) -> None:
    """Check a text and print what was found in short; raises NmtError for errors."""
    report = check_corpus(Task((request.text,)), CheckLimits())
    for line in brief_lines(report):
        notify(line)
    files = request.checked
    findings = [finding for text in report.texts for finding in text.findings]
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        if findings:
            notify(
                f"`nmt check {files}` prints the full report, and `nmt clean {files} -o"
                f" {new_names(request).prefix}` removes bad pairs"
            )
        return
    fix = suggest_fix(request, errors)
    if is_cleanable(errors):
        train = f"nmt train {request.files_and_languages(new_names(request).sides())}"
        fix += f", then `{train}`"
    title = " and ".join(map(str, request.text.paths))
    raise NmtError(f"{title} cannot be trained on; {fix}; `nmt check {files}` says more")


def is_cleanable(errors: Sequence[Finding]) -> bool:
    """Return whether `nmt clean` removes what is wrong."""
    return all(error.kind in CLEANABLE and error.percent <= FEW for error in errors)


def suggest_fix(request: RecipeRequest, errors: Sequence[Finding]) -> str:
    """Return what to do about the errors of a text."""
    if is_cleanable(errors):
        prefix = new_names(request).prefix
        return f"leave these {request.text.unit}s out: `nmt clean {request.checked} -o {prefix}`"
    return "correct the files as the report says"


def new_names(request: RecipeRequest) -> Names:
    """Return the names of files, of which none exists, for the cleaned text and its rest."""
    for number in count(1):
        names = Names.of(f"clean{number if number > 1 else ''}", request.text)
        if not any(map(is_present, (*names.sides(), names.path(f"{REJECTED}.tsv")))):
            break
    return names
