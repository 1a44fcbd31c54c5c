"""Encode and clean the pairs of a corpus, chunk by chunk on all cores, in order."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

import numpy
from numpy.typing import NDArray

from nmt.config import DataSettings
from nmt.system.pools import ProcessPool
from nmt.system.threads import processor_count
from nmt.text.shards import EncodedPairs, id_type
from nmt.text.tokenizer import Tokenizer
from nmt.text.word_cache import EncodedSide, WordCache

CHUNK_PAIRS = 20_000  # pairs encoded at once: bounds memory, keeps all cores busy
CHUNK_CHARACTERS = 20_000_000  # likewise, because lines may be long; 60 bytes of memory for each
CHUNKS_ALONE = 5  # for up to 5 chunks, starting processes takes longer than they save
VERDICTS = ("kept", "empty", "too_long", "ratio")  # of cleaning, on a pair

Pair = tuple[str, str]


@dataclass(frozen=True)
class Chunk:
    """A run of consecutive pairs of a corpus."""

    first_line: int
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class EncodedChunk:
    """The pairs of a chunk that cleaning kept."""

    pairs: EncodedPairs
    counts: dict[str, int]  # pairs by verdict


def encode_pairs(
    pairs: Iterable[Pair], tokenizer: Tokenizer, limits: DataSettings, tag: str = ""
) -> Iterator[EncodedChunk]:
    """Encode and clean pairs, and yield them in order.

    limits: the maximum length and length ratio of a pair. tag: a token of the vocabulary to put
    before each source. A large corpus is encoded by one process
    a core. Raises NmtError if one of them is killed.
    """
    chunks = chunks_of(iter(pairs))
    first = list(islice(chunks, CHUNKS_ALONE + 1))
    workers = processor_count()
    if len(first) <= CHUNKS_ALONE or workers == 1:
        encoder = Encoder(tokenizer)
        for chunk in chain(first, chunks):
            yield encoder.encode(chunk, limits, tag, threads=workers)
        return
    with closing(encoding_pool(workers)) as pool:
        # The tokenizer's model is sent with each chunk, to which it adds little. Sent to the
        # initializer, it would exceed the buffer of a pipe, and Python would wait forever if the
        # new process were killed.
        tasks = ((chunk, tokenizer.model, limits, tag) for chunk in chain(first, chunks))
        yield from pool.starmap(encode_in_worker, tasks)


def encoding_pool(
    workers: int,
    work: str = "encodes the corpus",
    kept: str = ", which keeps the finished parts of a corpus",
) -> ProcessPool:
    """Return a pool of new processes that encode.

    work, kept: texts for the error if one of them is killed: what the processes do, and what the
    same command keeps when it is run again.
    """
    advice = f"run the same command again{kept}"
    return ProcessPool(workers, are_new=True, work=f"process that {work}", advice=advice)


def chunks_of(pairs: Iterator[Pair], line: int = 1) -> Iterator[Chunk]:
    """Yield pairs in chunks of `CHUNK_PAIRS`, or fewer from about `CHUNK_CHARACTERS` on.

    line: number of the first pair.
    """
    characters = 0
    taken: list[Pair] = []
    for pair in pairs:
        taken.append(pair)
        characters += len(pair[0]) + len(pair[1])
        if len(taken) == CHUNK_PAIRS or characters >= CHUNK_CHARACTERS:
            yield Chunk(line, taken)
            line, characters, taken = line + len(taken), 0, []
    if taken:
        yield Chunk(line, taken)


class Encoder:
    """A tokenizer that remembers the words it has encoded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        source, target = tokenizer.sides
        first = WordCache(source)
        self.vocab_size = len(tokenizer)
        self._tag_id = source.tag_id
        self._sides = first, first if source is target else WordCache(target)

    def encode(self, chunk: Chunk, limits: DataSettings, tag: str, threads: int) -> EncodedChunk:
        """Encode a chunk and clean it; tag: as in `encode_pairs`."""
        source, target = (
            model.encode(side, threads)
            for model, side in zip(self._sides, zip(*chunk.pairs, strict=True), strict=True)
        )
        lengths = numpy.stack([source.lengths, target.lengths])  # (2, n)
        verdicts = judge(lengths, limits, opening=bool(tag))
        if tag:
            source = with_opening(source, self._tag_id(tag))
            lengths = numpy.stack([source.lengths, target.lengths])
        kept = numpy.flatnonzero(verdicts == VERDICTS.index("kept"))
        # Where each segment ends if all targets follow all sources; then source 0, target 0, ...
        ends = lengths.reshape(-1).cumsum().reshape(2, -1)[:, kept].T.reshape(-1)
        sizes = lengths[:, kept].T.reshape(-1)
        places = numpy.arange(sizes.sum()) + numpy.repeat(ends - sizes.cumsum(), sizes)
        ids = numpy.concatenate([source.ids, target.ids])[places]
        numbers = numpy.bincount(verdicts, minlength=len(VERDICTS)).tolist()
        return EncodedChunk(
            EncodedPairs(ids.astype(id_type(self.vocab_size)), sizes, chunk.first_line + kept),
            dict(zip(VERDICTS, numbers, strict=True)),
        )


def with_opening(side: EncodedSide, token: int | None) -> EncodedSide:
    """Return segments that each begin with a token more."""
    assert token is not None  # noqa: S101 (`nmt.text.learning.check_tags` has found it)
    starts = side.lengths.cumsum() - side.lengths
    return EncodedSide(numpy.insert(side.ids, starts, token), side.lengths + 1)


def judge(
    lengths: NDArray[numpy.int64], limits: DataSettings, opening: int = 0
) -> NDArray[numpy.int64]:
    """Return the verdict of cleaning on each pair, as indices of `VERDICTS` (n,).

    lengths (2, n): source and target lengths in tokens. opening: tokens that are put before
    each source; they count only for the greatest length.
    """
    shorter, longer = lengths.min(0), lengths.max(0)
    longest = numpy.maximum(longer, lengths[0] + opening)
    conditions: list[NDArray[numpy.bool_]] = [
        shorter == 0,
        longest > limits.max_length,
        longer > limits.max_ratio * shorter,
    ]
    return numpy.select(conditions, [numpy.int64(1), numpy.int64(2), numpy.int64(3)], 0)


def encode_in_worker(chunk: Chunk, model: bytes, limits: DataSettings, tag: str) -> EncodedChunk:
    """Encode and clean a chunk in a worker process."""
    return worker_encoder(model).encode(chunk, limits, tag, threads=1)


@lru_cache(maxsize=1)
def worker_encoder(model: bytes) -> Encoder:
    """Return the encoder of a worker process, which is built once."""
    return Encoder(Tokenizer(model))
