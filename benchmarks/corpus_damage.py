"""Measure what `nmt check` finds and `nmt clean` removes in corpora that were damaged on purpose.

    python benchmarks/corpus_damage.py check CORPORA --output results/corpus-damage.toml
    python benchmarks/corpus_damage.py clean CORPORA --output results/corpus-cleaning.toml

1 % of the pairs get each fault, all at once and each on lines of its own. Recall is the share of
these lines that the right detector names. False alarms are the clean pairs that a detector of
faults names. Then one line is dropped from one side, at ten places in turn.

A damaged pair is cleaned if it is removed, or equal to the original apart from spaces. If a pair
was put in the place of another one, the later of the two may be removed.
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
from results import Figure, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.corpora.clean import clean
from nmt.corpora.faults.detectors import CheckLimits, learn_norms
from nmt.corpora.faults.examine import Facts, examine_text, first_indices, learn_context, overlaps
from nmt.corpora.faults.filters import Rules
from nmt.corpora.faults.findings import CHECKED, DEFAULT_FILTERS, choose_detectors, faults
from nmt.corpora.faults.misalignment import Features, follow
from nmt.corpora.faults.segment import Segment
from nmt.corpora.pairs import Refused, read_leniently, sample_rows
from nmt.text.facts import Hashes, pair_hashes
from nmt.text.reading.corpus import ParallelText

SHARE = 0.01  # of the pairs get each fault
PLACES = 10  # at which a line is dropped
NEAR = 20  # lines from the place that are near enough
CORPORA = {"Multi30k": "multi30k/train", "Tatoeba": "tatoeba/train"}
HELD_OUT = {"Multi30k": "multi30k/val", "Tatoeba": "tatoeba/valid"}
LIMITS = CheckLimits()
REPETITION = {"duplicates", "near_duplicates"}  # these are true in clean corpora too
LANGUAGES = ("en", "de")


Pair = tuple[str, str]
# Takes a pair and others, returns the damaged pair; None if the pair cannot have this fault.
Damage = Callable[[Pair, list[Pair], Random], Pair | None]

BAD_BYTE = "\udcfc"  # written as the byte FC, which no UTF-8 has
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyzäöüß", "абцдефгхийклмнопярстувшхызэёюс")


def inserted(character: str) -> Damage:
    """Return a damage that puts a character into the target, at a random place."""

    def damage(pair: Pair, others: list[Pair], draw: Random) -> Pair:
        place = draw.randrange(1, max(2, len(pair[1])))
        return pair[0], pair[1][:place] + character + pair[1][place:]

    return damage


def lost(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Replace a character of the target by U+FFFD."""
    place = draw.randrange(len(pair[1]))
    return pair[0], f"{pair[1][:place]}\ufffd{pair[1][place + 1 :]}"


def garbled(pair: Pair, others: list[Pair], draw: Random) -> Pair | None:
    """Read the target's UTF-8 as Windows-1252, or Latin-1 where that is impossible."""
    if pair[1].isascii():
        return None
    try:
        return pair[0], pair[1].encode().decode("cp1252")
    except UnicodeDecodeError:
        return pair[0], pair[1].encode().decode("latin-1")


