"""Measure how well a vocabulary covers a text: unknown characters, pieces for each word."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from nmt.config import TokenizerSettings
from nmt.corpora.check.finding import SHOWN, Example, Finding, found
from nmt.corpora.check.kinds import Severity
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.reading import Row
from nmt.errors import NmtError
from nmt.recipe.vocabulary_choice import RARE_SHARE
from nmt.text.learning import learn_subwords, most_tokens
from nmt.text.tokenizer import UNK, Tokenizer

LEARNED_TOKENS = 8_000  # for text without a vocabulary: that of the tuned recipes for small corpora
LEARNED_PAIRS = 50_000  # of the sample, to learn them from: 2 seconds
RARE_PAIRS = 2  # of the sample: a character in so few of them is rare
LEAST_SAMPLE = 1_000  # pairs; in a smaller sample, many characters are rare by chance


@dataclass(frozen=True)
class Coverage:
    """Describe how a vocabulary covers the pairs of a sample."""

    pairs: int
    pieces_per_word: tuple[float, float]  # of source and target; without spaces: per character
    learned_tokens: int = 0  # of a vocabulary learned from a sample of the text; 0: the recipe's


def coverage_of(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    limits: CheckLimits,
    has_words: tuple[bool, bool] = (True, True),
    by_character: tuple[bool, bool] = (False, False),
) -> tuple[Coverage, list[Finding]]:
    """Return the coverage of a sample, and what is wrong with it.

    has_words: whether a side has words that a vocabulary should not spell in small pieces.
    by_character: whether a side is written without spaces, so that its characters are counted.
    """
    ratios = []
    unknown: dict[int, str] = {}  # by place in the sample
    sides = zip(("source", "target"), tokenizer.sides, (1, 2), by_character, strict=True)
    for name, model, place, is_counted in sides:
        side = [str(row[place]) for row in rows]
        encoded = model.encode(side)
        words = sum(len("".join(parts) if is_counted else parts) for parts in map(str.split, side))
        ratios.append(sum(map(len, encoded)) / max(1, words))
        for number, ids in enumerate(encoded):
            if UNK in ids:
                symbols = " ".join(dict.fromkeys(model.unknown(side[number])))
                unknown.setdefault(number, f"{symbols} in the {name}")
    examples = [
        Example(rows[number][0], unknown[number]).with_texts(*rows[number][1:])
        for number in sorted(unknown)[:SHOWN]
    ]
    is_rare = len(unknown) <= limits.unknown_share * len(rows)
    severity: Severity = "note" if is_rare else "warning"
    findings = found("unknown_characters", len(unknown), len(rows), examples, severity=severity)
    small = [
        Example(0, f"{ratio:.2f} pieces for each word of the {name}")
        for name, ratio, counts in zip(("source", "target"), ratios, has_words, strict=True)
        if counts and ratio > limits.most_pieces
    ]
    findings += found("pieces", len(small), 2, small)
    return Coverage(len(rows), (ratios[0], ratios[1])), findings


def learned_tokenizer(rows: Sequence[Row]) -> Tokenizer:
    """Return a vocabulary of LEARNED_TOKENS, or as many as the sample allows.

    Raises NmtError if the sample is too small for any, or has too many distinct characters.
    """
    few = rows[:: -(-len(rows) // LEARNED_PAIRS)]
    segments = [text for row in few for text in row[1:]]
    settings = TokenizerSettings(LEARNED_TOKENS, character_coverage=1 - RARE_SHARE)
    try:
        subwords = learn_subwords(segments, settings)
    except NmtError:
        most = most_tokens(segments, settings.character_coverage)
        if most >= LEARNED_TOKENS:
            raise  # the text has more distinct characters than that
        subwords = learn_subwords(segments, replace(settings, vocab_size=most))
    return Tokenizer(subwords.model)


def learned_coverage(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    limits: CheckLimits,
    by_character: tuple[bool, bool] = (False, False),
) -> Coverage:
    """Return the coverage by a vocabulary of `learned_tokenizer`, which has no faults of a text.

    by_character: as for `coverage_of`.
    """
    coverage, _ = coverage_of(rows, tokenizer, limits, by_character=by_character)
    return replace(coverage, learned_tokens=len(tokenizer))


def rare_characters(rows: Sequence[Row]) -> list[Finding]:
    """Return the finding about characters that are in RARE_PAIRS pairs of a sample or fewer."""
    if len(rows) < LEAST_SAMPLE:
        return []
    counts = Counter(chain.from_iterable({*source, *target} for _, source, target in rows))
    rare = {character for character, count in counts.items() if count <= RARE_PAIRS}
    details = {
        place: " ".join(sorted(rare.intersection((*row[1], *row[2]))))
        for place, row in enumerate(rows)
        if not rare.isdisjoint(row[1]) or not rare.isdisjoint(row[2])
    }
    examples = [
        Example(rows[place][0], details[place]).with_texts(*rows[place][1:])
        for place in [*details][:SHOWN]
    ]
    return found("rare_characters", len(details), len(rows), examples)
