"""Rerank the n-best lists of a text file or a pipe, a line out for each list in."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy

from nmt.decoding.files.text_files import BadLines, open_output, open_source
from nmt.decoding.stream import chunks_of
from nmt.errors import NmtError
from nmt.reranking.features import (
    Judge,
    Numbers,
    default_weights,
    feature_names,
    measure_features,
    read_weights,
)
from nmt.reranking.nbest import Candidate, parse_record, records
from nmt.system.log import progress_bar
from nmt.text.lines import read_lines
from nmt.text.opening import name_of


@dataclass(frozen=True)
class Ranked:
    """A candidate, its features and their weighted sum."""

    candidate: Candidate
    features: dict[str, float]
    total: float


@dataclass(frozen=True)
class Chunk:
    """Some adjacent n-best lists with their features."""

    lists: list[tuple[Candidate, ...]]
    features: Numbers  # (K, F) of all their candidates, end to end


class StopAtBadLine(BadLines):
    """Lines that cannot be read are errors."""

    def add(self, number: int, error: NmtError) -> None:
        """Raise the error."""
        raise error


def scored_chunks(nbest: Path, source: Path, judges: Sequence[Judge]) -> Iterator[Chunk]:
    """Yield the lists of a file in chunks, as they arrive, with their features.

    Raises NmtError for a list that cannot be read, and unless there is one for each source line.
    """
    name, count = name_of(nbest), 0
    sources = read_lines(source)
    with open_source(nbest, StopAtBadLine()) as lines:
        for chunk in chunks_of(records(lines, name)):
            lists = [
                parse_record(record, number, name) for number, record in enumerate(chunk, count + 1)
            ]
            segments = [*islice(sources, len(lists))]
            if len(segments) < len(lists):
                raise NmtError(
                    f"{name} has more lists than {name_of(source)} has lines,"
                    f" {count + len(segments):,}; each line needs one list"
                )
            yield Chunk(lists, measure_features(judges, segments, lists, count + 1))
            count += len(lists)
    if next(sources, None) is not None:
        raise NmtError(
            f"{name} has {count:,} lists but {name_of(source)} has more lines; each line needs one"
            " list"
        )


def rerank_file(
    nbest: Path,
    source: Path,
    judges: Sequence[Judge],
    weights: Path | None,
    output: Path | None,
    format_line: Callable[[Sequence[Ranked]], str],
) -> None:
    """Write a line for each n-best list, in order, as soon as it is ranked.

    Args:
        nbest: a file, a pipe, or `-` for stdin, in a format of `nmt.reranking.nbest`.
        source: the segments that were translated.
        judges: the models that score candidates.
        weights: a weights file; None: equal weights of all scores.
        output: a file, which appears when it is complete, or None for stdout.
        format_line: turns a ranked list, best first, into a line.
    """
    shares_screen = output is None and sys.stdout is not None and sys.stdout.isatty()
    names = feature_names(judges)
    used = read_weights(weights, names) if weights else default_weights(names)
    with (
        open_output(output) as written,
        progress_bar(quiet=shares_screen, unit="list", desc="rerank") as bar,
    ):
        for chunk in scored_chunks(nbest, source, judges):
            lines = [f"{format_line(best)}\n" for best in ranked(chunk, names, used)]
            written.write(lines, len(lines))
            bar.update(len(lines))


def ranked(chunk: Chunk, names: Sequence[str], weights: Sequence[float]) -> Iterator[list[Ranked]]:
    """Yield the candidates of each list, best first; equal ones keep their order."""
    totals = iter((chunk.features * numpy.array(weights)).sum(1).tolist())
    rows = iter(chunk.features.tolist())
    for candidates in chunk.lists:
        found = [
            Ranked(candidate, dict(zip(names, next(rows), strict=True)), next(totals))
            for candidate in candidates
        ]
        yield sorted(found, key=lambda candidate: -candidate.total)


def best_line(candidates: Sequence[Ranked]) -> str:
    """Return the text of the best candidate."""
    return candidates[0].candidate.text


def json_line(candidates: Sequence[Ranked], count: int) -> str:
    """Return the best candidates with all that their list said, their total and their features."""
    found = [
        {**best.candidate.data, "rerank_score": best.total, "features": best.features}
        for best in candidates[:count]
    ]
    return json.dumps({"translations": found}, ensure_ascii=False)


def line_format(n_best: int | None) -> Callable[[Sequence[Ranked]], str]:
    """Return what turns a ranked list into a line: text, or JSON if a number is asked for."""
    return best_line if n_best is None else partial(json_line, count=n_best)
