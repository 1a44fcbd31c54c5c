"""Odd segments are recognised and repaired: without words, with unknown symbols, in capitals."""

import random
from dataclasses import replace

import pytest

from nmt.config import TokenizerSettings
from nmt.decoding.translator.odd_input import (
    Cut,
    OddSegment,
    Symbol,
    cut_symbols,
    insert_symbols,
    odd_segment,
)
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


@pytest.fixture(scope="module")
def lowercase() -> SubwordModel:
    """Learn all letters from a to z, 2, 0 and some marks."""
    text = ["the quick brown fox jumps over the lazy dog .,!?()'<> 20 :/@"] * 9
    return learn_subwords(text, TokenizerSettings(60))


def cut_out(text: str, lowercase: SubwordModel) -> Cut:
    return cut_symbols(text, lowercase.encode([text])[0], lowercase)


@pytest.mark.parametrize(
    ("text", "words", "symbols"),
    [
        ("a fox", ["a", "fox"], []),
        ("a ♥ fox", ["a", "fox"], [Symbol("♥", 1)]),
        ("♥ ♥ a fox ♥", ["a", "fox"], [Symbol("♥", 0), Symbol("♥", 0), Symbol("♥", 2)]),
        # A word is cut as a whole, and a mark stays with the sentence.
        ("the Жx jumps.", ["the", "jumps."], [Symbol("Жx", 1)]),
        ("the fox Жx.", ["the", "fox."], [Symbol("Жx", 2, mark=".")]),
        ("Ж, the fox", ["the", "fox"], [Symbol("Ж,", 0)]),
        ("the (Ж), fox", ["the,", "fox"], [Symbol("(Ж)", 1, mark=",")]),
        # A combining mark stays with its base, also if only the mark is unknown.
        ("the r\u0302uns jumps.", ["the", "jumps."], [Symbol("r\u0302uns", 1)]),
        ("the x\u0302 fox", ["the", "fox"], [Symbol("x\u0302", 1)]),
        ("fox\u2764\ufe0f dog", ["fox", "dog"], [Symbol("\u2764\ufe0f", 0, 1)]),
        # Signs may be attached to a word.
        ("over 20€.", ["over", "20."], [Symbol("€", 1, 1)]),
        ("€20 over", ["20", "over"], [Symbol("€", 0, -1)]),
        ("the fox♥♥! dog", ["the", "fox!", "dog"], [Symbol("♥♥", 1, 1)]),
        ("over 20 °x dog", ["over", "20", "dog"], [Symbol("°x", 2)]),
        ("fox♥dog over", ["over"], [Symbol("fox♥dog", 0)]),
        # A word has one mark at most.
        ("a ♥, ☺.", ["a."], [Symbol("♥,", 1), Symbol("☺", 1, mark=".")]),
        ("fox, ♥.", ["fox,"], [Symbol("♥.", 1)]),
        # Addresses are known, but nothing to translate.
        ("over http://x.y/?a the fox", ["over", "the", "fox"], [Symbol("http://x.y/?a", 1)]),
        ("over dog@fox.com.", ["over."], [Symbol("dog@fox.com", 1, mark=".")]),
    ],
)
def test_what_is_cut_out(
    text: str, words: list[str], symbols: list[Symbol], lowercase: SubwordModel
) -> None:
    assert cut_out(text, lowercase) == Cut(words, symbols)


