"""Divide a corpus into training, dev and test text that have no near duplicates in common."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nmt.corpora.check.reading import Pair
from nmt.corpora.clean.files import Names, check_paths, row, text_outputs
from nmt.corpora.clean.held_out import REMOVED, SETS, Sizes, hashed, hold_out, placed
from nmt.errors import UsageError
from nmt.system.log import progress_bar
from nmt.text.corpus import GivenText

COMMAND = "split"


@dataclass(frozen=True)
class SplitTask:
    """Hold the input of `nmt split`."""

    text: GivenText
    prefix: str  # of the files to write
    sizes: Sizes = field(default_factory=Sizes)


@dataclass(frozen=True)
class SplitResult:
    """Count the pairs that were written."""

    pairs: dict[str, int]  # by set, and those that were removed
    files: tuple[Path, ...]


def split(task: SplitTask) -> SplitResult:
    """Divide a corpus and write the sets; raises the errors of `GivenText.check` and `hold_out`."""
    task.text.check()
    names = Names.of(task.prefix, task.text.paths)
    kinds = [kind for kind in SETS if kind == "train" or getattr(task.sizes, kind) != 0]
    paths = {kind: names.sides(kind) for kind in kinds}
    files = {**paths, REMOVED: (names.path(f"{REMOVED}.tsv"),)}
    check_paths(files, task.text.paths)
    check_old_sets([each for kind in SETS if kind not in kinds for each in names.sides(kind)])
    rows = hashed(shown(task.text, "read")).rows()
    name = str(task.text.source)
    plan = hold_out(rows, task.sizes, name=name, fix="lower --dev and --test")
    counts = dict.fromkeys((*kinds, REMOVED), 0)
    pairs = placed(shown(task.text, "write"), plan, name)
    with text_outputs(files) as streams:
        streams[REMOVED][0].write(row("line", "reason", "source", "target"))
        for number, (first, (kind, pair)) in enumerate(
            zip(plan.firsts, pairs, strict=True), start=1
        ):
            counts[kind] += 1
            if kind == REMOVED:
                reason = "empty side" if first < 0 else f"in a group with line {first + 1}"
                streams[REMOVED][0].write(row(number, reason, *pair))
            else:
                for stream, text in zip(streams[kind], pair, strict=True):
                    stream.write(f"{text}\n")
    return SplitResult(counts, tuple(path for each in files.values() for path in each))


def check_old_sets(paths: list[Path]) -> None:
    """Raise UsageError if there is an old file of a set that is not made this time."""
    for path in paths:
        if path.exists():
            raise UsageError(
                f"{path} exists, and the new training text may have its sentences; move it away, or"
                " name another -o"
            )


def shown(text: GivenText, what: str) -> Iterator[Pair]:
    """Yield the pairs of a text with a progress bar that counts them."""
    yield from progress_bar(iterable=text.pairs(), unit="pair", unit_scale=True, desc=what)
