"""Filters of `nmt clean` that are off by default."""

import pytest

from nmt.corpora.detectors import OPTIONAL, optional_detectors
from nmt.corpora.norms import CheckLimits
from nmt.corpora.pairs import Row
from nmt.corpora.segment import Segment

SAMPLE: list[Row] = [
    (1, "Two men are walking through the park.", "Zwei Männer gehen durch den Park."),
    (2, "The children play in the garden.", "Die Kinder spielen im Garten."),
    (3, "She goes home in the evening.", "Sie geht am Abend nach Hause."),
]


@pytest.mark.parametrize(
    ("name", "source", "target", "reason"),
    [
        ("numbers", "in 2011", "2012", "2011 only in the source; 2012 only in the target"),
        ("numbers", "room 101", "Zimmer", "101 only in the source"),
        ("numbers", "1,000.5 m", "1.000,5 m", ""),
        ("numbers", "at 6:30", "um 6.30 Uhr", ""),
        ("numbers", "four years", "4 Jahre", ""),  # small numbers are often spelled out
        ("numbers", "3 of 4", "4 von 5", "3 only in the source; 5 only in the target"),
        ("question", "Who?", "Wer.", "only the source ends as a question"),
        ("question", "Who.", "Wer\uff1f", "only the target ends as a question"),
        ("question", 'He asked: "Who?"', "Er fragte: \u201eWer?\u201c", ""),
        (
            "question",
            "Who is it?",
            "\u03a0\u03bf\u03b9\u03bf\u03c2 \u03b5\u03af\u03bd\u03b1\u03b9;",
            "",
        ),
        ("question", "the parameter \u03b1 is equal to 1;", "der Parameter \u03b1 ist 1.", ""),
        ("question", "What is this?", "\u300c\u3053\u308c\u306f\u4f55\uff1f\u300d", ""),
        ("question", "Really?!", "Wirklich\uff1f\uff01", ""),
        ("question", "Is it?...", "Ist es das?\u2026", ""),
        ("question", "Is it DNA?", "\u0395\u03af\u03bd\u03b1\u03b9 DNA;", ""),
        (
            "question",
            "How are you?",
            "\u053b\u0576\u0579\u057a\u0565\u055e\u057d \u0565\u057d\u0589",
            "",
        ),
        (
            "question",
            "Why? I know.",
            "\u053b\u0576\u0579\u0578\u055e\u0582\u0589 \u0533\u056b\u057f\u0565\u0574\u0589",
            "",
        ),
        ("question", "What is it?", "\u121d\u1295\u12f5\u1295 \u1290\u12cd\u1367", ""),
        ("question", 'He asked "Who?".', "Er fragte, wer.", ""),
        ("question", "Who is it?", "wer; \u03a0", "only the source ends as a question"),
        ("long_word", "a", "\u5929" * 60, ""),  # a sentence without spaces
        ("long_word", "a", f"b {'c' * 41} d", "a word of 41 characters in the target"),
        ("long_word", "a " * 30, f"b {'c' * 40} d", ""),
        ("few_letters", "ab 12 -- 3", "eins", "29 % letters in the source"),
        ("few_letters", "ab 12", "@@", "0 % letters in the target"),
        ("few_letters", "ab 12", "\u0915\u093f 12", ""),  # a vowel sign belongs to a letter
        ("repetitive", "a", "Kauf jetzt " * 5, "2 different words among 10 in the target"),
        ("repetitive", "no no no no", "nein nein nein nein", ""),
    ],
    ids=lambda value: value.strip() if value.isascii() else None,
)
def test_a_fault_is_found_with_its_reason(name: str, source: str, target: str, reason: str) -> None:
    (detector,) = optional_detectors([name], CheckLimits(), [])
    assert detector.kind == name
    assert detector.reason(Segment(source), Segment(target)) == reason


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("A woman reads a book in the garden.", "Une femme lit un livre dans le jardin.", "target"),
        ("Une femme lit un livre dans le jardin.", "Eine Frau liest ein Buch.", "source"),
        ("A woman reads.", "Une femme lit.", ""),  # too short to tell
        ("A woman reads a book in the garden.", "Eine Frau liest im Garten ein Buch.", ""),
    ],
    ids=["target", "source", "short", "good"],
)
def test_third_languages_are_named(source: str, target: str, reason: str) -> None:
    pytest.importorskip("py3langid")
    limits = CheckLimits(language_sample=0)  # for `nmt check`; here the whole sample is examined
    (detector,) = optional_detectors(["other_language"], limits, SAMPLE)
    found = detector.reason(Segment(source), Segment(target))
    expected = {"target": "fr in the target, not de", "source": "fr in the source, not en"}
    assert found == expected.get(reason, "")


def test_an_empty_sample_has_no_usual_language() -> None:
    pytest.importorskip("py3langid")
    assert len(optional_detectors([*OPTIONAL], CheckLimits(), [])) == len(OPTIONAL)
