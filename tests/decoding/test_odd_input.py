"""Odd segments are recognised and repaired: without words, with unknown symbols, in capitals."""

import random
import string
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import pytest

from nmt.config import TokenizerSettings
from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.odd_input import OddSegment, odd_segment
from nmt.decoding.translator.translation import Candidate, Translation
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import SubwordModel
from nmt.text.subwords.words import UNIT

SENTENCES = ["the quick brown fox jumps over the lazy dog", "The dog and A fox. Yes!", "USA"]
Links = Sequence[tuple[int, int]]


@pytest.fixture(scope="module")
def subwords() -> SubwordModel:
    signs = [" ".join(string.ascii_uppercase), "0 1 2 3 . , ! ? - @ : / ( )"]
    return learn_subwords([*SENTENCES * 9, *signs], TokenizerSettings(150))


def found(text: str, subwords: SubwordModel) -> OddSegment | None:
    return odd_segment(text, subwords.encode([text])[0], subwords)


def copied(odd: OddSegment) -> list[str]:
    return [span.text.text for span in odd.cut.whole.spans] if odd.cut else []


def finished(odd: OddSegment, text: str, links: Links = ()) -> str:
    """Return the translation of an odd segment; text: what the model wrote."""
    return odd.finish(Translation((Candidate(text, 0.0, 0.0),)), [links]).text


@pytest.mark.parametrize(
    "text",
    [
        *("!!!", "1.", "\t1.\u00a0 2\t3 ", "3.210", "a", "A)", "- - -", "😀", "☺\ufe0f", "«»"),
        *("https://the.dog/fox?a=b", "www.dog.com", "(the.fox@dog.com, dog@fox.com)"),
        *("Привет, мир!", "你好，世界。", "1 Ж 😀", "!" * 1000, "x" * 100, "ha " * 20),
    ],
)
def test_segments_without_words_are_copied(text: str, subwords: SubwordModel) -> None:
    assert found(text, subwords) == OddSegment(Marked(" ".join(text.split())), "")


@pytest.mark.parametrize(
    ("text", "symbol", "expected"),
    [
        ("dog 20☃C fox.", "20☃C", "Hund 20☃C Fuchs."),  # a single letter beside a sign
        ("dog ☃A fox.", "☃A", "Hund ☃A Fuchs."),
        ("dog fox。", "。", "Hund Fuchs。"),  # it takes the place of the model's
    ],
)
def test_a_sign_beside_a_word_or_at_the_end(
    text: str, symbol: str, expected: str, subwords: SubwordModel
) -> None:
    odd = found(text, subwords)
    assert odd is not None
    assert copied(odd) == [symbol]
    assert finished(odd, "Hund Fuchs.", [(0, 0), (1, 1)]) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("No", "the dog", "The quick brown fox.", "A fox 1", "is 1.", "the the the the"),
        *("USA", "dog @ fox"),
    ],
)
def test_segments_with_words_are_not_odd(text: str, subwords: SubwordModel) -> None:
    assert found(text, subwords) is None


def test_a_single_character_of_a_script_without_case_may_be_a_word() -> None:
    model = learn_subwords(["中 国 文"] * 9, TokenizerSettings(10))
    assert odd_segment("中", model.encode(["中"])[0], model) is None


def test_capitals_are_read_in_lower_case(subwords: SubwordModel) -> None:
    text = "THE QUICK BROWN FOX."
    read = OddSegment(Marked(text), "The quick brown fox.", is_capitals=True)
    assert found(text, subwords) == read
    odd = found("THE QUICK BROWN FOX JUMPS ♥ OVER HTTP://A.B", subwords)
    assert odd
    assert (odd.text, copied(odd), odd.is_capitals) == (
        "The quick brown fox jumps over",
        ["♥", "HTTP://A.B"],
        True,
    )


def test_capitals_that_the_vocabulary_knows_are_read_as_they_are() -> None:
    model = learn_subwords(["THE QUICK BROWN FOX"] * 9, TokenizerSettings(40))
    text = "THE QUICK FOX"
    assert odd_segment(text, model.encode([text])[0], model) is None


def test_translations_are_finished(subwords: SubwordModel) -> None:
    given = Translation((Candidate("Der Hund spielt.", -1.0, -2.0), Candidate("Ein Hund", -3, -4)))
    odd = found("THE DOG JUMPS♥.", subwords)
    assert odd
    links = [[(0, 0), (1, 1), (2, 2)], [(0, 0), (1, 1), (2, 1)]]
    first, second = odd.finish(given, links).candidates
    assert first == replace(
        given.candidates[0],
        text="DER HUND SPIELT♥.",
        read="The dog jumps.",
        written="Der Hund spielt.",
    )
    assert second.text == "EIN HUND♥"
    assert finished(OddSegment(Marked("1."), ""), "") == "1."


@pytest.fixture(scope="module")
def lowercase() -> SubwordModel:
    """Learn all letters from a to z, 2, 0 and some marks."""
    text = ["the quick brown fox jumps over the lazy dog .,!?()'<>-[] 20 :/@"] * 9
    return learn_subwords(text, TokenizerSettings(60))


