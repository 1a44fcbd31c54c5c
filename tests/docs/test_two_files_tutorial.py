"""The tutorial for two files, line by line, with less text and a smaller model."""

import gzip
import shlex
import subprocess
from itertools import islice
from pathlib import Path

from tests.conftest import SMALLEST, Run
from tests.docs.markdown import DOCS, ROOT, shell_lines

PAGE = DOCS / "tutorials" / "two-files.md"
PAIRS = 3000  # of the corpus that comes with the program
FAILING = "nmt check own.en own.de"  # the text has an error on purpose


def write_text(folder: Path) -> None:
    """Write the start of the embedded corpus where the page expects it."""
    (folder / "data" / "pocket").mkdir(parents=True)
    for name in ("train.en.gz", "train.de.gz"):
        with gzip.open(ROOT / "data" / "pocket" / name, "rt", encoding="utf-8") as stream:
            text = "".join(islice(stream, PAIRS))
        (folder / "data" / "pocket" / name).write_bytes(gzip.compress(text.encode()))
    (folder / "data" / "sample.en").write_bytes((ROOT / "data" / "sample.en").read_bytes())


def test_every_line_works(nmt: Run, tmp_path: Path) -> None:
    write_text(tmp_path)
    for line in shell_lines(PAGE):
        if not line.startswith("nmt "):
            subprocess.run(["bash", "-c", line], check=True)
            continue
        _, *arguments = shlex.split(line)
        if arguments[0] == "train":
            arguments = [part if part != "1500" else "2" for part in arguments]
            arguments += [
                part for name in SMALLEST for part in ("--set", f"{name}={SMALLEST[name]}")
            ]
        result = nmt(*arguments)
        assert result.code == (line == FAILING), f"{line}: {result.err}"
        if line == FAILING:
            counts = "1 (0.026 % of 3,801)", "400 (11 % of 3,801)"
            for title, count in zip(("not UTF-8", "equals the source"), counts, strict=True):
                assert f"{title}: {count}" in result.out
            last = nmt("train", "own.en", "own.de").err.splitlines()[-1]
            assert "`nmt clean own.en own.de -o clean`, then `nmt train clean.en clean.de`" in last
    assert all(Path(name).exists() for name in ("clean_en_de.toml", "data/clean_en_de/dev.en"))
