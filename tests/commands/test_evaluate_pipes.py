"""`nmt evaluate`: texts from pipes, from stdin and from compressed files."""

import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import OUTPUTS, REFERENCES, evaluation, write
from tests.conftest import Run


@contextmanager
def pipe_of(path: Path) -> Iterator[Path]:
    """Give a pipe that holds the bytes of a file, as `<(cat FILE)` does in a shell."""
    reader, writer = os.pipe()
    os.write(writer, path.read_bytes())
    os.close(writer)
    try:
        yield Path(f"/dev/fd/{reader}")
    finally:
        os.close(reader)


@contextmanager
def stdin_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a file stdin and give its name on the command line."""
    with path.open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield Path("-")


def without_names(found: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation without what files are called."""
    text = json.dumps({**found, "hypotheses": ""})
    result: dict[str, Any] = json.loads(text)
    for each in result["results"]:
        each["test_set"] = ""
        each["warnings"] = len(each.get("warnings", []))
        for other in each.get("compared", []):
            other["system"]["hypotheses"] = ""
    return result


@pytest.mark.parametrize("kind", ["pipe", "stdin"])
@pytest.mark.parametrize("role", ["--hypotheses", "REFERENCE", "second REFERENCE", "--compare"])
def test_each_text_may_be_a_pipe(
    nmt: Run,
    reference: Path,
    hypotheses: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    kind: str,
) -> None:
    texts = {
        "--hypotheses": hypotheses,
        "REFERENCE": reference,
        "second REFERENCE": write(reference.parent / "second", *REFERENCES[::-1]),
        "--compare": write(reference.parent / "other", "ein Hund", *OUTPUTS[1:]),
    }

    def run(given: dict[str, Path]) -> dict[str, Any]:
        options = [part for name in ("--hypotheses", "--compare") for part in (name, given[name])]
        return evaluation(nmt, *options, given["REFERENCE"], given["second REFERENCE"])

    expected = run(texts)
    opened = pipe_of(texts[role]) if kind == "pipe" else stdin_of(texts[role], monkeypatch)
    with opened as path:
        found = run({**texts, role: path})
    assert without_names(found) == without_names(expected)
    if role == "--hypotheses":
        assert found["hypotheses"] == ("stdin" if kind == "stdin" else str(path))
        assert found["sha256"] == hashlib.sha256(hypotheses.read_bytes()).hexdigest()


def test_sources_may_come_from_stdin(
    nmt: Run, skilled_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = skilled_run.parent.parent
    files = [folder / "dev.src", folder / "dev.tgt"]
    expected = evaluation(nmt, *files, "--model", skilled_run)
    with stdin_of(files[0], monkeypatch) as path:
        found = evaluation(nmt, path, files[1], "--model", skilled_run)
    assert found["results"][0].pop("test_set") == "stdin"
    assert expected["results"][0].pop("test_set") == str(files[0])
    assert found == expected


def test_a_compressed_file_has_the_hash_of_its_bytes(
    nmt: Run, reference: Path, hypotheses: Path
) -> None:
    packed = hypotheses.with_suffix(".gz")
    packed.write_bytes(gzip.compress(hypotheses.read_bytes()))
    found = evaluation(nmt, "--hypotheses", packed, reference)
    assert found["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()
    expected = evaluation(nmt, "--hypotheses", hypotheses, reference)
    assert found["results"] == expected["results"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hypotheses", "-", "-"],
        ["--hypotheses", "-", "/dev/stdin"],
        ["--hypotheses", "x", "x", "--compare", "-", "--compare", "-"],
        ["-", "-"],
    ],
)
def test_stdin_is_named_once(nmt: Run, tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path / "x", "a")
    refused = nmt("evaluate", *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "stdin (-) is named twice" in refused.err
