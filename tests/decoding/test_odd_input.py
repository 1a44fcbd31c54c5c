"""Odd segments are recognised: without words, with unknown symbols, in capitals."""

from dataclasses import replace

import pytest

from nmt.config import TokenizerSettings
from nmt.decoding.translator.odd_input import OddSegment, odd_segment
from nmt.decoding.translator.symbols import Symbol
from nmt.decoding.translator.translation import Candidate, Translation
from nmt.text.learning import learn_subwords
from nmt.text.tokenizer import SubwordModel

SENTENCES = ["the quick brown fox jumps over the lazy dog", "The dog and A fox. Yes!", "USA"]


@pytest.fixture(scope="module")
def subwords() -> SubwordModel:
    letters = " ".join(map(chr, range(ord("A"), ord("Z") + 1)))
    return learn_subwords(
        [*SENTENCES * 9, letters, "0 1 2 3 . , ! ? - @ : / ( )"], TokenizerSettings(150)
    )


def found(text: str, subwords: SubwordModel) -> OddSegment | None:
    return odd_segment(text, subwords.encode([text])[0], subwords)


@pytest.mark.parametrize(
    "text",
    [
        *("!!!", "1.", "3.210", "a", "A)", "- - -", "😀", "☺\ufe0f", "«»"),
        *("https://the.dog/fox?a=b", "www.dog.com", "(the.fox@dog.com, dog@fox.com)"),
        *("Привет, мир!", "你好，世界。", "1 Ж 😀", "!" * 1000, "x" * 100, "ha " * 20),
    ],
)
def test_segments_without_words_are_copied(text: str, subwords: SubwordModel) -> None:
    assert found(text, subwords) == OddSegment("", text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "No",
        "the dog",
        "The quick brown fox.",
        "A fox 1",
        "is 1.",
        "the the the the",
        "USA",
        "dog @ fox",
    ],
)
def test_segments_with_words_are_not_odd(text: str, subwords: SubwordModel) -> None:
    assert found(text, subwords) is None


def test_a_single_character_of_a_script_without_case_may_be_a_word() -> None:
    model = learn_subwords(["中 国 文"] * 9, TokenizerSettings(10))
    assert odd_segment("中", model.encode(["中"])[0], model) is None


def test_white_space_of_copied_segments_is_single_spaces(subwords: SubwordModel) -> None:
    assert found("\t1.\u00a0 2\t3 ", subwords) == OddSegment("", "1. 2 3")


def test_unknown_symbols_are_cut_out(subwords: SubwordModel) -> None:
    assert found("the dog ♥ jumps", subwords) == OddSegment("the dog jumps", "", (Symbol("♥", 2),))


def test_capitals_are_read_in_lower_case(subwords: SubwordModel) -> None:
    read = OddSegment("The quick brown fox.", is_capitals=True)
    assert found("THE QUICK BROWN FOX.", subwords) == read
    read = OddSegment("The quick fox", "", (Symbol("♥", 2),), is_capitals=True)
    assert found("THE QUICK ♥ FOX", subwords) == read


def test_capitals_that_the_vocabulary_knows_are_read_as_they_are() -> None:
    model = learn_subwords(["THE QUICK BROWN FOX"] * 9, TokenizerSettings(40))
    text = "THE QUICK FOX"
    assert odd_segment(text, model.encode([text])[0], model) is None


def test_translations_are_finished() -> None:
    given = Translation((Candidate("Der Hund spielt.", -1.0, -2.0), Candidate("Ein Hund", -3, -4)))
    odd = OddSegment("The dog plays.", "", (Symbol("Ж", 2, 1),), is_capitals=True)
    links = [[(0, 0), (1, 1), (2, 2)], [(0, 0), (1, 1), (2, 1)]]
    first, second = odd.finish(given, links).candidates
    assert first == replace(
        given.candidates[0],
        text="DER HUND SPIELTЖ.",
        read="The dog plays.",
        written="Der Hund spielt.",
    )
    assert second.text == "EIN HUNDЖ"
    blank = Translation((Candidate("", 0.0, 0.0),))
    assert OddSegment("", "1.").finish(blank, []).text == "1."
