"""`nmt translate --flags` and `--strict`: what is written, counted, kept and refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import give_stdin, leftovers, translate
from tests.conftest import Run

SNOWMAN = "\u2603"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def raised(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the flags of a line with their values, by name."""
    return {each.pop("flag"): each for each in row["flags"]}


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    return tmp_path / "flags.jsonl"


def test_good_lines_have_no_flags(nmt: Run, skilled_run: Path, source: Path, flags: Path) -> None:
    """The scores are those of the n-best list; the texts are the same as without flags."""
    plain = translate(nmt, skilled_run, source)
    result = translate(nmt, skilled_run, source, "--flags", flags, "--strict")
    assert result.out == plain.out
    assert result.err.splitlines()[-1] == "none of 3 lines is flagged"
    found = rows(flags)
    assert [each["line"] for each in found] == [1, 2, 3]
    assert all(set(each) == {"line", "score", "token_log_prob", "length_ratio", "flags"}
               for each in found)  # fmt: skip
    assert not any(each["flags"] for each in found)
    listed = translate(nmt, skilled_run, source, "--n-best", 2, "--flags", flags).out.splitlines()
    best = [json.loads(line)["translations"][0]["score"] for line in listed]
    assert [each["score"] for each in rows(flags)] == pytest.approx(best)
    assert found[1] | {"line": 0} == {
        "line": 0, "score": 0.0, "token_log_prob": 0.0, "length_ratio": 1.0, "flags": [],
    }  # fmt: skip
    assert 0 > found[0]["token_log_prob"] > -1


def test_a_forced_length_is_flagged(nmt: Run, skilled_run: Path, source: Path, flags: Path) -> None:
    """40 tokens for two words: too long, and a model of ten words repeats them."""
    as_is = ["--set", "decode.odd_input=as_is"]  # otherwise it is searched again
    result = translate(nmt, skilled_run, source, "--min-length", 40, "--flags", flags, *as_is)
    first, blank, last = rows(flags)
    found = raised(first)
    assert {"length", "repetition"} <= found.keys()
    assert found["length"]["ratio"] == first["length_ratio"] > 2
    assert found["repetition"]["times"] > 1
    assert found["repetition"]["text"] in first["translation"].lower()
    assert first["source"] == "sun moon"
    assert first["translation"] == result.out.splitlines()[0]
    assert blank["flags"] == []
    assert last["flags"]
    summary = result.err.splitlines()[-1]
    assert summary.startswith("2 of 3 lines are flagged: ")
    assert "2 length" in summary
    assert summary.endswith(f"; {flags} has them")


def test_a_copied_source_is_flagged(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path, flags: Path
) -> None:
    """A prefix forces the copy; the line of two words is too short to tell."""
    translate(nmt, skilled_run, source, "--prefix", source, "--flags", flags)
    first, _, last = rows(flags)
    assert 0.5 < raised(last)["copy"]["share"] <= 1
    assert last["translation"].startswith("star rain snow")
    assert "copy" not in raised(first)


def test_numbers_and_unknown_symbols_are_flagged_unless_they_come_through(
    nmt: Run, skilled_run: Path, source: Path, flags: Path
) -> None:
    """The vocabulary has letters alone."""
    source.write_text(f"sun 4 moon\nsun {SNOWMAN} moon\n", encoding="utf-8")
    out = translate(nmt, skilled_run, source, "--flags", flags).out.splitlines()
    number, symbol = map(raised, rows(flags))
    assert ("4" in out[0]) == ("numbers" not in number)
    assert number.get("numbers") in (None, {"missing": ["4"], "added": []})
    lost = symbol.get("unknown", {}).get("symbols", [])
    assert (SNOWMAN in out[1]) != (SNOWMAN in lost)


def test_what_is_copied_past_the_model_has_no_tokens(
    nmt: Run, skilled_run: Path, source: Path, flags: Path
) -> None:
    """Links, numbers and capitals are of many tokens, which the model neither reads nor writes."""
    link = "https://example.com/a/long/link/to/a/picture"
    lines = ["sun moon", f"sun {link} moon", link, "12 34 56 78 90 12 34 56 78 90"]
    source.write_text("".join(f"{line}\n" for line in lines))
    result = translate(nmt, skilled_run, source, "--flags", flags, "--strict")
    plain, linked, *copied = rows(flags)
    assert linked["length_ratio"] == plain["length_ratio"]
    assert [each["length_ratio"] for each in copied] == [1, 1]
    assert result.out.splitlines()[2:] == lines[2:]


