"""`nmt translate` of plain lines: one out for each one in, formats, models, limits, prefixes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.decoding.files.output_formats import choose_format
from nmt.decoding.translator.translation import Candidate, Translation
from tests.commands.conftest import Model, give_stdin, leftovers

WEIRD = [
    "sun moon",
    "",
    "   ",
    "star\u2028rain",
    "leaf\x0croot\x0bseed\x1csnow",
    "moon\x00sun",
    "rain\rsnow",
    "\u2028",
    "\x1c",
    "👩\u200d👩\u200d👧 🇩🇪 ☺\ufe0f",
    "e\u0301" * 50,
    "\U0010ffff\ufffe\uffff",
    "\x1b[31msun\x1b[0m",
    "<s> sun </s> <pad> <unk>",
    "\ufeffsun",
    "sun moon star rain snow wind tree leaf root seed " * 30,  # is split
    "sun",
]


def test_output_lines_match_input_lines_in_order(
    skilled: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line is translated in the same way alone, in one batch and in many batches."""
    source, output = tmp_path / "in", tmp_path / "new" / "out"
    source.write_text("".join(f"{x}\n" for x in WEIRD), encoding="utf-8", newline="\n")
    result = skilled.translate(source)
    together = result.out
    assert result.err.startswith(f"model: {skilled.run / 'model.safetensors'} (tiny)\n")
    assert "decode.max_segment_tokens=250" in result.err
    lines = together.split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(WEIRD)
    assert all(lines[index] == "" for index, line in enumerate(WEIRD) if not line.strip())
    assert lines[0] != ""
    assert all(line == line.strip() for line in lines)
    for name in ([], ["-"]):
        give_stdin(monkeypatch, source)
        assert skilled.translate(*name).out == together
    assert skilled.translate(source, "--output", output).out == ""
    assert output.read_bytes().decode() == together
    assert skilled.translate(source, "--batch-tokens", 1, "--output", "-").out == together
    for index in (0, 4, len(WEIRD) - 1):
        (tmp_path / "one").write_text(WEIRD[index] + "\n", encoding="utf-8", newline="\n")
        assert skilled.translate(tmp_path / "one").out == lines[index] + "\n"
    assert leftovers(tmp_path) == []


def test_fields_cannot_be_broken_by_a_text() -> None:
    last = Candidate("", -3, -4, 1, utility=2.5)
    translation = Translation((Candidate("a ||| b\tc |", -1.0, -2.0, 7), last))
    assert choose_format("moses", 2, token_scores=False)(translation, 5).splitlines() == [
        "4 ||| a &#124;&#124;&#124; b\tc | ||| LogProb0= -2.000000 Length0= 7 ||| -1.000000",
        "4 |||  ||| LogProb0= -4.000000 Length0= 1 Utility0= 2.500000 ||| -3.000000",
    ]
    assert choose_format("tsv", 2, token_scores=False)(translation, 5).splitlines() == [
        "5\t1\t-1.000000\t-2.000000\ta ||| b c |",
        "5\t2\t-3.000000\t-4.000000\t",
    ]
    for name in ("text", None):
        assert choose_format(name, None, token_scores=False)(translation, 5) == "a ||| b\tc |\n"


def test_a_prefix_may_end_inside_a_word(skilled: Model, tmp_path: Path) -> None:
    """The search completes the word with the tokens that it would write without a prefix."""

    def translated(prefix: str) -> list[dict[str, Any]]:
        path = tmp_path / "in.tsv"
        path.write_text(f"sun moon\t{prefix}\n")
        return skilled.candidates(path, "--prefix-column", "--token-scores")[0]

    free = translated("")
    text = free[0]["text"]
    ends = [end for end in range(1, len(text) + 1) if text[end - 1] != " "]
    for end in ends:
        assert translated(text[:end]) == free
    # A space says that the word is whole, which then has the tokens of such a word.
    assert any(translated(f"{text[:end]} ") != free for end in ends)


# Runs commands one after the other; prints after each what was imported of what takes long.
IMPORTS = """
import json, sys
from nmt.commands import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(["translate", "--device", "cpu", *arguments])
    except SystemExit as end:
        heavy = {"torch", "sacrebleu", "requests", "tqdm", "concurrent.futures.process"}
        print(end.code, sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


def test_beam_search_on_a_cpu_needs_no_torch(skilled_run: Path, tmp_path: Path) -> None:
    """From a file and from a pipe, whose last lines are odd: without words, and in capitals."""
    (tmp_path / "prefixes").write_text("SUN\n\n")
    source = tmp_path / "in"
    source.write_text("sun moon\nstar\n")
    given = (
        "--prefix prefixes --n-best 2",
        "--min-length 3 --no-repeat-ngram 1",
        "--mbr chrf",
        "--output out --resume",
        "--output new --flags flags",
    )
    commands = [[str(source), "--model", str(skilled_run), *line.split()] for line in given]
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps([*commands, ["--model", str(skilled_run)]])],
        input="sun moon\n\n12 34\nSUN MOON\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    ends = [line for line in ended.stderr.splitlines() if line.endswith("]")]
    assert ends == ["0 []"] * (len(given) + 1), ended.stderr
    assert ended.stdout.splitlines()[-3:-1] == ["", "12 34"]
    assert Path("out").read_text().count("\n") == Path("new").read_text().count("\n") == 2
