"""Encode and clean pairs chunk by chunk, on every core, in the corpus's order."""

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
from nmt.system.processes import kill_workers, start_worker, without_interrupts
from nmt.text.shards import EncodedPairs, id_type
from nmt.text.tokenizer import Tokenizer

CHUNK_PAIRS = 20_000  # encoded at once: bounds memory, keeps all cores busy
CHUNKS_ALONE = 5  # up to so many, starting processes takes longer than they save
REASONS = ("kept", "empty", "too_long", "ratio")  # the verdicts on a pair

Pair = tuple[str, str]


@dataclass(frozen=True)
class Chunk:
    """Consecutive pairs of a corpus."""

    first_line: int
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class EncodedChunk:
    """What cleaning left of a chunk."""

    pairs: EncodedPairs
    counts: dict[str, int]  # pairs by verdict


def encode_pairs(
    pairs: Iterable[Pair], tokenizer: Tokenizer, limits: DataSettings
) -> Iterator[EncodedChunk]:
    """The pairs encoded and cleaned, in order; a large corpus by one process a core.

    Raises NmtError if one of these is killed.
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
        initializer=start_worker,
    ) as pool:
        try:
            yield from in_order(
                (submit(pool, chunk, tokenizer.model, limits) for chunk in chain(first, chunks)),
                ahead=2 * workers,
            )
        except BrokenProcessPool as error:
            kill_workers()
            raise NmtError(
                "a process that encodes the corpus was killed, perhaps for want of memory; the same"
                " command begins the corpus anew"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def chunks_of(pairs: Iterator[Pair]) -> Iterator[Chunk]:
    """Pairs in chunks that know where they stand."""
    line = 1
    while taken := list(islice(pairs, CHUNK_PAIRS)):
        yield Chunk(line, taken)
        line += len(taken)


def in_order(futures: Iterator["Future[EncodedChunk]"], ahead: int) -> Iterator[EncodedChunk]:
    """Results in order of submission, with at most `ahead` waiting or at work."""
    waiting = deque(islice(futures, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(islice(futures, 1))
        yield result


def submit(
    pool: ProcessPoolExecutor, chunk: Chunk, model: bytes, limits: DataSettings
) -> "Future[EncodedChunk]":
    """Hand a chunk to the pool, which may start a process for it.

    The tokenizer's model goes with each chunk, to which it adds little. Given to the initializer,
    it would be more than a pipe holds, and Python waits forever on that of a new process that was
    killed.
    """
    with without_interrupts():
        return pool.submit(encode_in_worker, chunk, model, limits)


def encode_chunk(
    chunk: Chunk, tokenizer: Tokenizer, limits: DataSettings, threads: int
) -> EncodedChunk:
    """Piece ids of the pairs that cleaning keeps, and what it dropped."""
    sides = [
        pieces.encode(side, threads)
        for pieces, side in zip(tokenizer.sides, zip(*chunk.pairs, strict=True), strict=True)
    ]
    lengths = numpy.array([[len(ids) for ids in side] for side in sides])  # (2, n)
    verdicts = judge(lengths, limits)
    kept = numpy.flatnonzero(verdicts == REASONS.index("kept"))
    rows = [side[index] for index in kept.tolist() for side in sides]
    ids = numpy.fromiter(chain.from_iterable(rows), id_type(len(tokenizer)))
    numbers = numpy.bincount(verdicts, minlength=len(REASONS)).tolist()
    return EncodedChunk(
        EncodedPairs(ids, lengths[:, kept].T.reshape(-1), chunk.first_line + kept),
        dict(zip(REASONS, numbers, strict=True)),
    )


def judge(lengths: NDArray[numpy.int64], limits: DataSettings) -> NDArray[numpy.int64]:
    """Why pairs of these lengths (2, n) are dropped, if they are, as indices of REASONS (n,)."""
    shorter, longer = lengths.min(0), lengths.max(0)
    conditions: list[NDArray[numpy.bool_]] = [
        shorter == 0,
        longer > limits.max_length,
        longer > limits.max_ratio * shorter,
    ]
    return numpy.select(conditions, [numpy.int64(1), numpy.int64(2), numpy.int64(3)], 0)


def encode_in_worker(chunk: Chunk, model: bytes, limits: DataSettings) -> EncodedChunk:
    """What the pool calls."""
    return encode_chunk(chunk, worker_tokenizer(model), limits, threads=1)


@lru_cache(maxsize=1)
def worker_tokenizer(model: bytes) -> Tokenizer:
    """The tokenizer of a worker process, made once."""
    return Tokenizer(model)
