"""Each detector finds its fault, and nothing in pairs that look like it."""

import pytest

from nmt.corpora.detectors import (
    CheckLimits,
    Norms,
    excess,
    learn_norms,
    load_identifier,
    usual_languages,
)
from nmt.corpora.findings import CHECKED, choose_detectors, faults
from nmt.corpora.segment import Segment
from tests.corpora.corpora import Pairs, corpus

PAIRS = corpus(400)


def norms_of(pairs: Pairs) -> Norms:
    segments = [(Segment(source), Segment(target)) for source, target in pairs]
    return learn_norms(segments, CheckLimits())


NORMS = norms_of(PAIRS)


def found(source: str, target: str, norms: Norms = NORMS) -> dict[str, str]:
    return faults(Segment(source), Segment(target), choose_detectors(CHECKED), norms)


def test_clean_pairs_have_no_fault() -> None:
    assert not [pair for pair in PAIRS if found(*pair)]


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("empty", "the old man", " \t"),
        ("empty", "\u3000", "der alte mann"),
        ("replacement", "the old man", "der alte m\ufffdnn"),
        ("control", "the old\x08 man", "der alte mann"),
        ("control", "the old man", "der alte\u2028mann"),
        ("control", "the old\rman", "der alte mann"),
        ("invisible", "the old man", "der al\u200bte mann"),
        ("invisible", "\u202ethe old man", "der alte mann"),
        ("invisible", "the old man", "der al\u200dte mann"),
        ("mojibake", "the old man", "der schÃ¶ne mann"),
        ("mojibake", "donâ€™t walk", "geht nicht"),
        ("mojibake", "the old man", "der sch├Âne mann"),
        ("mojibake", "the names", "nam\u00c5\u00b3 namai"),
        ("mojibake", "the brand", "die Marke IBM\u00c2\u00ae"),
        ("mojibake", "a coffee", "caf\u221a\u00a92"),
        ("invisible", "the old man", "der al\u180e\u180ete mann"),
        ("copied", "the old man", "The  old man"),
        ("script", "the old man", "дер альте манн"),
        ("language", "the small house garden", "the old man walks under water"),
        ("language", "der alte mann geht unter wasser", "kleines haus garten"),
        ("length_ratio", "the old man walks with the children", "nie"),
        ("length_ratio", "never", "der alte mann geht mit kinder unter wasser"),
    ],
    ids=lambda text: text.encode("unicode_escape").decode()[:30],
)
def test_a_fault_is_found(kind: str, source: str, target: str) -> None:
    assert kind in found(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("a tab\there", "ein tab\thier"),  # white space
        ("a house", "\u0645\u06cc\u200c\u062e"),  # a joiner that Persian needs
        ("LE CAFÉ « NOIR »", "das schwarze café ."),
        ("ÀÉÎ ÃO Â", "ÄÖÜ ßẞ œ Œ"),
        ("naïve façade", "größer Ærø"),
        ("12:30", "12:30"),  # equal, but not words
        ("good day", "\u201dHYV\u00c4\u00c4 P\u00c4IV\u00c4\u00c4\u201d"),  # words in capitals
        ("see you tomorrow", "AT\u00c9 AMANH\u00c3\u2026"),
        ("the letter", "die \u201e\u00d1\u201d"),
        (
            "a word",
            "\u1797\u17b6\u179f\u17b6\u200b\u1781\u17d2\u1798\u17c2\u179a",
        ),  # Khmer has no spaces
        ("a word", "\u05e9\u05dc\u05d5\u05dd (abc)\u200e"),  # Hebrew needs directions
        ("write to <john@x.com>", "if a <b then c> d"),
        ("He isn't coming.", "\u2014\u00c9l no viene."),
        ("from Copenhagen to \u00c5rhus", "K\u00f8benhavn\u2013\u00c5rhus"),
        ("a volume of 120 \u00c5\u00b3", "mit 5 \u00c5\u00b2 und \u221a\u00b12"),
        ("the brand", "die Marke FJ\u00c5\u00ae"),
        ("Mongolian", "\u182e\u1823\u1829\u182d\u1823\u182f\u180e\u1820"),
        ("a \u201cword\u201d", "\u0e20\u0e32\u0e29\u0e32 \u200b\u200bword"),  # Thai marks its words
    ],
    ids=lambda text: text.encode("unicode_escape").decode()[:30],
)
def test_what_only_looks_like_damage_is_left_alone(source: str, target: str) -> None:
    assert not found(source, target).keys() & {
        "control",
        "invisible",
        "mojibake",
        "replacement",
        "copied",
        "markup",
    }


