"""How well a vocabulary covers a text: unknown characters, and pieces for each word."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.check.finding import SHOWN, Example, Finding, found
from nmt.check.kinds import Severity
from nmt.check.limits import CheckLimits
from nmt.check.reading import Row
from nmt.text.tokenizer import UNK, Tokenizer


@dataclass(frozen=True)
class Coverage:
    """How a vocabulary covers the pairs of a sample."""

    pairs: int
    pieces_per_word: tuple[float, float]  # of source and target


def coverage_of(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    limits: CheckLimits,
    has_words: tuple[bool, bool] = (True, True),
) -> tuple[Coverage, list[Finding]]:
    """Return the coverage of a sample, and what is wrong with it.

    has_words: whether a side has words that a vocabulary should not spell in small pieces.
    """
    ratios = []
    unknown: dict[int, str] = {}  # by place in the sample
    for name, model, place in zip(("source", "target"), tokenizer.sides, (1, 2), strict=True):
        side = [str(row[place]) for row in rows]
        encoded = model.encode(side)
        words = sum(len(text.split()) for text in side)
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
