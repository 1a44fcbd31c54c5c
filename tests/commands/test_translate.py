"""`nmt translate`: a line out for a line in, whatever they hold; nothing half-written."""

import io
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import WORDS, Outcome, Run

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


def give_stdin(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", path.open(encoding="utf-8"))


def translate(nmt: Run, run: Path, *arguments: object) -> Outcome:
    result = nmt("translate", *arguments, "--model", run)
    assert result.code == 0, result.err
    return result


def test_each_line_has_its_line_in_order(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together, in one batch or many, as each alone."""
    (tmp_path / "in").write_text("".join(f"{x}\n" for x in WEIRD), encoding="utf-8", newline="\n")
    together = translate(nmt, skilled_run, tmp_path / "in").out
    give_stdin(monkeypatch, tmp_path / "in")
    assert translate(nmt, skilled_run).out == together
    lines = together.split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(WEIRD)
    assert {index for index, line in enumerate(lines) if line == ""} >= BLANK
    assert len({*lines}) > 5
    assert lines[0] == lines[0].strip() != ""
    small = translate(nmt, skilled_run, tmp_path / "in", "--batch-tokens", 1).out
    assert small == together
    for index in (0, 5, len(WEIRD) - 1):
        (tmp_path / "one").write_text(WEIRD[index] + "\n", encoding="utf-8", newline="\n")
        assert translate(nmt, skilled_run, tmp_path / "one").out == lines[index] + "\n"


def test_stdout_holds_translations_and_stderr_names_the_model(
    nmt: Run, skilled_run: Path, source: Path
) -> None:
    result = translate(nmt, skilled_run, source)
    assert result.out.count("\n") == 3
    assert result.err == f"model: {skilled_run / 'model.safetensors'} (tiny)\n"


def test_file_dash_nothing_and_output_give_the_same(
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


def test_a_run_folder_or_a_file_is_a_model(nmt: Run, skilled_run: Path, source: Path) -> None:
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
def test_number_of_lines(
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


def test_line_ends_and_byte_order_mark_are_no_part_of_the_text(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    texts = (b"sun moon\nrain\n", b"sun moon\r\nrain\r\n", b"\xef\xbb\xbfsun moon\nrain")
    outs = []
    for text in texts:
        (tmp_path / "in").write_bytes(text)
        outs.append(translate(nmt, skilled_run, tmp_path / "in").out)
    assert outs[0] == outs[1] == outs[2]


def test_5000_words_on_a_line_are_translated_in_told_pieces(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    draw = random.Random(1)
    long = " ".join(draw.choices(WORDS, k=5000))
    (tmp_path / "in").write_text(f"sun\n{long}\nmoon\n")
    result = translate(nmt, skilled_run, tmp_path / "in", "--beam-size", 1)
    lines = result.out.splitlines()
    assert len(lines) == 3
    assert len(lines[1].split()) > 50
    (told,) = (line for line in result.err.splitlines() if line.startswith("line 2: "))
    assert "decode.max_segment_tokens=250; translated in " in told


@pytest.mark.parametrize("word", ["sun moon ", "sunmoon"])
def test_100000_characters_are_a_line_like_others(
    nmt: Run, skilled_run: Path, tmp_path: Path, word: str
) -> None:
    """With and without spaces to cut it at; short pieces make it quick."""
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


def test_n_best_is_a_json_object_a_line(nmt: Run, skilled_run: Path, source: Path) -> None:
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


def test_n_best_of_one_is_json_too(nmt: Run, skilled_run: Path, source: Path) -> None:
    out = translate(nmt, skilled_run, source, "--n-best", 1, "--beam-size", 1).out
    assert [len(json.loads(line)["translations"]) for line in out.splitlines()] == [1, 1, 1]


def test_without_length_penalty_score_is_log_prob(
    nmt: Run, skilled_run: Path, source: Path
) -> None:
    out = translate(nmt, skilled_run, source, "--n-best", 2, "--length-penalty", 0).out
    for line in out.splitlines():
        assert all(each["score"] == each["log_prob"] for each in json.loads(line)["translations"])


def test_bf16_translates_nearly_as_float32(nmt: Run, skilled_run: Path, source: Path) -> None:
    """Scores to bfloat16's two or three digits; the file's weights stay as they are."""
    lines = [translate(nmt, skilled_run, source, "--n-best", 1).out.splitlines()]
    half = ["--n-best", 1, "--set", "decode.precision=bf16"]
    lines.append(translate(nmt, skilled_run, source, *half).out.splitlines())
    assert lines[0] != lines[1]
    full, low = (
        [json.loads(line)["translations"][0]["log_prob"] for line in each] for each in lines
    )
    assert sum(low) == pytest.approx(sum(full), rel=0.05)


def test_flags_and_set_mean_the_same(nmt: Run, skilled_run: Path, source: Path) -> None:
    flag = translate(nmt, skilled_run, source, "--beam-size", 1, "--n-best", 1).out
    both = ["--set", "decode.beam_size=3", "--beam-size", 1, "--n-best", 1]
    assert translate(nmt, skilled_run, source, *both).out == flag
    setting = ["--set", "decode.beam_size=1", "--n-best", 1]
    assert translate(nmt, skilled_run, source, *setting).out == flag


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--n-best", 0], "--n-best 0 must be from 1 to the beam size, 4"),
        (["--n-best", 5], "--n-best 5 must be from 1 to the beam size, 4"),
        (["--n-best", 2, "--beam-size", 1], "must be from 1 to the beam size, 1"),
        (["--beam-size", 0], "decode.beam_size is 0 but must be at least 1"),
        (["--length-penalty", -1], "decode.length_penalty is -1.0 but must be at least 0"),
        (["--length-penalty", "nan"], "decode.length_penalty is nan"),
        (["--length-penalty", "inf"], "decode.length_penalty is inf"),
        (["--batch-tokens", 0], "decode.batch_tokens is 0"),
        (["--set", "decode.stopping=late"], "must be one of: safe, beam_finished"),
        (["--set", "decode.beam=3"], "did you mean 'decode.beam_size'?"),
        (["--set", "model.heads=3"], "only [decode] can be changed once a model is trained"),
    ],
)
def test_values_out_of_range_are_usage_errors(
    nmt: Run, tiny_run: Path, source: Path, options: list[object], said: str
) -> None:
    output = source.with_name("out")
    result = nmt("translate", source, "--model", tiny_run, "--output", output, *options)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert result.err.splitlines()[-1].startswith("nmt: ")
    assert not output.exists()


@pytest.mark.parametrize("name", ["none.src", "."])
def test_an_input_that_is_no_file(nmt: Run, tiny_run: Path, tmp_path: Path, name: str) -> None:
    result = nmt("translate", tmp_path / name, "--model", tiny_run)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"nmt: {tmp_path / name} does not exist or is not a file; name a text file, or - for"
        " stdin\n"
    )


@pytest.mark.parametrize("via_stdin", [False, True])
def test_invalid_utf_8_leaves_no_output(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, via_stdin: bool
) -> None:
    path, output = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b"sun\nmo\xffon\n")
    output.write_text("of before\n")
    if via_stdin:
        give_stdin(monkeypatch, path)
    name = "-" if via_stdin else path
    result = nmt("translate", name, "--model", tiny_run, "--output", output)
    assert (result.code, result.out) == (1, "")
    place = "stdin" if via_stdin else str(path)
    assert f"nmt: {place}, line 2: not valid UTF-8 (byte 3 of the line)" in result.err
    assert output.read_text() == "of before\n"
    assert leftovers(tmp_path) == []


def test_an_output_that_is_the_input_is_refused(
    nmt: Run, tiny_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = source.read_text()
    link = source.with_name("link")
    link.symlink_to(source)
    for output in (source, link):
        result = nmt("translate", source, "--model", tiny_run, "--output", output)
        assert result.code == 2
        assert "is the input itself" in result.err
        give_stdin(monkeypatch, source)
        result = nmt("translate", "--model", tiny_run, "--output", output)
        assert result.code == 2
    assert source.read_text() == before
    assert link.is_symlink()


def test_outputs_that_cannot_be_written(nmt: Run, tiny_run: Path, source: Path) -> None:
    folder = source.parent
    (folder / "file").write_text("")
    for output, reason in (("file/out", "Not a directory|File exists"), (".", "Is a directory")):
        result = nmt("translate", source, "--model", tiny_run, "--output", folder / output)
        assert result.code == 1
        last = result.err.splitlines()[-1]
        assert last.startswith(f"nmt: cannot write {folder / output}: ")
        assert last.endswith(tuple(reason.split("|")))
    assert leftovers(folder) == []


def test_a_link_as_output_stays_a_link(nmt: Run, tiny_run: Path, source: Path) -> None:
    link, target = source.with_name("link"), source.with_name("target")
    link.symlink_to(target)
    translate(nmt, tiny_run, source, "--output", link)
    assert link.is_symlink()
    assert target.read_text().count("\n") == 3


def test_without_a_model_the_way_to_one_is_told(
    nmt: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    result = nmt("translate", source)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "nmt: no trained model under runs/; run `nmt train` first, or name one with --model\n"
    )


def test_the_newest_model_is_that_of_the_run_last_trained(
    nmt: Run, tiny_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run `a` made its model first but trained on since: its newer best model is taken."""
    monkeypatch.chdir(source.parent)
    content = (tiny_run / "model.safetensors").read_bytes()
    for age, name in (
        (30, "a/model.safetensors"),
        (20, "b/model.safetensors"),
        (10, "a/best.safetensors"),
    ):
        path = Path("runs") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - age, time.time() - age))
    (Path("runs") / "c-empty").mkdir()
    assert "model: runs/a/best.safetensors" in nmt("translate", source).err
    os.utime("runs/b/model.safetensors")
    assert "model: runs/b/model.safetensors" in nmt("translate", source).err


@pytest.fixture(autouse=True)
def _close_stdin() -> Iterator[None]:
    """Close what `give_stdin` opened."""
    before = sys.stdin
    yield
    if isinstance(sys.stdin, io.TextIOWrapper) and sys.stdin is not before:
        sys.stdin.close()
