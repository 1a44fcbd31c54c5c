"""Encode and clean the pairs of a corpus, chunk by chunk on all cores, in order."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from multiprocessing import get_context

import numpy
from numpy.typing import NDArray

from nmt.config import DataSettings
from nmt.errors import NmtError
from nmt.system.processes import deferred_interrupts, kill_children, watch_parent
from nmt.text.shards import EncodedPairs, id_type
from nmt.text.tokenizer import Tokenizer

CHUNK_PAIRS = 20_000  # pairs encoded at once: bounds memory, keeps all cores busy
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
    pairs: Iterable[Pair], tokenizer: Tokenizer, limits: DataSettings
) -> Iterator[EncodedChunk]:
    """Encode and clean pairs, and yield them in order.

    limits: the maximum length and length ratio of a pair. A large corpus is encoded by one process
    a core. Raises NmtError if one of them is killed.
    """
    chunks = chunks_of(iter(pairs))
    first = list(islice(chunks, CHUNKS_ALONE + 1))
    workers = os.cpu_count() or 1
    if len(first) <= CHUNKS_ALONE or workers == 1:
        for chunk in chain(first, chunks):
            yield encode_chunk(chunk, tokenizer, limits, threads=workers)
        return
    with ProcessPoolExecutor(
        workers,
        mp_context=get_context("spawn"),  # a fork would copy locks that other threads hold
        initializer=watch_parent,
    ) as pool:
        try:
            yield from in_order(
                (submit(pool, chunk, tokenizer.model, limits) for chunk in chain(first, chunks)),
                ahead=2 * workers,
            )
        except BrokenProcessPool as error:
            kill_children()
            raise NmtError(
                "a process that encodes the corpus was killed, perhaps because memory ran out; run"
                " the same command again to encode the corpus from its start"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def chunks_of(pairs: Iterator[Pair]) -> Iterator[Chunk]:
    """Yield pairs in chunks of `CHUNK_PAIRS`."""
    line = 1
    while taken := list(islice(pairs, CHUNK_PAIRS)):
        yield Chunk(line, taken)
        line += len(taken)


def in_order(futures: Iterator["Future[EncodedChunk]"], ahead: int) -> Iterator[EncodedChunk]:
    """Yield results in order of submission, with at most `ahead` futures pending."""
    waiting = deque(islice(futures, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(islice(futures, 1))
        yield result


def submit(
    pool: ProcessPoolExecutor, chunk: Chunk, model: bytes, limits: DataSettings
) -> "Future[EncodedChunk]":
    """Submit a chunk to the pool, which may start a process for it.

    The tokenizer's model is sent with each chunk, to which it adds little. Sent to the initializer,
    it would exceed the buffer of a pipe, and Python would wait forever if the new process were
    killed.
    """
    with deferred_interrupts():
        return pool.submit(encode_in_worker, chunk, model, limits)


def encode_chunk(
    chunk: Chunk, tokenizer: Tokenizer, limits: DataSettings, threads: int
) -> EncodedChunk:
    """Encode a chunk and clean it."""
    sides = [
        model.encode(side, threads)
        for model, side in zip(tokenizer.sides, zip(*chunk.pairs, strict=True), strict=True)
    ]
    lengths = numpy.array([[len(ids) for ids in side] for side in sides])  # (2, n)
    verdicts = judge(lengths, limits)
    kept = numpy.flatnonzero(verdicts == VERDICTS.index("kept"))
    rows = [side[index] for index in kept.tolist() for side in sides]
    ids = numpy.fromiter(chain.from_iterable(rows), id_type(len(tokenizer)))
    numbers = numpy.bincount(verdicts, minlength=len(VERDICTS)).tolist()
    return EncodedChunk(
        EncodedPairs(ids, lengths[:, kept].T.reshape(-1), chunk.first_line + kept),
        dict(zip(VERDICTS, numbers, strict=True)),
    )


def judge(lengths: NDArray[numpy.int64], limits: DataSettings) -> NDArray[numpy.int64]:
    """Return the verdict of cleaning on each pair, as indices of `VERDICTS` (n,).

    lengths (2, n): source and target lengths in tokens.
    """
    shorter, longer = lengths.min(0), lengths.max(0)
    conditions: list[NDArray[numpy.bool_]] = [
        shorter == 0,
        longer > limits.max_length,
        longer > limits.max_ratio * shorter,
    ]
    return numpy.select(conditions, [numpy.int64(1), numpy.int64(2), numpy.int64(3)], 0)


def encode_in_worker(chunk: Chunk, model: bytes, limits: DataSettings) -> EncodedChunk:
    """Encode and clean a chunk in a worker process."""
    return encode_chunk(chunk, worker_tokenizer(model), limits, threads=1)


@lru_cache(maxsize=1)
def worker_tokenizer(model: bytes) -> Tokenizer:
    """Return the tokenizer of a worker process, which is built once."""
    return Tokenizer(model)
