"""Reranking: n-best lists, what the judges score, and weights files."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.decoding.files.score import BLANK_PAIR, TextPair
from nmt.decoding.stream import Source, split_chunks
from nmt.decoding.translator.marked import Mark, Marked
from nmt.decoding.translator.odd_input import OddSegment, cut_segment
from nmt.errors import NmtError, UsageError
from nmt.evaluation.rerank import (
    Candidate,
    WeightsFile,
    load_judges,
    pairs_to_score,
    parse_record,
    read_weights,
    records,
    write_weights,
)
from tests.interop.models import save_directions, saved, two_languages

MOSES = """0 ||| a b ||| LM0= -1 Length0= 2 ||| -1.5
0 ||| a ||| LM0= -2 Length0= 1 ||| -2.5
1 |||  ||| LM0= 0 Length0= 0 ||| 0
2 ||| x &#124;&#124;&#124; y ||| -3"""


def parse_lists(text: str) -> list[list[tuple[str, float]]]:
    found = records(Source(text.split("\n")), "text").segments
    parsed = [parse_record(record, number, "text") for number, record in enumerate(found, 1)]
    return [
        [(candidate.text, candidate.score) for candidate in candidates] for candidates in parsed
    ]


def test_a_list_of_moses() -> None:
    expected = [[("a b", -1.5), ("a", -2.5)], [("", 0.0)], [("x ||| y", -3.0)]]
    assert parse_lists(MOSES) == expected


def test_features_of_this_program_are_kept() -> None:
    line = "0 ||| a ||| LogProb0= -0.458865 Length0= 5 Utility0= 0.5 ||| -1.5"
    (found,) = parse_record(line, 1, "text")
    assert found.data == {"text": "a", "score": -1.5, "log_prob": -0.458865, "utility": 0.5}


def test_a_list_in_json() -> None:
    line = {"translations": [{"text": "a ||| b", "score": -1, "data": 5, "other": [1]}]}
    text = f"{json.dumps(line)}\n{json.dumps(line)}"
    assert parse_lists(text) == 2 * [[("a ||| b", -1.0)]]
    (found,) = parse_record(json.dumps(line), 1, "text")
    assert found == Candidate("a ||| b", -1.0, data=line["translations"][0])


def test_what_the_model_wrote_for_an_odd_line() -> None:
    line = {"translations": [{"text": "DAS GRAS", "score": -1, "written": "Das Gras"}]}
    (found,) = parse_record(json.dumps(line), 1, "text")
    assert (found.written, found.data) == ("Das Gras", line["translations"][0])


@pytest.mark.parametrize("text", ["0 ||| a ||| 1\n0 ||| b ||| 1\n1 ||| c ||| 1", "{}\n{}"])
def test_a_list_is_there_before_the_next_one_ends(text: str) -> None:
    """The first list is complete; more lines have not arrived."""
    arrived = deque(text.split("\n"))

    def lines() -> Iterator[str]:
        while arrived:
            yield arrived.popleft()
        pytest.fail("the reader waits")

    chunks = split_chunks(records(Source(lines(), lambda _: bool(arrived)), "text"))
    assert next(chunks)[0] == text.rpartition("\n")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "text, list 1 is not an n-best list: 'no JSON'; `nmt translate --n-best N"),
        ('{"translations": []}', "text, list 1 has no translation"),
        ('{"translations": [{"text": "a", "score": "high"}]}', "text, list 1 is damaged"),
        (
            '{"translations": [{"text": "a\\nb", "score": 1}]}',
            "text, list 1 has a translation with",
        ),
        ("0 ||| a ||| 1\n2 ||| a ||| 1", "text: list '2' is where list 1 must be"),
        ("1 ||| a ||| 1", "text: list '1' is where list 0 must be"),
        ("0 ||| a ||| nan", "text, list 1 has a line that is not"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(NmtError, match=message.replace("|", r"\|")):
        parse_lists(text)


LINK = "www.a.com"


def hidden(source: str, *symbols: str) -> OddSegment:
    """Return how a source is read without symbols."""
    found = [
        Mark(source.index(symbol), source.index(symbol) + len(symbol))
        for symbol in symbols
        if symbol in source
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
        ('{"rerank_weights": 1}', "is damaged"),
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


def test_a_reverse_model_of_several_languages_is_told_which_the_sources_are_in(
    tmp_path: Path,
) -> None:
    path = saved(two_languages(), tmp_path / "two.safetensors")
    (judge,) = load_judges([], [path], "cpu", lambda note: None, (), ("de", "en"))
    assert judge.languages == ("de", "en")
    with pytest.raises(UsageError, match="a name that ends in the code of its language"):
        load_judges([], [path], "cpu", lambda note: None, (), ("", "en"))


@pytest.mark.parametrize("text", [("en", "de"), ("en", ""), ("", "")])
@pytest.mark.parametrize("overrides", [(), ("decode.target_language=de",)])
def test_a_reverse_model_that_goes_on_in_one_language_writes_that_of_the_sources(
    tmp_path: Path, text: tuple[str, str], overrides: tuple[str, ...]
) -> None:
    forward, reverse = save_directions(tmp_path)
    judges = load_judges([forward], [reverse], "cpu", lambda note: None, overrides, text)
    assert [judge.languages for judge in judges] == [("en", "de")] * 2
