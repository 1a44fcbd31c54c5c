"""Candidates are rated as sacreBLEU would rate them, and the best rated one is chosen."""

import math
import random

import numpy
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.config import DecodeSettings
from nmt.decoding.search import mbr
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.search.mbr import Metric, MinimumBayesRisk, candidate_count, chrf, overlaps
from nmt.errors import UsageError

# Real, odd and empty texts; equal ones but for white space; repetitions.
TEXTS = [
    "Ein Hund läuft über die Wiese.",
    "Der Hund, der Hund, der Hund, der Hund!",
    "Zwei Männer spielen Fußball (im Regen).",
    "",
    " ",
    "a b",
    "aaaaaaaaaaaa",
    "1,000.50 Euro &amp; 3%",
    "狗在草地上跑。",
    "🐕 🐕🐕",
    "!!!",
    "  two  spaces \t and a tab ",
    "http://example.org/?a=b&c=d",
]


def words(seed: int) -> list[str]:
    """Return texts of few words, which have many n-grams in common."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(("the", "cat", "hat", "at"), k=n)) for n in range(12)]


@pytest.mark.parametrize("texts", [TEXTS, words(1), words(2)], ids=["odd", "words", "more words"])
@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_scores_equal_those_of_sacrebleu(texts: list[str], language: str) -> None:
    """Every text is scored with every text as its reference."""
    tokenizer = {"de": "13a", "zh": "zh", "ja": "char"}[language]
    pairs: list[tuple[Metric, CHRF | BLEU]] = [
        (chrf, CHRF()),
        (mbr.bleu_metric(language), BLEU(tokenize=tokenizer, effective_order=True)),
    ]
    for metric, reference in pairs:
        expected = [[reference.sentence_score(a, [b]).score for b in texts] for a in texts]
        assert metric(texts) == pytest.approx(numpy.array(expected), abs=1e-6)


def test_blocks_of_n_grams_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = overlaps(TEXTS, 6)
    monkeypatch.setattr(mbr, "COLUMNS", 7)
    assert (overlaps(TEXTS, 6).matches == whole.matches).all()


def choose(
    texts: list[str], log_probs: list[float], *, are_samples: bool, n_best: int = 9
) -> list[tuple[str, float]]:
    """Return the chosen texts and their utilities; hypothesis i has the one id i."""
    chooser = MinimumBayesRisk(lambda _: chrf, "de", lambda ids: texts[ids[0]], are_samples, n_best)
    given = [Hypothesis((i,), value, value) for i, value in enumerate(log_probs)]
    found = chooser.choose(given)
    assert all(texts[hypothesis.ids[0]] in texts for hypothesis in found)
    return [(texts[hypothesis.ids[0]], hypothesis.utility or 0.0) for hypothesis in found]


@pytest.mark.parametrize(
    ("drawn", "log_probs", "are_samples", "weight"),
    [
        ([0, 1, 1], [-1.0, -2.0, -2.0], True, 1 / 3),  # equal samples are one candidate
        ([0, 1], [math.log(0.6), math.log(0.2)], False, 3 / 4),  # a beam's, by probability
    ],
)
def test_the_expected_score_chooses(
    drawn: list[int], log_probs: list[float], are_samples: bool, weight: float
) -> None:
    """weight: the share of the first of two texts."""
    texts = ["the cat sat", "a dog ran off"]
    scores = chrf(texts)
    found = choose([texts[index] for index in drawn], log_probs, are_samples=are_samples)
    first = 100 * weight + scores[0, 1] * (1 - weight)
    second = 100 * (1 - weight) + scores[1, 0] * weight
    expected = {texts[0]: pytest.approx(first), texts[1]: pytest.approx(second)}
    assert dict(found) == expected
    assert [text for text, _ in found] == (texts if weight > 1 / 2 else texts[::-1])


def test_each_segment_has_the_words_of_its_language() -> None:
    texts = ["A B", "A C", "AC"]
    chooser = MinimumBayesRisk(mbr.bleu_metric, "de", lambda ids: texts[ids[0]], True, 9)
    given = [Hypothesis((i,), 0, 0) for i in range(3)]
    for language in ("", "ja"):
        expected = mbr.bleu_metric(language or "de")(texts).mean(1)
        found = sorted(chooser.choose(given, language), key=lambda hypothesis: hypothesis.ids)
        assert [hypothesis.utility for hypothesis in found] == pytest.approx([*expected])


def test_of_equal_utilities_the_first_stays_first() -> None:
    texts = ["ab", "cd", "ef"]
    assert [text for text, _ in choose(texts, [-1, -2, -3], are_samples=True)] == texts
    assert len(choose(texts, [-1, -2, -3], are_samples=True, n_best=2)) == 2
    assert choose([], [], are_samples=True) == []


@pytest.mark.parametrize(
    ("settings", "n_best", "expected"),
    [
        ({}, 3, 3),
        ({"method": "sample"}, 30, 30),
        ({"mbr": "chrf"}, 1, 4),
        ({"mbr": "chrf", "candidates": 3}, 2, 3),
        ({"mbr": "bleu", "method": "sample"}, 1, 100),
        ({"mbr": "bleu", "method": "sample", "candidates": 7}, 7, 7),
        ({}, 5, "n-best is 5 but must be from 1 to the beam size, 4"),
        ({}, 0, "n-best is 0 but must be from 1 to the beam size, 4"),
        ({"method": "sample"}, 1001, "n-best is 1001 but must be from 1 to 1,000"),
        ({"mbr": "chrf"}, 5, "n-best is 5 but must be from 1 to the number of candidates, 4"),
        (
            {"mbr": "chrf", "candidates": 5},
            1,
            "decode.candidates is 5 but must be at most the beam",
        ),
    ],
)
def test_how_many_candidates_are_needed(
    settings: dict[str, object], n_best: int, expected: int | str
) -> None:
    chosen = DecodeSettings(**settings)  # type: ignore[arg-type] # values of several types
    if isinstance(expected, int):
        assert candidate_count(chosen, n_best) == expected
        return
    with pytest.raises(UsageError) as error:
        candidate_count(chosen, n_best)
    assert str(error.value).startswith(expected)
