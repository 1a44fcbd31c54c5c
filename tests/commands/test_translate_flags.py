"""`nmt translate`: quality flags."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Model, give_stdin, leftovers


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def raised(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the flags of a line with their values, by name."""
    return {flag.pop("flag"): flag for flag in row["flags"]}


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    return tmp_path / "flags.jsonl"


def test_good_lines_have_no_flags(skilled: Model, source: Path, flags: Path) -> None:
    """The scores are those of the n-best list; the texts are the same as without flags."""
    result = skilled.translate(source, "--flags", flags, "--strict")
    assert result.out == skilled.translate(source).out
    assert result.err.splitlines()[-1] == "none of 3 lines is flagged"
    found = rows(flags)
    assert not any(row["flags"] for row in found)
    listed = skilled.candidates(source, "--n-best", 2, "--flags", flags)
    assert [row["score"] for row in rows(flags)] == pytest.approx(
        [candidates[0]["score"] for candidates in listed]
    )
    numbers = {"score": 0.0, "token_log_prob": 0.0, "length_ratio": 1.0}
    assert found[1] == {"line": 2, **numbers, "flags": []}
    assert 0 > found[0]["token_log_prob"] > -1


def test_faults_are_flagged(skilled: Model, source: Path, flags: Path) -> None:
    """40 tokens for two words are too long, and a model of ten words repeats them.

    --strict fails when all is written. A link is copied past the model, which neither reads nor
    writes its many tokens.
    """
    as_is = ["--set", "decode.odd_input=as_is"]  # otherwise it is searched again
    asked = [source, "--min-length", 40, "--output", "out", "--strict", *as_is]
    result = skilled.attempt(*asked)
    said = result.err.splitlines()[-1]
    assert said.startswith("nmt: 2 of 3 lines are flagged: ")
    assert "2 length" in said
    assert said.endswith("; --flags FILE lists them; all translations are written")
    result = skilled.attempt(*asked, "--flags", flags)
    assert result.err.endswith(f"; {flags} has them; all translations are written\n")
    assert result.code == 1
    first, blank, last = rows(flags)
    found = raised(first)
    assert {"length", "repetition"} <= found.keys()
    assert found["length"]["ratio"] == first["length_ratio"] > 2
    written = Path("out").read_text().splitlines()
    assert (first["source"], first["translation"]) == ("sun moon", written[0])
    assert (blank["flags"], bool(last["flags"])) == ([], True)
    link = "https://example.com/a/long/link/to/a/picture"
    source.write_text(f"sun moon\nsun {link} moon\n")
    skilled.translate(source, "--flags", flags, "--strict")
    plain, linked = rows(flags)
    assert linked["length_ratio"] == plain["length_ratio"]


def test_text_unlike_the_training_text_is_flagged(
    skilled: Model, source: Path, flags: Path
) -> None:
    """A note tells of it without flags too, if it is more than a tenth of the texts."""
    like = "sun moon star\n"
    source.write_text("sssun mmmoon\n" + 8 * like)
    said = skilled.translate(source, "--flags", flags).err
    note = "unlike the text that this model was trained on; expect"
    assert f"1 of 9 lines is {note} wrong translations" in said
    assert 0 < raised(rows(flags)[0])["unlike"]["likeness"] < 1
    source.write_text("sssun mmmoon\n" + 9 * like)
    assert note not in skilled.translate(source).err
    source.write_text("sssun mmmoon\n")
    for unit, options in (("line", []), ("sentence", ["--format", "text"])):
        said = skilled.translate(source, *options).err
        assert f"this {unit} is {note} a wrong translation" in said


def test_flags_have_the_lines_of_the_output_by_their_numbers(
    small: Model, tmp_path: Path, flags: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more lines than a chunk from a pipe, in order."""
    path, output = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b"sun\n\xff\nmoon\n")
    for action, expected in (("skip", [1, 3]), ("blank", [1, 2, 3])):
        options = ["--on-bad-line", action, "--flags", flags]
        assert small.translate(path, *options).out.count("\n") == len(expected)
        assert [row["line"] for row in rows(flags)] == expected
    path.write_text("sun\nmoon star\n" * 50)
    small.translate(path, "--part", "2/2", "--flags", flags, "--output", output)
    assert [row["line"] for row in rows(flags)] == [*range(51, 101)]
    give_stdin(monkeypatch, path)
    assert small.attempt("--flags", flags).code == 0
    assert [row["line"] for row in rows(flags)] == [*range(1, 101)]


def test_an_unfinished_file_is_discarded_or_kept_with_the_output(
    small: Model, tmp_path: Path, flags: Path
) -> None:
    path, kept = tmp_path / "in.src", tmp_path / "flags.jsonl.partial"
    path.write_bytes(b"sun moon\n" * 40 + b"\xff\n")  # the first chunk has 32 lines
    asked = [path, "--output", "out", "--flags", flags]
    assert "32 lines of flags are discarded\n" in small.attempt(*asked).err
    assert not leftovers(tmp_path)
    result = small.attempt(*asked, "--keep-partial")
    assert result.code == 1
    assert f"the flags of the first 32 lines are kept in {kept}\n" in result.err
    assert len(rows(kept)) == Path("out.partial").read_text().count("\n") == 32
    assert small.attempt(*asked, "--keep-partial").code == 2


def test_8_bits_need_a_processor_for_them(
    skilled: Model, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.kernels.linear.machine", lambda: "aarch64")
    refused = skilled.attempt(source, "--set", "decode.precision=int8")
    assert (refused.code, "float32 or bf16" in refused.err) == (1, True)
