"""What the judges of a reranking score: what a model read and wrote."""

import pytest

from nmt.decoding.odd_input import OddSegment
from nmt.decoding.pairs import NOTHING, TextPair
from nmt.decoding.symbols import Symbol
from nmt.reranking.features import pairs_of
from nmt.reranking.nbest import Candidate

LINK = "www.a.com"


def scored(reading: OddSegment | None, *candidates: Candidate) -> list[TextPair]:
    return pairs_of("THE SOURCE", reading, candidates)


def test_an_ordinary_line_is_scored_as_it_is() -> None:
    assert scored(None, Candidate("Rot.", -1, written="rot")) == [TextPair("THE SOURCE", "Rot.")]


def test_a_copied_line_is_not_scored() -> None:
    assert scored(OddSegment("", "12"), Candidate("12", 0)) == [NOTHING]


def test_what_the_record_says_a_model_wrote_is_scored() -> None:
    """German nouns keep their capitals, and a link in lower case is not looked for."""
    reading = OddSegment("The grass", "", (Symbol(LINK, 2),), is_capitals=True)
    known = Candidate(f"DAS GRAS {LINK.upper()}", -1, written="Das Gras")
    assert scored(reading, known) == [TextPair("The grass", "Das Gras")]
    empty = Candidate(LINK.upper(), -1, written="")
    assert scored(reading, empty) == [TextPair("The grass", "")]


def test_candidates_in_capitals_are_equal_if_what_the_model_wrote_is_not_known() -> None:
    reading = OddSegment("The grass", is_capitals=True)
    candidates = [Candidate("DAS GRAS", -1, written="Das Gras"), Candidate("GRAS", -2)]
    assert scored(reading, *candidates) == [NOTHING, NOTHING]


@pytest.mark.parametrize(
    ("text", "symbols", "expected"),
    [
        (f"Das Gras {LINK}.", [Symbol(LINK, 2, mark=".")], "Das Gras."),
        (f"Das 😀 {LINK} Gras.", [Symbol("😀", 1), Symbol(LINK, 1)], "Das Gras."),
        (f"Das („Gras“ 😀 {LINK}).", [Symbol("😀", 2), Symbol(LINK, 2)], "Das („Gras“)."),
        (f"😀 Das Gras. {LINK}", [Symbol("😀", 0), Symbol(LINK, 2)], "Das Gras."),
        ("Das €20 Gras😀.", [Symbol("€", 1, -1), Symbol("😀", 2, 1)], "Das 20 Gras."),
    ],
)
def test_symbols_are_left_out_of_lists_that_do_not_say_what_a_model_wrote(
    text: str, symbols: list[Symbol], expected: str
) -> None:
    reading = OddSegment("The grass.", "", (*symbols,))
    assert scored(reading, Candidate(text, -1)) == [TextPair("The grass.", expected)]