def test_strict_fails_when_all_is_written(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path, flags: Path
) -> None:
    output = tmp_path / "out"
    options = [source, "--model", skilled_run, "--min-length", 40, "--output", output, "--strict"]
    result = nmt("translate", *options)
    assert result.code == 1
    said = result.err.splitlines()[-1]
    assert said.startswith("nmt: 2 of 3 lines are flagged: ")
    assert said.endswith("; --flags FILE lists them; all translations are written")
    assert output.read_text().count("\n") == 3
    result = nmt("translate", *options, "--flags", flags)
    assert result.code == 1
    assert result.err.endswith(f"; {flags} has them; all translations are written\n")
    assert len(rows(flags)) == 3


@pytest.mark.parametrize(("action", "lines"), [("skip", [1, 3]), ("blank", [1, 2, 3])])
def test_lines_left_out_of_the_output_are_left_out_of_the_flags(
    nmt: Run, tiny_run: Path, source: Path, flags: Path, action: str, lines: list[int]
) -> None:
    source.write_bytes(b"sun\n\xff\nmoon\n")
    options = ["--on-bad-line", action, "--flags", flags]
    out = translate(nmt, tiny_run, source, *options).out
    assert [each["line"] for each in rows(flags)] == lines
    assert out.count("\n") == len(lines)


def test_a_part_has_the_line_numbers_of_the_whole(
    nmt: Run, tiny_run: Path, source: Path, flags: Path
) -> None:
    translate(nmt, tiny_run, source, "--part", "2/2", "--flags", flags)
    assert [each["line"] for each in rows(flags)] == [2, 3]


def test_flags_of_a_pipe_are_complete(
    nmt: Run, tiny_run: Path, tmp_path: Path, flags: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More lines than a chunk, in order; a device takes them as they come."""
    path = tmp_path / "many"
    path.write_text("sun\nmoon star\n" * 50)
    give_stdin(monkeypatch, path)
    result = nmt("translate", "--model", tiny_run, "--flags", flags)
    assert result.code == 0
    assert [each["line"] for each in rows(flags)] == [*range(1, 101)]
    result = translate(nmt, tiny_run, path, "--flags", "/dev/stderr", "--output", tmp_path / "out")
    assert result.err.count('{"line": ') == 100


def test_an_unfinished_file_is_discarded_or_kept_with_the_output(
    nmt: Run, tiny_run: Path, tmp_path: Path, flags: Path
) -> None:
    path, output = tmp_path / "in.src", tmp_path / "out"
    path.write_bytes(b"sun moon\n" * 40 + b"\xff\n")  # the first chunk has 32 lines
    options = [path, "--model", tiny_run, "--output", output, "--flags", flags]
    result = nmt("translate", *options)
    assert result.code == 1
    assert "32 lines of flags are discarded\n" in result.err
    assert not leftovers(tmp_path)
    result = nmt("translate", *options, "--keep-partial")
    assert result.code == 1
    kept = tmp_path / "flags.jsonl.partial"
    assert f"the flags of the first 32 lines are kept in {kept}\n" in result.err
    assert len(rows(kept)) == 32
    assert (tmp_path / "out.partial").read_text().count("\n") == 32
    again = nmt("translate", *options, "--keep-partial")
    assert again.code == 2
    path.write_bytes(b"sun moon\n" * 90 + b"\xff\n")  # of the whole file
    for each in tmp_path.glob("*.partial"):
        each.unlink()
    result = nmt("translate", *options, "--keep-partial", "--part", "2/2")
    assert f"the flags of lines 46 to 77 are kept in {kept}\n" in result.err
    assert "the translations of lines 46 to 77 are kept in" in result.err


def test_files_that_must_not_be_written_are_refused(
    nmt: Run, tiny_run: Path, source: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jsonl"
    shutil.copy(tiny_run / "model.safetensors", mine)
    before = mine.read_bytes()
    output, terms = tmp_path / "out", tmp_path / "terms"
    terms.write_text("sun\tmoon\n")
    for arguments, message in (
        (["--flags", source], f"--flags {source} is an input of this command"),
        (["--flags", mine], f"--flags {mine} is a model"),
        (["--flags", output, "--output", output], f"are the same file, {output}; name two"),
        (["--flags", output, "--alignments", output], f"are the same file, {output}; name two"),
        (["--flags", terms, "--glossary", terms], f"--flags {terms} is an input of this command"),
        (["--output", terms, "--prefix", terms], f"--output {terms} is an input of this command"),
        (["--flags", tmp_path / "f", "--output", output, "--resume"], "use --part"),
        (["--strict", "--output", output, "--resume"], "use --part"),
    ):
        result = nmt("translate", source, "--model", tiny_run, *arguments)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert message in result.err
    assert mine.read_bytes() == before
    assert terms.read_text() == "sun\tmoon\n"
    assert not output.exists()
