"""Read a text once and examine its blocks, on all cores if it is large."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy

from nmt.corpora.check.block import BlockFacts, Context, Counts, examine
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.norms import learn_norms
from nmt.corpora.check.overlap import Sources
from nmt.corpora.check.reading import Pair, Refused, Text, read_leniently
from nmt.corpora.check.repeats import Places
from nmt.corpora.check.scripts import WITHOUT_SPACES
from nmt.corpora.check.segment import Segment
from nmt.corpora.check.traits import Traits, common_prefixes
from nmt.system.log import progress_bar
from nmt.system.pools import ProcessPool, Result
from nmt.system.threads import processor_count
from nmt.text.encode import Chunk, chunks_of
from nmt.text.facts import Hashes

CHUNKS_ALONE = 2  # for up to 2 chunks, starting processes takes longer than they save


@dataclass(frozen=True)
class Usable:
    """Hashes of the n pairs of a text that have something on both sides."""

    exact: Hashes  # (2, n): of the segments of source and target
    folded: Hashes  # (2, n): without case, punctuation, spaces and digits
    lines: Places  # (n,) from 1

    def sources(self, name: str) -> Sources:
        """Return the hashes of the sources; `name` stands for the text in messages."""
        return Sources(name, self.exact[0], self.folded[0], self.lines)


@dataclass(frozen=True)
class Examined:
    """The facts of a whole text."""

    refused: Refused
    blocks: list[BlockFacts]  # at least one

    @property
    def pairs(self) -> int:
        """Number of pairs: lines that both files have."""
        return sum(len(block.usable) for block in self.blocks)

    def total(self, name: str) -> Counts:
        """Return the sum of a field of the blocks: `words`, `characters` or `lengths`."""
        total: Counts = numpy.sum([getattr(block, name) for block in self.blocks], axis=0)
        return total

    def usable(self) -> Usable:
        """Return the hashes of the pairs with something on both sides."""
        chosen = numpy.flatnonzero(numpy.concatenate([block.usable for block in self.blocks]))
        exact = numpy.concatenate([block.exact for block in self.blocks], axis=1)[:, chosen]
        folded = numpy.concatenate([block.folded for block in self.blocks], axis=1)[:, chosen]
        return Usable(exact, folded, chosen + 1)

    def traits(self) -> tuple[Traits, Traits]:
        """Return the traits of the segments of both sides."""
        source, target = (
            Traits.joined([block.traits[side] for block in self.blocks]) for side in (0, 1)
        )
        return source, target


def context_of(sample: Sequence[Pair], limits: CheckLimits) -> Context:
    """Return what a text is examined with, learned from a sample of it."""
    pairs = [(Segment(source), Segment(target)) for source, target in sample]
    norms = learn_norms(pairs, limits)
    common = frozenset[str]().union(*map(common_prefixes, zip(*pairs, strict=True)))
    first, second = (bool(scripts & WITHOUT_SPACES) for scripts in norms.scripts)
    return Context(norms, limits, common, (first, second))


def examine_text(text: Text, context: Context, count: int | None = None) -> Examined:
    """Examine the pairs of a text; errors are those of `read_leniently`.

    count: of the pairs, if it is known, for the progress bar.
    """
    refused = Refused()
    blocks = []
    what = f"check {text.name}"
    with progress_bar(total=count, unit="pair", unit_scale=True, desc=what) as bar:
        for block in examined_blocks(chunks_of(read_leniently(text, refused)), refused, context):
            blocks.append(block)
            bar.update(len(block.usable))
    return Examined(refused, blocks or [examine(Chunk(1, [], []), frozenset(), context)])


def examined_blocks(
    chunks: Iterator[Chunk], refused: Refused, context: Context
) -> Iterator[BlockFacts]:
    """Yield the facts of chunks in order."""
    return in_processes(
        examine,
        ((chunk, refused.between(chunk.first_line, len(chunk)), context) for chunk in chunks),
        "checks the corpus",
    )


def in_processes(
    function: Callable[..., Result], tasks: Iterator[tuple[Any, ...]], what: str
) -> Iterator[Result]:
    """Yield the results of a function in the order of its tasks; many run in one process a core.

    tasks: the arguments; only a few are taken ahead of the results. what: what they do, for the
    error if a process is killed.
    """
    first = [*islice(tasks, CHUNKS_ALONE + 1)]
    workers = processor_count()
    if len(first) <= CHUNKS_ALONE or workers == 1:
        for task in chain(first, tasks):
            yield function(*task)
        return
    work, advice = f"process that {what}", "run the same command again"
    with closing(ProcessPool(workers, are_new=True, work=work, advice=advice)) as pool:
        yield from pool.starmap(function, chain(first, tasks))
