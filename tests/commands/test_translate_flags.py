"""`nmt translate`: quality flags, and options and files that are refused before any work."""

import json
import shutil
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


@pytest.fixture
def place(tree: Path, source: Path, tiny_run: Path) -> Path:
    """Return the current folder, with files of every kind."""
    folder = tree.parent
    shutil.copy(tiny_run / "model.safetensors", folder / "mine.jsonl")
    (folder / "old.safetensors").write_text("weights of the user")
    (folder / "terms").write_text("sun\tmoon\n")
    (folder / "a.xlsx").write_bytes(b"PK\3\4\0\xff")
    (folder / "page.html").write_text("<p>sun")
    (folder / "page.php").write_text("<p>sun {{ moon }} <%= star %></p>\n")
    return folder


REFUSED = {
    # values out of range
    "in.src --min-length 5 --max-length 4": "lower decode.min_length",
    "in.src --device cuda:99": "device 'cuda:99' ",
    # samples
    "in.src --sample --beam-size 4": "leave out --beam-size",
    "in.src --top-k 5": "--top-k (decode.top_k) is for samples; add --sample",
    "in.src --candidates 5": "is for minimum Bayes risk; add --mbr chrf",
    "in.src --sample --glossary terms": "leave out the glossary (--glossary)",
    # formats
    "in.src --output-format text --n-best 2": "--output-format text holds one translation",
    # inputs
    "in.src --prefix in.src --prefix-column": "use one",
    "in.src --prefix - --glossary -": "stdin (-) is named twice",
    "in.src --model {run}/model.safetensors": "is named twice",
    # outputs
    "in.src --flags mine.jsonl": "--flags mine.jsonl is a model",
    "in.src --flags terms --glossary terms": "--flags terms is an input of this command",
    "in.src --flags out --output out": "are the same file, out; name two",
    "in.src --alignments old.safetensors": "is a model; name another file, or move it away",
    "in.src --flags f --output out --resume": "use --part",
    "in.src --alignments a --output out --resume": "--resume keeps unfinished",
    "in.src --alignments a --output out --keep-partial": "--keep-partial keeps",
    "in.src --resume": "--resume needs --output",
    "in.src --resume --output /dev/null": "is not a regular file",
    "in.src --resume --keep-partial --output out": "--keep-partial has no effect",
    "- --part 1/2": "save it in a file",
    # a terminal
    "--interactive": "--interactive needs a terminal",
    # files with a format
    "docs": "is a folder; add --output-dir",
    "docs/a.txt docs/more/b.txt": "2 files need --output-dir",
    "--output-dir x": "--output-dir needs files",
    "docs/*.md --output-dir x": "no file matches the pattern",
    "docs --output o --output-dir x": "use one of them",
    "docs --output-dir docs": "sources are never overwritten",
    "docs --output-dir x --flags x/a.txt": "--flags x/a.txt is written for --output-dir",
    "docs/a.txt --format text --n-best 2": "--n-best is for plain lines",
    "in.src --format lines --output-dir x --to-column 1": "give one file and --output instead",
    "docs/a.txt --format text --columns 1": "--columns is for tables",
    "docs/a.txt --memory m.tmx": "--memory is for files with a format",
    "docs/a.txt --format text --include *": "--include is for folders",
    "docs/a.txt --flags -": "--flags writes a file and cannot write to stdout",
    "docs/a.txt --format nothing": "there is no format 'nothing'",
    "page.html --output b.php": "is a file of the format",
    "a.xlsx": ".xlsx files are not supported; save it as .csv",
    "page.php": "--format html",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_does_not_fit_is_one_sentence(
    skilled: Model, place: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    give_stdin(monkeypatch, place / "in.src")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    result = skilled.attempt(*line.format(run=skilled.run).split())
    assert (result.code, result.out) == (2, "")
    message = result.err.splitlines()[-1]
    assert REFUSED[line] in message
    assert message.startswith(("nmt: ", "Error: "))
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_what_is_missing_or_bad_exits_with_1(
    skilled: Model, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.kernels.linear.machine", lambda: "aarch64")
    (place / "bad").write_text("moon MOON\n")
    for line, message in (
        ("none", "the text file none does not exist; name another, or - for stdin"),
        ("in.src --glossary bad", "bad, line 1: no tab"),
        ("in.src --model none.safetensors", "none.safetensors does not exist"),
    ):
        result = skilled.attempt(*line.split(), "--output", "out")
        assert (result.code, result.out, result.err.count("\n")) == (1, "", 1), line
        assert message in result.err
        assert not Path("out").exists()
    refused = skilled.attempt("in.src", "--set", "decode.precision=int8")
    assert (refused.code, "float32 or bf16" in refused.err) == (1, True)
    assert leftovers(place) == []
