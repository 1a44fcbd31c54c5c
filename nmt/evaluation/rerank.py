"""Rerank n-best lists by the features of candidates: scores of models, and their length.

The candidate with the greatest weighted sum of features is chosen; `nmt.evaluation.tune` finds the
weights. Dimensions: K candidates of some lists, F features.

N-best lists are JSON lines as `nmt translate --n-best` writes them, or have Moses's format. A list
is a record: a line of JSON, or the adjacent lines with one index in Moses's format.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from nmt.config.decode import RERANK_SETTINGS
from nmt.decoding.files.output_formats import ESCAPED_MARK, MOSES_MARK
from nmt.decoding.files.score import BLANK_PAIR, Scorer, TextPair
from nmt.decoding.files.text_files import is_on_screen, open_output, open_source
from nmt.decoding.stream import Source, split_chunks
from nmt.decoding.translator.load import load_models, only_target
from nmt.decoding.translator.odd_input import OddSegment, odd_segment
from nmt.errors import NmtError, UsageError, shown
from nmt.recipe.settings import parse_overrides
from nmt.system.atomic import write_text
from nmt.system.files import read_bytes
from nmt.system.json_data import convert, json_text, parse_json
from nmt.system.log import Notify, progress_bar
from nmt.text.reading.languages import primary
from nmt.text.reading.lines import FirstSegment, read_lines, show_name
from nmt.text.subwords.tokenizer import SubwordModel
from nmt.text.subwords.words import CLOSERS

# Features that this program writes, and their names in JSON.
MOSES_FEATURE = re.compile(r"(LogProb0|Utility0)= (-?\d+\.\d+)(?= |$)")
JSON_NAMES = {"LogProb0": "log_prob", "Utility0": "utility"}


@dataclass(frozen=True)
class Candidate:
    """A translation that is to be ranked; in JSON, text and score must be there."""

    text: str
    score: float  # of the model that found it
    written: str | None = None  # the model's own text, if the record has that of an odd line
    data: dict[str, Any] = field(default_factory=dict)  # all that the record says about it


@dataclass(frozen=True)
class JsonLists:
    """A line of JSON."""

    translations: list[dict[str, Any]]


def records(source: Source[str], name: str) -> Source[str]:
    """Return the records among the lines of a text that arrives; `name` stands for it.

    Raises NmtError if the indices of Moses's format are not 0, 1, 2, ...
    """
    lines = iter(source.segments)
    first = next(lines, None)
    if first is None:
        return Source(())
    arriving = Source(chain([first], lines), source.is_ready)
    if first.lstrip().startswith("{") or MOSES_MARK not in first:
        return arriving
    return moses_lists(arriving, name)


def moses_lists(lines: Source[str], name: str) -> Source[str]:
    """Return the lists in Moses's format as they arrive, the lines of each joined by line feeds."""
    steps = read_lists(lines.segments, name)
    complete: list[str] = []  # the next list, if it was read to know whether it is ready

    def is_ready(deadline: float) -> bool:
        while not complete and lines.is_ready(deadline):
            step = next(steps, None)
            if step is None:
                return True
            complete.extend(step)
        return bool(complete)

    def lists() -> Iterator[str]:
        step: list[str] | None
        while (step := [*complete] if complete else next(steps, None)) is not None:
            complete.clear()
            yield from step

    return Source(lists(), is_ready)


def read_lists(lines: Iterable[str], name: str) -> Iterator[list[str]]:
    """Yield, for each line that is read and at the end, the list that is complete then, if any.

    A list is complete when the next one begins, or at the end.
    """
    begun: list[str] = []  # the lines of the next list, so far
    before, count = "", 0  # the index of that list, and how many are complete
    for line in chain(lines, [None]):
        index = "" if line is None else line.partition(MOSES_MARK)[0].strip()
        complete: list[str] = []
        if begun and (line is None or index != before):
            if before != str(count):
                raise NmtError(
                    f"{name}: list {shown(before)} is where list {count} must be; each line of the"
                    " source needs a list, in order, from 0 on"
                )
            complete, begun, count = ["\n".join(begun)], [], count + 1
        if line is not None:
            begun.append(line)
        before = index
        yield complete


