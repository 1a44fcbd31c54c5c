"""`nmt translate --output-format`: n-best lists as JSON, for Moses's tools, and as tables."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from nmt.decoding.files.output_formats import moses_lines, tsv_lines
from nmt.decoding.translator.translation import Candidate, Translation
from tests.conftest import CommandResult, Run

LINES = ["sun moon star", "", "rain", "leaf root seed wind", "moon sun"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.src"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


def translate(nmt: Run, run: Path, *options: object) -> CommandResult:
    result = nmt("translate", "--model", run, *options)
    assert result.code == 0, result.err
    return result


def json_of(nmt: Run, run: Path, *options: object) -> list[list[dict[str, Any]]]:
    out = translate(nmt, run, *options, "--output-format", "json").out
    return [json.loads(line)["translations"] for line in out.splitlines()]


def test_the_formats_hold_the_same(nmt: Run, skilled_run: Path, source: Path) -> None:
    """The fields of each line, with the numbers of JSON in six decimals."""
    expected = json_of(nmt, skilled_run, source, "--n-best", 3)
    moses, tsv = (
        translate(nmt, skilled_run, source, "--n-best", 3, "--output-format", name).out.splitlines()
        for name in ("moses", "tsv")
    )
    every = [
        (line, rank, each)
        for line, candidates in enumerate(expected)
        for rank, each in enumerate(candidates, start=1)
    ]
    assert [*map(len, expected)] == [3, 1, 3, 3, 3]
    for (line, rank, each), of_moses, of_tsv in zip(every, moses, tsv, strict=True):
        score, log_prob = (f"{each[name]:.6f}" for name in ("score", "log_prob"))
        index, text, features, total = of_moses.split(" ||| ")
        assert (index, text, total) == (str(line), each["text"], score)
        names = features.split()[::2]
        assert (names, features.split()[1]) == (["LogProb0=", "Length0="], log_prob)
        length = int(features.split()[3])
        if each["text"]:
            penalty = ((5 + length) / 6) ** 0.6
            assert each["score"] == pytest.approx(each["log_prob"] / penalty)
        assert of_tsv == f"{line + 1}\t{rank}\t{score}\t{log_prob}\t{each['text']}"


@pytest.mark.parametrize("name", ["json", "moses", "tsv"])
def test_one_candidate_by_default(nmt: Run, skilled_run: Path, source: Path, name: str) -> None:
    best = translate(nmt, skilled_run, source).out
    assert translate(nmt, skilled_run, source, "--output-format", "text", "--n-best", 1).out == best
    lines = translate(nmt, skilled_run, source, "--output-format", name).out.splitlines()
    assert len(lines) == len(LINES)
    for line, text in zip(lines, best.splitlines(), strict=True):
        assert text in line


def test_fields_cannot_be_broken_by_a_text() -> None:
    translation = Translation((Candidate("a ||| b\tc |", -1.0, -2.0, 7), Candidate("", -3, -4, 1)))
    assert moses_lines(translation, 5).splitlines() == [
        "4 ||| a &#124;&#124;&#124; b\tc | ||| LogProb0= -2.000000 Length0= 7 ||| -1.000000",
        "4 |||  ||| LogProb0= -4.000000 Length0= 1 ||| -3.000000",
    ]
    assert tsv_lines(translation, 5).splitlines() == [
        "5\t1\t-1.000000\t-2.000000\ta ||| b c |",
        "5\t2\t-3.000000\t-4.000000\t",
    ]


def test_utility_is_a_feature(nmt: Run, skilled_run: Path, source: Path) -> None:
    options = [source, "--n-best", 2, "--mbr", "chrf"]
    utilities = [
        f"Utility0= {each['utility']:.6f} "
        for candidates in json_of(nmt, skilled_run, *options)
        for each in candidates
        if each["text"]
    ]
    lines = translate(nmt, skilled_run, *options, "--output-format", "moses").out.splitlines()
    texts = [line for line in lines if line.split(" ||| ")[1]]
    assert len(texts) == len(utilities) == 8
    assert all(one in other for one, other in zip(utilities, texts, strict=True))


@pytest.mark.parametrize("processes", [1, 2])
def test_token_scores_add_up(
    nmt: Run, skilled_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """Every candidate has them; the pieces are its text."""
    monkeypatch.setattr("torch.get_num_threads", lambda: processes)
    plain = json_of(nmt, skilled_run, source, "--n-best", 3)
    scored = json_of(nmt, skilled_run, source, "--n-best", 3, "--token-scores")
    for candidates, expected in zip(scored, plain, strict=True):
        for each, other in zip(candidates, expected, strict=True):
            tokens = each.pop("tokens")
            assert each == other
            total = math.fsum(token["log_prob"] for token in tokens)
            assert total == pytest.approx(each["log_prob"], abs=1e-4)
            assert [token["piece"] for token in tokens[-1:]] == ["</s>"] * bool(each["text"])
            text = "".join(token["piece"] for token in tokens[:-1]).replace("\u2581", " ")
            assert text.strip() == each["text"]


def test_token_scores_of_an_ensemble_and_of_split_lines(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    """A line in two parts has the tokens of both."""
    source = tmp_path / "in.src"
    source.write_text("sun moon star rain\n")
    options = ["--token-scores", "--set", "decode.max_segment_tokens=2"]
    (checkpoint, *_) = sorted((skilled_run / "checkpoints").glob("*.safetensors"))
    ((candidate,),) = json_of(nmt, skilled_run, source, "--model", checkpoint, *options)
    tokens = candidate["tokens"]
    assert [token["piece"] for token in tokens].count("</s>") > 1
    total = math.fsum(token["log_prob"] for token in tokens)
    assert total == pytest.approx(candidate["log_prob"], abs=1e-4)


def test_lines_that_cannot_be_read(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """The others keep their numbers; a blank one has an empty candidate."""
    source = tmp_path / "in.src"
    source.write_bytes(b"sun\n\xff\nmoon\n")
    for action, expected in (("skip", "000222"), ("blank", "0001222")):
        options = [source, "--n-best", 3, "--output-format", "moses", "--on-bad-line", action]
        lines = translate(nmt, skilled_run, *options).out.splitlines()
        assert "".join(line.split(" ")[0] for line in lines) == expected
    assert "1 |||  ||| LogProb0= 0.000000 Length0= 0 ||| 0.000000" in lines


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output-format", "text", "--n-best", 2], "--output-format text holds one translation"),
        (
            ["--output-format", "text", "--token-scores"],
            "--output-format text cannot hold --token-scores",
        ),
        (
            ["--output-format", "moses", "--token-scores"],
            "--output-format moses cannot hold --token-scores",
        ),
        (
            ["--output-format", "tsv", "--n-best", 5],
            "n-best is 5 but must be from 1 to the beam size, 4",
        ),
    ],
)
def test_flags_that_contradict_each_other(
    nmt: Run, skilled_run: Path, source: Path, options: list[object], message: str
) -> None:
    result = nmt("translate", source, "--model", skilled_run, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[-1]
