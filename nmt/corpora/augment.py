"""Make training pairs of text with models, in one job that continues where it was stopped."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import IO

import numpy

from nmt import __version__
from nmt.config import DecodeSettings
from nmt.corpora.examine import hash_text
from nmt.corpora.filters import SeenHashes
from nmt.corpora.findings import UNREADABLE
from nmt.corpora.held_out import near_hash
from nmt.corpora.next_recipe import (
    DUPLICATES,
    EMPTY,
    HELD_OUT,
    REASONS,
    SOURCE,
    TARGET,
    Material,
    Method,
    NextRecipe,
    RecipeWish,
    Verdict,
    judged,
    next_recipe,
)
from nmt.corpora.pairs import REJECTED, Names, Refused, check_paths, row, text_outputs
from nmt.corpora.report import table
from nmt.decoding.files.resumable import Resumption, digest_job, forget, open_kept, record_path
from nmt.decoding.files.text_files import Output, kept_path
from nmt.decoding.stream import Source, chunks_of
from nmt.decoding.translator.translation import Request
from nmt.decoding.translator.translator import Translator
from nmt.errors import DamagedError, NmtError, UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import Notify, progress_bar
from nmt.text.corpus import Pair
from nmt.text.facts import pair_hashes
from nmt.text.manifest import hash_of

GIVEN = 0  # the origin of pairs that are part of the text
BLOCK_PAIRS = 20_000  # whose hashes are compared at once


@dataclass(frozen=True)
class Made:
    """Hold a pair, and why it is left out; no reason: it is kept."""

    origin: int  # GIVEN, or the number of the model, from 1
    line: int  # of the text, from 1
    pair: Pair
    reason: str = ""
    detail: str = ""


def made_pairs(
    material: Material, sides: Sequence[int], translations: Path, held_out: Set[int]
) -> Iterator[Made]:
    """Yield the pairs of a parallel text, then those that each model makes of it, without repeats.

    sides: those that the models read. translations: the output whose kept lines hold the verdicts.
    held_out: hashes of lines of which no pair is made.
    """
    found = in_blocks(all_pairs(material, sides, kept_path(translations), held_out))
    seen = SeenHashes()
    for block in found:
        good = [place for place, each in enumerate(block) if not each.reason]
        hashes = [[hash_text(side) for side in block[place].pair] for place in good]
        repeated = seen.add(pair_hashes(numpy.array(hashes, numpy.uint64).reshape(-1, 2).T))
        for place in numpy.array(good, numpy.intp)[repeated]:
            each = block[place]
            block[place] = Made(each.origin, each.line, each.pair, DUPLICATES, REASONS[DUPLICATES])
        yield from block


def in_blocks(pairs: Iterable[Made]) -> Iterator[list[Made]]:
    """Yield pairs in lists."""
    following = iter(pairs)
    while block := [*islice(following, BLOCK_PAIRS)]:
        yield block


def all_pairs(
    material: Material, sides: Sequence[int], kept: Path, held_out: Set[int]
) -> Iterator[Made]:
    """Yield the pairs of a parallel text, then those that each model makes, with repeats.

    kept: a file with the verdicts on the translations of all models, one after the other.
    """
    if material.method.side is None:
        for line, pair, is_unreadable in lines_of(material):
            reason = UNREADABLE if is_unreadable else ""
            if not reason and not all(side.strip() for side in pair):
                reason = EMPTY
            if held_out and not reason and not held_out.isdisjoint(map(near_hash, pair)):
                reason = HELD_OUT
            yield Made(GIVEN, line, pair, reason, REASONS.get(reason, ""))
    with kept.open(encoding="utf-8", newline="\n") as stream:
        for origin, side in enumerate(sides, start=1):
            for line, pair, is_unreadable in lines_of(material):
                verdict = next_verdict(stream, kept)
                text = Pair(pair[0], verdict.text) if side == 0 else Pair(verdict.text, pair[1])
                reason = UNREADABLE if is_unreadable else verdict.reason
                if held_out and not reason and near_hash(pair[side]) in held_out:
                    reason = HELD_OUT
                detail = verdict.detail or REASONS.get(reason, "")
                yield Made(origin, line, text, reason, detail)


def lines_of(material: Material) -> Iterator[tuple[int, Pair, bool]]:
    """Yield the number of each line of a text, its pair, and whether it cannot be read."""
    refused = Refused()
    for line, pair in enumerate(material.pairs(refused), start=1):
        yield line, pair, line in refused.unreadable or line in refused.without_tab


def next_verdict(stream: Iterator[str], kept: Path) -> Verdict:
    """Return the verdict on the next translation; raises DamagedError if there is none."""
    line = next(stream, None)
    if line is None:
        raise DamagedError(f"{kept} has fewer lines than were translated; remove it to start again")
    return Verdict.of_line(line, str(kept))


Load = Callable[[Path], tuple[TrainedModel, DecodeSettings]]


@dataclass(frozen=True)
class Pass:
    """Hold a model, and the side of a text that it translates."""

    model: TrainedModel
    settings: DecodeSettings
    side: int  # that it reads

    @property
    def languages(self) -> tuple[str, str]:
        """Return the languages of source and target of the pairs that it makes."""
        data = self.model.recipe.data
        pair = data.source_language, data.target_language
        return pair if self.side == SOURCE else (pair[1], pair[0])

    def __str__(self) -> str:
        """Return a phrase such as "runs/de_en/model.safetensors, from de to en"."""
        data = self.model.recipe.data
        return f"{self.model.path}, from {data.source_language} to {data.target_language}"


def load_passes(
    models: Sequence[Path], reverse_models: Sequence[Path], side: int | None, load: Load
) -> list[Pass]:
    """Return a pass for each model.

    Args:
        models: those that read the text, if it is monolingual; else those that read the source.
        reverse_models: those that read the target of a parallel text.
        side: of pairs, that the text is; None: it is parallel.
        load: loads a model.
    """
    sides = [(path, SOURCE if side is None else side) for path in models]
    sides += [(path, TARGET) for path in reverse_models]
    return [Pass(*load(path), each) for path, each in sides]


def check_languages(passes: Sequence[Pass], material: Material, notify: Notify) -> None:
    """Raise UsageError for a model of the wrong direction, by the names of files and by the others.

    notify: receives what seems odd.
    """
    first = passes[0]
    named = material.languages()
    for each in passes:
        if each.languages != first.languages:
            raise UsageError(
                f"{first} and {each} do not go together: one makes pairs"
                f" {' to '.join(first.languages)}, the other {' to '.join(each.languages)}"
            )
        read, written = each.languages[each.side], each.languages[1 - each.side]
        found = named[each.side]
        if found and found == written and read != written:
            raise UsageError(
                f"{material.title} is {found} by its name, so {material.method.name} needs a model"
                f" that reads {found}, and this one does not: {each}"
            )
        if found and found != read:
            notify(f"{material.title} is {found} by its name, but the model reads {read}: {each}")


class Asked:
    """Iterate over the requests of all passes in chunks, and know the place of each chunk."""

    def __init__(self, passes: Sequence[Pass], material: Material) -> None:
        self._chunks = (
            (number, [*map(Request, chunk)])
            for number, each in enumerate(passes)
            for chunk in chunks_of(Source(segments(material, each.side)))
        )
        self.number = 0  # of the pass of the last chunk
        self.line = 1  # that comes after the last chunk

    def __iter__(self) -> Iterator[list[Request]]:
        return self

    def __next__(self) -> list[Request]:
        number, chunk = next(self._chunks)
        if number != self.number:
            self.number, self.line = number, 1
        self.line += len(chunk)
        return chunk

    def numbered(self, rest: list[Request]) -> Iterator[tuple[int, list[Request]]]:
        """Yield what is left of a chunk and all later chunks, with the numbers of their passes."""
        if rest:
            yield self.number, rest
        for chunk in self:
            yield self.number, chunk


def segments(material: Material, side: int) -> Iterator[str]:
    """Yield one side of a text; lines that cannot be read are blank."""
    return (pair[side] for pair in material.pairs(Refused()))


def translate_passes(
    passes: Sequence[Pass],
    material: Material,
    lines: int,
    resumption: Resumption,
    written: Output,
    notify: Notify,
) -> None:
    """Write a line with the verdict on each translation of each pass, from where it was stopped.

    lines: of the text.
    """
    asked = Asked(passes, material)
    total = lines * len(passes)
    with progress_bar(
        unit="segment", desc="translate", total=total, initial=written.done.lines
    ) as bar:
        rest = resumption.check(asked)
        for number, group in groupby(asked.numbered(rest), key=lambda each: each[0]):
            translator = Translator(passes[number].model, passes[number].settings, notify)
            translator.searcher.keep_one_backend()
            subwords = translator.tokenizer.source
            sent = list[list[str]]()  # the segments of chunks that are being translated
            first_line = written.done.lines - number * lines + 1
            for chunk in translator.chunks(sending(group, resumption, sent), first_line):
                verdicts = judged(subwords, sent.pop(0), chunk)
                written.write([each.as_line() for each in verdicts], len(chunk))
                bar.update(len(chunk))


def sending(
    group: Iterator[tuple[int, list[Request]]], resumption: Resumption, sent: list[list[str]]
) -> Iterator[list[Request]]:
    """Yield the chunks of a pass, and take notice of them."""
    for _, chunk in group:
        resumption.add(chunk)
        sent.append([request.text for request in chunk])
        yield chunk


FORMAT = 1


@dataclass(frozen=True)
class ModelReport:
    """Count what became of the translations of a model."""

    model: str  # its path
    languages: str  # such as "de-en", from which to which it translates
    kept: int


@dataclass(frozen=True)
class AugmentReport:
    """Count what `nmt augment` made."""

    corpus_augment: int  # version of the format
    nmt: str  # version of the program
    method: str
    files: tuple[str, ...]  # that were read
    outputs: tuple[str, ...]  # that were written
    lines: int  # of the text
    given: int  # pairs of the text that are kept
    models: tuple[ModelReport, ...]
    removed: dict[str, int]  # pairs by reason
    tag: str  # of the corpus in the recipe

    @property
    def pairs(self) -> int:
        """Return the number of pairs that were written."""
        return self.given + sum(each.kept for each in self.models)


def augment_text(report: AugmentReport) -> str:
    """Return a report as a table."""
    lines = [f"{report.lines:,} lines: {report.pairs:,} pairs written"]
    kept = {"text": report.given} if report.method == "diversification" else {}
    meanings = {"text": "pairs of the text"}
    for number, each in enumerate(report.models, start=1):
        kept[f"model {number}"] = each.kept
        meanings[f"model {number}"] = f"translations {each.languages} by {each.model}"
    lines += table("kept", kept, meanings)
    if report.removed:
        lines += table("left out", report.removed, REASONS)
    lines.append(f"written: {', '.join(report.outputs)}")
    return "".join(f"{line}\n" for line in lines)


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
    names = Names.of(task.prefix, languages, task.paths)
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
        held_out = recipe.held_out if recipe else frozenset[int]()
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