@pytest.mark.parametrize(
    ("text", "read", "symbols"),
    [
        ("a ♥ fox", "a fox", ["♥"]),
        # A word is cut as a whole, and a mark stays with the sentence.
        ("the Жx jumps.", "the jumps.", ["Жx"]),
        ("the fox Жx.", "the fox.", ["Жx"]),
        ("Ж, the fox", "the fox", ["Ж,"]),
        ("the (Ж), fox", "the, fox", ["(Ж)"]),
        ("the fox (see http://x.y).", "the fox (see).", ["http://x.y"]),
        # A combining mark stays with its base, also if only the mark is unknown.
        ("the r\u0302uns jumps.", "the jumps.", ["r\u0302uns"]),
        ("the x\u0302 fox", "the fox", ["x\u0302"]),
        ("fox\u2764\ufe0f dog", "fox dog", ["\u2764\ufe0f"]),
        # Signs may be attached to a word or a number.
        ("over 20€.", "over 20.", ["€"]),
        ("€20 over", "20 over", ["€"]),
        ("the fox♥♥! dog", "the fox! dog", ["♥♥"]),
        ("over 20 °x dog", "over 20 dog", ["°x"]),
        ("fox♥dog over", "over", ["fox♥dog"]),
        ("over 20×20 dogs", "over dogs", ["20×20"]),
        # A word has one mark at most.
        ("the ♥, ☺.", "the.", ["♥, ☺"]),
        ("fox, ♥.", "fox.", [", ♥"]),
        ("the fox. ♥.", "the fox.", ["♥."]),
        # Addresses are known, but nothing to translate.
        ("over http://x.y/?a the fox", "over the fox", ["http://x.y/?a"]),
        ("over foxhttp://x.y/♥a dog", "over dog", ["foxhttp://x.y/♥a"]),
        # The normalised fraction has an unknown character; the text itself is copied.
        ("over ½ fox", "over fox", ["½"]),
    ],
)
def test_what_is_cut_out(text: str, read: str, symbols: list[str], lowercase: SubwordModel) -> None:
    odd = found(text, lowercase)
    assert odd
    assert (odd.text, copied(odd)) == (read, symbols)


STRAIGHT = [(0, 0), (1, 1)]
# The second word of three is translated last.
LATE_VERB = [(0, 0), (1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("source", "text", "links", "expected"),
    [
        # After the first word no link is crossed; after the second, two of them.
        ("the ♥ red fox.", "Das rote Haus.", LATE_VERB, "Das ♥ rote Haus."),
        # Beside the next word or at the end, it crosses one link: the next word counts more.
        ("the red ♥ fox.", "Das rote Haus.", LATE_VERB, "Das ♥ rote Haus."),
        # A word may have several translations, or none.
        ("the ♥red fox.", "Das rote Haus.", [(1, 1), (1, 2)], "Das ♥rote Haus."),
        ("the red♥ fox.", "Das rote Haus.", [(1, 1), (1, 2)], "Das rote Haus♥."),
        ("the red♥ fox.", "Das rote Haus.", [(0, 0), (2, 1)], "Das♥ rote Haus."),
        ("the red♥ fox.", "Das rote Haus.", [], "Das rote♥ Haus."),
        # Several keep their order.
        ("☺ ♥ red ☺ ♥ fox €", "a b", STRAIGHT, "☺ ♥ a ☺ ♥ b €"),
        ("♥red☺ fox☺", "a.", STRAIGHT, "♥a☺ ☺."),
        ("red fox☺", "a !", STRAIGHT, "a !☺"),
        ("♥red, fox", "(a), b", STRAIGHT, "(♥a), b"),
        ("the http://x.y/a ♥.", "rot.", STRAIGHT, "rot http://x.y/a ♥."),
        ("the ♥ http://x.y/a.", "„rot“.", STRAIGHT, "„rot“ ♥ http://x.y/a."),
        ("the ♥.", "„rot.“", STRAIGHT, "„rot ♥.“"),
    ],
)
def test_where_a_symbol_is_placed(
    source: str, text: str, links: Links, expected: str, lowercase: SubwordModel
) -> None:
    odd = found(source, lowercase)
    assert odd
    assert finished(odd, text, links) == expected


SIGNS = ["♥", "☺", "Жx", "http://x.y/?a=(b)", "dog@fox.com", "www.x.y", "♥☺"]


def odd_text(draw: random.Random) -> str:
    text = draw.choice(["the", "(fox)", "'dog'"])
    for _ in range(draw.randrange(8)):
        text += draw.choice(["", "", "", ".", ","])
        text += f" {draw.choice(['fox', '(over)', '€20', 'dog♥☺', *SIGNS])}"
    return text + draw.choice(["", "."])


def test_symbols_stay_where_they_are_if_each_word_is_its_own_translation(
    lowercase: SubwordModel,
) -> None:
    """Whole, in their order, as often as in the source, and separated as there."""
    draw = random.Random(1)
    for _ in range(200):
        text = odd_text(draw)
        odd = found(text, lowercase)
        if odd:
            links = [(unit, unit) for unit in range(len(UNIT.findall(odd.text)))]
            assert finished(odd, odd.text, links) == text


def test_a_line_of_very_many_symbols_loses_nothing(lowercase: SubwordModel) -> None:
    """Nothing takes time or memory that grows with the square of the symbols."""
    count = 700
    text = "the ♥ fox, ☺dog " * count
    odd = found(text, lowercase)
    assert odd
    links = [(unit, unit) for unit in range(3 * count)]
    started = time.process_time()
    assert finished(odd, odd.text, links) == text.strip()
    assert time.process_time() - started < 2  # seconds; some 0.1
    tracemalloc.start()
    finished(odd, odd.text, links)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
