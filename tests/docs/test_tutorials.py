"""Tutorials, line by line, with less text and smaller models."""

import gzip
import os
import shlex
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.conftest import SMALLEST, Run
from tests.docs.markdown import DOCS, ROOT, parts
from tests.docs.shell import shell_lines

TWO_FILES = DOCS / "tutorials" / "two-files.md"
PAIRS = 1200  # of the corpus that comes with the program
FAILING = "nmt check own.en own.de"  # the text has an error on purpose
IMPORT = DOCS / "tutorials" / "import-to-server.md"
# They need the network, or are tested with the server.
LEFT_OUT = ("pip ", "nmt fetch ", "nmt serve ", "curl ")
# The page's commands, with sizes that train and translate in seconds.
SHELL = f"""
set -eo pipefail
python() {{
    {shlex.quote(sys.executable)} {shlex.quote(str(ROOT))}/"$1" "${{@:2}}" \\
        --d-model 16 --heads 2 --layers 1 --vocab-size 300
}}
nmt() {{
    local more=()
    case $1 in
        train) more=(--max-updates 2 --set decode.beam_size=1 --set decode.max_extra_tokens=1) ;;
        evaluate) more=(--set decode.beam_size=1 --set decode.max_extra_tokens=1) ;;
    esac
    {shlex.quote(sys.executable)} -m nmt "$@" "${{more[@]}}"
}}
"""


def test_two_files(nmt: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "pocket").mkdir(parents=True)
    for name in ("pocket/train.en.gz", "pocket/train.de.gz"):
        with gzip.open(ROOT / "data" / name, "rt", encoding="utf-8") as stream:
            text = "".join(islice(stream, PAIRS))
        (tmp_path / "data" / name).write_bytes(gzip.compress(text.encode()))
    (tmp_path / "data" / "sample.en").write_bytes((ROOT / "data" / "sample.en").read_bytes())
    small = [part for name, value in SMALLEST.items() for part in ("--set", f"{name}={value}")]
    for line in shell_lines(TWO_FILES):
        if not line.startswith("nmt "):
            subprocess.run(["bash", "-c", line], check=True)
            continue
        _, *arguments = shlex.split(line)
        if arguments[0] == "train":
            arguments = [part if part != "1500" else "2" for part in arguments] + small
        result = nmt(*arguments)
        assert result.code == (line == FAILING), f"{line}: {result.err}"
        if line == FAILING:
            counts = "1 (0.05 % of 2,001)", "400 (20 % of 2,001)"
            for title, count in zip(("not UTF-8", "equals the source"), counts, strict=True):
                assert f"{title}: {count}" in result.out
            last = nmt("train", "own.en", "own.de").err.splitlines()[-1]
            assert "`nmt clean own.en own.de -o clean`, then `nmt train clean.en clean.de`" in last
    assert all(Path(name).exists() for name in ("clean_en_de.toml", "data/clean_en_de/dev.en"))


@pytest.mark.slow
def test_import_to_server(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pocket").symlink_to(ROOT / "data" / "pocket")
    for block in parts(IMPORT)[0]:
        if block.text.startswith("# random.toml"):
            (tmp_path / "random.toml").write_text(block.text, encoding="utf-8")
    kept = [line for line in shell_lines(IMPORT) if not line.startswith(LEFT_OUT)]
    assert any("nmt import" in line for line in kept)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NMT_DATA_DIR": "data"}
    command = ["bash", "-c", SHELL + "\n".join(kept)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
