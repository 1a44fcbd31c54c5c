"""What the judges of a reranking score: what a model read and wrote; weights files."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.decoding.files.score import BLANK_PAIR, TextPair
from nmt.decoding.translator.marked import Mark, Marked
from nmt.decoding.translator.odd_input import OddSegment, cut_segment
from nmt.errors import NmtError
from nmt.evaluation.nbest import Candidate
from nmt.evaluation.rerank import WeightsFile, pairs_to_score, read_weights, write_weights

LINK = "www.a.com"


def hidden(source: str, *symbols: str) -> OddSegment:
    """Return how a source is read without symbols."""
    found = [
        Mark(source.index(each), source.index(each) + len(each))
        for each in symbols
        if each in source
    ]
    return cut_segment(Marked(source), found)


def scored(reading: OddSegment | None, *candidates: Candidate) -> list[TextPair]:
    return pairs_to_score("THE SOURCE", reading, candidates)


def test_an_ordinary_line_is_scored_as_it_is() -> None:
    assert scored(None, Candidate("Rot.", -1, written="rot")) == [TextPair("THE SOURCE", "Rot.")]


def test_a_copied_line_is_not_scored() -> None:
    assert scored(OddSegment(Marked("12"), ""), Candidate("12", 0)) == [BLANK_PAIR]


def test_what_the_record_says_a_model_wrote_is_scored() -> None:
    """German nouns keep their capitals, and a link in lower case is not looked for."""
    reading = replace(hidden(f"The grass {LINK}", LINK), is_capitals=True)
    known = Candidate(f"DAS GRAS {LINK.upper()}", -1, written="Das Gras")
    assert scored(reading, known) == [TextPair("The grass", "Das Gras")]
    empty = Candidate(LINK.upper(), -1, written="")
    assert scored(reading, empty) == [TextPair("The grass", "")]


def test_candidates_in_capitals_are_equal_if_what_the_model_wrote_is_not_known() -> None:
    reading = OddSegment(Marked("THE GRASS"), "The grass", is_capitals=True)
    candidates = [Candidate("DAS GRAS", -1, written="Das Gras"), Candidate("GRAS", -2)]
    assert scored(reading, *candidates) == [BLANK_PAIR, BLANK_PAIR]


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        (f"The grass {LINK}.", f"Das Gras {LINK}.", "Das Gras."),
        (f"The 😀 big {LINK} grass.", f"Das 😀 {LINK} Gras.", "Das Gras."),
        (f"The grass 😀 or {LINK}.", f"Das („Gras“ 😀 {LINK}).", "Das („Gras“)."),
        (f"😀 The grass. {LINK}", f"😀 Das Gras. {LINK}", "Das Gras."),
        ("The €20 grass😀.", "Das €20 Gras😀.", "Das 20 Gras."),
    ],
)
def test_symbols_are_left_out_of_lists_that_do_not_say_what_a_model_wrote(
    source: str, text: str, expected: str
) -> None:
    reading = hidden(source, LINK, "😀", "€")
    assert scored(reading, Candidate(text, -1)) == [TextPair(reading.text, expected)]


def test_weights_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    write_weights(path, WeightsFile(1, {"score": 0.25, "length": -1.0}, metric="BLEU"))
    assert read_weights(path, ["length", "score"]) == [-1.0, 0.25]
    assert path.read_text().startswith('{\n  "rerank_weights": 1')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged"),
        ('{"rerank_weights": 1}', "is damaged"),
        ('{"rerank_weights": 1, "weights": {"score": "1"}}', "is damaged"),
        ('{"rerank_weights": 2, "weights": {"score": 1}}', "has version 2"),
        (
            '{"rerank_weights": 1, "weights": {"score": 1, "left_to_right": 2}}',
            "has weights for score, left_to_right, but the features are score, length",
        ),
    ],
)
def test_other_weights_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "weights.json"
    path.write_text(text)
    with pytest.raises(NmtError, match=message):
        read_weights(path, ["score", "length"])