def without_target(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Empty the target."""
    return pair[0], draw.choice(["", "  "])


def copied(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Make the source the target."""
    return pair[0], pair[0]


def other_script(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Write the target in Cyrillic letters."""
    return pair[0], pair[1].lower().translate(CYRILLIC)


def other_language(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Make the source of another pair the target."""
    return pair[0], others[0][0]


def too_long(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Add four other targets, as if line ends were lost."""
    return pair[0], " ".join([pair[1], *(target for _, target in others[:4])])


def cut_off(pair: Pair, others: list[Pair], draw: Random) -> Pair | None:
    """Keep the first word of a target of four words or more."""
    words = pair[1].split()
    return (pair[0], words[0]) if len(words) >= 4 else None


def repeated(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Put another pair in its place."""
    return others[0]


def nearly_repeated(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Put another pair in its place, in capitals and without the punctuation at the end."""
    source, target = (text.upper().rstrip(".?!") for text in others[0])
    return source, target


# By a name and the kind of finding that should name the pair.
DAMAGES: dict[tuple[str, str], Damage] = {
    ("bytes that are not UTF-8", "encoding"): inserted(BAD_BYTE),
    ("target empty", "empty"): without_target,
    ("U+FFFD for a character", "replacement"): lost,
    ("control character U+0008", "control"): inserted("\x08"),
    ("zero-width space U+200B", "invisible"): inserted("\u200b"),
    ("UTF-8 read as Windows-1252", "mojibake"): garbled,
    ("target equal to source", "copied"): copied,
    ("target in Cyrillic letters", "script"): other_script,
    ("target in the source's language", "language"): other_language,
    ("five targets on one line", "length_ratio"): too_long,
    ("only the target's first word", "length_ratio"): cut_off,
    ("another pair repeated", "duplicates"): repeated,
    ("another pair repeated in capitals", "near_duplicates"): nearly_repeated,
}


def find_text(folder: Path, name: str) -> ParallelText:
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
            others = [pairs[index] for index in draw.sample(kept, 4)]
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
    firsts = first_indices(pair_hashes(sides))
    again = firsts != numpy.arange(len(firsts))
    yield from map(int, numpy.flatnonzero(again))
    yield from map(int, firsts[again])


def recall(kinds: Sequence[set[str]], where: dict[str, list[int]]) -> Iterator[tuple[str, float]]:
    """Yield the share in percent of the places of each fault that were found."""
    for name, kind in DAMAGES:
        hits = sum(kind in kinds[place] for place in where[name])
        yield name, 100 * hits / len(where[name])


def false_alarms(kinds: Sequence[set[str]]) -> Iterator[tuple[str, float]]:
    """Yield the share in percent of clean pairs with each kind of fault, and with any."""
    counts = Counter(kind for own in kinds for kind in own - REPETITION)
    for kind, count in counts.items():
        yield f"clean pairs: {kind}", 100 * count / len(kinds)
    some = sum(bool(own - REPETITION) for own in kinds)
    yield "clean pairs: any fault", 100 * some / len(kinds)


def slip_distances(sides: Sequence[Features], draw: Random) -> list[int | None]:
    """Drop a line at places in turn; return how far from it the slip is named, None if it is not.

    A file with more than one slip counts as one in which the place is not named.
    """
    distances: list[int | None] = []
    for number in range(PLACES):
        place = draw.randrange(len(sides[0]))
        both = [*sides]
        both[number % 2] = numpy.delete(both[number % 2], place, axis=0)
        found = follow(both, LIMITS.slip_evidence).misalignments
        distances.append(abs(found[0].line - 1 - place) if len(found) == 1 else None)
    return distances


def overlap_recall(
    train: Facts, pairs: Sequence[Pair], known: Sequence[Pair]
) -> tuple[float, float]:
    """Return the recall in percent, exact and near, of training pairs put into a dev set."""
    size = max(1, int(SHARE * len(pairs)))
    nearly = [(source.upper().rstrip("."), target) for source, target in known[size : 2 * size]]
    with tempfile.TemporaryDirectory() as folder:
        counts = []
        for content in (pairs, [*known[:size], *nearly, *pairs[2 * size :]]):
            text = write_pairs(Path(folder), content)
            context = learn_context([(0, *pair) for pair in content], LIMITS)
            held_out = examine_text(text, context, Refused())
            findings = overlaps(held_out, {"train": (train, 0)}, LIMITS)
            found = {finding.kind: finding.count for finding in findings}
            counts.append([found.get(kind, 0) for kind in ("overlap", "near_overlap")])
    exact, near = (100 * (after - before) / size for before, after in zip(*counts, strict=True))
    return exact, near


def measure_check(folder: Path, corpus: str, seed: int) -> Iterator[Figure]:
    """Yield the figures of a corpus."""
    draw = Random(seed)
    text = find_text(folder, CORPORA[corpus])
    pairs = [*read_leniently(text, Refused())]
    undamaged, facts = kinds_by_place(text)
    for row, value in false_alarms(undamaged):
        yield Figure(row, corpus, round(value, 3), "%", goal="under 1" if "any" in row else "")
    content, where = damaged(pairs, draw)
    with tempfile.TemporaryDirectory() as temporary:
        kinds, _ = kinds_by_place(write_pairs(Path(temporary), content))
    for row, value in recall(kinds, where):
        yield Figure(f"found: {row}", corpus, round(value, 1), "%", goal="at least 95")
    dev = [*read_leniently(find_text(folder, HELD_OUT[corpus]), Refused())]
    shares = overlap_recall(facts, dev, draw.sample(pairs, len(dev)))
    for row, value in zip(("equal", "in capitals"), shares, strict=True):
        name = f"found: training pairs in the dev set, {row}"
        yield Figure(name, corpus, round(value, 1), "%", goal="at least 95")
    slips = len(follow(facts.features, LIMITS.slip_evidence).misalignments)
    yield Figure("slips named in the clean corpus", corpus, slips, "slips", goal="0")
    distances = slip_distances(facts.features, draw)
    near = sum(distance is not None and distance <= NEAR for distance in distances)
    shown = ", ".join("none" if distance is None else str(distance) for distance in distances)
    yield Figure(
        f"slips named within {NEAR} lines, of {PLACES}", corpus, near, "slips", shown, "at least 9"
    )


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


def folded(pair: Pair) -> tuple[str, ...]:
    """Return what near duplicates have in common."""
    return tuple(Segment(side).folded for side in pair)


def measure_cleaning(folder: Path, corpus: str, seed: int) -> Iterator[Figure]:
    """Yield the figures of a corpus."""
    pairs = [*read_leniently(find_text(folder, CORPORA[corpus]), Refused())]
    content, where = damaged(pairs, Random(seed))
    with tempfile.TemporaryDirectory() as temporary:
        left = cleaned(write_pairs(Path(temporary), content), Path(temporary))
    counts = Counter(map(folded, left.values()))
    put = set[tuple[str, ...]]()  # pairs that were put in the place of others
    for name, kind in DAMAGES:
        places = where[name]
        if kind in REPETITION:
            put |= {folded(content[place]) for place in places}
            good = sum(counts[folded(content[place])] <= 1 for place in places)
            repaired = 0
        else:
            repaired = sum(
                place in left and words(left[place]) == words(pairs[place]) for place in places
            )
            good = repaired + sum(place not in left for place in places)
        detail = f"{100 * repaired / len(places):.0f} repaired" if repaired else ""
        share = 100 * good / len(places)
        yield Figure(name, corpus, round(share, 1), "%", detail, "at least 95")
    bad = {place for places in where.values() for place in places}
    lost = sum(
        place not in left and place not in bad and folded(pair) not in put
        for place, pair in enumerate(content)
    )
    share = 100 * lost / (len(pairs) - len(bad))
    yield Figure("clean pairs that are removed", corpus, round(share, 2), "%", goal="under 1")


def measured(folder: Path, measure: Callable[[str], Iterator[Figure]]) -> list[Figure]:
    """Print and return the figures that `measure` yields for each corpus that is below a folder."""
    cells: list[Figure] = []
    for corpus, name in CORPORA.items():
        if not sorted(folder.glob(f"{name}.*")):
            click.echo(f"{corpus}: not below {folder}")
            continue
        for cell in measure(corpus):
            # A table shows the goals of a row one after the other: one of them is enough.
            cells.append(cell if not cells or corpus == cells[0].column else replace(cell, goal=""))
            click.echo(f"{cell.column}: {cell.row}: {cell.value} {cell.unit} {cell.detail}")
    return cells


NOTE = (
    f"Training text of Multi30k and Tatoeba (English-German). {SHARE:.0%} of the pairs get each"
    " fault, on lines of its own."
)
SLIPS = " In brackets: the distances in lines between the dropped line and the slip that is named."
# How each is measured, what it says, and the rest of its note.
MEASUREMENTS = {
    "check": (measure_check, "what nmt check finds in damaged corpora", SLIPS),
    "clean": (measure_cleaning, "what nmt clean --ftfy removes or repairs in damaged corpora", ""),
}


@click.command()
@click.argument("task", type=click.Choice([*MEASUREMENTS]))
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Data file.  [default: none]")
def command(task: str, folder: Path, seed: int, output: Path | None) -> None:
    """Damage the corpora below FOLDER, multi30k/ and tatoeba/; check or clean them."""
    measure, what, more = MEASUREMENTS[task]
    cells = measured(folder, partial(measure, folder, seed=seed))
    if output:
        made = describe(
            what=what,
            command=f"python benchmarks/corpus_damage.py {task} CORPORA --seed {seed}",
            peer="none",
            note=NOTE + more,
            rows="fault",
        )
        write(output, made, cells)


if __name__ == "__main__":
    command()
