"""Align the pairs of a prepared corpus, for guided alignment (`train.guided_alignment`).

A dev set is aligned in the same way, to choose which attention of a model aligns.

A shard NAME gets a file more, NAME.alignment: for each id of NAME.ids a number (uint16). At a token
of a target it is the place of the source token that it is aligned to, counted from 1; it is 0 at a
token that is aligned to none, and at tokens of sources.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy
from numpy.typing import NDArray

from nmt.system.atomic import atomic_path
from nmt.system.files import sha256_of
from nmt.system.log import Notify, progress_bar
from nmt.text.aligner import NONE, Aligner, TokenPairs, first_tokens
from nmt.text.manifest import Manifest, PreparedFolder, Step, hash_of
from nmt.text.shards import WHAT, Shard, damaged, flatten, open_array
from nmt.text.tokenizer import Tokenizer

ALIGNMENT = "alignment"  # the ending of the files, and the name of the manifest's step
FORMAT = 1  # changes with the aligner
PLACE: "numpy.dtype[numpy.uint16]" = numpy.dtype("<u2")
MOST_CELLS = 1 << 25  # that the aligner learns from; it takes some of the pairs of a larger corpus
FEW_CELLS = 1 << 20  # for the links of a dev set
CHUNK_PAIRS = 20_000  # aligned at once

Integers = NDArray[numpy.int64]


def align_corpus(
    folder: PreparedFolder,
    manifest: Manifest,
    names: Sequence[str],
    shards: Sequence[Shard],
    tokenizer: Tokenizer,
    notify: Notify,
    verify: bool = False,
) -> None:
    """Align the pairs of shards and write the results beside them, unless that is done.

    names: of the shards. verify: hash the results that are there. A tag before a source is aligned
    to nothing.
    """
    paths = [alignment_path(folder.shards, name) for name in names]
    corpora = sorted(name for name in manifest.steps if name.startswith("train-"))
    key = hash_of(FORMAT, MOST_CELLS, [manifest.key(name) for name in corpora])
    if not manifest.needs(ALIGNMENT, key, folder) and all(map(is_whole, paths, shards)):
        known = manifest.steps[ALIGNMENT].sha256
        if not verify or all(known.get(each.name) == sha256_of(each, WHAT) for each in paths):
            return
    manifest.forget(ALIGNMENT)
    tags = tokenizer.source.tag_ids()
    aligner = Aligner.learn(sample(shards, tags, MOST_CELLS), len(tokenizer))
    linked = total = 0
    with progress_bar(unit="pair", unit_scale=True, desc="align") as bar:
        for path, shard in zip(paths, shards, strict=True):
            with atomic_path(path) as partial, partial.open("wb") as stream:
                for start in range(0, len(shard), CHUNK_PAIRS):
                    chosen = numpy.arange(start, min(start + CHUNK_PAIRS, len(shard)))
                    places = places_of(shard, chosen, aligner, tags)
                    stream.write(places.tobytes())
                    linked += int(numpy.count_nonzero(places))
                    bar.update(len(chosen))
            total += sum(int(target.sum()) for _, target in shard.lengths())
    digests = {path.name: sha256_of(path, WHAT) for path in paths}
    manifest.steps[ALIGNMENT] = Step(key, digests)
    manifest.save()
    notify(f"{linked / max(1, total):.0%} of the target tokens are aligned to a source token")


def alignment_path(folder: Path, name: str) -> Path:
    """Return the path of a shard's alignment."""
    return folder / f"{name}.{ALIGNMENT}"


def is_whole(path: Path, shard: Shard) -> bool:
    """Return whether the alignment of a shard is there in full."""
    return path.is_file() and path.stat().st_size == PLACE.itemsize * len(shard.ids)


