"""Survey a corpus: find the facts that its settings and held-out sets depend on."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy
from numpy.typing import NDArray

from nmt.config import DECLARED, DataSettings, TokenizerSettings
from nmt.corpora.held_out import HashedPairs, Sides
from nmt.corpora.presets import RARE_SHARE, Choice, ChosenSettings, CorpusFacts, choose_settings
from nmt.errors import NmtError
from nmt.text.corpus import Pair
from nmt.text.encode import Encoder, chunks_of
from nmt.text.learning import learn_subwords, most_tokens
from nmt.text.shards import LINE, OFFSET, Shard
from nmt.text.tokenizer import SubwordModel, Tokenizer

MOST_CHARACTERS = 8_000_000  # of a sample: SentencePiece learns from them in a few seconds


class Sampler:
    """Sample a stream of pairs evenly.

    It holds every k-th pair with text on both sides. Whenever it is full, every other pair is
    dropped and k doubles.
    """

    def __init__(self, most_pairs: int, most_characters: int = MOST_CHARACTERS) -> None:
        self._most_pairs, self._most_characters = most_pairs, most_characters
        self._step = 1
        self._seen = 0
        self._characters = 0
        self.pairs: list[Pair] = []

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the pairs of a stream as they are, and sample them."""
        for pair in pairs:
            self._add(pair)
            yield pair

    def _add(self, pair: Pair) -> None:
        if not (pair[0].strip() and pair[1].strip()):
            return
        if self._seen % self._step == 0:
            self.pairs.append(pair)
            self._characters += sum(map(len, pair))
        self._seen += 1
        while len(self.pairs) > 1 and (
            len(self.pairs) > self._most_pairs or self._characters > self._most_characters
        ):
            self.pairs = self.pairs[::2]
            self._step *= 2
            self._characters = sum(len(side) for pair in self.pairs for side in pair)


def learn_from(pairs: Sequence[Pair], settings: TokenizerSettings) -> Tokenizer:
    """Learn one tokenizer, or one for each language, from a sample.

    If the sample is too small for so many tokens, the vocabulary is smaller. Raises NmtError if
    there is none at all.
    """

    def learned(sides: slice) -> SubwordModel:
        return learn_subwords((side for pair in pairs for side in pair[sides]), settings)

    try:
        if settings.joint:
            return Tokenizer(learned(slice(2)).model)
        return Tokenizer.from_two(learned(slice(0, 1)), learned(slice(1, 2)))
    except NmtError:
        smaller = settings.vocab_size * 3 // 4
        if smaller < 1:
            raise
        return learn_from(pairs, replace(settings, vocab_size=smaller))


def encoded(pairs: Sequence[Pair], tokenizer: Tokenizer, limits: DataSettings) -> Shard:
    """Return the pairs that cleaning keeps, encoded in memory."""
    encoder = Encoder(tokenizer)
    chunks = [
        encoder.encode(chunk, limits, "", threads=1).pairs for chunk in chunks_of(iter(pairs))
    ]
    lengths = numpy.concatenate([each.lengths for each in chunks])
    offsets = numpy.zeros(len(lengths) + 1, OFFSET)
    lengths.cumsum(out=offsets[1:])
    lines = numpy.concatenate([each.lines for each in chunks]).astype(LINE)
    return Shard(numpy.concatenate([each.ids for each in chunks]), offsets, lines)


MOST_WORDS = 200_000  # distinct ones to count; no vocabulary needs to know of more
BLOCK_PAIRS = 1000  # that are counted at once
# Of a side; longer pairs are dropped.
MOST_TOKENS: int = DECLARED["data.max_length"].metadata["default"]
WORD = re.compile(r"[^\W\d_]{2,15}")  # letters; SentencePiece keeps no longer piece


@dataclass(frozen=True)
class Survey:
    """Hold the facts that one reading of a corpus finds."""

    facts: CorpusFacts
    blank: int  # pairs with an empty side, which are not counted in the facts
    overlap: int  # pairs with a side that is nearly in a given set, not counted in the facts
    hashed: HashedPairs


def survey(pairs: Iterable[Pair], given: Sides | None = None) -> Survey:
    """Read a corpus once and return what is in it.

    given: the segments of dev and test sets that exist already.
    """
    count = long_pairs = 0
    words, characters = [0, 0], [0, 0]
    alphabet: Counter[int] = Counter()
    distinct: set[str] = set()
    hasher = HashedPairs(given=given)
    usable = (pair for pair in pairs if hasher.add(pair))
    while block := list(islice(usable, BLOCK_PAIRS)):
        count += len(block)
        long_pairs += sum(max(map(len, pair)) > MOST_TOKENS for pair in block)
        for side, segments in enumerate(zip(*block, strict=True)):
            # As SentencePiece normalises it; a line feed combines with no other character.
            text = unicodedata.normalize("NFKC", "\n".join(segments))
            words[side] += len(text.split())
            alphabet.update(character_counts(text))
            if len(distinct) < MOST_WORDS:
                distinct.update(WORD.findall(text))
            characters[side] += len(text) - len(block) + 1
    del alphabet[ord("\n")]
    facts = CorpusFacts(
        count,
        max(words),
        max(characters),
        len(alphabet),
        frequent_characters(alphabet),
        len(distinct),
        long_pairs=long_pairs,
    )
    return Survey(facts, hasher.blank, hasher.overlap, hasher)


