"""Each detector finds its fault, and nothing in pairs that look like it; kinds of faults."""

import sys

import pytest

from nmt.corpora.faults.detectors import (
    CheckLimits,
    Norms,
    excess,
    learn_norms,
    load_identifier,
    related,
    usual_languages,
)
from nmt.corpora.faults.findings import (
    CHECKED,
    CROSS_ENTROPY,
    DEFAULT_FILTERS,
    FILTERS,
    KINDS,
    OTHER_LANGUAGE,
    UNREADABLE,
    Finding,
    choose_detectors,
    faults,
    other_languages,
)
from nmt.corpora.faults.segment import Segment
from nmt.corpora.pairs import Row
from nmt.errors import NmtError
from tests.corpora.corpora import Pairs, corpus

PAIRS = corpus(400)


def norms(pairs: Pairs) -> Norms:
    segments = [(Segment(source), Segment(target)) for source, target in pairs]
    return learn_norms(segments, CheckLimits())


NORMS, NOTHING = norms(PAIRS), learn_norms([], CheckLimits())


def found(source: str, target: str, known: Norms = NORMS) -> dict[str, str]:
    return faults(Segment(source), Segment(target), choose_detectors(CHECKED), known)


def test_clean_pairs_have_no_fault() -> None:
    assert not [pair for pair in PAIRS if found(*pair)]


def test_words_on_one_side_only_are_in_no_wrong_language() -> None:
    numbers = norms([(source, "2017") for source, _ in PAIRS])
    assert not found("the old man walks under water", "12", numbers)


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("empty", "the old man", " \t"),
        ("empty", "\u3000", "der alte mann"),
        ("replacement", "the old man", "der alte m\ufffdnn"),
        ("control", "the old\x08 man", "der alte mann"),
        ("control", "the old man", "der alte\u2028mann"),
        ("invisible", "the old man", "der al\u200bte mann"),
        ("invisible", "\u202ethe old man", "der alte mann"),
        ("invisible", "the old man", "der al\u200dte mann"),
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
        ("markup", "the old man", "der alte <br/> mann"),
        ("markup", "the old man", "der <option selected value=1> mann"),
        ("markup", "the old man", "der <!DOCTYPE html> mann"),
        ("markup", "the old man", "der <a href=x> mann"),
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
        ("12:30", "12:30"),  # equal, but not words
        ("good day", "\u201dHYV\u00c4\u00c4 P\u00c4IV\u00c4\u00c4\u201d"),  # words in capitals
        ("see you tomorrow", "AT\u00c9 AMANH\u00c3\u2026"),
        ("the letter", "die \u201e\u00d1\u201d"),
        ("Khmer has no spaces", "\u1797\u17b6\u179f\u17b6\u200b\u1781\u17d2\u1798\u17c2\u179a"),
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
    damage = {"control", "invisible", "mojibake", "replacement", "copied", "markup"}
    assert not found(source, target).keys() & damage


def test_letters_read_in_another_encoding_are_mojibake() -> None:
    garbled = [
        text.encode().decode("mac_roman") for text in ("Привет, мир", "Я не знаю", "Ещё раз")
    ]
    for letter in "äöüÄÖÜß„“–’éèçñ":
        read = [letter.encode().decode(name, "ignore") for name in ("cp1252", "latin-1")]
        garbled += [text for text in read if len(text) == len(letter.encode())]
    for text in garbled:
        assert "mojibake" in found("the old man", f"der {text} mann"), text


def test_an_empty_side_has_no_other_fault() -> None:
    assert [*found("the old man walks with the children under water", "")] == ["empty"]
    # Norms of nothing find nothing but empty sides.
    assert not found("the old man", "der alte mann", NOTHING)
    assert found("", "", NOTHING) == {"empty": "source and target empty"}


def test_the_excess_of_a_length_grows_with_the_square_root() -> None:
    # Gale and Church: (t - r s) / sqrt((t + r s) / 2), here (30 - 10) / sqrt(20).
    assert excess(10, 30, 1.0) == pytest.approx(20 / 20**0.5)
    assert excess(1000, 3000, 1.0) == pytest.approx(20 * 100**0.5 / 20**0.5)
    assert excess(10, 20, 2.0) == 0


def test_a_usual_script_is_not_foreign() -> None:
    known = norms([("the old man", "старый человек"), ("a house", "дом")] * 20)
    assert [*map(sorted, known.scripts)] == [["Latin"], ["Cyrillic"]]
    assert not found("a house", "дом NATO и ещё", known)
    assert "script" in found("a house", "the house of it", known)
    # A name that both sides have is no other script.
    assert not found("a CellView model", "CellView дом", known)
    assert "script" in found("a CellView model", "a CellView model of the дом", known)


def test_a_language_may_have_two_scripts_or_the_punctuation_of_another() -> None:
    """Odia ends a sentence with the mark of Devanagari."""
    odia = "\u0b38\u0b47\u0b2e\u0b3e\u0b28\u0b47 \u0b26\u0b47\u0b16\u0b3f\u0b32\u0b3f"
    known = norms([("the house", f"{odia} \u0964")] * 20)
    assert sorted(known.scripts[1]) == ["Odia"]
    assert "script" not in found("this app", f"{odia} (WhatsApp)\u0964", known)
    japanese = norms([("the house is big", "家は大きいです")] * 20)
    assert sorted(japanese.scripts[1]) == ["Han", "Kana"]
    assert "script" not in found("the house is big", "大家", japanese)