def parse_record(record: str, number: int, name: str) -> tuple[Candidate, ...]:
    """Return the candidates of a record, in order; at least one.

    number: of the list, from 1. name: of the text. Raises NmtError, which names both, for a record
    of another format.
    """
    origin = f"{name}, list {number}"
    is_moses = MOSES_MARK in record and not record.lstrip().startswith("{")
    found = parse_moses(record, origin) if is_moses else parse_json_line(record, origin)
    if not found:
        raise NmtError(f"{origin} has no translation; each list needs one at least")
    for candidate in found:
        if "\n" in candidate.text + (candidate.written or ""):
            raise NmtError(f"{origin} has a translation with a line break; replace it by a space")
    return found


def parse_json_line(line: str, origin: str) -> tuple[Candidate, ...]:
    """Return the candidates of a line of JSON."""
    if not line.lstrip().startswith("{"):
        raise NmtError(
            f"{origin} is not an n-best list: {shown(line)}; `nmt translate --n-best N"
            " --output-format json` (or moses) writes them"
        )
    entries = parse_json(line, JsonLists, origin).translations
    return tuple(convert({**entry, "data": entry}, Candidate, origin) for entry in entries)


def parse_moses(record: str, origin: str) -> tuple[Candidate, ...]:
    """Return the candidates of lines in Moses's format: the score is the last field."""
    found = []
    for line in record.split("\n"):
        fields = [*map(str.strip, line.split(MOSES_MARK))]
        try:
            text, score = fields[1].replace(ESCAPED_MARK, MOSES_MARK), float(fields[-1])
            if not math.isfinite(score):
                raise ValueError
        except (IndexError, ValueError) as error:
            raise NmtError(
                f"{origin} has a line that is not `index ||| text ||| features ||| score`:"
                f" {shown(line)}"
            ) from error
        data = {"text": text, "score": score}
        for name, value in MOSES_FEATURE.findall(fields[2] if len(fields) > 3 else ""):
            data[JSON_NAMES[name]] = float(value)
        found.append(Candidate(text, score, data=data))
    return tuple(found)


SCORE = "score"  # that of the n-best list
LENGTH = "length"  # characters of the text
SIDES = ("source", "target")
TARGET_TO_SOURCE = "target_to_source"
WEIGHTS_VERSION = 1
MOST_WEIGHTS_BYTES = 1_000_000  # of a file

Numbers = NDArray[numpy.float64]


@dataclass(frozen=True)
class Judge:
    """A model that scores candidates, or sources given candidates if it is reverse."""

    path: str
    kind: str  # "left_to_right", "right_to_left" or "target_to_source"
    languages: tuple[str, str]  # of the text that was translated, and of the candidates
    scorer: Scorer
    subwords: SubwordModel  # of the language of the text that was translated

    def scores(
        self, sources: Sequence[str], lists: Sequence[Sequence[Candidate]], first: int
    ) -> list[float]:
        """Return the scores of all candidates, end to end: log-probability over length penalty.

        first: the number of the first list. Raises NmtError for a text that is longer than the
        model can read.
        """
        pairs = [
            pair
            for source, candidates in zip(sources, lists, strict=True)
            for pair in pairs_to_score(source, self.reading(source), candidates)
        ]
        if self.kind == TARGET_TO_SOURCE:
            pairs = [TextPair(pair.target, pair.source) for pair in pairs]
        # Alone: many candidates are of one line.
        pairs = [replace(pair, source=FirstSegment(pair.source)) for pair in pairs]

        def on_bad(number: int, _: NmtError) -> None:
            owners = [index for index, candidates in enumerate(lists, first) for _ in candidates]
            raise NmtError(
                f"list {owners[number - 1]}: a text has more tokens than the positions that"
                f" {self.path} learned; leave this model out"
            )

        return [found.score for chunk in self.scorer.chunks([pairs], on_bad) for found in chunk]

    def reading(self, source: str) -> OddSegment | None:
        """Return how `nmt translate` reads a source that is odd; None: as it is."""
        if self.scorer.settings.odd_input != "repair" or not source.strip():
            return None
        return odd_segment(source, self.subwords.encode([source])[0], self.subwords)


def pairs_to_score(
    source: str, reading: OddSegment | None, candidates: Sequence[Candidate]
) -> list[TextPair]:
    """Return what a model read and wrote for each candidate: what a judge can score.

    If the source was copied whole, or it is not known what the model wrote, the pairs are blank:
    all candidates of the list have the same score.
    """
    if reading is None:
        return [TextPair(source, candidate.text) for candidate in candidates]
    written = [as_written(reading, candidate) for candidate in candidates]
    if not reading.text or None in written:
        return [BLANK_PAIR] * len(written)
    return [TextPair(reading.text, text) for text in written if text is not None]


