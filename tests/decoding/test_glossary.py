"""Glossaries are read as documented, and their terms found as worked out by hand."""

from pathlib import Path

import pytest

from nmt.decoding.terms.glossary import (
    Glossary,
    Term,
    contains,
    digest_text,
    parse,
    read_glossary,
    word_texts,
)
from nmt.decoding.translator.segments import LineNotes, SegmentEncoder, SegmentLimit
from nmt.errors import NmtError
from nmt.text.subwords.tokenizer import SubwordModel, load_tokenizer


@pytest.fixture(scope="module")
def subwords(skilled_run: Path) -> SubwordModel:
    """Return a vocabulary with the letters of the tiny corpus, in both cases."""
    return load_tokenizer(skilled_run / "tokenizer.model").target


def found(subwords: SubwordModel, terms: list[str], text: str) -> list[tuple[int, str]]:
    entries = [Term(source, ("SUN",)) for source in terms]
    return [(words[0].start, term.source) for words, term in Glossary(entries, subwords).find(text)]


def test_a_line_has_a_term_and_alternatives() -> None:
    assert parse("dog\tHund", "") == Term("dog", ("Hund",))
    assert parse(" ice  cream \t Eis| Eis am  Stiel |Eis", "").targets == ("Eis", "Eis am Stiel")
    assert parse(" ice  cream \tEis", "").source == "ice cream"
    assert parse(r"\#1|2" + "\t" + r"a\|b|c\\|\d", "") == Term("#1|2", ("a|b", "c\\", "\\d"))


def test_comments_and_blank_lines_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("# source\ttarget\n\ndog\tHund\r\n \n  # cat\ndog\tHund\ncat\tKatze|Kater\n")
    entries = read_glossary(path)
    assert [(term.source, term.targets) for term in entries] == [
        ("dog", ("Hund",)),
        ("cat", ("Katze", "Kater")),
    ]
    assert entries[1].location == f"{path}, line 7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"dog Hund\n", "line 1: no tab; write the source term, a tab and the target term"),
        (b"\ndog\tHund\tm\n", "line 2: 2 tabs"),
        (b"dog\t \n", "line 1: a target term is empty"),
        (b"dog\tHund|\n", "line 1: a target term is empty"),
        (b"\tHund\n", "line 1: a source term is empty"),
        (b"dog\tHund\ncat\tKatze\ndog\tK\xc3\xb6ter\n", "line 3: the source term dog has other"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "terms.tsv"
    path.write_bytes(text)
    with pytest.raises(NmtError, match=message) as error:
        read_glossary(path)
    assert str(error.value).startswith(f"{path}, ")


def test_words_are_whole() -> None:
    assert word_texts("The dog's ice-cream, 3 T-shirts - e\u0301!") == (
        *("The", "dog", "'", "s", "ice-cream", ",", "3", "T-shirts", "-", "\u00e9", "!"),
    )


def test_terms_are_found_by_hand(subwords: SubwordModel) -> None:
    terms = ["sun", "sun moon", "moon star", "star", "Root", "root", "u.s."]
    # The longest wins; what it covers cannot begin another.
    assert found(subwords, terms, "sun moon star sun") == [
        (0, "sun moon"),
        (9, "star"),
        (14, "sun"),
    ]
    assert found(subwords, terms, "moon  star,(sun)sunny sun-moon") == [
        (0, "moon star"),
        (12, "sun"),
    ]
    # Case: exact first; a capital letter only where a sentence begins.
    assert found(subwords, terms, "Root root ROOT") == [(0, "Root"), (5, "root")]
    assert found(subwords, terms, '"Sun Star. Moon star! Star') == [
        (1, "sun"),
        (11, "moon star"),
        (22, "star"),
    ]
    assert found(subwords, ["sun", "Sun moon"], "Sun moon") == [(0, "Sun moon")]
    assert found(subwords, ["Sun", "sun"], "Sun sun") == [(0, "Sun"), (4, "sun")]
    assert found(subwords, terms, "Moon Star") == []
    assert found(subwords, terms, "Moon\u2026 Sun moon") == [(6, "sun moon")]
    assert found(subwords, terms, "in u.s. or not") == [(3, "u.s.")]


def test_text_contains_whole_words() -> None:
    assert contains("Das Haus, gro\u00df", "Haus")
    assert not contains("Hausboot am Rathaus", "Haus")
    assert not contains("Haus-Eingang im Hoch-Haus", "Haus")
    assert contains("das Haus - innen", "Haus")
    assert contains("Hausboot, Haus", "Haus")
    assert not contains("Haus\u0308", "Haus")  # the mark belongs to its letter


def test_an_output_has_a_term_in_whole_words(subwords: SubwordModel) -> None:
    (match,) = Glossary([Term("moon", ("moon", "SUN"))], subwords).find("moon")
    assert match.term.is_in("SUN")
    assert match.term.is_in("star moon")
    assert match.term.is_in("Moon star")
    assert not match.term.is_in("star Moon")
    assert not match.term.is_in("SUNMOON")


@pytest.mark.parametrize("odd", ["tree", "tr\u0436ee", "tree\u2122", "tree\u2026"])
def test_a_term_goes_with_the_part_that_holds_it(subwords: SubwordModel, odd: str) -> None:
    """Lines are split at the limit and at carriage returns; words are at most 6 tokens here.

    An unknown letter divides a word, and normalised signs are more words or fewer.
    """
    glossary = Glossary([Term("sun", ("SUN",))], subwords)
    encoder = SegmentEncoder(subwords, SegmentLimit(12, "a test"), print, glossary)
    for words in range(1, 6):
        line = f"{odd} " * words + "root seed wind sun snow sun\rsun"
        (segment,) = encoder.encode([line], 1, LineNotes())
        assert len(segment.parts) > 2
        for part in segment.parts:
            suns = subwords.decode(part.ids).split().count("sun")
            assert [occurrence.term.source for occurrence in part.terms] == ["sun"] * suns
            for occurrence in part.terms:
                assert subwords.decode([part.ids[token] for token in occurrence.tokens]) == "sun"


def test_a_job_has_the_same_digest_as_in_earlier_versions() -> None:
    """So that a job with a glossary, which they began, can be continued."""
    terms = [Term("sun", ("SUN", "sol"), "g.tsv, line 1")]
    expected = "[Entry(place='g.tsv, line 1', source='sun', targets=('SUN', 'sol'))]"
    assert digest_text(terms) == expected
    assert digest_text([]) == "[]"
