"""`nmt translate`: a line out for each line in, options, and values out of range."""

import json
import random
from pathlib import Path

import pytest
import torch

from nmt.kernels.linear import has_int8
from tests.commands.conftest import give_stdin, leftovers, translate
from tests.conftest import WORDS, Run

WEIRD = [
    "sun moon",
    "",
    "   ",
    "star\u2028rain",
    "wind\u0085tree",
    "leaf\x0croot\x0bseed\x1csnow",
    "moon\x00sun",
    "rain\rsnow",
    "\u2028",
    "\u0085",
    "\t",
    "\x1c",
    "Ω ж 😀",
    "<s> sun </s> <pad> <unk>",
    "\ufeffsun",
    "snow snow snow snow",
    "sunmoonstarrain",
    "sun",
]
BLANK = {index for index, line in enumerate(WEIRD) if not line.strip()}


def test_output_lines_match_input_lines_in_order(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line is translated in the same way alone, in one batch and in many batches."""
    (tmp_path / "in").write_text("".join(f"{x}\n" for x in WEIRD), encoding="utf-8", newline="\n")
    together = translate(nmt, skilled_run, tmp_path / "in").out
    give_stdin(monkeypatch, tmp_path / "in")
    assert translate(nmt, skilled_run).out == together
    lines = together.split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(WEIRD)
    assert {index for index, line in enumerate(lines) if line == ""} >= BLANK
    assert len({*lines}) > 5
    assert lines[0] != ""
    assert all(line == line.strip() for line in lines)
    small = translate(nmt, skilled_run, tmp_path / "in", "--batch-tokens", 1).out
    assert small == together
    for index in (0, 5, len(WEIRD) - 1):
        (tmp_path / "one").write_text(WEIRD[index] + "\n", encoding="utf-8", newline="\n")
        assert translate(nmt, skilled_run, tmp_path / "one").out == lines[index] + "\n"


def test_stdout_has_only_translations_and_stderr_names_the_model(
    nmt: Run, skilled_run: Path, source: Path
) -> None:
    result = translate(nmt, skilled_run, source)
    assert result.out.count("\n") == 3
    assert result.err == f"model: {skilled_run / 'model.safetensors'} (tiny)\n"


def test_file_stdin_and_output_give_the_same_translations(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = translate(nmt, skilled_run, source).out
    give_stdin(monkeypatch, source)
    assert translate(nmt, skilled_run).out == expected
    give_stdin(monkeypatch, source)
    assert translate(nmt, skilled_run, "-").out == expected
    output = tmp_path / "new" / "out.tgt"
    assert translate(nmt, skilled_run, source, "--output", output).out == ""
    assert output.read_text(encoding="utf-8") == expected
    assert leftovers(tmp_path) == []


def test_a_model_is_a_run_folder_or_a_file(nmt: Run, skilled_run: Path, source: Path) -> None:
    expected = translate(nmt, skilled_run, source).out
    assert translate(nmt, skilled_run / "model.safetensors", source).out == expected
    best = translate(nmt, skilled_run / "best.safetensors", source)
    assert "best.safetensors" in best.err


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0),
        (b"\n", 1),
        (b" \n\t\n", 2),
        (b"sun", 1),
        (b"sun\n\n", 2),
        (b"sun\r\nmoon\r\n", 2),
        (b"\xef\xbb\xbfsun\n", 1),
    ],
)
@pytest.mark.parametrize("via_stdin", [False, True])
def test_the_number_of_lines_stays(
    nmt: Run,
    tiny_run: Path,
    tmp_path: Path,
    content: bytes,
    lines: int,
    via_stdin: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "in").write_bytes(content)
    output = tmp_path / "out"
    if via_stdin:
        give_stdin(monkeypatch, tmp_path / "in")
    translate(nmt, tiny_run, "-" if via_stdin else tmp_path / "in", "--output", output)
    assert output.read_bytes().count(b"\n") == lines
    assert b"\r" not in output.read_bytes()


def test_line_ends_and_byte_order_mark_are_not_text(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    texts = (b"sun moon\nrain\n", b"sun moon\r\nrain\r\n", b"\xef\xbb\xbfsun moon\nrain")
    outs = []
    for text in texts:
        (tmp_path / "in").write_bytes(text)
        outs.append(translate(nmt, skilled_run, tmp_path / "in").out)
    assert outs[0] == outs[1] == outs[2]


def test_a_line_of_5000_words_is_split_with_a_note(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    draw = random.Random(1)
    long = " ".join(draw.choices(WORDS, k=5000))
    (tmp_path / "in").write_text(f"sun\n{long}\nmoon\n")
    result = translate(nmt, skilled_run, tmp_path / "in", "--beam-size", 1)
    lines = result.out.splitlines()
    assert len(lines) == 3
    assert len(lines[1].split()) > 50
    (message,) = (line for line in result.err.splitlines() if line.startswith("line 2: "))
    assert "decode.max_segment_tokens=250" in message


@pytest.mark.parametrize("word", ["sun moon ", "sunmoon"])
def test_a_line_of_100000_characters_does_not_change_other_lines(
    nmt: Run, skilled_run: Path, tmp_path: Path, word: str
) -> None:
    """The line has spaces to split at, or none; short parts make the test fast."""
    long = (word * 100_000)[:100_000]
    (tmp_path / "in").write_text(f"sun\n{long}\nmoon\n")
    options = ["--beam-size", 1, "--batch-tokens", 20_000]
    options += ["--set", "decode.max_segment_tokens=9", "--set", "decode.max_extra_tokens=1"]
    lines = translate(nmt, skilled_run, tmp_path / "in", *options).out.splitlines()
    (tmp_path / "in").write_text("sun\n\nmoon\n")
    short = translate(nmt, skilled_run, tmp_path / "in", *options).out.splitlines()
    assert (lines[0], lines[2]) == (short[0], short[2])
    assert len(lines) == 3
    assert len(lines[1]) > 10_000


def test_n_best_writes_a_json_object_for_each_line(
    nmt: Run, skilled_run: Path, source: Path
) -> None:
    best = translate(nmt, skilled_run, source).out.splitlines()
    out = translate(nmt, skilled_run, source, "--n-best", 3).out
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["translations"][0]["text"] for line in lines] == best
    assert [len(line["translations"]) for line in lines] == [3, 1, 3]
    assert lines[1]["translations"] == [{"text": "", "score": 0.0, "log_prob": 0.0}]
    for line in lines:
        scores = [each["score"] for each in line["translations"]]
        assert scores == sorted(scores, reverse=True)
        assert all(set(each) == {"text", "score", "log_prob"} for each in line["translations"])


def test_n_best_of_one_is_json(nmt: Run, skilled_run: Path, source: Path) -> None:
    out = translate(nmt, skilled_run, source, "--n-best", 1, "--beam-size", 1).out
    assert [len(json.loads(line)["translations"]) for line in out.splitlines()] == [1, 1, 1]


def test_the_score_is_log_prob_without_a_length_penalty(
    nmt: Run, skilled_run: Path, source: Path
) -> None:
    out = translate(nmt, skilled_run, source, "--n-best", 2, "--length-penalty", 0).out
    for line in out.splitlines():
        assert all(each["score"] == each["log_prob"] for each in json.loads(line)["translations"])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precision_gives_nearly_the_score_of_float32(
    nmt: Run, skilled_run: Path, source: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compares the first line only, because the model is unsure about the others."""
    if precision == "int8" and not has_int8(torch.device("cpu")):
        pytest.skip("for x86 CPUs")
    monkeypatch.setattr("nmt.kernels.linear.INT8_ELEMENTS", 0)
    lines = [translate(nmt, skilled_run, source, "--n-best", 1).out.splitlines()]
    low = ["--n-best", 1, "--set", f"decode.precision={precision}"]
    lines.append(translate(nmt, skilled_run, source, *low).out.splitlines())
    assert lines[0] != lines[1]
    full, found = (json.loads(each[0])["translations"][0]["log_prob"] for each in lines)
    assert found == pytest.approx(full, rel=0.1)


def test_int8_is_refused_except_on_x86(
    nmt: Run, skilled_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.kernels.linear.machine", lambda: "aarch64")
    result = nmt("translate", source, "--model", skilled_run, "--set", "decode.precision=int8")
    assert result.code == 1
    assert "int8" in result.err
    assert "float32 or bf16" in result.err


def test_flags_and_set_have_the_same_effect(nmt: Run, skilled_run: Path, source: Path) -> None:
    flag = translate(nmt, skilled_run, source, "--beam-size", 1, "--n-best", 1).out
    both = ["--set", "decode.beam_size=3", "--beam-size", 1, "--n-best", 1]
    assert translate(nmt, skilled_run, source, *both).out == flag
    setting = ["--set", "decode.beam_size=1", "--n-best", 1]
    assert translate(nmt, skilled_run, source, *setting).out == flag


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--n-best", 0], "n-best is 0"),
        (["--n-best", 5], "from 1 to the beam size, 4"),
        (["--n-best", 2, "--beam-size", 1], "from 1 to the beam size, 1"),
        (["--beam-size", 0], "decode.beam_size is 0 but must be at least 1"),
        (["--length-penalty", -1], "decode.length_penalty is -1.0 but must be at least 0"),
        (["--length-penalty", "nan"], "decode.length_penalty is nan"),
        (["--length-penalty", "inf"], "decode.length_penalty is inf"),
        (["--batch-tokens", -1], "decode.batch_tokens is -1"),
        (["--set", "decode.stopping=late"], "must be one of: safe, beam_finished"),
        (["--set", "decode.beam=3"], "did you mean 'decode.beam_size'?"),
        (["--set", "model.heads=3"], "model.heads"),
    ],
)
def test_values_out_of_range_are_usage_errors(
    nmt: Run, tiny_run: Path, source: Path, options: list[object], fact: str
) -> None:
    output = source.with_name("out")
    result = nmt("translate", source, "--model", tiny_run, "--output", output, *options)
    assert (result.code, result.out) == (2, "")
    assert fact in result.err
    assert result.err.splitlines()[-1].startswith("nmt: ")
    assert not output.exists()
