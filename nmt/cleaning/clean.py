"""Clean a corpus: repair what can be mended, and remove bad pairs, with a reason for each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from nmt import __version__
from nmt.check.examined import in_processes
from nmt.check.limits import CheckLimits
from nmt.check.norms import learn_norms
from nmt.check.reading import Refused, Text, read_leniently, sample_of
from nmt.cleaning.block import CleanBlock, clean_block
from nmt.cleaning.files import Names, check_paths, row, text_outputs
from nmt.cleaning.repair import REPAIRS, check_ftfy
from nmt.cleaning.repetition import Repetition
from nmt.cleaning.report import FORMAT, CleanReport
from nmt.cleaning.rules import ALWAYS, Rules
from nmt.errors import NmtError
from nmt.system.log import progress_bar
from nmt.text.encode import chunks_of
from nmt.text.given_text import GivenText

COMMAND = "clean"
REJECTED = "rejected"


@dataclass(frozen=True)
class CleanTask:
    """The input of `nmt clean`."""

    text: GivenText
    prefix: str  # of the files to write
    filters: tuple[str, ...]  # see `nmt.cleaning.rules`
    limits: CheckLimits
    repair: bool = True
    with_ftfy: bool = False  # repair mojibake


def clean(task: CleanTask) -> CleanReport:
    """Clean a corpus and write what is left, and what is not.

    Raises NmtError for files that cannot be read or have different numbers of lines, and if no pair
    is left; then nothing is written. The pairs are read twice: a sample first shows what is usual.
    """
    task.text.check()
    if task.with_ftfy:
        check_ftfy()
    names = Names.of(task.prefix, task.text.paths)
    files = {"kept": names.sides(), REJECTED: (names.path(f"{REJECTED}.tsv"),)}
    check_paths(files, COMMAND, task.text.paths)
    text = Text("text", task.text.paths)
    sample = [each[1:] for each in sample_of(text, task.limits.sample_pairs)]
    rules = Rules(
        learn_norms(sample, task.limits), task.limits, task.filters, task.repair, task.with_ftfy
    )
    refused, repetition = Refused(), Repetition(task.filters)
    removed, repairs, kept = Counter[str](), Counter[str](), 0
    with text_outputs(files, COMMAND) as streams:
        streams[REJECTED][0].write(row("line", "filter", "reason", "source", "target"))
        for block in map(repetition.without, cleaned_blocks(text, refused, rules)):
            kept += len(block.pairs)
            removed.update(each.kind for each in block.rejected)
            repairs.update(name for each in block.repairs.values() for name in each.names)
            for stream, side in zip(streams["kept"], (0, 1), strict=True):
                stream.writelines(f"{pair[side]}\n" for pair in block.pairs)
            streams[REJECTED][0].writelines(
                row(each.line, each.kind, each.reason, *each.pair) for each in block.rejected
            )
        check_counts(text, refused, kept, removed.total())
    return CleanReport(
        FORMAT,
        __version__,
        tuple(map(str, task.text.paths)),
        tuple(str(path) for each in files.values() for path in each),
        kept + removed.total(),
        kept,
        {name: removed[name] for name in (*ALWAYS, *task.filters)},
        {name: repairs[name] for name in REPAIRS if repairs[name]},
        task.limits,
    )


def cleaned_blocks(text: Text, refused: Refused, rules: Rules) -> Iterator[CleanBlock]:
    """Yield the blocks of a text in order, each cleaned by itself."""
    chunks = chunks_of(read_leniently(text, refused))
    tasks = (
        (chunk, refused.between(chunk.first_line, len(chunk.pairs)), rules) for chunk in chunks
    )
    with progress_bar(unit="pair", unit_scale=True, desc=COMMAND) as bar:
        for block in in_processes(clean_block, tasks, "cleans the corpus"):
            yield block
            bar.update(len(block.pairs) + len(block.rejected))


def check_counts(text: Text, refused: Refused, kept: int, removed: int) -> None:
    """Raise NmtError if files do not align, lines were lost or nothing is left."""
    first, second = refused.lines
    if first != second:
        raise NmtError(
            f"{text.paths[0]} has {first:,} lines but {text.paths[1]} has {second:,}; run"
            " `nmt check`, which names the lines where files slip against each other"
        )
    if kept + removed != first:
        raise NmtError(f"{kept:,} pairs kept and {removed:,} removed, but {first:,} were read")
    if not kept:
        raise NmtError(f"no pair of {text.title} is left; apply fewer filters with --only")