def sample(shards: Sequence[Shard], tags: Sequence[int], most_cells: int) -> TokenPairs:
    """Return every k-th pair of shards, with the smallest k that gives few enough cells.

    tags: as in `token_pairs`.
    """
    cells = sum(
        int((source * target).sum()) for shard in shards for source, target in shard.lengths()
    )
    step = max(1, -(-cells // most_cells))
    first = 0
    chosen = []
    for shard in shards:
        indices = numpy.arange(-first % step, len(shard), step)
        first += len(shard)
        chosen.append(token_pairs(shard, indices, tags)[0])
    return joined(chosen)


def joined(chosen: Sequence[TokenPairs]) -> TokenPairs:
    """Return pairs one after the other."""
    return TokenPairs(
        numpy.concatenate([pairs.source for pairs in chosen]),
        numpy.concatenate([pairs.target for pairs in chosen]),
        numpy.concatenate([pairs.source_lengths for pairs in chosen]),
        numpy.concatenate([pairs.target_lengths for pairs in chosen]),
    )


def align_pairs(
    shards: Sequence[Shard],
    tokenizer: Tokenizer,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
) -> list[list[int]]:
    """Return the place of the source token that each token of other pairs is aligned to, or `NONE`.

    The aligner learns from a few of the pairs of shards, and from these pairs, none of which has an
    empty side. A tag before a source is aligned to nothing.
    """
    tags = tokenizer.source.tag_ids()
    lost = [int(source[0] in tags) for source in sources]
    source, target = (
        flatten([source[tagged:] for source, tagged in zip(sources, lost, strict=True)]),
        flatten(targets),
    )
    pairs = TokenPairs(source.ids, target.ids, source.lengths, target.lengths)
    some = sample(shards, tags, FEW_CELLS)
    places = Aligner.learn(joined([some, pairs]), len(tokenizer)).align(pairs).tolist()
    ends = first_tokens(target.lengths).tolist()
    return [
        [NONE if place == NONE else place + tagged for place in places[begin:end]]
        for (begin, end), tagged in zip(pairwise(ends), lost, strict=True)
    ]


def token_pairs(
    shard: Shard, indices: Integers, tags: Sequence[int]
) -> tuple[TokenPairs, Integers]:
    """Return the pairs of a shard with these indices, and how many tags each source has lost (m,).

    tags: ids of tags. A source begins with one at most.
    """
    shard.check_files()
    found, lengths = shard.pairs(indices)
    ids, is_source = found.astype(numpy.int64), sides(lengths)
    sources, source_lengths = ids[is_source], lengths[0::2]
    starts = source_lengths.cumsum() - source_lengths
    tagged = numpy.isin(sources[starts], tags)
    sources = numpy.delete(sources, starts[tagged])
    lost = tagged.astype(numpy.int64)
    return TokenPairs(sources, ids[~is_source], source_lengths - lost, lengths[1::2]), lost


def sides(lengths: Integers) -> NDArray[numpy.bool_]:
    """Return whether each token of pairs is the source's; lengths are those of `Shard.pairs`."""
    return numpy.repeat(numpy.arange(len(lengths)) % 2 == 0, lengths)


def places_of(
    shard: Shard, indices: Integers, aligner: Aligner, tags: Sequence[int] = ()
) -> NDArray[numpy.uint16]:
    """Return the content of the alignment's file for some pairs of a shard."""
    pairs, lost = token_pairs(shard, indices, tags)
    lengths = numpy.stack([pairs.source_lengths + lost, pairs.target_lengths], 1).reshape(-1)
    found = aligner.align(pairs)
    places = numpy.zeros(lengths.sum(), PLACE)
    shifts = numpy.repeat(lost, pairs.target_lengths)
    places[~sides(lengths)] = numpy.where(found < 0, 0, found + 1 + shifts)
    return places


def open_alignments(
    folder: Path, names: Sequence[str], shards: Sequence[Shard]
) -> tuple[Shard, ...]:
    """Return the alignments of shards: the same shards with places instead of ids.

    Raises NmtError if a file is missing or does not fit.
    """
    return tuple(open_alignment(folder, *each) for each in zip(names, shards, strict=True))


def open_alignment(folder: Path, name: str, shard: Shard) -> Shard:
    """Return a shard with the places of its alignment instead of its ids."""
    opened = open_array(alignment_path(folder, name), PLACE)
    if len(opened.numbers) != len(shard.ids):
        raise damaged(alignment_path(folder, name))
    files = (*shard.files, opened.file) if opened.file else shard.files
    return replace(shard, ids=opened.numbers, files=files)
