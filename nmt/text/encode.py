"""Encode and clean the pairs of a corpus, chunk by chunk on all cores, in order.

No token of a BPE vocabulary reaches over a space, so a segment's ids are those of its words. Each
distinct word is encoded once, which takes a fraction of the time.

With `data.context`, a pair follows the pairs before it of its document, each side with a separator
after each of them (Tiedemann and Scherrer, 2017).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain, count, islice, starmap, takewhile
from typing import Any

import numpy
from numpy.typing import NDArray

from nmt.config import SEPARATOR, DataSettings
from nmt.system.pools import ProcessPool, Result
from nmt.system.threads import processor_count
from nmt.text.reading.corpus import Pair
from nmt.text.reading.lines import FirstSegment
from nmt.text.shards import EncodedPairs, FlatSegments, Integers, flatten, id_type, stretches
from nmt.text.subwords.tokenizer import SubwordModel, Tokenizer, blank_to_empty, target_token

CHUNK_PAIRS = 20_000  # pairs encoded at once: bounds memory, keeps all cores busy
CHUNK_CHARACTERS = 20_000_000  # likewise, because lines may be long; 60 bytes of memory for each
CHUNKS_ALONE = 5  # for up to 5 chunks, starting processes takes longer than they save
MOST_IDS = 4_000_000  # of known words; with their texts some 200 MB, then all are forgotten
VERDICTS = ("kept", "empty", "too_long", "ratio")  # of cleaning, on a pair
SHORTENED = "shortened"  # the count of pairs whose context was too long


@dataclass(frozen=True)
class Chunk:
    """A run of consecutive pairs of a corpus, by side."""

    first_line: int
    sources: Sequence[str]
    targets: Sequence[str]
    documents: Sequence[int] = ()  # number of the document of each pair; only for context
    repeated: int = 0  # first pairs that are the context of the others, and of another chunk

    def __len__(self) -> int:
        return len(self.sources)


def encode_pairs(
    pairs: Iterable[Pair],
    tokenizer: Tokenizer,
    limits: DataSettings,
    opening: Sequence[str] = (),
) -> Iterator[EncodedPairs]:
    """Encode and clean pairs, and yield them in order, chunk by chunk.

    The counts of a chunk are those of the verdicts, and with context of shortened pairs.

    limits: the maximum length and length ratio of a pair, and its context. opening: control tokens
    of the vocabulary to put before each source. A large corpus is encoded by one process a core.
    Raises NmtError if one of them is killed.
    """
    chunks = split_into_chunks(pairs)
    if limits.context:
        chunks = with_context(chunks, limits.context)
    encoder = Encoder(tokenizer)

    def encode_here(chunk: Chunk, *_: object) -> EncodedPairs:
        return encoder.encode(chunk, limits, opening, threads=processor_count())

    # The tokenizer's model is sent with each chunk, to which it adds little. Sent to the
    # initializer, it would exceed the buffer of a pipe, and Python would wait forever if the new
    # process were killed.
    tasks = ((chunk, tokenizer.model, limits, opening) for chunk in chunks)
    what = "encodes the corpus"
    yield from in_processes(encode_in_worker, tasks, what, CHUNKS_ALONE, encode_here)


def in_processes(
    function: Callable[..., Result],
    tasks: Iterator[tuple[Any, ...]],
    what: str,
    few: int,
    alone: Callable[..., Result] | None = None,
) -> Iterator[Result]:
    """Yield the results of a function in the order of its tasks; many run in one process a core.

    Args:
        function: takes the arguments of a task.
        tasks: the arguments; only a few are taken ahead of the results.
        what: what the tasks do, for the error if a process is killed.
        few: the number of tasks up to which they run in this process.
        alone: the function in this process, if it is another one.

    Raises:
        NmtError: if a process is killed.
    """
    first = [*islice(tasks, few + 1)]
    workers = processor_count()
    if len(first) <= few or workers == 1:
        yield from starmap(alone or function, chain(first, tasks))
        return
    work, advice = f"process that {what}", "run the same command again"
    with closing(ProcessPool(workers, are_new=True, work=work, advice=advice)) as pool:
        yield from pool.starmap(function, chain(first, tasks))


def split_into_chunks(pairs: Iterable[tuple[str, ...]]) -> Iterator[Chunk]:
    """Yield pairs in chunks of `CHUNK_PAIRS`, or fewer from about `CHUNK_CHARACTERS` on.

    pairs: each begins with source and target, as `Pair` does.
    """
    line, characters = 1, 0
    sources, targets = list[str](), list[str]()
    for pair in pairs:
        source, target = pair[0], pair[1]
        sources.append(source)
        targets.append(target)
        characters += len(source) + len(target)
        if len(sources) == CHUNK_PAIRS or characters >= CHUNK_CHARACTERS:
            yield Chunk(line, sources, targets)
            line, characters, sources, targets = line + len(sources), 0, [], []
    if sources:
        yield Chunk(line, sources, targets)


def with_context(chunks: Iterable[Chunk], context: int) -> Iterator[Chunk]:
    """Yield chunks that know their documents and begin with the pairs before them, `context` many.

    A blank pair ends a document.
    """
    before, document = Chunk(1, (), ()), 0
    for chunk in chunks:
        documents = document_numbers(chunk.sources, chunk.targets, document)
        joined = Chunk(
            chunk.first_line - len(before),
            [*before.sources, *chunk.sources],
            [*before.targets, *chunk.targets],
            [*before.documents, *documents],
            len(before),
        )
        yield joined
        last = slice(-context, None)
        before = Chunk(0, joined.sources[last], joined.targets[last], joined.documents[last])
        document = documents[-1]


def document_numbers(
    sources: Sequence[str], targets: Sequence[str] = (), last: int = 0
) -> list[int]:
    """Return the number of each segment's document, from the number of the last one on.

    A document ends at a blank line (of both sides, if targets are given), and where a file with
    document ids says so.
    """
    pairs = zip(sources, targets or sources, strict=True)
    begun = accumulate(starmap(begins_document, pairs), initial=last)
    return [*islice(begun, 1, None)]


def begins_document(source: str, target: str) -> bool:
    """Return whether a document begins at a pair; see `document_numbers`."""
    return isinstance(source, FirstSegment) or not (source.strip() or target.strip())


class Encoder:
    """A tokenizer that remembers the words it has encoded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        source, target = tokenizer.sides
        first = WordCache(source)
        self.vocab_size = len(tokenizer)
        self._tokenizer = tokenizer
        self._sides = first, first if source is target else WordCache(target)

    def encode(
        self, chunk: Chunk, limits: DataSettings, opening: Sequence[str], threads: int
    ) -> EncodedPairs:
        """Encode a chunk and clean it; opening: as in `encode_pairs`."""
        source, target = (
            model.encode(side, threads)
            for model, side in zip(self._sides, (chunk.sources, chunk.targets), strict=True)
        )
        lengths = numpy.stack([source.lengths, target.lengths])  # (2, n)
        verdicts = judge(lengths, limits, len(opening))
        kept = numpy.flatnonzero(verdicts == VERDICTS.index("kept"))
        numbers = numpy.bincount(verdicts[chunk.repeated :], minlength=len(VERDICTS)).tolist()
        counts = dict(zip(VERDICTS, numbers, strict=True))
        lines = chunk.first_line + kept
        if limits.context:
            documents = numpy.array(chunk.documents)[kept]
            source, target, shortened = in_context(
                (source.rows(kept), target.rows(kept)),
                self._tokenizer,
                documents,
                kept,
                limits,
                len(opening),
            )
            own = kept >= chunk.repeated
            counts[SHORTENED] = int(shortened[own].sum())
            lines, kept = lines[own], numpy.flatnonzero(own)
        if opening:
            source = with_opening(source, control_ids(opening, self._tokenizer))
        if limits.context or opening:
            lengths = numpy.stack([source.lengths, target.lengths])
        # Where each segment ends if all targets follow all sources; then source 0, target 0, ...
        ends = lengths.reshape(-1).cumsum().reshape(2, -1)[:, kept].T.reshape(-1)
        sizes = lengths[:, kept].T.reshape(-1)
        ids = stretches(numpy.concatenate([source.ids, target.ids]), ends, sizes)
        return EncodedPairs(ids.astype(id_type(self.vocab_size)), sizes, lines, counts)