def character_counts(text: str) -> dict[int, int]:
    """Return how often each character of a text occurs, by its code point."""
    points = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), numpy.uint32)
    counts = numpy.bincount(points)
    return {point: int(counts[point]) for point in map(int, numpy.flatnonzero(counts))}


def frequent_characters(counts: Counter[int]) -> int:
    """Return how many characters make up all of a text but RARE_SHARE."""
    wanted = (1 - RARE_SHARE) * counts.total()
    covered = 0
    for number, (_, count) in enumerate(counts.most_common(), start=1):
        covered += count
        if covered >= wanted:
            return number
    return 0


FEW_PAIRS = 1000
SMALL_TEXT = 100_000  # characters of a side, from which a vocabulary is learned at once


def fitting_settings(
    facts: CorpusFacts, training: Callable[[], Iterable[Pair]], *, has_gpu: bool
) -> ChosenSettings:
    """Return the settings for a corpus; a vocabulary can be learned from the training text.

    training: returns the pairs that are not held out; they are read only if they are few. Raises
    NmtError if a small training text allows no vocabulary.
    """
    settings = choose_settings(facts, has_gpu=has_gpu)
    if facts.characters <= SMALL_TEXT:
        settings = for_small_text(facts, settings, training, has_gpu=has_gpu)
    return with_length(facts, settings, training)


def for_small_text(
    facts: CorpusFacts,
    settings: ChosenSettings,
    training: Callable[[], Iterable[Pair]],
    *,
    has_gpu: bool,
) -> ChosenSettings:
    """Return settings with a vocabulary that can be learned; see `fitting_settings`."""
    coverage = settings.value("tokenizer.character_coverage")
    most = most_tokens(chain.from_iterable(training()), coverage)
    least = DECLARED["tokenizer.vocab_size"].metadata["minimum"]
    if most < least:
        raise NmtError(
            f"the training text is too small: it allows a vocabulary of {most} tokens, and a model"
            f" needs {least}; give more text"
        )
    return choose_settings(replace(facts, most_tokens=most), has_gpu=has_gpu)


def few_pairs_notes(pairs: int) -> list[str]:
    """Return a note if a corpus is too small for a useful model."""
    if pairs >= FEW_PAIRS:
        return []
    return [
        f"{pairs:,} pairs are too few to learn to translate; the recipe works, but a useful model"
        " needs about 10,000 pairs"
    ]


MOST_PAIRS, MOST_CHARACTERS = 20_000, 2_000_000  # of the sample: read and learned in a few seconds
MOST_DROPPED = 0.1  # of the pairs, which a training may drop without advice
KEPT = 0.98  # of the pairs, that the advice keeps
STEP, LONGEST = 50, 1000  # tokens; memory and time of attention grow with their square


def with_length(
    facts: CorpusFacts, settings: ChosenSettings, training: Callable[[], Iterable[Pair]]
) -> ChosenSettings:
    """Return settings with a data.max_length that keeps most pairs of long segments.

    training: returns the training pairs; they are read only if many may be too long.
    """
    if facts.long_pairs <= MOST_DROPPED * facts.pairs:
        return settings  # a token has at least one character
    lengths = sampled_lengths(training(), settings)
    share = float((lengths > MOST_TOKENS).mean()) if len(lengths) else 0.0
    if share <= MOST_DROPPED:
        return settings
    wanted = STEP * -(-float(numpy.quantile(lengths, KEPT)) // STEP)
    length = int(min(LONGEST, wanted))
    many = f"{100 * share:.0f} % of the pairs have a side of more than {MOST_TOKENS} tokens"
    note = f"{many}, so data.max_length is {length:,}; shorter pairs, of sentences, train faster."
    first = Choice("data.max_length", length, many)
    last = Choice("decode.max_segment_tokens", length, "longer segments are divided")
    return replace(
        settings,
        choices=(first, *settings.choices, last),
        considered=(first, *settings.considered, last),
        notes=(*settings.notes, note),
    )


def sampled_lengths(pairs: Iterable[Pair], settings: ChosenSettings) -> NDArray[numpy.int64]:
    """Return the tokens of the longer side of pairs (n,), by a vocabulary learned from them."""
    sampler = Sampler(MOST_PAIRS, MOST_CHARACTERS)
    for _ in sampler.watch(pairs):
        pass
    if not sampler.pairs:
        return numpy.zeros(0, numpy.int64)
    size = settings.value("tokenizer.vocab_size")
    coverage = settings.value("tokenizer.character_coverage")
    wanted = TokenizerSettings(vocab_size=size, character_coverage=coverage)
    tokenizer = learn_from(sampler.pairs, wanted)
    sides = zip(tokenizer.sides, zip(*sampler.pairs, strict=True), strict=True)
    lengths = [[*map(len, subwords.encode(list(texts)))] for subwords, texts in sides]
    longest: NDArray[numpy.int64] = numpy.array(lengths, numpy.int64).max(0)
    return longest
