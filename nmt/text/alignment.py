"""Align the tokens of parallel text, for guided alignment (`train.guided_alignment`).

The aligner is IBM model 2 with a prior for the diagonal, in both directions: Dyer et al. (2013), "A
Simple, Fast, and Effective Reparameterization of IBM Model 2". A token y at position i of n comes
from no source token with probability P0, else from token x at position j of m with a probability
proportional to exp(-TENSION |i / n - j / m|) t(y | x). EM learns t, with a Dirichlet prior so that
rare tokens do not explain everything (variational Bayes).

A shard NAME of a prepared corpus gets one more file, NAME.alignment: a number (uint16) for each id
of NAME.ids. At a target token it is the position of its aligned source token, counted from 1, or 0
if it has none; at a source token it is 0. A dev set is aligned in memory, to choose which attention
of a model aligns.

Dimensions: p pairs, C cells (a target token and a source token of its pair), T target tokens, K
distinct pairs of tokens, V tokens of the vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from nmt.system.atomic import atomic_path
from nmt.system.files import compute_sha256
from nmt.system.log import Notify, progress_bar
from nmt.text.manifest import Manifest, Step, hash_values
from nmt.text.shards import (
    WHAT,
    FlatSegments,
    Integers,
    Shard,
    are_targets,
    bounds,
    damaged,
    flatten,
    open_array,
    without_controls,
)
from nmt.text.subwords.tokenizer import Tokenizer

# The values of the authors' program, fast_align.
P0 = 0.08
TENSION = 4.0
ITERATIONS = 5
DIRICHLET = 0.01

UNSEEN = 1e-9  # t of two tokens that EM never saw together
NONE = -1  # position of a token that is aligned to none
BLOCK_CELLS = 1 << 20  # cells that are worked on at once, to bound memory

ALIGNMENT = "alignment"  # the ending of the files, and the name of the manifest's step
FORMAT = 1  # changes with the aligner
POSITION: "numpy.dtype[numpy.uint16]" = numpy.dtype("<u2")
MOST_CELLS = 1 << 25  # that the aligner learns from; it takes some of the pairs of a larger corpus
FEW_CELLS = 1 << 20  # for the links of a dev set
CHUNK_PAIRS = 20_000  # aligned at once

Numbers = NDArray[numpy.float64]


class Cells(NamedTuple):
    """The cells of pairs: for each target token, in order, all source tokens of its pair."""

    target: Integers  # (T,) ids of the target tokens
    keys: Integers  # (C,) source id times V, plus target id
    prior: NDArray[numpy.float32]  # (C,) of the source position, before the tokens are seen
    positions: NDArray[numpy.int32]  # (C,) of the source token in its segment
    starts: Integers  # (T,) first cell of each target token
    widths: Integers  # (T,) its number of cells


def cell_blocks(source: FlatSegments, target: FlatSegments, vocab_size: int) -> Iterator[Cells]:
    """Yield the cells of consecutive pairs: at most `BLOCK_CELLS` at once, or one larger pair's.

    source, target: the sides of p pairs, none of which has an empty side.
    """
    total = (source.lengths * target.lengths).cumsum()
    sources, targets = bounds(source.lengths), bounds(target.lengths)
    end = 0
    while (begin := end) < len(total):
        used = total[begin - 1] if begin else 0
        end = max(begin + 1, int(numpy.searchsorted(total, used + BLOCK_CELLS, "right")))
        m, n = source.lengths[begin:end], target.lengths[begin:end]
        ids = target.ids[targets[begin] : targets[end]]
        widths = numpy.repeat(m, n)
        positions = positions_within(widths)
        first_source = numpy.repeat(sources[begin:end], n)
        source_ids = source.ids[numpy.repeat(first_source, widths) + positions]
        starts = bounds(widths)[:-1]
        relative = (positions_within(n) + 1) / numpy.repeat(n, n)
        distance = numpy.repeat(relative, widths) - (positions + 1) / numpy.repeat(widths, widths)
        prior = numpy.exp(-TENSION * numpy.abs(distance))
        prior *= numpy.repeat((1 - P0) / numpy.add.reduceat(prior, starts), widths)
        yield Cells(
            ids,
            source_ids * vocab_size + numpy.repeat(ids, widths),
            prior.astype(numpy.float32),
            positions.astype(numpy.int32),
            starts,
            widths,
        )


def positions_within(lengths: Integers) -> Integers:
    """Return the position of each token in its segment, for segments of these lengths."""
    return numpy.arange(lengths.sum()) - numpy.repeat(bounds(lengths)[:-1], lengths)


@dataclass(frozen=True)
class Lexicon:
    """The probabilities t(target token | source token) of tokens that were seen together."""

    vocab_size: int
    keys: Integers  # (K,) sorted, as in `Cells`
    probabilities: Numbers  # (K + 1,); the last one is for tokens that were not seen together
    from_none: Numbers  # (V,) of each target token if it comes from no source token

    @classmethod
    def learn(cls, source: FlatSegments, target: FlatSegments, vocab_size: int) -> "Lexicon":
        """Learn a lexicon by EM, from equal probabilities on; it keeps 8 bytes a cell."""
        keys = numpy.empty(0, numpy.int64)
        for cells in cell_blocks(source, target, vocab_size):
            keys = numpy.union1d(keys, cells.keys)
        equal = 1 / vocab_size
        lexicon = cls(
            vocab_size, keys, numpy.full(len(keys) + 1, equal), numpy.full(vocab_size, equal)
        )
        blocks = [
            (cells.target, lexicon.find(cells.keys), cells.prior, cells.widths)
            for cells in cell_blocks(source, target, vocab_size)
        ]
        one_group = numpy.zeros(vocab_size, numpy.int64)
        for _ in range(ITERATIONS):
            seen, from_none = numpy.zeros(len(keys)), numpy.zeros(vocab_size)
            for ids, found, prior, widths in blocks:
                weights = lexicon.probabilities[found] * prior
                none = P0 * lexicon.from_none[ids]
                total = numpy.add.reduceat(weights, bounds(widths)[:-1]) + none
                weights /= numpy.repeat(total, widths)
                seen += numpy.bincount(found, weights, len(keys))
                from_none += numpy.bincount(ids, none / total, vocab_size)
            expected = expected_probabilities(seen, keys // vocab_size, vocab_size)
            lexicon = replace(
                lexicon,
                probabilities=numpy.append(expected, UNSEEN),
                from_none=expected_probabilities(from_none, one_group, 1),
            )
        return lexicon

    def find(self, keys: Integers) -> NDArray[numpy.int32]:
        """Return where keys stand in `probabilities`."""
        found = numpy.searchsorted(self.keys, keys)
        is_known = self.keys[numpy.minimum(found, len(self.keys) - 1)] == keys
        return numpy.where(is_known, found, len(self.keys)).astype(numpy.int32)

    def best_sources(self, source: FlatSegments, target: FlatSegments) -> Integers:
        """Return the position of the source token that each target token most likely comes from.

        (T,). `NONE` stands for a target token that comes from no source token.
        """
        chosen = [numpy.empty(0, numpy.int64)]
        for cells in cell_blocks(source, target, self.vocab_size):
            weights = self.probabilities[self.find(cells.keys)] * cells.prior
            best = numpy.maximum.reduceat(weights, cells.starts)
            # The first of equal ones, as `argmax` would take.
            is_best = weights == numpy.repeat(best, cells.widths)
            candidates = numpy.where(is_best, cells.positions, len(weights))
            positions = numpy.minimum.reduceat(candidates, cells.starts).astype(numpy.int64)
            positions[P0 * self.from_none[cells.target] > best] = NONE
            chosen.append(positions)
        return numpy.concatenate(chosen)


def expected_probabilities(counts: Numbers, groups: Integers, number: int) -> Numbers:
    """Return exp(psi(count) - psi(sum of its group)), with `DIRICHLET` added to each count.

    Beal (2003), section 3.4. groups: the group of each count, from 0 to number - 1.
    """
    counts = counts + DIRICHLET
    totals = numpy.maximum(numpy.bincount(groups, counts, number), DIRICHLET)  # 0: an unused group
    expected: Numbers = numpy.exp(digamma(counts) - digamma(totals)[groups])
    return expected


def digamma(x: Numbers) -> Numbers:
    """Return the derivative of log gamma(x) for x > 0: recurrence to x + 6, then its series."""
    y = x + 6
    result: Numbers = numpy.log(y) - 1 / (2 * y) - 1 / (12 * y**2) + 1 / (120 * y**4)
    for k in range(6):
        result -= 1 / (x + k)
    return result


@dataclass(frozen=True)
class Aligner:
    """A lexicon for each direction. The opening of a source is aligned to nothing."""

    forward: Lexicon
    backward: Lexicon
    tags: Sequence[int]  # ids of control tokens

    @classmethod
    def learn(
        cls, source: FlatSegments, target: FlatSegments, vocab_size: int, tags: Sequence[int] = ()
    ) -> "Aligner":
        """Learn both lexicons from pairs; every token id is below `vocab_size`."""
        source, _ = without_controls(source, tags)
        forward = Lexicon.learn(source, target, vocab_size)
        return cls(forward, Lexicon.learn(target, source, vocab_size), tags)

    def align(self, source: FlatSegments, target: FlatSegments) -> Integers:
        """Return the position of the source token that each target token is aligned to, or `NONE`.

        Both directions agree on each of these links. They miss some links, but few of them are
        wrong.
        """
        source, opening = without_controls(source, self.tags)
        forward = self.forward.best_sources(source, target)
        backward = self.backward.best_sources(target, source)
        first_source = numpy.repeat(bounds(source.lengths)[:-1], target.lengths)
        linked = backward[first_source + numpy.maximum(forward, 0)]
        agrees = (linked == positions_within(target.lengths)) & (forward != NONE)
        return numpy.where(agrees, forward + numpy.repeat(opening, target.lengths), NONE)


def align_corpus(
    manifest: Manifest,
    names: Sequence[str],
    shards: Sequence[Shard],
    tokenizer: Tokenizer,
    notify: Notify,
) -> None:
    """Align the pairs of shards and write the results beside them, unless that is done.

    names: of the shards.
    """
    paths = [manifest.folder.shards / f"{name}.{ALIGNMENT}" for name in names]
    key = hash_values(FORMAT, MOST_CELLS, [manifest.key(name) for name in sorted(names)])
    if not manifest.needs(ALIGNMENT, key) and all(
        path.is_file() and path.stat().st_size == POSITION.itemsize * len(shard.ids)
        for path, shard in zip(paths, shards, strict=True)
    ):
        return
    manifest.forget(ALIGNMENT)
    sampled = sample(shards, MOST_CELLS)
    aligner = Aligner.learn(*sampled, len(tokenizer), tokenizer.source.tag_ids())
    linked = total = 0
    with progress_bar(unit="pair", unit_scale=True, desc="align") as bar:
        for path, shard in zip(paths, shards, strict=True):
            with atomic_path(path) as partial, partial.open("wb") as stream:
                for start in range(0, len(shard), CHUNK_PAIRS):
                    chosen = numpy.arange(start, min(start + CHUNK_PAIRS, len(shard)))
                    source, target = shard.sides(chosen)
                    aligned = aligner.align(source, target) + 1  # `NONE` becomes 0
                    positions = numpy.zeros(len(source.ids) + len(target.ids), POSITION)
                    lengths = numpy.stack([source.lengths, target.lengths], 1).reshape(-1)
                    positions[are_targets(lengths)] = aligned
                    stream.write(positions.tobytes())
                    linked += int(numpy.count_nonzero(positions))
                    total += len(aligned)
                    bar.update(len(chosen))
    manifest.steps[ALIGNMENT] = Step(key, {path.name: compute_sha256(path, WHAT) for path in paths})
    manifest.save()
    notify(f"{linked / max(1, total):.0%} of the target tokens are aligned to a source token")


def align_pairs(
    shards: Sequence[Shard],
    tokenizer: Tokenizer,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    cells: int = FEW_CELLS,
) -> list[list[int]]:
    """Return the position of the source token that each token is aligned to, or `NONE`.

    The aligner learns from a few of the pairs of shards, with about this number of cells, and from
    these pairs, none of which has an empty side.
    """
    source, target = flatten(sources), flatten(targets)
    some_source, some_target = (
        without_controls(side, subwords.tag_ids())[0]
        for side, subwords in zip(sample(shards, cells), tokenizer.sides, strict=True)
    )
    aligner = Aligner.learn(
        joined([some_source, source]),
        joined([some_target, target]),
        len(tokenizer),
        tokenizer.source.tag_ids(),
    )
    return FlatSegments(aligner.align(source, target), target.lengths).split()


def sample(shards: Sequence[Shard], most_cells: int) -> tuple[FlatSegments, FlatSegments]:
    """Return every k-th pair of shards, with the smallest k that gives few enough cells."""
    cells = sum(
        int((source * target).sum()) for shard in shards for source, target in shard.lengths()
    )
    step = max(1, -(-cells // most_cells))
    first = 0
    chosen = []
    for shard in shards:
        chosen.append(shard.sides(numpy.arange(-first % step, len(shard), step)))
        first += len(shard)
    return joined([source for source, _ in chosen]), joined([target for _, target in chosen])


def joined(parts: Sequence[FlatSegments]) -> FlatSegments:
    """Return segments one after the other."""
    return FlatSegments(
        numpy.concatenate([part.ids for part in parts]),
        numpy.concatenate([part.lengths for part in parts]),
    )


def open_alignments(
    folder: Path, names: Sequence[str], shards: Sequence[Shard]
) -> tuple[Shard, ...]:
    """Return the alignments of shards: the same shards with positions instead of ids.

    Raises NmtError if a file is missing or does not fit.
    """
    alignments = []
    for name, shard in zip(names, shards, strict=True):
        path = folder / f"{name}.{ALIGNMENT}"
        positions, mapped = open_array(path, POSITION)
        if len(positions) != len(shard.ids):
            raise damaged(path)
        alignments.append(replace(shard, ids=positions, files=(*shard.files, *mapped)))
    return tuple(alignments)