def as_written(reading: OddSegment, candidate: Candidate) -> str | None:
    """Return the candidate of an odd source as a model wrote it, or None if that is not known.

    A list in Moses's format does not have it: the copied symbols are left out. A model may write
    any word with a capital letter, as German nouns, so a text in capitals does not tell.
    """
    if candidate.written is not None or reading.is_capitals:
        return candidate.written
    text = candidate.text
    for span in reading.cut.whole.spans if reading.cut else ():
        before, _, after = text.partition(span.text.text)
        is_apart = after[:1].isspace() or after[:1] in CLOSERS  # with a space before it
        text = (before.rstrip() if is_apart else before) + after
    return " ".join(text.split())


def load_judges(
    models: Sequence[Path],
    reverse_models: Sequence[Path],
    device: str,
    notify: Notify,
    overrides: Iterable[str] = (),
    text: tuple[str, str] = ("", ""),
) -> list[Judge]:
    """Load the models that score candidates.

    models, reverse_models: run folders or .safetensors files. device, notify, overrides: as in
    `load_models`. text: the languages of the text that was translated and of its references; "" if
    unknown. Raises NmtError if a model cannot be loaded, is for other languages than the first one,
    or translates in the wrong direction; UsageError if it is unclear which language it writes.
    """
    judges: list[Judge] = []
    overrides = [*overrides]
    chosen = parse_overrides(overrides).get("decode.target_language", "")
    for reverse, paths in ((False, models), (True, reverse_models)):
        for path in paths:
            model, settings = load_models([path], device, notify, overrides, used=RERANK_SETTINGS)
            known = model.recipe.data.known_directions
            direction = known[0]
            if model.tokenizer.source.language_tokens:
                if reverse and not text[0] and len(known) > 1:
                    raise UsageError(
                        f"{model.path} writes several languages; give the file of the sources"
                        " (--source) a name that ends in the code of its language, such as in.en"
                    )
                if reverse:  # --to is what it reads; its own default is what it writes
                    direction = chosen or text[1] or direction[0], text[0] or direction[1]
                else:
                    written = settings.target_language or text[1]
                    written = written or only_target(model.recipe, text[0])
                    direction = text[0] or direction[0], written
                settings = replace(settings, target_language=direction[1])
            # No notes about pairs: their numbers are not those of a user's lines.
            scorer = Scorer(model, settings, lambda note: None)
            judge = Judge(
                str(model.path),
                TARGET_TO_SOURCE if reverse else model.recipe.model.target_order,
                direction[::-1] if reverse else direction,
                scorer,
                model.tokenizer.target if reverse else model.tokenizer.source,
            )
            wanted = (judges or [judge])[0].languages
            if judge.languages != wanted:
                must = "-".join(wanted[::-1] if reverse else wanted)
                raise NmtError(
                    f"{judge.path} translates {'-'.join(direction)} but must translate {must} to"
                    f" rerank together with {judges[0].path}; name another model"
                )
            own = [*map(primary, judge.languages)]
            for side, language, other, named in zip(SIDES, own, own[::-1], text, strict=True):
                if named == other != language:
                    option = "--reverse-model" if reverse else "--model"
                    raise NmtError(
                        f"{judge.path} translates {'-'.join(direction)}, but the {side} text is"
                        f" named as {named}; give another {option}"
                    )
            judges.append(judge)
    return judges


def feature_names(judges: Sequence[Judge]) -> list[str]:
    """Return the names of all features; the second model of a kind is KIND_2."""
    names: list[str] = []
    kinds = [judge.kind for judge in judges]
    for index, kind in enumerate(kinds):
        count = kinds[: index + 1].count(kind)
        names.append(kind if count == 1 else f"{kind}_{count}")
    return [SCORE, *names, LENGTH]


def default_weights(names: Sequence[str]) -> list[float]:
    """Return equal weights for all scores, and none for the length."""
    return [float(name != LENGTH) for name in names]


@dataclass(frozen=True)
class WeightsFile:
    """The content of a weights file; a file that was written by hand needs the first two only."""

    rerank_weights: int  # version of the format
    weights: dict[str, float]  # by the names of features
    models: dict[str, str] = field(default_factory=dict)  # by the names of their features
    metric: str = ""
    signature: str = ""  # sacreBLEU's
    segments: int = 0  # of the dev set
    seed: int = 0
    # Scores of the dev set: first candidates, choice by equal and by tuned weights, best choice.
    first: float = 0.0
    equal: float = 0.0
    tuned: float = 0.0
    oracle: float = 0.0


