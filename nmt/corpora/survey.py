"""Survey a corpus: find the facts that its settings and held-out sets depend on."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, islice

import numpy

from nmt.config import DECLARED, TokenizerSettings
from nmt.corpora.held_out import HashedPairs
from nmt.corpora.pairs import has_text, learn_from, sample_evenly
from nmt.corpora.presets import RARE_SHARE, ChosenSettings, CorpusFacts, choose_settings
from nmt.decoding.translator.odd_input import has_words
from nmt.errors import NmtError
from nmt.text.reading.corpus import Pair
from nmt.text.subwords.learning import most_tokens

MOST_WORDS = 200_000  # distinct ones to count; no vocabulary needs to know of more
BLOCK_PAIRS = 1000  # that are counted at once
# Of a side; longer pairs are dropped.
MOST_TOKENS: int = DECLARED["data.max_length"].metadata["default"]
Corpus = tuple[tuple[str, str], Iterable[Pair]]  # its languages and its pairs
WORD = re.compile(r"[^\W\d_]{2,15}")  # letters; SentencePiece keeps no longer piece


def survey(
    corpora: Iterable[Corpus], name: str, given: HashedPairs | None = None
) -> tuple[CorpusFacts, HashedPairs]:
    """Read corpora once; return the facts about all of them, and the hashes of their pairs.

    name: of the corpora. given: dev and test sets that exist already; pairs with a segment of
    theirs, or with an empty side, do not count. Raises NmtError if no pair is left.
    """
    count = long_pairs = rewritten = 0
    words, characters = [0, 0], [0, 0]
    alphabet: Counter[int] = Counter()
    distinct: set[str] = set()
    hasher = HashedPairs(given=given)
    usable = chain.from_iterable(hasher.read(*corpus) for corpus in corpora)
    while block := list(islice(usable, BLOCK_PAIRS)):
        count += len(block)
        long_pairs += sum(max(map(len, pair)) > MOST_TOKENS for pair in block)
        rewritten += sum(
            not has_words(pair.source) and pair.source.split() != pair.target.split()
            for pair in block
        )
        for side, segments in enumerate(zip(*block, strict=True)):
            # As SentencePiece normalises it; a line feed combines with no other character.
            text = unicodedata.normalize("NFKC", "\n".join(segments))
            words[side] += len(text.split())
            alphabet.update(character_counts(text))
            if len(distinct) < MOST_WORDS:
                distinct.update(WORD.findall(text))
            characters[side] += len(text) - len(block) + 1
    if not count:
        other = ", unless it is in a given dev or test set" if hasher.overlap else ""
        raise NmtError(f"{name} has no pair with text on both sides{other}")
    del alphabet[ord("\n")]
    counts = numpy.array(sorted(alphabet.values(), reverse=True)).cumsum()
    frequent = int(counts.searchsorted((1 - RARE_SHARE) * counts[-1])) + 1
    facts = CorpusFacts(
        count,
        max(words),
        max(characters),
        len(alphabet),
        frequent,
        len(distinct),
        long_pairs=long_pairs,
        rewritten=rewritten,
    )
    return facts, hasher


def character_counts(text: str) -> dict[int, int]:
    """Return how often each character of a text occurs, by its code point."""
    points = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), numpy.uint32)
    counts = numpy.bincount(points)
    return {point: int(counts[point]) for point in map(int, numpy.flatnonzero(counts))}


FEW_PAIRS = 1000
SMALL_TEXT = 100_000  # characters of a side, from which a vocabulary is learned at once


def few_pairs_notes(pairs: int) -> list[str]:
    """Return a note if a corpus is too small for a useful model."""
    if pairs >= FEW_PAIRS:
        return []
    return [
        f"{pairs:,} pairs are too few to learn to translate; the recipe works, but a useful model"
        " needs about 10,000 pairs"
    ]


def fitting_settings(
    facts: CorpusFacts, training: Callable[[], Iterable[Pair]], *, has_gpu: bool
) -> ChosenSettings:
    """Return the settings for a corpus; a vocabulary can be learned from the training text.

    training: returns the pairs that are not held out; they are read only if they are few, or if
    many may be too long. Raises NmtError if a small training text allows no vocabulary.
    """
    settings = choose_settings(facts, has_gpu=has_gpu)
    if facts.characters <= SMALL_TEXT:
        coverage = settings.value("tokenizer.character_coverage")
        most = most_tokens(chain.from_iterable(training()), coverage)
        least = DECLARED["tokenizer.vocab_size"].metadata["minimum"]
        if most < least:
            raise NmtError(
                f"the training text is too small: it allows a vocabulary of {most} tokens, and a"
                f" model needs {least}; give more text"
            )
        settings = choose_settings(replace(facts, most_tokens=most), has_gpu=has_gpu)
    if facts.long_pairs > MOST_DROPPED * facts.pairs:  # a token has at least one character
        return with_length(settings, training())
    return settings


MOST_PAIRS, MOST_SAMPLED = 20_000, 2_000_000  # of the sample: read and learned in a few seconds
MOST_DROPPED = 0.1  # of the pairs, which a training may drop without advice
KEPT = 0.98  # of the pairs, that the advice keeps
STEP, LONGEST = 50, 1000  # tokens; memory and time of attention grow with their square


def with_length(settings: ChosenSettings, training: Iterable[Pair]) -> ChosenSettings:
    """Return settings with a data.max_length that keeps most pairs of long segments.

    The lengths are those of a sample, in a vocabulary that is learned from it.
    """
    sample = sample_evenly(filter(has_text, training), MOST_PAIRS, MOST_SAMPLED)
    wanted = TokenizerSettings(
        vocab_size=settings.value("tokenizer.vocab_size"),
        character_coverage=settings.value("tokenizer.character_coverage"),
    )
    subwords = learn_from(sample, wanted).source
    lengths = numpy.array(
        [[*map(len, subwords.encode(list(side)))] for side in zip(*sample, strict=True)]
    ).max(0)  # (n,) tokens of the longer side
    share = float((lengths > MOST_TOKENS).mean())
    if share <= MOST_DROPPED:
        return settings
    wanted_length = STEP * -(-float(numpy.quantile(lengths, KEPT)) // STEP)
    length = int(min(LONGEST, wanted_length))
    many = f"{100 * share:.0f} % of the pairs have a side of more than {MOST_TOKENS} tokens"
    note = f"{many}, so data.max_length is {length:,}; shorter pairs, of sentences, train faster."
    values = {
        "data.max_length": length,
        **settings.values,
        "decode.max_segment_tokens": length,
    }
    reasons = {"data.max_length": many, "decode.max_segment_tokens": "longer segments are divided"}
    return ChosenSettings(values, settings.reasons | reasons, (*settings.notes, note))
