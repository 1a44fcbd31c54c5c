"""Make training pairs of text with models, in one job that continues where it was stopped.

Each model translates the text. The translations, with the reasons why some are no good, are kept in
a file until all are there. Then the pairs are written, and those that are left out.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice, tee
from pathlib import Path
from typing import NamedTuple

import numpy

from nmt import __version__
from nmt.config import DecodeSettings
from nmt.corpora.faults.examine import hash_pair
from nmt.corpora.faults.filters import SeenHashes
from nmt.corpora.faults.findings import KINDS, UNREADABLE
from nmt.corpora.faults.report import table
from nmt.corpora.held_out import near_hash
from nmt.corpora.new_recipe import RecipeExtension, next_recipe
from nmt.corpora.pairs import (
    REJECTED,
    Names,
    Refused,
    check_paths,
    read_leniently,
    row,
    shown,
    text_outputs,
)
from nmt.decoding.files.quality import Checked, checked_pairs, find_flags
from nmt.decoding.files.resumable import Resumption, digest_job, forget, record_path
from nmt.decoding.files.text_files import Output, kept_path
from nmt.decoding.stream import Source, split_chunks
from nmt.decoding.translator.load import find_direction
from nmt.decoding.translator.translation import Request
from nmt.decoding.translator.translator import Translator
from nmt.errors import DamagedError, NmtError, UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.system.json_data import parse_json
from nmt.system.log import Notify, progress_bar
from nmt.text.manifest import hash_values
from nmt.text.reading.corpus import Pair, ParallelText
from nmt.text.reading.languages import languages_in_names
from nmt.text.reading.lines import FirstSegment, read_lines
from nmt.text.subwords.tokenizer import target_token

FORMAT = 1  # of the report
VERSION = 1  # of the kept translations; those of another version are not continued
BLOCK_PAIRS = 20_000  # whose hashes are compared at once
SOURCE, TARGET = 0, 1  # sides of a pair


class Method(NamedTuple):
    """Describe a way to make training pairs with models."""

    side: int | None  # of a pair, that the text is; None: it is parallel
    tag: str  # of the new pairs in a recipe, unless the user names another; "": none


# Sennrich et al. (2016), tagged by Caswell et al. (2019); Zhang and Zong (2016); Nguyen et al.
# (2020), who use no tag.
METHODS = {
    "back-translation": Method(TARGET, "<BT>"),
    "self-training": Method(SOURCE, "<ST>"),
    "diversification": Method(None, ""),
}
EMPTY, UNTRANSLATED, HELD_OUT, DUPLICATES = "empty", "untranslated", "held_out", "duplicates"
# Why a pair is left out, in the order in which it is looked for. Those in the middle are flags of
# `nmt translate --flags`.
REASONS = {
    UNREADABLE: KINDS[UNREADABLE].title,
    EMPTY: "lines with an empty side",
    UNTRANSLATED: "translations without text",
    "length": "translations of a length that cannot be right",
    "repetition": "translations that repeat words or characters in a loop",
    "copy": "translations that copy most words of the text",
    "unknown": "translations that lose characters which the vocabulary lacks",
    HELD_OUT: "lines that are in a dev or test set of the recipe",
    DUPLICATES: "pairs that repeat an earlier one",
}

Load = Callable[[Path], tuple[TrainedModel, DecodeSettings]]


@dataclass(frozen=True)
class AugmentTask:
    """Hold the input of `nmt augment`."""

    method: str  # from METHODS
    text: ParallelText
    models: tuple[Path, ...]
    reverse_models: tuple[Path, ...]  # that read the target of a parallel text
    prefix: str  # of the files to write
    recipe: RecipeExtension | None = None
    options: str = ""  # on which translations depend, beside the settings

    @property
    def side(self) -> int | None:
        """Return the side of a pair that the text is; None: it is parallel."""
        return METHODS[self.method].side

    def pairs(self, refused: Refused) -> Iterator[Pair]:
        """Return the pairs of the text; both sides of a monolingual text are its lines.

        A line that cannot be read is recorded in `refused`, and blank here.
        """
        if self.side is None:
            return read_leniently(self.text, refused)
        return (Pair(line, line) for line in read_lines(self.text.paths[0], refused.add))

    def count(self) -> int:
        """Return the number of lines; raises NmtError if there are none, or files do not align."""
        refused = Refused()
        lines = sum(1 for _ in self.pairs(refused))
        refused.check_aligned(self.text)
        if not lines:
            raise NmtError(f"{self.text.title} is empty; give a text with lines to translate")
        return lines


@dataclass(frozen=True)
class Pass:
    """Hold a model, and the side of a text that it translates."""

    model: TrainedModel
    settings: DecodeSettings
    side: int  # that it reads
    named: str  # the language of this side by the name of its file

    @property
    def direction(self) -> tuple[str, str]:
        """Return the languages that the model reads and writes."""
        return find_direction(self.model.recipe, self.settings, self.named)

    @property
    def languages(self) -> tuple[str, str]:
        """Return the languages of source and target of the pairs that it makes."""
        read, written = self.direction
        return (read, written) if self.side == SOURCE else (written, read)

    def __str__(self) -> str:
        """Return a phrase such as "runs/de_en/model.safetensors, from de to en"."""
        return f"{self.model.path}, from {' to '.join(self.direction)}"


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


def augment(task: AugmentTask, load: Load, notify: Notify) -> AugmentReport:
    """Translate a text with each model, and write the pairs.

    The pairs appear when all are there. Until then, translations are kept, and the same task goes
    on after the last of them.

    load: loads a model. notify: receives what a user should know. Raises NmtError for text or
    models that cannot be used, or if no pair is left, UsageError for models of the wrong direction
    and for an output that was begun with other models, text or settings.
    """
    task.text.check_files()
    passes = load_passes(task, load)
    check_languages(task, passes, notify)
    languages = passes[0].languages
    outputs = Names.for_text(task.prefix, task.text, languages)
    files = {"pairs": outputs.sides(), REJECTED: (outputs.path(f"{REJECTED}.tsv"),)}
    check_paths(files, task.text.paths)
    recipe, held_out = "", frozenset[int]()
    if extension := task.recipe:
        given = task.text.paths if task.side is None else ()
        writer = f"nmt augment {task.method}"
        recipe, held_out = next_recipe(extension, outputs.sides(), languages, given, writer, notify)
        files["recipe"] = (extension.path,)
    before = {path: last_change(path) for path in task.text.paths}
    lines = task.count()
    output = outputs.path("translations.jsonl")
    output.parent.mkdir(parents=True, exist_ok=True)
    jobs = [digest_job(one.model, one.settings, {"side": one.side}) for one in passes]
    resumption = Resumption(output, hash_values(VERSION, task.method, task.options, jobs))
    times = f", {len(passes)} times to translate" if len(passes) > 1 else ""
    notify(f"{lines:,} lines{times}")
    with resumption.open_kept() as written:
        translate(task, passes, lines, resumption, written, notify)
        made = made_pairs(task, [one.side for one in passes], kept_path(output), held_out)
        kept, removed = write_pairs(while_unchanged(made, before, output), files, recipe)
    forget(output)
    if not any(kept[number] for number in range(1, len(passes) + 1)):
        reason = removed.most_common(1)[0][0]
        raise NmtError(
            f"no pair can be made of {task.text.title}; most are left out for {reason}:"
            f" {REASONS[reason]}"
        )
    return AugmentReport(
        FORMAT,
        __version__,
        task.method,
        tuple(map(str, task.text.paths)),
        tuple(str(path) for paths in files.values() for path in paths),
        lines,
        kept[GIVEN],
        tuple(
            ModelReport(str(one.model.path), "-".join(one.direction), kept[number])
            for number, one in enumerate(passes, start=1)
        ),
        {name: removed[name] for name in REASONS if removed[name]},
        extension.tag if extension else "",
    )


def load_passes(task: AugmentTask, load: Load) -> list[Pass]:
    """Return the models with the sides that they translate; reverse models translate back.

    Raises UsageError unless the languages to read and to write (--to) are known.
    """
    sides = [SOURCE if task.side is None else task.side for _ in task.models]
    sides += [TARGET for _ in task.reverse_models]
    named = languages_in_names(task.text.paths if task.side is None else task.text.paths * 2)
    passes = list[Pass]()
    for path, side in zip((*task.models, *task.reverse_models), sides, strict=True):
        model, settings = load(path)
        subwords = model.tokenizer.source
        if passes and side != sides[0] and subwords.language_tokens:
            settings = replace(settings, target_language=passes[0].direction[0])
        target_token(settings.target_language, subwords, model.recipe.data.known_directions[0][1])
        passes.append(Pass(model, settings, side, named[side]))
        read, written = passes[-1].direction
        if not read:
            known = model.recipe.data.known_directions
            sources = ", ".join(source for source, target in known if target == written)
            raise UsageError(
                f"{task.text.title} is {named[side] or 'in no known language'} by its name, but the"
                f" model reads {sources} to write {written}; give the file a name with one of these"
                " codes, as in text.de or pairs.en-de.tsv"
            )
    return passes


def check_languages(task: AugmentTask, passes: Sequence[Pass], notify: Notify) -> None:
    """Raise UsageError for a model of the wrong direction, by the names of files and by the others.

    notify: receives what seems odd.
    """
    first = passes[0]
    for one in passes:
        if one.languages != first.languages:
            raise UsageError(
                f"{first} and {one} do not go together: one makes pairs"
                f" {' to '.join(first.languages)}, the other {' to '.join(one.languages)}"
            )
        read, written = one.direction
        found = one.named
        if found and found == written and read != written:
            raise UsageError(
                f"{task.text.title} is {found} by its name, so {task.method} needs a model"
                f" that reads {found}, and this one does not: {one}"
            )
        if found and found != read:
            notify(f"{task.text.title} is {found} by its name, but the model reads {read}: {one}")


def translate(
    task: AugmentTask,
    passes: Sequence[Pass],
    lines: int,
    resumption: Resumption,
    written: Output,
    notify: Notify,
) -> None:
    """Write a line with the verdict on each translation of each pass, from where it was stopped.

    lines: of the text.
    """
    chunks = [split_chunks(Source(requests(task, one.side))) for one in passes]
    rest = resumption.check(chain.from_iterable(chunks))
    begun, line = divmod(written.lines, lines)
    total = lines * len(passes)
    with progress_bar(unit="segment", desc="translate", total=total, initial=written.lines) as bar:
        for one, following in zip(passes[begun:], chunks[begun:], strict=True):
            translator = Translator(one.model, one.settings, notify)
            translator.searcher.keep_one_backend()
            sent, asked = tee(chain(filter(None, [rest]), following))
            for translations, chunk in zip(translator.chunks(sent, line + 1), asked, strict=True):
                resumption.add(chunk)
                texts = [request.text for request in chunk]
                checked = checked_pairs(translator, texts, translations)
                verdicts = (json.dumps(judge(pair), ensure_ascii=False) for pair in checked)
                written.write([f"{verdict}\n" for verdict in verdicts], len(chunk))
                bar.update(len(chunk))
            rest, line = [], 0


def requests(task: AugmentTask, side: int) -> Iterator[Request]:
    """Return what is asked for one side of a text; lines that cannot be read are blank."""
    # Alone, because a job goes on at any line.
    return (Request(FirstSegment(pair[side])) for pair in task.pairs(Refused()))


class Verdict(NamedTuple):
    """Hold a translation, and why it is left out."""

    translation: str
    reason: str = ""  # from REASONS; "": it is kept
    detail: str = ""


def judge(pair: Checked) -> Verdict:
    """Return the verdict on a translation: the first reason of all."""
    if not pair.source.strip():
        return Verdict("", EMPTY)
    if not pair.translation.strip():
        return Verdict("", UNTRANSLATED)
    flags = find_flags(pair)
    for name in REASONS:
        if name in flags:
            detail = ", ".join(f"{key}: {value}" for key, value in flags[name].items())
            return Verdict(pair.translation, name, detail)
    return Verdict(pair.translation)


def read_verdict(verdicts: Iterator[str], kept: Path) -> Verdict:
    """Return the next verdict of a file; raises DamagedError if there is none."""
    line = next(verdicts, None)
    if line is None:
        raise DamagedError(f"{kept} has fewer lines than were translated; remove it to start again")
    return parse_json(line, Verdict, str(kept))


class Made(NamedTuple):
    """Hold a pair, and why it is left out: a row of the file of rejected pairs."""

    line: int  # of the text, from 1
    model: int  # its number from 1; GIVEN: the pair is part of the text
    reason: str  # "": it is kept
    detail: str
    source: str
    target: str


GIVEN = 0


def made_pairs(
    task: AugmentTask, sides: Sequence[int], kept: Path, held_out: Set[int]
) -> Iterator[Made]:
    """Yield the pairs of a parallel text, then those that each model makes of it, without repeats.

    sides: those that the models read. kept: a file with the verdicts on the translations of all
    models, one after the other. held_out: hashes of lines of which no pair is made.
    """
    found = pairs_with_repeats(task, sides, kept, held_out)
    seen = SeenHashes()
    while block := [*islice(found, BLOCK_PAIRS)]:
        good = [index for index, made in enumerate(block) if not made.reason]
        hashes = [hash_pair(block[index].source, block[index].target) for index in good]
        repeated = seen.add(numpy.array(hashes, numpy.uint64))
        for index in numpy.array(good, numpy.intp)[repeated]:
            block[index] = block[index]._replace(reason=DUPLICATES, detail=REASONS[DUPLICATES])
        yield from block


def pairs_with_repeats(
    task: AugmentTask, sides: Sequence[int], kept: Path, held_out: Set[int]
) -> Iterator[Made]:
    """Yield the pairs of a parallel text, then those that each model makes, as `made_pairs`."""
    given = [(GIVEN, None)] if task.side is None else []
    with kept.open(encoding="utf-8", newline="\n") as verdicts:
        for model, side in (*given, *enumerate(sides, start=1)):
            refused = Refused()
            for line, pair in enumerate(task.pairs(refused), start=1):
                texts = [pair[0], pair[1]]
                read = texts if side is None else [texts[side]]
                reason = detail = ""
                if side is not None:
                    texts[1 - side], reason, detail = read_verdict(verdicts, kept)
                elif not all(text.strip() for text in texts):
                    reason = EMPTY
                if line in refused.unreadable or line in refused.without_tab:
                    reason = UNREADABLE
                if held_out and not reason and not held_out.isdisjoint(map(near_hash, read)):
                    reason = HELD_OUT
                yield Made(line, model, reason, detail or REASONS.get(reason, ""), *texts)


class NothingLeftError(Exception):
    """Report that no model has made a pair, so that no file is written."""


def write_pairs(
    made: Iterable[Made], files: Mapping[str, tuple[Path, ...]], recipe: str
) -> tuple[Counter[int], Counter[str]]:
    """Write the pairs, those that are left out, and the recipe: all or nothing.

    Return how many pairs are kept by the number of their model, and left out by the reason. No file
    is written if no model has made a pair.

    files: "pairs", REJECTED and perhaps "recipe".
    """
    kept, removed = Counter[int](), Counter[str]()
    with suppress(NothingLeftError), text_outputs(files) as streams:
        streams[REJECTED][0].write(row(*Made._fields))
        for pair in shown(made, "write"):
            if pair.reason:
                removed[pair.reason] += 1
                streams[REJECTED][0].write(row(*pair))
            else:
                kept[pair.model] += 1
                streams["pairs"][0].write(f"{pair.source}\n")
                streams["pairs"][1].write(f"{pair.target}\n")
        if kept.total() == kept[GIVEN]:
            raise NothingLeftError
        if recipe:
            streams["recipe"][0].write(recipe)
    return kept, removed


def last_change(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a file is written or replaced; none if it is absent."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def while_unchanged(
    made: Iterable[Made], before: Mapping[Path, tuple[int, ...]], output: Path
) -> Iterator[Made]:
    """Yield pairs; raise UsageError at their end if a file has changed: its lines may be others.

    before: what `last_change` returned for each file at the start. output: the output whose kept
    lines hold the translations.
    """
    yield from made
    for path, old in before.items():
        if last_change(path) != old:
            raise UsageError(
                f"{path} was changed while `nmt augment` ran; restore it and give the same command"
                f" again, or remove {kept_path(output)} and {record_path(output)} to start again"
            )


def augment_text(report: AugmentReport) -> str:
    """Return a report as a table."""
    kept = {"text": report.given}
    meanings = {"text": "pairs of the text"}
    for number, model in enumerate(report.models, start=1):
        kept[f"model {number}"] = model.kept
        meanings[f"model {number}"] = f"translations {model.languages} by {model.model}"
    lines = [f"{report.lines:,} lines: {sum(kept.values()):,} pairs written"]
    lines += table("kept", kept, meanings)
    lines += table("left out", report.removed, REASONS)
    lines.append(f"written: {', '.join(report.outputs)}")
    return "".join(f"{line}\n" for line in lines)
