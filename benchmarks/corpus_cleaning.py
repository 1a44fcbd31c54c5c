"""Measure what `nmt clean` removes, repairs and leaves of corpora that were damaged on purpose.

    python benchmarks/corpus_cleaning.py CORPORA --output results/corpus-cleaning.toml

The damage is that of `corpus_damage.py`. A damaged pair is cleaned if it is removed, or equal to
the original apart from spaces. If a pair was put in the place of another one, the later of the two
may be removed.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import click
from corpus_damage import (  # type: ignore[import-not-found] # in this folder
    CORPORA,
    SHARE,
    corpora_options,
    damaged,
    measured,
    text_of,
    write_pairs,
)
from damage import DAMAGES, Pair  # type: ignore[import-not-found] # in this folder
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.corpora.clean import clean
from nmt.corpora.detectors import CheckLimits, learn_norms
from nmt.corpora.filters import Rules
from nmt.corpora.findings import DEFAULT_FILTERS
from nmt.corpora.pairs import Refused, read_leniently
from nmt.corpora.segment import Segment
from nmt.text.corpus import ParallelText

REPETITION = ("duplicates", "near_duplicates")


def cleaned(text: ParallelText, folder: Path) -> dict[int, Pair]:
    """Clean a text and return the pairs that are left, by their places."""
    rules = Rules(learn_norms([], CheckLimits()), DEFAULT_FILTERS, with_ftfy=True)
    report = clean(ParallelText(text.paths), f"{folder}/out", rules)
    rejected = {
        int(line.partition("\t")[0]) - 1
        for line in Path(report.outputs[-1]).read_text("utf-8").split("\n")[1:-1]
    }
    left = read_leniently(ParallelText(tuple(map(Path, report.outputs[:2])), "out"), Refused())
    places = (place for place in range(report.pairs) if place not in rejected)
    return dict(zip(places, left, strict=True))


def words(pair: Pair) -> list[list[str]]:
    """Return the words of both sides."""
    return [side.split() for side in pair]


def near(pair: Pair) -> tuple[str, ...]:
    """Return what near duplicates have in common."""
    return tuple(Segment(side).folded for side in pair)


def measure(folder: Path, corpus: str, seed: int) -> Iterator[Cell]:
    """Yield the figures of a corpus."""
    pairs = [*read_leniently(text_of(folder, CORPORA[corpus]), Refused())]
    content, where = damaged(pairs, Random(seed))
    with tempfile.TemporaryDirectory() as temporary:
        left = cleaned(write_pairs(Path(temporary), content), Path(temporary))
    counts = Counter(map(near, left.values()))
    put = set[tuple[str, ...]]()  # pairs that were put in the place of others
    for name, kind in DAMAGES:
        places = where[name]
        if kind in REPETITION:
            put |= {near(content[place]) for place in places}
            good = sum(counts[near(content[place])] <= 1 for place in places)
            repaired = 0
        else:
            repaired = sum(
                place in left and words(left[place]) == words(pairs[place]) for place in places
            )
            good = repaired + sum(place not in left for place in places)
        detail = f"{100 * repaired / len(places):.0f} repaired" if repaired else ""
        share = 100 * good / len(places)
        yield Cell(name, corpus, round(share, 1), "%", detail, "at least 95")
    bad = {place for places in where.values() for place in places}
    lost = sum(
        place not in left and place not in bad and near(pair) not in put
        for place, pair in enumerate(content)
    )
    share = 100 * lost / (len(pairs) - len(bad))
    yield Cell("clean pairs that are removed", corpus, round(share, 2), "%", goal="under 1")


@click.command()
@corpora_options  # type: ignore[untyped-decorator] # from this folder
def command(folder: Path, seed: int, output: Path | None) -> None:
    """Damage the corpora below FOLDER, multi30k/ and tatoeba/, and clean them."""
    cells = measured(folder, partial(measure, folder, seed=seed))
    if output:
        made = describe(
            what="what nmt clean --ftfy removes or repairs in damaged corpora",
            command=f"python benchmarks/corpus_cleaning.py CORPORA --seed {seed}",
            peer="none",
            note=f"Training text of Multi30k and Tatoeba (English-German). {SHARE:.0%} of the pairs"
            " get each fault, on lines of its own.",
            rows="fault",
        )
        write(output, made, cells)


if __name__ == "__main__":
    command()