def test_vowel_signs_belong_to_words() -> None:
    first, second = Segment("\u0915\u0930\u0924\u093e 1"), Segment("\u0915\u0930\u0924\u0940 1")
    assert first.words == ["\u0915\u0930\u0924\u093e"]
    assert first.folded != second.folded


FRENCH = "Une femme lit un livre dans le jardin."
SAMPLE = [
    ("Two men are walking through the park.", "Zwei Männer gehen durch den Park."),
    ("The children play in the garden.", "Die Kinder spielen im Garten."),
    ("She goes home in the evening.", "Sie geht am Abend nach Hause."),
]


@pytest.mark.parametrize(
    ("name", "source", "target", "reason"),
    [
        ("numbers", "in 2011", "2012", "2011 only in the source; 2012 only in the target"),
        ("numbers", "four years", "4 Jahre", ""),  # small numbers are often spelled out
        ("numbers", "3 of 4", "4 von 5", "3 only in the source; 5 only in the target"),
        ("question", "Who?", "Wer.", "only the source ends as a question"),
        ("question", "Who.", "Wer\uff1f", "only the target ends as a question"),
        ("question", 'He asked: "Who?"', "Er fragte: \u201eWer?\u201c", ""),
        ("question", "the parameter \u03b1 is equal to 1;", "der Parameter \u03b1 ist 1.", ""),
        ("question", "What is this?", "\u300c\u3053\u308c\u306f\u4f55\uff1f\u300d", ""),
        ("question", "Is it DNA?", "\u0395\u03af\u03bd\u03b1\u03b9 DNA;", ""),
        ("question", "How are you?", "Ինչպե՞ս ես։", ""),
        ("question", "Who is it?", "wer; \u03a0", "only the source ends as a question"),
        ("long_word", "a", "\u5929" * 60, ""),  # a sentence without spaces
        ("long_word", "a", f"b {'c' * 41} d", "a word of 41 characters in the target"),
        ("long_word", "a " * 30, f"b {'c' * 40} d", ""),
        ("few_letters", "ab 12 -- 3", "eins", "29 % letters in the source"),
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
    assert find(Segment(source), Segment(target), NOTHING) == reason


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("A woman reads a book in the garden.", FRENCH, "fr in the target, not de"),
        (FRENCH, "Eine Frau liest ein Buch.", "fr in the source, not en"),
        ("A woman reads.", "Une femme lit.", ""),  # too short to tell
        ("A woman reads a book in the garden.", "Eine Frau liest im Garten ein Buch.", ""),
    ],
)
def test_third_languages_are_named(source: str, target: str, reason: str) -> None:
    pytest.importorskip("py3langid")
    known = learn_norms([], CheckLimits(), usual_languages(SAMPLE, load_identifier()))
    (find,) = choose_detectors(["other_language"]).values()
    assert find(Segment(source), Segment(target), known) == reason


def test_an_empty_sample_has_no_usual_language() -> None:
    assert usual_languages([], lambda _: ("en", 1.0)) == ("", "")


LIMITS = CheckLimits(language_characters=1)


def identify(text: str) -> tuple[str, float]:
    """Return the code that a text begins with, and the probability that it ends with."""
    words = text.split()
    return words[0], float(words[-1])


def rows(*pairs: tuple[str, str]) -> list[Row]:
    return [(10 * number, *pair) for number, pair in enumerate(pairs, start=1)]


def named(given: list[Row], declared: tuple[str, str] = ("en", "de")) -> dict[str, Finding]:
    return {finding.kind: finding for finding in other_languages(given, declared, identify, LIMITS)}


def test_a_third_language_is_named_if_it_is_probable() -> None:
    given = rows(
        *[("en a 1", "de a 1")] * 5,
        ("en a 1", "fr a 0.95"),
        ("fr a 0.5", "de a 1"),  # too improbable
        ("en a 1", "en a 1"),  # the other side's: another detector finds it in all pairs
        ("en a 1", "lb a 1"),  # too close to German
    )
    assert related("hr", "sr")
    assert not related("de", "en")
    (finding,) = named(given).values()
    assert (finding.kind, finding.count, finding.of) == ("other_language", 1, 9)
    (example,) = finding.examples
    assert (example.line, example.detail) == (60, "fr in the target, not de")


def test_a_side_in_another_language_than_declared_is_named() -> None:
    given = rows(*[("de a 1", "en a 1")] * 20)
    details = [example.detail for example in named(given)["declared_language"].examples]
    assert details == ["the source is de, not en", "the target is en, not de"]
    assert not named(given, ("", ""))
    assert not named(given[1:])  # too few to tell
    assert not named(given, ("deu", "EN-gb"))
    assert len(named(given, ("eng", "ger"))["declared_language"].examples) == 2
    assert not named(given, ("gsw", "enm"))  # the package may have other codes for them


def test_short_segments_are_left_alone() -> None:
    given = rows(*[("en a 1", "de a 1")] * 5, ("en a 1", "fr a 0.95"), ("en a 1", "fr ab 0.95"))
    limits = CheckLimits(language_characters=len("fr ab 0.95"))
    (finding,) = other_languages(given, ("", ""), identify, limits)
    assert [example.line for example in finding.examples] == [70]


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    load_identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(NmtError, match=r"pip install 'attention-nmt\[check\]'"):
        load_identifier()


def test_every_kind_says_what_to_do() -> None:
    only_cleaned = {*FILTERS} - {*DEFAULT_FILTERS, OTHER_LANGUAGE} | {UNREADABLE, CROSS_ENTROPY}
    assert {name for name, kind in KINDS.items() if not kind.fix} == only_cleaned
    assert all(kind.title for kind in KINDS.values())