def read_weights(path: Path, features: Sequence[str]) -> list[float]:
    """Return the weight of each feature; raises NmtError if a file has other names."""
    fix = "`nmt rerank --tune` makes it"
    content = read_bytes(path, "the weights file", fix, MOST_WEIGHTS_BYTES)
    found = parse_json(content, WeightsFile, str(path))
    if found.rerank_weights != WEIGHTS_VERSION:
        raise NmtError(
            f"{path} has version {found.rerank_weights} of the weights' format, this program reads"
            f" {WEIGHTS_VERSION}; tune again"
        )
    if {*found.weights} != {*features}:
        raise NmtError(
            f"{path} has weights for {', '.join(found.weights) or 'nothing'}, but the features are"
            f" {', '.join(features)}; name the same kinds of models as for tuning"
        )
    return [found.weights[name] for name in features]


def write_weights(path: Path, content: WeightsFile) -> None:
    """Write a weights file."""
    write_text(path, json_text(content, indent=2) + "\n")


@dataclass(frozen=True)
class Chunk:
    """Some adjacent n-best lists with their features."""

    lists: list[tuple[Candidate, ...]]
    features: Numbers  # (K, F) of all their candidates, end to end


def scored_chunks(nbest: Path, source: Path, judges: Sequence[Judge]) -> Iterator[Chunk]:
    """Yield the lists of a file in chunks, as they arrive, with their features.

    Raises NmtError for a list that cannot be read, and unless there is one for each source line.
    """
    name, count, sources = show_name(nbest), 0, read_lines(source)
    with open_source(nbest) as lines:
        for chunk in split_chunks(records(lines, name)):
            lists = [
                parse_record(record, number, name) for number, record in enumerate(chunk, count + 1)
            ]
            segments = [*islice(sources, len(lists))]
            if len(segments) < len(lists):
                raise NmtError(
                    f"{name} has more lists than {show_name(source)} has lines,"
                    f" {count + len(segments):,}; each line needs one list"
                )
            candidates = [*chain(*lists)]
            columns = [
                [candidate.score for candidate in candidates],
                *(judge.scores(segments, lists, count + 1) for judge in judges),
                [float(len(candidate.text)) for candidate in candidates],
            ]
            yield Chunk(lists, numpy.array(columns, numpy.float64).T)
            count += len(lists)
    if next(sources, None) is not None:
        raise NmtError(
            f"{name} has {count:,} lists but {show_name(source)} has more lines; each line needs"
            " one list"
        )


def rerank_file(
    nbest: Path,
    source: Path,
    judges: Sequence[Judge],
    weights: Path | None,
    output: Path | None,
    n_best: int | None,
) -> None:
    """Write a line for each n-best list, in order, as soon as it is ranked.

    Args:
        nbest: a file, a pipe, or `-` for stdin, in a format of `nmt.evaluation.rerank`.
        source: the segments that were translated.
        judges: the models that score candidates.
        weights: a weights file; None: equal weights of all scores.
        output: a file, which appears when it is complete, or None for stdout.
        n_best: how many of the best candidates to write as JSON; None: the best one, as text.
    """
    names = feature_names(judges)
    used = read_weights(weights, names) if weights else default_weights(names)
    with (
        open_output(output) as written,
        progress_bar(quiet=is_on_screen(output), unit="list", desc="rerank") as bar,
    ):
        for chunk in scored_chunks(nbest, source, judges):
            lines = [f"{line}\n" for line in ranked_lines(chunk, names, used, n_best)]
            written.write(lines, len(lines))
            bar.update(len(lines))


def ranked_lines(
    chunk: Chunk, names: Sequence[str], weights: Sequence[float], n_best: int | None
) -> Iterator[str]:
    """Yield a line for each list: its best candidate, of equal ones the first, or JSON.

    In JSON, the `n_best` best candidates have all that their list said, their total and their
    features, which have these names.
    """
    totals = (chunk.features * numpy.array(weights)).sum(1).tolist()
    measured = zip(totals, chunk.features.tolist(), strict=True)
    for candidates in chunk.lists:
        ranked = [(candidate, *next(measured)) for candidate in candidates]
        ranked.sort(key=lambda scored: -scored[1])
        if n_best is None:
            yield ranked[0][0].text
            continue
        best = []
        for candidate, total, row in ranked[:n_best]:
            features = dict(zip(names, row, strict=True))
            best.append({**candidate.data, "rerank_score": total, "features": features})
        yield json.dumps({"translations": best}, ensure_ascii=False)
