"""`nmt score`: the probabilities that the search finds, for any pairs and from any file."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.runs.trained_model import load_model
from tests.commands.conftest import give_stdin, translate, write
from tests.conftest import WORDS, CommandResult, Run

PAIRS = [("sun moon", "MOON SUN"), ("", ""), ("star", "STAR STAR RAIN"), ("rain", ""), ("", "SUN")]


def score(nmt: Run, run: Path, *arguments: object) -> CommandResult:
    """Score with the model of a run; the command must succeed."""
    result = nmt("score", *arguments, "--model", run)
    assert result.code == 0, result.err
    return result


def numbers(result: CommandResult) -> list[list[float]]:
    """Return the columns log_prob, mean_log_prob, score and length."""
    return [[*map(float, line.split("\t"))] for line in result.out.splitlines()]


def write_pairs(folder: Path) -> tuple[Path, Path, Path]:
    """Write `PAIRS` as two files and as one with columns."""
    sources, targets = zip(*PAIRS, strict=True)
    columns = write(folder / "in.tsv", *map("\t".join, PAIRS))
    return write(folder / "in.src", *sources), write(folder / "in.tgt", *targets), columns


def assert_scores(found: list[list[float]], expected: list[dict[str, Any]]) -> None:
    """Compare log_prob, score and length with those of candidates."""
    assert len(found) == len(expected)
    for (log_prob, mean, total, length), candidate in zip(found, expected, strict=True):
        assert log_prob == pytest.approx(candidate["log_prob"], abs=1e-4)
        assert total == pytest.approx(candidate["score"], abs=1e-4)
        assert length == len(candidate["tokens"])
        assert mean == pytest.approx(log_prob / length if length else 0, abs=1e-6)


@pytest.mark.parametrize(("members", "processes"), [(1, 2), (2, 1)])
def test_every_output_of_the_search_has_its_score(
    nmt: Run,
    skilled_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    members: int,
    processes: int,
) -> None:
    """They are given as pieces, because the tokenizer may write a text in other ones."""
    monkeypatch.setattr("torch.get_num_threads", lambda: processes)
    (checkpoint, *_) = sorted((skilled_run / "checkpoints").glob("*.safetensors"))
    options = ["--model", checkpoint][: 2 * (members - 1)]
    draw = random.Random(4)
    sources = [" ".join(draw.choices(WORDS, k=draw.randrange(13))) for _ in range(40)]
    path = write(tmp_path / "many.src", *sources)
    given = translate(nmt, skilled_run, path, "--n-best", 4, "--token-scores", *options).out
    every: list[dict[str, Any]] = [
        {"source": source, **candidate}
        for source, line in zip(sources, given.splitlines(), strict=True)
        for candidate in json.loads(line)["translations"]
    ]
    pieces = [" ".join(token["piece"] for token in candidate["tokens"]) for candidate in every]
    rows = [f"{row}\t{candidate['source']}" for row, candidate in zip(pieces, every, strict=True)]
    options += ["--set", "decode.max_segment_tokens=10"]  # sources are scored whole
    turned = ["--columns", "2,1", "--pieces", *options]
    found = score(nmt, skilled_run, write(tmp_path / "pieces.tsv", *rows), *turned)
    assert_scores(numbers(found), every)
    path = write(tmp_path / "turned.tsv", *rows[::-1])
    backward = numbers(score(nmt, skilled_run, path, *turned, "--batch-tokens", 1))
    assert_scores(backward[::-1], every)  # order and batch do not matter


def test_files_columns_and_stdin_are_the_same(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank pair has 0; a blank target has its end."""
    source, target, columns = write_pairs(tmp_path)
    result = score(nmt, skilled_run, source, target)
    expected, found = result.out, numbers(result)
    ids = load_model(skilled_run, "cpu").tokenizer.target.encode([text for _, text in PAIRS])
    lengths = [len(tokens) + 1 for tokens in ids]
    assert found[1] == [0, 0, 0, 0]
    assert [row[3] for row in found] == [lengths[0], 0, *lengths[2:]]
    assert all(row[0] < 0 for row in [found[0], *found[2:]])
    packed = tmp_path / "in.tgt.gz"
    packed.write_bytes(gzip.compress(target.read_bytes()))
    other = write(tmp_path / "other.tsv", *(f"x\t{b}\t{a}" for a, b in PAIRS))
    for arguments in ([source, packed], [columns], [other, "--columns", "3,2"]):
        assert score(nmt, skilled_run, *arguments).out == expected
    for arguments, given in (([], columns), (["-", target], source), ([source, "-"], target)):
        give_stdin(monkeypatch, given)
        assert score(nmt, skilled_run, *arguments).out == expected
    assert score(nmt, skilled_run, source, target, "--output", "scores/out.tsv").out == ""
    assert Path("scores/out.tsv").read_text() == expected


