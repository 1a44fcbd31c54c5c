"""Tutorials, line by line, with less text and smaller models."""

import gzip
import os
import shlex
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.conftest import SMALLEST, Run
from tests.docs.markdown import DOCS, ROOT, blocks
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


def test_two_files(nmt: Run) -> None:
    Path("data/pocket").mkdir(parents=True)
    for name in ("data/pocket/train.en.gz", "data/pocket/train.de.gz"):
        with gzip.open(ROOT / name) as stream:
            Path(name).write_bytes(gzip.compress(b"".join(islice(stream, PAIRS))))
    shutil.copy(ROOT / "data" / "sample.en", "data")
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
def test_import_to_server() -> None:
    Path("data").mkdir()
    Path("data/pocket").symlink_to(ROOT / "data" / "pocket")
    (recipe,) = (block.text for block in blocks("toml") if block.text.startswith("# random.toml"))
    Path("random.toml").write_text(recipe, encoding="utf-8")
    kept = [line for line in shell_lines(IMPORT) if not line.startswith(LEFT_OUT)]
    assert any("nmt import" in line for line in kept)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NMT_DATA_DIR": "data"}
    subprocess.run(["bash", "-c", SHELL + "\n".join(kept)], env=environment, check=True)
