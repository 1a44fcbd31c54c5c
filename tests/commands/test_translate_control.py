"""`nmt translate` with a prefix, with limits of length, and without repetition."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from nmt.text.tokenizer import load_tokenizer
from tests.commands.conftest import give_stdin, translate
from tests.conftest import Run

LINES = "sun moon\n\nstar rain snow\n"


def words(nmt: Run, run: Path, source: Path, *arguments: object) -> list[list[str]]:
    """Return the words of each translated line."""
    out = translate(nmt, run, source, *arguments).out
    return [line.split(" ") if line else [] for line in out.split("\n")[:-1]]


def test_translations_begin_with_their_prefixes(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path
) -> None:
    """A blank prefix asks for nothing; the rest of a translation is the search's."""
    free = words(nmt, skilled_run, source)
    prefixes = tmp_path / "prefixes"
    prefixes.write_text(f"{free[2][0]}\n\n\n")
    forced = words(nmt, skilled_run, source, "--prefix", prefixes)
    assert forced[0][0] == free[2][0]
    assert forced[0] != free[0]
    assert forced[1:] == free[1:]
    prefixes.write_text(f"{' '.join(free[0])}\n\n{' '.join(free[2])}\n")  # whole translations
    assert words(nmt, skilled_run, source, "--prefix", prefixes) == free


@pytest.mark.parametrize("method", ["beam", "sample"])
def test_a_prefix_may_end_inside_a_word(
    nmt: Run, skilled_run: Path, tmp_path: Path, method: str
) -> None:
    """The search completes the word with the tokens that it would write without a prefix."""

    def translated(prefix: str) -> list[Any]:
        path = tmp_path / "in.tsv"
        path.write_text(f"sun moon\t{prefix}\n")
        options = ["--sample", "--top-k", "1"] if method == "sample" else []
        options += ["--prefix-column", "--token-scores", "--output-format", "json"]
        found: list[Any] = json.loads(translate(nmt, skilled_run, path, *options).out)[
            "translations"
        ]
        return found

    free = translated("")
    text = free[0]["text"]
    ends = [end for end in range(1, len(text) + 1) if text[end - 1] != " "]
    for end in ends:
        assert translated(text[:end]) == free
    # A space says that the word is whole, which then has the tokens of such a word.
    assert any(translated(f"{text[:end]} ") != free for end in ends)


def test_a_column_and_a_file_of_prefixes_are_the_same(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path
) -> None:
    first = words(nmt, skilled_run, source)[2][0]
    columns, prefixes = tmp_path / "in.tsv", tmp_path / "prefixes.gz"
    columns.write_text(f"sun moon\t{first}\n\nstar rain snow\n")
    prefixes.write_bytes(gzip.compress(f"{first}\n\n\n".encode()))
    by_column = words(nmt, skilled_run, columns, "--prefix-column")
    assert by_column == words(nmt, skilled_run, source, "--prefix", prefixes)
    assert by_column[0][0] == first


def test_lengths_are_limited(nmt: Run, skilled_run: Path, source: Path) -> None:
    """Pieces may join to other pieces in the text, but seldom to fewer."""

    def lengths(*arguments: object) -> list[int]:
        out = translate(nmt, skilled_run, source, *arguments).out
        subwords = load_tokenizer(skilled_run / "tokenizer.model").target
        return [*map(len, subwords.encode(out.split("\n")[:-1]))]

    first, blank, last = lengths()
    assert blank == 0
    assert first > 1
    assert max(lengths("--max-length", 2)) <= 2 < max(first, last)
    longer = lengths("--min-length", max(first, last) + 5)
    assert longer[0] > first
    assert longer[1] == 0
    assert longer[2] > last


def test_a_forced_length_does_not_repeat_tokens(nmt: Run, skilled_run: Path, source: Path) -> None:
    """With 12 tokens a model of few words repeats some, unless it must not."""
    looped = words(nmt, skilled_run, source, "--min-length", 12)
    assert any(len({*line}) < len(line) for line in looped)
    free = words(nmt, skilled_run, source, "--min-length", 12, "--no-repeat-ngram", 1)
    assert all(len({*line}) == len(line) for line in free)


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        ("a\n", "has 1 lines but the source has more"),
        ("\n\n\n\n", "has more lines than the source, which has 3"),
        ("\nsun\n\n", "line 2: there is a prefix but no text to translate"),
        (
            "\u2603\n\n\n",
            "line 1: the prefix has characters that are not in the vocabulary: \u2603",
        ),
        ("\u2603\u00bd\n\n\n", "not in the vocabulary: \u2603\u00bd; leave them out"),
        ("\n\n" + "sun " * 300 + "\n", "line 3: the prefix has"),
    ],
)
def test_prefixes_that_do_not_fit_are_refused(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path, prefixes: str, message: str
) -> None:
    path = tmp_path / "prefixes"
    path.write_text(prefixes)
    output = tmp_path / "out"
    result = nmt("translate", source, "--model", skilled_run, "--prefix", path, "--output", output)
    assert result.code == 2
    assert message in result.err
    assert not output.exists()


def test_lines_before_a_bad_prefix_are_named(
    nmt: Run, skilled_run: Path, source: Path, tmp_path: Path
) -> None:
    prefixes, output = tmp_path / "prefixes", tmp_path / "out"
    prefixes.write_text("\n\n\n\n")
    options = ["--model", skilled_run, "--prefix", prefixes, "--resume", "--output", output]
    result = nmt("translate", source, *options)
    assert result.code == 2
    kept = tmp_path / "out.partial"
    assert f"the translations of the first 3 lines are kept in {kept}\n" in result.err
    assert len(kept.read_text().splitlines()) == 3


def test_a_dash_is_stdout(nmt: Run, skilled_run: Path, source: Path) -> None:
    given = nmt("translate", source, "--model", skilled_run, "--output", "-")
    assert given.out == nmt("translate", source, "--model", skilled_run).out != ""
    assert not Path("-").exists()


def test_options_that_contradict_each_other_are_refused(
    nmt: Run, skilled_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, source)
    for arguments, message in (
        ([source, "--prefix", source, "--prefix-column"], "use one"),
        (["-", "--prefix", "-"], "stdin (-) is named twice"),
        (["-", "--prefix", "/dev/stdin"], "stdin (-) is named twice"),
        ([source, "--min-length", 5, "--max-length", 4], "lower decode.min_length"),
    ):
        result = nmt("translate", *arguments, "--model", skilled_run)
        assert result.code == 2
        assert message in result.err
        assert "Traceback" not in result.err
        assert "recipe" not in result.err  # the options are to blame
    missing = nmt("translate", source, "--prefix", "nowhere", "--model", skilled_run)
    assert missing.code == 1
    assert "nowhere does not exist" in missing.err