def test_what_is_unknown_counts(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """Characters, pieces and special tokens; the end is none of them. Long segments are whole."""
    rows = ["sun\tSUN", "moon Ж\tMOON", "rain\tRAIN Щ", f"{'sun ' * 300}\t{'SUN ' * 300}"]
    result = score(nmt, skilled_run, write(tmp_path / "in", *rows, "sun\rmoon\tSUN"), "--tokens")
    told = "characters of targets that are not in the vocabulary, scored as unknown: Щ (line 3)"
    for note in (
        "which the model reads as unknown: Ж (line 2)",
        told,
        "scored whole: line 4, whose sources have more tokens than",
        "carriage returns in line 5 count as spaces",
    ):
        assert note in result.err
    third, fourth = map(json.loads, result.out.splitlines()[2:4])
    assert [token["piece"] for token in third["tokens"]].count("<unk>") == 1
    assert fourth["length"] > 300
    rows = ["sun\t\u2581S U N </s>", "sun\t\u2581S U SUNNY N <pad> </s>"]
    result = score(nmt, skilled_run, write(tmp_path / "in", *rows), "--pieces", "--tokens")
    assert "scored as unknown: SUNNY, <pad> (line 2)" in result.err
    first, second = ([t["piece"] for t in json.loads(x)["tokens"]] for x in result.out.splitlines())
    assert first[-1:] == ["</s>"]
    assert second.count("<unk>") == 2


def test_lines_that_cannot_be_read(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """Both sides of a bad pair are one line."""
    path = tmp_path / "in.tsv"
    path.write_bytes(b"sun\tSUN\nmoon\n\xff\train\n\nrain\tRAIN\n")
    expected = numbers(score(nmt, skilled_run, write(tmp_path / "ok", "sun\tSUN", "rain\tRAIN")))
    stopped = nmt("score", path, "--model", skilled_run)
    told = f"{path}, line 2: there is no column 2; put a tab between source and target"
    assert (stopped.code, told in stopped.err.splitlines()[-1]) == (1, True)
    skipped = score(nmt, skilled_run, path, "--on-bad-line", "skip")
    assert numbers(skipped) == [expected[0], [0, 0, 0, 0], expected[1]]
    assert "left out lines 2, 3, which cannot be read" in skipped.err
    blank = score(nmt, skilled_run, path, "--on-bad-line", "blank", "--tokens").out.splitlines()
    assert [line == "null" for line in blank] == [False, True, True, False, False]
    for name in ("in.src", "in.tgt"):
        (tmp_path / name).write_bytes(b"sun\n\xff\nmoon\n")
    result = score(nmt, skilled_run, "in.src", "in.tgt", "--on-bad-line", "skip")
    assert result.out.count("\n") == 2
    assert "left out line 2, which cannot be read" in result.err


def test_a_pair_that_the_model_cannot_read(nmt: Run, tiny: Path) -> None:
    """Learned positions end."""
    settings = "model.positions=learned", "model.max_positions=40", "data.max_length=39"
    options = [part for setting in settings for part in ("--set", setting)]
    assert nmt("train", tiny, *options, "--max-updates", 1).code == 0
    rows = [f"{'sun ' * 39}\tSUN", "sun\tSUN", f"sun\t{'Ж ' * 39}"]
    path = write(tiny.parent / "in.tsv", *rows)
    result = nmt("score", path, "--on-bad-line", "skip")
    assert (result.code, result.out.count("\n")) == (0, 1)
    assert "left out lines 1, 3, which cannot be read (the first: line 1: " in result.err


def test_pairs_are_scored_as_they_arrive(tiny_run: Path) -> None:
    """The score of a line from a pipe comes before the next line is written."""
    arguments = [sys.executable, "-m", "nmt", "score", "--model", str(tiny_run)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for source in ("sun", "moon star"):
            process.stdin.write(f"{source}\t{source.upper()}\n".encode())
            process.stdin.flush()
            assert len(process.stdout.readline().split(b"\t")) == 4
        process.stdin.close()
        assert process.wait() == 0
