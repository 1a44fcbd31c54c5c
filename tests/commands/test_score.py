"""`nmt score`: the probabilities that the search finds, for any pairs and from any file."""

import gzip
import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.runs.trained_model import load_model
from tests.commands.conftest import give_stdin, translate
from tests.conftest import WORDS, CommandResult, Run

CPU = torch.device("cpu")
PAIRS = [("sun moon", "MOON SUN"), ("", ""), ("star", "STAR STAR RAIN"), ("rain", ""), ("", "SUN")]


def score(nmt: Run, run: Path, *arguments: object) -> CommandResult:
    """Score with the model of a run; the command must succeed."""
    result = nmt("score", *arguments, "--model", run)
    assert result.code == 0, result.err
    return result


def numbers(result: CommandResult) -> list[list[float]]:
    """Return the columns log_prob, mean_log_prob, score and length."""
    return [[*map(float, line.split("\t"))] for line in result.out.splitlines()]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_pairs(folder: Path) -> tuple[Path, Path, Path]:
    """Write `PAIRS` as two files and as one with columns."""
    sources, targets = zip(*PAIRS, strict=True)
    return (
        write(folder / "in.src", [*sources]),
        write(folder / "in.tgt", [*targets]),
        write(folder / "in.tsv", [f"{source}\t{target}" for source, target in PAIRS]),
    )


def translated(nmt: Run, run: Path, folder: Path, *options: object) -> list[dict[str, Any]]:
    """Translate 60 segments of up to 12 words; return all candidates with their sources."""
    draw = random.Random(4)
    sources = [" ".join(draw.choices(WORDS, k=draw.randrange(13))) for _ in range(60)]
    path = write(folder / "many.src", sources)
    found = translate(nmt, run, path, "--n-best", 4, "--token-scores", *options)
    return [
        {"source": source, **candidate}
        for source, line in zip(sources, found.out.splitlines(), strict=True)
        for candidate in json.loads(line)["translations"]
    ]


def assert_scores(found: list[list[float]], expected: list[dict[str, Any]]) -> None:
    """Compare log_prob, score and length with those of candidates."""
    assert len(found) == len(expected)
    for (log_prob, mean, total, length), each in zip(found, expected, strict=True):
        assert log_prob == pytest.approx(each["log_prob"], abs=1e-4)
        assert total == pytest.approx(each["score"], abs=1e-4)
        assert length == len(each["tokens"])
        assert mean == pytest.approx(log_prob / length if length else 0, abs=1e-6)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("members", [1, 2])
def test_every_output_of_the_search_has_its_score(
    nmt: Run,
    skilled_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    members: int,
    processes: int,
) -> None:
    """The n best as pieces; those whose text has the same pieces, also as text.

    The search may write a text in other pieces than the tokenizer does.
    """
    monkeypatch.setattr("torch.get_num_threads", lambda: processes)
    (checkpoint, *_) = sorted((skilled_run / "checkpoints").glob("*.safetensors"))
    options = ["--model", checkpoint][: 2 * (members - 1)]
    every = translated(nmt, skilled_run, tmp_path, *options)
    pieces = [" ".join(token["piece"] for token in each["tokens"]) for each in every]
    rows = [f"{row}\t{each['source']}" for row, each in zip(pieces, every, strict=True)]
    path = write(tmp_path / "pieces.tsv", rows)
    options += ["--set", "decode.max_segment_tokens=10"]  # sources are scored whole
    found = score(nmt, skilled_run, path, "--columns", "2,1", "--pieces", *options)
    assert_scores(numbers(found), every)

    target = load_model(skilled_run, "cpu").tokenizer.target
    same = [
        each
        for each in every
        if [*map(target.piece, target.encode([each["text"]])[0])]
        == [token["piece"] for token in each["tokens"][:-1]]
    ]
    assert len(same) > len(every) / 2
    path = write(tmp_path / "texts.tsv", [f"{each['source']}\t{each['text']}" for each in same])
    assert_scores(numbers(score(nmt, skilled_run, path, *options)), same)


