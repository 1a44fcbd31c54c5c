"""Look at a corpus, and divide it into training, dev and test text.

The source of a pair decides where the pair goes, by its hash: the sources with the smallest hashes
become the dev and test sets. So pairs with equal sources are never divided, the choice does not
depend on the order of the pairs, and memory does not grow with the corpus.
"""

import gzip
import heapq
import lzma
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from nmt.errors import NmtError
from nmt.recipe.choice import RARE_SHARE, CorpusFacts
from nmt.text.given_text import Pair

HELD_OUT_SHARE = 1 / 20  # of the sources go into the dev set, and as many into the test set
MOST_HELD_OUT = 1000  # pairs in each of them; scores of 1,000 pairs are steady within a point
MOST_WORDS = 200_000  # distinct ones to count; no vocabulary needs to know of more
WORD = re.compile(r"[^\W\d_]{2,15}")  # letters; SentencePiece keeps no longer piece
HASH_BYTES = 8
XZ_PRESET = 1  # higher presets save little space and take many times as long


@dataclass(frozen=True)
class Division:
    """The hashes of the sources that are not for training."""

    dev: frozenset[int] = frozenset()  # held out
    test: frozenset[int] = frozenset()  # held out
    given: frozenset[int] = frozenset()  # in a dev or test set that exists already: left out


@dataclass(frozen=True)
class Survey:
    """The facts that one reading of a corpus finds."""

    facts: CorpusFacts
    blank: int  # pairs with an empty side, which are not counted in the facts
    smallest: tuple[int, ...]  # of the hashes of the sources, in order
    overlap: int  # pairs whose source is in a given set, which are not counted in the facts
    given: frozenset[int]  # hashes of the sources of the given sets

    @property
    def distinct_sources(self) -> int:
        """About how many different sources there are; exact if there are few.

        If n hashes are spread evenly, the k-th smallest lies at k / n of their range.
        """
        count = len(self.smallest)
        if count < 2 * MOST_HELD_OUT:
            return count
        return int((count - 1) * 256**HASH_BYTES / self.smallest[-1])

    def divide(self, *, dev: bool, test: bool) -> Division:
        """Choose the sources to hold out for a dev set, a test set, or both.

        Raises NmtError if the corpus has too few different sources.
        """
        size = min(MOST_HELD_OUT, max(1, int(self.distinct_sources * HELD_OUT_SHARE)))
        if self.distinct_sources <= size * (dev + test):
            raise NmtError(
                f"the corpus has {self.distinct_sources} different source segments, too few to hold"
                " some out; give a dev and a test set with --dev and --test"
            )
        chosen = iter((self.smallest[:size], self.smallest[size : 2 * size]))
        return Division(
            frozenset(next(chosen) if dev else ()),
            frozenset(next(chosen) if test else ()),
            self.given,
        )


def source_hash(source: str) -> int:
    """Return the hash of a source; case and the width of spaces do not count."""
    key = " ".join(source.casefold().split()).encode()
    return int.from_bytes(blake2b(key, digest_size=HASH_BYTES).digest())


def is_blank(pair: Pair) -> bool:
    """Return whether a side of a pair is empty."""
    return not (pair[0].strip() and pair[1].strip())


def source_hashes(pairs: Iterable[Pair]) -> frozenset[int]:
    """Return the hashes of the sources of a dev or test set."""
    return frozenset(source_hash(pair[0]) for pair in pairs if not is_blank(pair))


def survey(pairs: Iterable[Pair], given: frozenset[int] = frozenset()) -> Survey:
    """Read a corpus once and return what is in it.

    given: the hashes of the sources of dev and test sets that exist already.
    """
    count = blank = overlap = 0
    words, characters = [0, 0], [0, 0]
    alphabet: Counter[str] = Counter()
    distinct: set[str] = set()
    smallest = SmallestHashes(2 * MOST_HELD_OUT)
    for pair in pairs:
        if is_blank(pair):
            blank += 1
            continue
        digest = source_hash(pair[0])
        if digest in given:
            overlap += 1
            continue
        count += 1
        smallest.add(digest)
        for side, segment in enumerate(pair):
            text = unicodedata.normalize("NFKC", segment)  # as SentencePiece does
            words[side] += len(text.split())
            characters[side] += len(text)
            alphabet.update(text)
            if len(distinct) < MOST_WORDS:
                distinct.update(WORD.findall(text))
    facts = CorpusFacts(
        count,
        max(words),
        max(characters),
        len(alphabet),
        frequent_characters(alphabet),
        len(distinct),
    )
    return Survey(facts, blank, smallest.ordered(), overlap, given)


class SmallestHashes:
    """The smallest different numbers of a stream, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: set[int] = set()
        self._heap: list[int] = []  # negative, so that the largest comes first

    def add(self, number: int) -> None:
        """Take a number of the stream."""
        is_full = len(self._heap) == self._most
        if (is_full and number >= -self._heap[0]) or number in self._kept:
            return
        if is_full:
            self._kept.discard(-heapq.heapreplace(self._heap, -number))
        else:
            heapq.heappush(self._heap, -number)
        self._kept.add(number)

    def ordered(self) -> tuple[int, ...]:
        """Return the numbers, the smallest first."""
        return tuple(sorted(self._kept))


def frequent_characters(counts: Counter[str]) -> int:
    """Return how many characters make up all of a text but RARE_SHARE."""
    wanted = (1 - RARE_SHARE) * counts.total()
    covered = 0
    for number, (_, count) in enumerate(counts.most_common(), start=1):
        covered += count
        if covered >= wanted:
            return number
    return 0


def write_division(
    pairs: Iterable[Pair], division: Division, folder: Path, sets: dict[str, tuple[str, str]]
) -> dict[str, int]:
    """Write the pairs of a corpus into files of a folder and return the numbers of pairs by set.

    sets: the names of the files of source and target by "train", "dev" and "test"; one that ends in
    .gz is compressed. Pairs with an empty side are left out, and dev and test sets have each source
    once.
    """
    counts = dict.fromkeys(sets, 0)
    with ExitStack() as stack:
        streams = {
            name: [stack.enter_context(text_file(folder / file)) for file in files]
            for name, files in sets.items()
        }
        for name, pair in divided(pairs, division):
            counts[name] += 1
            for stream, text in zip(streams[name], pair, strict=True):
                stream.write(text.replace("\n", " ") + "\n")  # .sgm may hold an escaped line feed
    return counts


def divided(pairs: Iterable[Pair], division: Division) -> Iterator[tuple[str, Pair]]:
    """Yield the pairs to write, each with the name of its set."""
    seen: set[int] = set()
    held_out = division.dev | division.test
    for pair in pairs:
        if is_blank(pair):
            continue
        digest = source_hash(pair[0])
        if digest in division.given:
            continue
        if digest not in held_out:
            yield "train", pair
        elif digest not in seen:
            seen.add(digest)
            yield "dev" if digest in division.dev else "test", pair


@contextmanager
def text_file(path: Path, ending: str = "") -> Iterator[IO[str]]:
    """Open a UTF-8 file to write; equal texts become equal bytes.

    ending: .gz and .xz compress the file. [default: the ending of its name]
    """
    match ending or path.suffix:
        case ".gz":
            with (
                path.open("wb") as raw,
                gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
                TextIOWrapper(packed, "utf-8", newline="\n") as stream,
            ):
                yield stream
        case ".xz":
            with lzma.open(path, "wt", preset=XZ_PRESET, encoding="utf-8", newline="\n") as stream:
                yield stream
        case _:
            with path.open("w", encoding="utf-8", newline="\n") as stream:
                yield stream
