"""Measure what `nmt check` finds in corpora that were damaged on purpose.

    python benchmarks/corpus_damage.py CORPORA --output results/corpus-damage.toml

1 % of the pairs get each fault, all at once and each on lines of its own. Recall is the share of
these lines that the right detector names. False alarms are the clean pairs that a detector of
faults names. Then one line is dropped from one side, at ten places in turn.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import click
import numpy
from damage import DAMAGES, Pair  # type: ignore[import-not-found] # in this folder
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.corpora.detectors import CheckLimits
from nmt.corpora.examine import Facts, examine_text, learn_context, overlaps, repeats_of
from nmt.corpora.findings import CHECKED, choose_detectors, faults
from nmt.corpora.pairs import Refused, read_leniently, sample_rows
from nmt.corpora.segment import Segment
from nmt.corpora.slips import Features, follow
from nmt.text.corpus import ParallelText
from nmt.text.facts import Hashes, pair_hashes

SHARE = 0.01  # of the pairs get each fault
PLACES = 10  # at which a line is dropped
NEAR = 20  # lines from the place that are near enough
CORPORA = {"Multi30k": "multi30k/train", "Tatoeba": "tatoeba/train"}
HELD_OUT = {"Multi30k": "multi30k/val", "Tatoeba": "tatoeba/valid"}
LIMITS = CheckLimits()
LANGUAGES = ("en", "de")


def text_of(folder: Path, name: str) -> ParallelText:
    """Return the text with this name below a folder, compressed or not."""
    found = [sorted(folder.glob(f"{name}.{language}*"))[0] for language in LANGUAGES]
    return ParallelText(tuple(found), name)


def damaged(
    pairs: Sequence[Pair], draw: Random, share: float = SHARE
) -> tuple[list[Pair], dict[str, list[int]]]:
    """Return damaged pairs, and the places of each fault; share: of the pairs, for each fault."""
    size = max(1, int(share * len(pairs)))
    places = draw.sample(range(len(pairs)), len(pairs))
    kept = places[-len(pairs) // 4 :]  # never damaged, so that they can be put elsewhere
    rest = iter(places[: -len(pairs) // 4])
    result, where = [*pairs], defaultdict[str, list[int]](list)
    for (name, _), damage in DAMAGES.items():
        for place in rest:
            others = [pairs[each] for each in draw.sample(kept, 4)]
            if (pair := damage(pairs[place], others, draw)) is None:
                continue
            result[place] = pair
            where[name].append(place)
            if len(where[name]) == size:
                break
    return result, where


def write_pairs(folder: Path, pairs: Sequence[Pair]) -> ParallelText:
    """Write pairs as two files, with bytes that are not UTF-8 as they are."""
    paths = tuple(folder / f"text.{language}" for language in LANGUAGES)
    for path, side in zip(paths, (0, 1), strict=True):
        lines = "".join(f"{pair[side]}\n" for pair in pairs)
        path.write_bytes(lines.encode("utf-8", "surrogateescape"))
    return ParallelText(paths, "train")


def kinds_by_place(text: ParallelText) -> tuple[list[set[str]], Facts]:
    """Return the kinds of faults that are found in each pair, and the facts of the text."""
    context = learn_context(sample_rows(text, LIMITS.sample_pairs), LIMITS)
    refused = Refused()
    facts = examine_text(text, context, refused)
    known = choose_detectors(CHECKED)
    kinds = [
        {*faults(Segment(source), Segment(target), known, context.norms)}
        for source, target in read_leniently(text, Refused())
    ]
    for line in refused.unreadable:
        kinds[line - 1] = {"encoding"}
    for kind, hashes in (("duplicates", facts.exact), ("near_duplicates", facts.folded)):
        # Of two equal pairs, the later one counts as the repetition, whichever was put there.
        for place in repeated_places(hashes):
            kinds[facts.lines[place] - 1].add(kind)
    return kinds, facts


def repeated_places(sides: Hashes) -> Iterator[int]:
    """Yield the places of pairs that occur twice, both of them."""
    found = repeats_of(pair_hashes(sides))
    yield from map(int, found.places)
    yield from map(int, found.firsts)


def recall(kinds: Sequence[set[str]], where: dict[str, list[int]]) -> Iterator[tuple[str, float]]:
    """Yield the share in percent of the places of each fault that were found."""
    for name, kind in DAMAGES:
        hits = sum(kind in kinds[place] for place in where[name])
        yield name, 100 * hits / len(where[name])


def false_alarms(kinds: Sequence[set[str]]) -> Iterator[tuple[str, float]]:
    """Yield the share in percent of clean pairs with each kind of fault, and with any."""
    notes = {"duplicates", "near_duplicates"}  # these are true in clean corpora too
    counts = Counter(kind for each in kinds for kind in each - notes)
    for kind, count in counts.items():
        yield f"clean pairs: {kind}", 100 * count / len(kinds)
    yield "clean pairs: any fault", 100 * sum(bool(each - notes) for each in kinds) / len(kinds)


def slip_distances(sides: Sequence[Features], draw: Random) -> list[int | None]:
    """Drop a line at places in turn; return how far from it the slip is named, None if it is not.

    A file with more than one slip counts as one in which the place is not named.
    """
    distances: list[int | None] = []
    for number in range(PLACES):
        place = draw.randrange(len(sides[0]))
        both = [*sides]
        both[number % 2] = numpy.delete(both[number % 2], place, axis=0)
        slips = follow(both, LIMITS.slip_evidence).slips
        distances.append(abs(slips[0].line - 1 - place) if len(slips) == 1 else None)
    return distances


def overlap_recall(train: Facts, pairs: list[Pair], known: list[Pair]) -> tuple[float, float]:
    """Return the recall in percent, exact and near, of training pairs put into a dev set."""
    size = max(1, int(SHARE * len(pairs)))
    nearly = [(source.upper().rstrip("."), target) for source, target in known[size : 2 * size]]
    with tempfile.TemporaryDirectory() as folder:
        counts = []
        for content in (pairs, [*known[:size], *nearly, *pairs[2 * size :]]):
            text = write_pairs(Path(folder), content)
            context = learn_context([(0, *pair) for pair in content], LIMITS)
            held_out = examine_text(text, context, Refused())
            findings = overlaps(held_out, {"train": train}, LIMITS)
            found = {finding.kind: finding.count for finding in findings}
            counts.append([found.get(kind, 0) for kind in ("overlap", "near_overlap")])
    exact, near = (100 * (after - before) / size for before, after in zip(*counts, strict=True))
    return exact, near


def measure(folder: Path, corpus: str, seed: int) -> Iterator[Cell]:
    """Yield the figures of a corpus."""
    draw = Random(seed)
    text = text_of(folder, CORPORA[corpus])
    pairs = [*read_leniently(text, Refused())]
    clean, facts = kinds_by_place(text)
    for row, value in false_alarms(clean):
        yield Cell(row, corpus, round(value, 3), "%", goal="under 1" if "any" in row else "")
    content, where = damaged(pairs, draw)
    with tempfile.TemporaryDirectory() as temporary:
        kinds, _ = kinds_by_place(write_pairs(Path(temporary), content))
    for row, value in recall(kinds, where):
        yield Cell(f"found: {row}", corpus, round(value, 1), "%", goal="at least 95")
    dev = [*read_leniently(text_of(folder, HELD_OUT[corpus]), Refused())]
    shares = overlap_recall(facts, dev, draw.sample(pairs, len(dev)))
    for row, value in zip(("equal", "in capitals"), shares, strict=True):
        name = f"found: training pairs in the dev set, {row}"
        yield Cell(name, corpus, round(value, 1), "%", goal="at least 95")
    slips = len(follow(facts.features, LIMITS.slip_evidence).slips)
    yield Cell("slips named in the clean corpus", corpus, slips, "slips", goal="0")
    distances = slip_distances(facts.features, draw)
    near = sum(each is not None and each <= NEAR for each in distances)
    shown = ", ".join("none" if each is None else str(each) for each in distances)
    yield Cell(
        f"slips named within {NEAR} lines, of {PLACES}", corpus, near, "slips", shown, "at least 9"
    )


def measured(folder: Path, measure: Callable[[str], Iterator[Cell]]) -> list[Cell]:
    """Print and return the figures that `measure` yields for each corpus that is below a folder."""
    cells: list[Cell] = []
    for corpus, name in CORPORA.items():
        if not sorted(folder.glob(f"{name}.*")):
            click.echo(f"{corpus}: not below {folder}")
            continue
        for cell in measure(corpus):
            # A table shows the goals of a row one after the other: one of them is enough.
            cells.append(cell if not cells or corpus == cells[0].column else replace(cell, goal=""))
            click.echo(f"{cell.column}: {cell.row}: {cell.value} {cell.unit} {cell.detail}")
    return cells


def corpora_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments of a measurement of the corpora below a folder."""
    for add in (
        click.option(
            "--output", type=click.Path(path_type=Path), help="Data file.  [default: none]"
        ),
        click.option("--seed", type=int, default=1, show_default=True),
        click.argument("folder", type=click.Path(path_type=Path, exists=True)),
    ):
        command = add(command)
    return command


@click.command()
@corpora_options
def command(folder: Path, seed: int, output: Path | None) -> None:
    """Damage the corpora below FOLDER, multi30k/ and tatoeba/, and check them."""
    cells = measured(folder, partial(measure, folder, seed=seed))
    if output:
        made = describe(
            what="what nmt check finds in damaged corpora",
            command=f"python benchmarks/corpus_damage.py CORPORA --seed {seed}",
            peer="none",
            note=f"Training text of Multi30k and Tatoeba (English-German). {SHARE:.0%} of the pairs"
            " get each fault, on lines of its own. In brackets: the distances in lines between the"
            " dropped line and the slip that is named.",
            rows="fault",
        )
        write(output, made, cells)


if __name__ == "__main__":
    command()