@pytest.mark.parametrize(
    "tag",
    [
        "<br/>",
        '<td nowrap colspan="2">',
        "<option selected value=1>",
        "<!DOCTYPE html>",
        "<a href=x>",
    ],
)
def test_tags_are_markup(tag: str) -> None:
    assert "markup" in found("the old man", f"der alte {tag} mann")


def test_cyrillic_read_as_mac_roman_is_mojibake() -> None:
    for text in ("Привет, мир", "Я не знаю", "Ещё раз"):
        garbled = text.encode().decode("mac_roman")
        assert "mojibake" in found("the old man", garbled), text


def test_letters_read_in_another_encoding_are_mojibake() -> None:
    for letter in "äöüÄÖÜß„“–’éèçñ":
        for encoding in ("cp1252", "latin-1"):
            garbled = letter.encode().decode(encoding, "ignore")
            if len(garbled) == len(letter.encode()):
                assert "mojibake" in found("the old man", f"der {garbled} mann"), letter


def test_an_empty_side_has_no_other_fault() -> None:
    assert [*found("the old man walks with the children under water", "")] == ["empty"]


def test_the_excess_of_a_length_grows_with_the_square_root() -> None:
    # Gale and Church: (t - r s) / sqrt((t + r s) / 2), here (30 - 10) / sqrt(20).
    assert excess(10, 30, 1.0) == pytest.approx(20 / 20**0.5)
    assert excess(1000, 3000, 1.0) == pytest.approx(20 * 100**0.5 / 20**0.5)
    assert excess(10, 20, 2.0) == 0


def test_a_usual_script_is_not_foreign() -> None:
    pairs = [("the old man", "старый человек"), ("a house", "дом")] * 20
    norms = norms_of(pairs)
    assert [*map(sorted, norms.scripts)] == [["Latin"], ["Cyrillic"]]
    assert not found("a house", "дом NATO и ещё", norms)
    assert "script" in found("a house", "the house of it", norms)
    # A name that both sides have is no other script.
    assert not found("a CellView model", "CellView \u0434\u043e\u043c", norms)
    assert "script" in found(
        "a CellView model", "a CellView model of the \u0434\u043e\u043c", norms
    )


def test_punctuation_of_several_scripts_belongs_to_none() -> None:
    """Odia ends a sentence with the mark of Devanagari."""
    odia = "\u0b38\u0b47\u0b2e\u0b3e\u0b28\u0b47 \u0b26\u0b47\u0b16\u0b3f\u0b32\u0b3f"
    norms = norms_of([("the house", f"{odia} \u0964")] * 20)
    assert sorted(norms.scripts[1]) == ["Odia"]
    assert "script" not in found("this app", f"{odia} (WhatsApp)\u0964", norms)


def test_japanese_is_in_two_scripts() -> None:
    norms = norms_of([("the house is big", "家は大きいです")] * 20)
    assert sorted(norms.scripts[1]) == ["Han", "Kana"]
    assert "script" not in found("the house is big", "大家", norms)


def test_norms_of_nothing_find_nothing_but_empty_sides() -> None:
    norms = learn_norms([], CheckLimits())
    assert not found("the old man", "der alte mann", norms)
    assert found("", "", norms) == {"empty": "source and target empty"}


def test_vowel_signs_belong_to_words() -> None:
    first, second = Segment("\u0915\u0930\u0924\u093e 1"), Segment("\u0915\u0930\u0924\u0940 1")
    assert first.words == ["\u0915\u0930\u0924\u093e"]
    assert first.folded != second.folded


SAMPLE = [
    ("Two men are walking through the park.", "Zwei Männer gehen durch den Park."),
    ("The children play in the garden.", "Die Kinder spielen im Garten."),
    ("She goes home in the evening.", "Sie geht am Abend nach Hause."),
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
def test_a_filter_that_is_off_by_default_finds_its_fault_with_a_reason(
    name: str, source: str, target: str, reason: str
) -> None:
    (find,) = choose_detectors([name]).values()
    assert find(Segment(source), Segment(target), learn_norms([], CheckLimits())) == reason


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
    norms = learn_norms([], CheckLimits(), usual_languages(SAMPLE, load_identifier()))
    (find,) = choose_detectors(["other_language"]).values()
    found = find(Segment(source), Segment(target), norms)
    expected = {"target": "fr in the target, not de", "source": "fr in the source, not en"}
    assert found == expected.get(reason, "")


def test_an_empty_sample_has_no_usual_language() -> None:
    assert usual_languages([], lambda _: ("en", 1.0)) == ("", "")