def test_files_columns_and_stdin_are_the_same(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, columns = write_pairs(tmp_path)
    expected = score(nmt, skilled_run, source, target).out
    assert len(expected.splitlines()) == len(PAIRS)
    packed = tmp_path / "in.tgt.gz"
    packed.write_bytes(gzip.compress(target.read_bytes()))
    other = write(tmp_path / "other.tsv", [f"x\t{b}\t{a}" for a, b in PAIRS])
    for arguments in ([source, packed], [columns], [other, "--columns", "3,2"]):
        assert score(nmt, skilled_run, *arguments).out == expected
    for arguments, given in (([], columns), (["-", target], source), ([source, "-"], target)):
        give_stdin(monkeypatch, given)
        assert score(nmt, skilled_run, *arguments).out == expected
    output = tmp_path / "scores" / "out.tsv"
    for _ in range(2):  # the second time, its own output is replaced
        assert score(nmt, skilled_run, source, target, "--output", output).out == ""
    assert output.read_text() == expected


def test_blank_sides(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """A blank pair has 0; a blank target has its end."""
    source, target, _ = write_pairs(tmp_path)
    found = numbers(score(nmt, skilled_run, source, target))
    assert found[1] == [0, 0, 0, 0]
    target_ids = load_model(skilled_run, "cpu").tokenizer.target.encode([b for _, b in PAIRS])
    lengths = [len(ids) + 1 for ids in target_ids]
    assert [row[3] for row in found] == [lengths[0], 0, *lengths[2:]]
    assert all(row[0] < 0 for row in [found[0], *found[2:]])


def test_the_order_and_the_batch_do_not_matter(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    draw = random.Random(2)
    rows = [
        "\t".join(" ".join(draw.choices(WORDS, k=draw.randrange(1, 9))) for _ in range(2))
        for _ in range(90)
    ]
    path = write(tmp_path / "in.tsv", rows)
    forward = numbers(score(nmt, skilled_run, path))
    for options in (["--batch-tokens", 1], ["--batch-tokens", 50]):
        for one, other in zip(
            numbers(score(nmt, skilled_run, path, *options)), forward, strict=True
        ):
            assert one == pytest.approx(other, rel=1e-6, abs=1e-5)
    write(path, rows[::-1])
    for one, other in zip(numbers(score(nmt, skilled_run, path))[::-1], forward, strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-5)


def test_tokens_as_json(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source, target, _ = write_pairs(tmp_path)
    plain = numbers(score(nmt, skilled_run, source, target, "--length-penalty", 0))
    found = score(nmt, skilled_run, source, target, "--tokens", "--length-penalty", 0).out
    brief = score(
        nmt, skilled_run, source, target, "--output-format", "json", "--length-penalty", 0
    ).out
    for line, short, row in zip(found.splitlines(), brief.splitlines(), plain, strict=True):
        each = json.loads(line)
        tokens = each.pop("tokens")
        assert each == json.loads(short)
        assert [*each] == ["log_prob", "mean_log_prob", "score", "length"]
        assert [*each.values()] == pytest.approx(row, abs=1e-6)
        assert each["score"] == each["log_prob"]
        assert math.fsum(token["log_prob"] for token in tokens) == pytest.approx(each["log_prob"])
        assert [token["piece"] for token in tokens[-1:]] == ["</s>"] * bool(each["length"])


def test_unknown_characters_of_targets_count(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "in.tsv", ["sun\tSUN", "moon Ж\tMOON", "rain\tRAIN Щ"])
    result = score(nmt, skilled_run, path, "--tokens")
    assert "which the model reads as unknown: Ж (line 2)" in result.err
    assert (
        "characters of targets that are not in the vocabulary, scored as unknown: Щ (line 3)"
        in result.err
    )
    last = json.loads(result.out.splitlines()[2])
    (unknown,) = (token for token in last["tokens"] if token["piece"] == "<unk>")
    assert unknown["log_prob"] < -3


def test_unknown_pieces_count(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    """Special tokens too; the end is none of them."""
    path = write(
        tmp_path / "in.tsv", ["sun\t\u2581S U N </s>", "sun\t\u2581S U SUNNY N <pad> </s>"]
    )
    result = score(nmt, skilled_run, path, "--pieces", "--tokens")
    assert "scored as unknown: SUNNY, <pad> (line 2)" in result.err
    first, second = map(json.loads, result.out.splitlines())
    assert [token["piece"] for token in first["tokens"]][-1:] == ["</s>"]
    assert [token["piece"] for token in second["tokens"]].count("<unk>") == 2


def test_long_segments_are_scored_whole(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "in.tsv", ["sun\tSUN", f"{'sun ' * 300}\t{'SUN ' * 300}", "a\rb\tSUN"])
    result = score(nmt, skilled_run, path)
    assert numbers(result)[1][3] > 300
    assert "scored whole: line 2, whose sources have more tokens than" in result.err
    assert "carriage returns in line 3 count as spaces" in result.err


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((3, 5), "in.src has 3 lines but {0}/in.tgt has 5: {0}/in.src ends after line 3 while"),
        ((5, 4), "in.src has 5 lines but {0}/in.tgt has 4: {0}/in.tgt ends after line 4 while"),
    ],
)
def test_files_of_different_lengths(
    nmt: Run, tiny_run: Path, tmp_path: Path, lines: tuple[int, int], message: str
) -> None:
    paths = [
        write(tmp_path / name, ["sun"] * count)
        for name, count in zip(("in.src", "in.tgt"), lines, strict=True)
    ]
    output = tmp_path / "out"
    result = nmt("score", *paths, "--model", tiny_run, "--output", output)
    assert (result.code, result.out) == (1, "")
    assert message.format(tmp_path) in result.err.splitlines()[-1]
    assert not output.exists()


def test_lines_that_cannot_be_read(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.tsv"
    path.write_bytes(b"sun\tSUN\nmoon\n\xff\train\n\nrain\tRAIN\n")
    expected = numbers(score(nmt, skilled_run, write(tmp_path / "ok", ["sun\tSUN", "rain\tRAIN"])))
    stopped = nmt("score", path, "--model", skilled_run)
    assert stopped.code == 1
    last = stopped.err.splitlines()[-1]
    assert f"{path}, line 2: there is no column 2; put a tab between source and target" in last
    assert "--on-bad-line skip or blank" in last
    skipped = score(nmt, skilled_run, path, "--on-bad-line", "skip")
    assert numbers(skipped) == [expected[0], [0, 0, 0, 0], expected[1]]
    assert "left out lines 2, 3, which cannot be read" in skipped.err
    blank = score(nmt, skilled_run, path, "--on-bad-line", "blank").out.split("\n")
    assert [bool(line) for line in blank] == [True, False, False, True, True, False]
    blank = score(nmt, skilled_run, path, "--on-bad-line", "blank", "--tokens").out.splitlines()
    assert blank[1:3] == ["null", "null"]


def test_both_sides_of_a_bad_pair_are_one_line(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    for name in ("in.src", "in.tgt"):
        (tmp_path / name).write_bytes(b"sun\n\xff\nmoon\n")
    arguments = [tmp_path / "in.src", tmp_path / "in.tgt", "--on-bad-line", "skip"]
    result = score(nmt, tiny_run, *arguments)
    assert result.out.count("\n") == 2
    assert "left out line 2, which cannot be read" in result.err


def test_a_pair_that_the_model_cannot_read(nmt: Run, tiny: Path) -> None:
    """Learned positions end."""
    settings = "model.positions=learned", "model.max_positions=40", "data.max_length=39"
    options = [part for each in (*settings, "train.max_updates=2") for part in ("--set", each)]
    trained = nmt("train", tiny, *options)
    assert trained.code == 0, trained.err
    rows = [f"{'sun ' * 39}\tSUN", "sun\tSUN", f"sun\t{'Ж ' * 39}"]
    path = write(tiny.parent / "in.tsv", rows)
    result = nmt("score", path, "--columns", "1,2")
    assert result.code == 1
    assert "tokens and the end do not fit into the 40 positions" in result.err.splitlines()[-1]
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["in.src", "in.tgt", "--columns", "1,2"], "--columns is for one file with columns"),
        (["in.tsv", "--columns", "1"], "'1' is not two numbers of columns, such as 1,2"),
        (
            ["in.tsv", "--tokens", "--output-format", "tsv"],
            "--output-format tsv cannot hold --tokens",
        ),
        (["-", "-"], "stdin (-) is named twice"),
        (["in.src", "in.tgt", "--output", "in.tgt"], "in.tgt is an input of this command"),
    ],
)
def test_arguments_that_contradict_each_other(
    nmt: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    """They are found before a model is loaded."""
    write_pairs(tmp_path)
    result = nmt("score", *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err.splitlines()[-1]
