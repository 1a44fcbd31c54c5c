"""Learn what is usual in a corpus so that cleaning its result again finds the same.

What is usual is learned from pairs that are left, not from those that are removed, and from the
same ones each time: pairs are drawn by their hashes, whatever stands between them.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from zlib import crc32

from nmt.corpora.check.detectors import detectors, faults
from nmt.corpora.check.norms import Segments, learn_norms
from nmt.corpora.check.reading import Pair
from nmt.corpora.check.segment import Segment
from nmt.corpora.clean.block import chosen_detectors, repaired_pair
from nmt.corpora.clean.repair import repaired
from nmt.corpora.clean.rules import Rules

USUAL = ("script", "language", "length_ratio")  # the filters that compare with what is usual
MOST_ROUNDS = 20
NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())

# By the hash of the source, and what near duplicates have in common on each side.
Sample = dict[tuple[int, str, str], Segments]


def draw_sample(pairs: Iterable[Pair], rules: Rules) -> Sample:
    """Return up to twice `sample_pairs` pairs that the other filters leave, repaired.

    Pairs whose source has a low hash are drawn. Of near duplicates, the first one is drawn.
    """
    known = [each for each in chosen_detectors(rules) if each.kind not in USUAL]
    sample, limit = Sample(), 1 << 32
    for original in pairs:
        if (number := source_hash(original[0], rules)) >= limit:
            continue
        pair, _ = repaired_pair(original, rules)
        source, target = Segment(pair[0]), Segment(pair[1])
        key = number, source.folded, target.folded
        if key not in sample and not faults(source, target, known):
            sample[key] = source, target
        if len(sample) > 2 * rules.limits.sample_pairs:
            limit //= 2
            sample = below(limit, sample)
    return sample


def source_hash(text: str, rules: Rules) -> int:
    """Return a hash of a source's letters after repair, which near duplicates have in common."""
    if text.isascii():
        return crc32(text.lower().encode().translate(None, NO_LETTERS))
    text = repaired(text, with_ftfy=rules.with_ftfy)[0] if rules.repair else text
    letters = "".join(Segment(text).words)
    return crc32(unicodedata.normalize("NFC", letters).encode("utf-8", "surrogatepass"))


def below(limit: int, sample: Sample) -> Sample:
    """Return the pairs with a hash below a limit."""
    return {key: pair for key, pair in sample.items() if key[0] < limit}


def with_usual_norms(sample: Sample, rules: Rules) -> Rules:
    """Return rules whose norms are those of the pairs of a sample that these rules leave.

    If more than `sample_pairs` are left, half of them is enough: a corpus that has lost up to half
    of its pairs is then judged by the same sample.
    """
    while True:
        left = pairs = [*sample.values()]
        for _ in range(MOST_ROUNDS):
            before, rules = left, replace(rules, norms=learn_norms(left, rules.limits))
            known = [
                each
                for each in detectors(rules.norms, rules.limits)
                if each.kind in USUAL and each.kind in rules.filters
            ]
            left = [pair for pair in pairs if not any(each.reason(*pair) for each in known)]
            if left == before:
                break
        if len(left) <= rules.limits.sample_pairs:
            return rules
        sample = below(1 << (max(sample)[0].bit_length() - 1), sample)
