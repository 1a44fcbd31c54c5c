"""Make training pairs of text with models, in one job that continues where it was stopped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nmt import __version__
from nmt.corpora.augment.held_out import HeldOut
from nmt.corpora.augment.material import Material
from nmt.corpora.augment.methods import Method
from nmt.corpora.augment.next_recipe import NextRecipe, RecipeWish, next_recipe
from nmt.corpora.augment.pairs import GIVEN, Made, made_pairs
from nmt.corpora.augment.passes import (
    Load,
    Pass,
    check_languages,
    load_passes,
    translate_passes,
)
from nmt.corpora.augment.report import FORMAT, AugmentReport, ModelReport
from nmt.corpora.augment.verdicts import REASONS
from nmt.corpora.clean.files import REJECTED, Names, check_paths, row, text_outputs
from nmt.decoding.files.resumable import Resumption, digest_job, forget, open_kept, record_path
from nmt.decoding.files.text_files import kept_path
from nmt.errors import NmtError, UsageError
from nmt.system.log import Notify, progress_bar
from nmt.text.manifest import hash_of

COMMAND = "augment"
VERSION = 1  # of the verdicts; an output of another version is not continued


class NothingLeftError(NmtError):
    """Report that no pair can be made of a text, so that its translations are not kept."""


@dataclass(frozen=True)
class AugmentTask:
    """Hold the input of `nmt augment`."""

    method: Method
    paths: tuple[Path, ...]  # of the text
    models: tuple[Path, ...]
    reverse_models: tuple[Path, ...]  # that read the target of a parallel text
    prefix: str  # of the files to write
    recipe: RecipeWish | None = None
    options: str = ""  # on which translations depend, beside the settings

    @property
    def material(self) -> Material:
        """Return the text."""
        return Material(self.method, self.paths)


def augment(task: AugmentTask, load: Load, notify: Notify) -> AugmentReport:
    """Translate a text with each model, and write the pairs.

    The pairs appear when all are there. Until then, translations are kept, and the same task goes
    on after the last of them.

    load: loads a model. notify: receives what a user should know. Raises NmtError for text or
    models that cannot be used, or if no pair is left, UsageError for models of the wrong direction
    and for an output that was begun with other models, text or settings.
    """
    material = task.material
    material.check()
    passes = load_passes(task.models, task.reverse_models, task.method.side, load)
    check_languages(passes, material, notify)
    languages = passes[0].languages
    names = Names.of_languages(task.prefix, languages, task.paths)
    files = {"pairs": names.sides(), REJECTED: (names.path(f"{REJECTED}.tsv"),)}
    check_paths(files, task.paths)
    recipe = None
    if task.recipe:
        recipe = next_recipe(task.recipe, material, names.sides(), languages, COMMAND, notify)
        files["recipe"] = (recipe.path,)
    before = [*map(last_change, task.paths)]
    lines = material.count()
    output = names.path("translations.jsonl")
    output.parent.mkdir(parents=True, exist_ok=True)
    resumption = Resumption(output, job(task, passes), option="")
    notify(
        f"{lines:,} lines, {len(passes)} times to translate" if passes[1:] else f"{lines:,} lines"
    )
    result: AugmentReport | NothingLeftError
    with open_kept(resumption) as written:
        translate_passes(passes, material, lines, resumption, written, notify)
        try:
            result = write_pairs(task, passes, files, recipe, output, lines, before)
        except NothingLeftError as error:
            result = error
    forget(output)
    if isinstance(result, NothingLeftError):
        raise result
    return result


def job(task: AugmentTask, passes: Sequence[Pass]) -> str:
    """Return a digest of all that the translations depend on, except for the text."""
    jobs = [digest_job(each.model, each.settings, {"side": each.side}) for each in passes]
    return hash_of(VERSION, task.method.name, task.options, jobs)


def write_pairs(
    task: AugmentTask,
    passes: Sequence[Pass],
    files: dict[str, tuple[Path, ...]],
    recipe: NextRecipe | None,
    output: Path,
    lines: int,
    before: Sequence[tuple[int, ...]],
) -> AugmentReport:
    """Write the pairs, those that are left out, and the recipe: all or nothing.

    output: the output whose kept lines hold the translations. lines: of the text. before: the
    sizes and times of its files when this command began. Raises NothingLeftError if no pair is
    left, UsageError if a file has changed.
    """
    kept, removed = Counter[int](), Counter[str]()
    with text_outputs(files) as streams:
        streams[REJECTED][0].write(row("line", "model", "reason", "detail", "source", "target"))
        held_out = recipe.held_out if recipe else HeldOut()
        made = made_pairs(task.material, [each.side for each in passes], output, held_out)
        for each in progress_bar(iterable=made, unit="pair", unit_scale=True, desc="write"):
            if each.reason:
                removed[each.reason] += 1
                streams[REJECTED][0].write(rejected_row(each))
            else:
                kept[each.origin] += 1
                write_pair(streams["pairs"], each)
        check_unchanged(task.paths, before, output)
        if not any(kept[number] for number in range(1, len(passes) + 1)):
            reason = removed.most_common(1)[0][0]
            raise NothingLeftError(
                f"no pair can be made of {task.material.title}; most are left out for {reason}:"
                f" {REASONS[reason]}"
            )
        if recipe:
            streams["recipe"][0].write(recipe.text)
    data = [each.model.recipe.data for each in passes]
    return AugmentReport(
        FORMAT,
        __version__,
        task.method.name,
        tuple(map(str, task.paths)),
        tuple(str(path) for each in files.values() for path in each),
        lines,
        kept[GIVEN],
        tuple(
            ModelReport(
                str(each.model.path), f"{pair.source_language}-{pair.target_language}", kept[number]
            )
            for number, (each, pair) in enumerate(zip(passes, data, strict=True), start=1)
        ),
        {name: removed[name] for name in REASONS if removed[name]},
        recipe.tag if recipe else "",
    )


def last_change(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a file is written or replaced; none if it is absent."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(paths: Sequence[Path], before: Sequence[tuple[int, ...]], output: Path) -> None:
    """Raise UsageError if a file has changed while the command ran: its lines may be others.

    before: what `last_change` returned for each file at the start. output: the output whose kept
    lines hold the translations.
    """
    for path, old in zip(paths, before, strict=True):
        if last_change(path) != old:
            raise UsageError(
                f"{path} was changed while `nmt {COMMAND}` ran; restore it and give the same"
                f" command again, or remove {kept_path(output)} and {record_path(output)} to start"
                " again"
            )


def write_pair(streams: Sequence[IO[str]], made: Made) -> None:
    """Write a pair to the files of source and target."""
    for stream, text in zip(streams, made.pair, strict=True):
        stream.write(f"{text}\n")


def rejected_row(made: Made) -> str:
    """Return the line of the file of rejected pairs; model 0 is the text itself."""
    return row(made.line, made.origin, made.reason, made.detail, *made.pair)
