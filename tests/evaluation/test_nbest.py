"""N-best lists in JSON and in Moses's format."""

import json
from collections import deque
from collections.abc import Iterator

import pytest

from nmt.decoding.stream import Source, chunks_of
from nmt.errors import NmtError
from nmt.evaluation.nbest import Candidate, parse_record, records

MOSES = """0 ||| a b ||| LM0= -1 Length0= 2 ||| -1.5
0 ||| a ||| LM0= -2 Length0= 1 ||| -2.5
1 |||  ||| LM0= 0 Length0= 0 ||| 0
2 ||| x &#124;&#124;&#124; y ||| -3"""


def lists_of(text: str) -> list[list[tuple[str, float]]]:
    found = records(Source(text.split("\n")), "text").segments
    parsed = [parse_record(each, number, "text") for number, each in enumerate(found, 1)]
    return [[(each.text, each.score) for each in candidates] for candidates in parsed]


def test_moses() -> None:
    expected = [[("a b", -1.5), ("a", -2.5)], [("", 0.0)], [("x ||| y", -3.0)]]
    assert lists_of(MOSES) == expected


def test_features_of_this_program_are_kept() -> None:
    line = "0 ||| a ||| LogProb0= -0.458865 Length0= 5 Utility0= 0.5 ||| -1.5"
    (found,) = parse_record(line, 1, "text")
    assert found.data == {"text": "a", "score": -1.5, "log_prob": -0.458865, "utility": 0.5}


def test_json() -> None:
    line = {"translations": [{"text": "a ||| b", "score": -1, "other": [1]}]}
    text = f"{json.dumps(line)}\n{json.dumps(line)}"
    assert lists_of(text) == 2 * [[("a ||| b", -1.0)]]
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

    chunks = chunks_of(records(Source(lines(), lambda _: bool(arrived)), "text"))
    assert next(chunks)[0] == text.rpartition("\n")[0]


def test_nothing() -> None:
    assert list(records(Source(()), "text").segments) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "text, list 1 is not an n-best list: 'no JSON'; `nmt translate --n-best N"),
        ("1\t1\t-0.5\t-1.5\tSUN", "list 1 is not an n-best list"),
        ('{"translations": [', "text, list 1 is damaged"),
        ('{"translations": []}', "text, list 1 has no translation"),
        ('{"translations": [{"text": "a"}]}', "text, list 1 is damaged"),
        ('{"translations": [{"text": "a", "score": "high"}]}', "text, list 1 is damaged"),
        ('{"translations": [{"text": "a", "score": 1, "written": 2}]}', "text, list 1 is damaged"),
        (
            '{"translations": [{"text": "a\\nb", "score": 1}]}',
            "text, list 1 has a translation with",
        ),
        ("0 ||| a ||| 1\n2 ||| a ||| 1", "text: list '2' is where list 1 must be"),
        ("1 ||| a ||| 1", "text: list '1' is where list 0 must be"),
        ("0 ||| a ||| nan", "text, list 1 has a line that is not"),
        ("0 ||| a ||| ", "text, list 1 has a line that is not"),
        ("0 ||| a ||| 1\n0 a", "text: list '0 a' is where list 1 must be"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(NmtError, match=message.replace("|", r"\|")):
        lists_of(text)