def find_opening(language: str, subwords: SubwordModel, tag: str = "") -> tuple[str, ...]:
    """Return the control tokens before sources: of the language to write, of the corpus.

    The vocabulary decides whether there is one of a language: that of an initial model may have
    some. Errors are those of `target_token`.
    """
    return tuple(filter(None, (target_token(language, subwords, language), tag)))


def control_ids(opening: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    """Return the ids of control tokens, which `nmt.text.prepare.find_openings` has found."""
    return [*filter(None, map(tokenizer.source.tag_id, opening))]


def with_opening(side: FlatSegments, opening: Sequence[int]) -> FlatSegments:
    """Return segments that each begin with more tokens."""
    starts = numpy.repeat(side.lengths.cumsum() - side.lengths, len(opening))
    tokens = numpy.tile(opening, len(side.lengths))
    return FlatSegments(numpy.insert(side.ids, starts, tokens), side.lengths + len(opening))


def in_context(
    sides: tuple[FlatSegments, FlatSegments],
    tokenizer: Tokenizer,
    documents: Integers,
    positions: Integers,
    limits: DataSettings,
    opening: int,
) -> tuple[FlatSegments, FlatSegments, NDArray[numpy.bool_]]:
    """Return n pairs after the pairs before them, and whether some of these were left out (n,).

    documents (n,): number of the document of each pair. positions (n,): of the pairs in their text,
    which others may have stood between. opening: tokens that are put before each source. If a side
    would exceed `data.max_length`, the oldest context is left out.
    """
    offsets = numpy.arange(limits.context + 1)
    own = numpy.arange(len(positions))[:, None]
    first = numpy.maximum(own - offsets, 0)  # (n, N + 1): the pair that a context begins with
    is_near = (own >= offsets) & (documents[first] == documents[:, None])
    is_near &= positions[:, None] - positions[first] <= limits.context
    fits, spaced = is_near, []
    separators = filter(None, (side.tag_id(SEPARATOR) for side in tokenizer.sides))
    for side, separator, extra in zip(sides, separators, (opening, 0), strict=True):
        starts = (side.lengths + 1).cumsum() - side.lengths - 1
        ends = starts + side.lengths
        ids = numpy.insert(side.ids, side.lengths.cumsum(), separator)
        fits = fits & (extra + ends[:, None] - starts[first] <= limits.max_length)
        spaced.append((ids, starts, ends))
    taken = numpy.maximum(fits.sum(1) - 1, 0)
    begin = own[:, 0] - taken
    source, target = (
        FlatSegments(stretches(ids, ends, ends - starts[begin]), ends - starts[begin])
        for ids, starts, ends in spaced
    )
    return source, target, taken < is_near.sum(1) - 1


def encode_whole(
    pairs: Sequence[Pair], tokenizer: Tokenizer, data: DataSettings, opening: Sequence[str] = ()
) -> list[tuple[list[int], list[int]]]:
    """Return the ids of all pairs as a training reads them: with their context and opening."""
    sources, targets = [pair.source for pair in pairs], [pair.target for pair in pairs]
    found = tokenizer.source.encode(sources), tokenizer.target.encode(targets)
    if data.context and pairs:
        documents = numpy.array(document_numbers(sources, targets))
        is_empty = numpy.array([not all(pair) for pair in zip(*found, strict=True)])
        # As a training drops them, they are no context and have none.
        documents[is_empty] = -1 - numpy.flatnonzero(is_empty)
        source, target, _ = in_context(
            (flatten(found[0]), flatten(found[1])),
            tokenizer,
            documents,
            numpy.arange(len(pairs)),
            data,
            len(opening),
        )
        found = source.split(), target.split()
    first = control_ids(opening, tokenizer)
    return [([*first, *source], target) for source, target in zip(*found, strict=True)]


def alone(ids: Sequence[int], controls: Collection[int]) -> list[int]:
    """Return the ids of a segment without its context: the opening, and what no control follows."""
    opening = [*takewhile(controls.__contains__, ids)]
    own = [*takewhile(lambda token: token not in controls, reversed(ids))]
    return opening + own[::-1]


def judge(lengths: Integers, limits: DataSettings, opening: int = 0) -> Integers:
    """Return the verdict of cleaning on each pair, as indices of `VERDICTS` (n,).

    lengths (2, n): source and target lengths in tokens. opening: tokens that are put before
    each source; they count for the greatest length, but not for the ratio.
    """
    shorter, longer = lengths.min(0), lengths.max(0)
    longest = numpy.maximum(longer, lengths[0] + opening)
    conditions: list[NDArray[numpy.bool_]] = [
        shorter == 0,
        longest > limits.max_length,
        longer > limits.max_ratio * shorter,
    ]
    return numpy.select(conditions, [numpy.int64(1), numpy.int64(2), numpy.int64(3)], 0)


def encode_in_worker(
    chunk: Chunk, model: bytes, limits: DataSettings, opening: Sequence[str]
) -> EncodedPairs:
    """Encode and clean a chunk in a worker process."""
    return worker_encoder(model).encode(chunk, limits, opening, threads=1)


@lru_cache(maxsize=1)
def worker_encoder(model: bytes) -> Encoder:
    """Return the encoder of a worker process, which is built once."""
    return Encoder(Tokenizer(model))


class WordCache:
    """A subword model with the ids of the words that it has encoded."""

    def __init__(self, model: SubwordModel) -> None:
        self._model = model
        self._by_word = model.encodes_word_by_word()
        self._forget()

    def _forget(self) -> None:
        self._numbers: dict[str, int] = {}  # of words, in the order of the arrays
        self._ids = numpy.empty(0, numpy.int32)  # of all words end to end
        self._ends = numpy.zeros(1, numpy.int64)  # where each word ends in them, after a 0

    def encode(self, segments: Sequence[str], threads: int = 1) -> FlatSegments:
        """Return what `SubwordModel.encode` returns for the segments."""
        if not self._by_word:
            return flatten(self._model.encode(segments, threads), numpy.int32)
        lines = [blank_to_empty(segment).split(" ") for segment in segments]
        words = [*chain.from_iterable(lines)]
        self._learn(words, threads)
        numbers = numpy.fromiter(map(self._numbers.__getitem__, words), numpy.int64, len(words))
        ends = self._ends[numbers + 1]
        lengths = ends - self._ends[numbers]
        ids = stretches(self._ids, ends, lengths)
        last = numpy.fromiter(map(len, lines), numpy.int64, len(lines)).cumsum() - 1
        return FlatSegments(ids, numpy.diff(lengths.cumsum()[last], prepend=0))

    def _learn(self, words: Sequence[str], threads: int) -> None:
        """Encode the words that are not known."""
        if len(self._ids) > MOST_IDS:
            self._forget()
        new = [*set(words).difference(self._numbers)]
        encoded = flatten(self._model.encode_words(new, threads), numpy.int32)
        self._numbers.update(zip(new, count(len(self._numbers)), strict=False))
        self._ends = numpy.concatenate([self._ends, len(self._ids) + encoded.lengths.cumsum()])
        self._ids = numpy.concatenate([self._ids, encoded.ids])