STRAIGHT = [(0, 0), (1, 1), (2, 2)]
# The second word of three is translated last.
LATE_VERB = [(0, 0), (1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("symbol", "links", "expected"),
    [
        (Symbol("♥", 0), STRAIGHT, "♥ Das rote Haus."),
        (Symbol("♥", 1), STRAIGHT, "Das ♥ rote Haus."),
        (Symbol("♥", 2), STRAIGHT, "Das rote ♥ Haus."),
        (Symbol("♥", 3), STRAIGHT, "Das rote Haus. ♥"),
        (Symbol("♥", 3, mark="."), STRAIGHT, "Das rote Haus ♥."),
        (Symbol("♥", 1, -1), STRAIGHT, "Das ♥rote Haus."),
        (Symbol("♥", 2, 1), STRAIGHT, "Das rote Haus♥."),
        # After the first word no link is crossed; after the second, two of them.
        (Symbol("♥", 1), LATE_VERB, "Das ♥ rote Haus."),
        # Either place crosses one pair of links: the first one is taken.
        (Symbol("♥", 2), LATE_VERB, "Das ♥ rote Haus."),
        (Symbol("♥", 1, 1), LATE_VERB, "Das rote Haus♥."),
        # A word may have several translations, or none.
        (Symbol("♥", 1, -1), [(1, 1), (1, 2)], "Das ♥rote Haus."),
        (Symbol("♥", 1, 1), [(1, 1), (1, 2)], "Das rote Haus♥."),
        (Symbol("♥", 1, 1), [(0, 0), (2, 1)], "Das ♥ rote Haus."),
        (Symbol("♥", 1, 1), [], "Das ♥ rote Haus."),
    ],
)
def test_where_a_symbol_is_inserted(
    symbol: Symbol, links: list[tuple[int, int]], expected: str
) -> None:
    assert insert_symbols("Das rote Haus.", [symbol], links, 3) == expected


def test_several_symbols_keep_their_order() -> None:
    symbols = [Symbol("1", 0), Symbol("2", 0), Symbol("3", 1), Symbol("4", 1), Symbol("5", 2)]
    assert insert_symbols("a b", symbols, [(0, 0), (1, 1)], 2) == "1 2 a 3 4 b 5"


def test_symbols_at_one_word_stand_in_a_fixed_order() -> None:
    """Inserting one does not move the place of another."""
    symbols = [Symbol("1", 0, -1), Symbol("2", 0, 1), Symbol("3", 1), Symbol("4", 1, 1)]
    assert insert_symbols("a.", symbols, [(0, 0)], 2) == "1a2. 3 4"


def test_a_symbol_beside_a_mark_alone_or_in_an_empty_translation() -> None:
    assert insert_symbols("a !", [Symbol("♥", 1, 1)], [(0, 0), (1, 1)], 2) == "a !♥"
    assert insert_symbols("", [Symbol("♥", 0), Symbol("☺", 1)], [], 1) == "♥ ☺"
    assert insert_symbols("(a),", [Symbol("♥", 0, -1)], [(0, 0)], 1) == "(♥a),"


@pytest.mark.parametrize(
    ("text", "symbols", "expected"),
    [
        ("rot.", [Symbol("a.de", 1), Symbol("♥", 1, mark=".")], "rot a.de ♥."),
        ("rot.", [Symbol("♥", 1), Symbol("www.a.de", 1, mark=".")], "rot ♥ www.a.de."),
        ("rot.", [Symbol("♥", 1, mark="."), Symbol("a.de", 1)], "rot ♥. a.de"),
        # Quotation marks and brackets belong to the word.
        ("„rot“.", [Symbol("♥", 1), Symbol("a.de", 1, mark=".")], "„rot“ ♥ a.de."),
        ("(rot),", [Symbol("€", 0, -1), Symbol("♥", 1, mark=",")], "(€rot) ♥,"),
        ("„rot.“", [Symbol("♥", 1, mark=".")], "„rot ♥.“"),
        ("„rot“", [Symbol("♥", 1, mark="."), Symbol("a.de", 1)], "„rot“ ♥ a.de"),
    ],
)
def test_symbols_of_one_word_are_inserted_together(
    text: str, symbols: list[Symbol], expected: str
) -> None:
    assert insert_symbols(text, symbols, [(0, 0)], 1) == expected


SIGNS = ["♥", "☺", "Жx", "http://x.y/?a=(b)", "dog@fox.com", "www.x.y", "♥☺"]


def test_symbols_stay_where_they_are_if_each_word_is_its_own_translation(
    lowercase: SubwordModel,
) -> None:
    """Whole, in their order, as often as in the source, and separated as there."""
    draw = random.Random(1)
    for _ in range(500):
        text = draw.choice(["the", "(fox)", "'dog'"])
        for _ in range(draw.randrange(8)):
            text += draw.choice(["", "", "", ".", ","])
            text += f" {draw.choice(['fox', '(over)', '€20', 'dog♥☺', *SIGNS])}"
        text += draw.choice(["", "."])
        found = cut_out(text, lowercase)
        links = [(each, each) for each in range(len(found.words))]
        assert insert_symbols(" ".join(found.words), found.symbols, links, len(links)) == text


def test_every_symbol_is_in_every_translation() -> None:
    """Whatever is aligned to what, and even if the model writes nothing."""
    draw = random.Random(1)
    for _ in range(1000):
        text = " ".join(draw.choices(["a", "b.", "(c)", "„d“.", "!"], k=draw.randrange(4)))
        symbols = [
            Symbol(sign, draw.randrange(5), draw.choice([-1, 0, 0, 1]))
            for sign in ["www.♥.x", "☺", "☃"][: draw.randrange(4)]
        ]
        symbols = [
            each if each.side else replace(each, mark=draw.choice(["", "."])) for each in symbols
        ]
        symbols.sort(key=lambda each: each.word)
        links = [(draw.randrange(4), draw.randrange(4)) for _ in range(draw.randrange(5))]
        found = insert_symbols(text, symbols, links, 4)
        places = [found.index(each.text) for each in symbols if not each.side]
        assert places == sorted(places)
        assert found == " ".join(found.split())
        rest = found
        for each in symbols:
            assert rest.count(each.text) == 1
            rest = rest.replace(each.text, "")
        assert "".join(rest.split()) == "".join(text.split())


def test_a_symbol_between_words_stands_where_it_crosses_the_fewest_links() -> None:
    draw = random.Random(1)
    for _ in range(500):
        count, words, word = draw.randint(2, 8), draw.randint(1, 8), draw.randint(1, 7)
        links = [(draw.randrange(count), draw.randrange(words)) for _ in range(draw.randint(0, 9))]
        crossed = [
            sum((source < word) != (target <= place) for source, target in links)
            for place in range(max(1, words - 1))
        ]
        text = " ".join("abcdefgh"[:words])
        found = insert_symbols(text, [Symbol("!!", word)], links, count).split().index("!!") - 1
        expected = crossed.index(min(crossed)) if word < count else words - 1
        assert found == expected
