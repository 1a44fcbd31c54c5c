"""Fuzz the rule for outputs: any file in the way is kept or known, and never harmed."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from nmt.runs.outputs import check_output, mark
from nmt.runs.recognition import generator
from nmt.text.fetch import PINS, add_pin, read_pins
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import changed_bytes, seeded

pytestmark = pytest.mark.slow

HEADER = b'{"__metadata__":{"format":"nmt-transformer","made_by":"average","updates":"[8]"}}'
CONTENTS = {
    "average": len(HEADER).to_bytes(8, "little") + HEADER + bytes(99),
    "evaluate": b'{\n "evaluation_card": 1,\n "date": "2026-11-26"\n}\n',
    "report": f"<!doctype html>\n<html>\n{generator('report')}\n".encode(),
    "explain": f"<!doctype html>\n<html>\n{generator('explain')}\n".encode(),
    "ablate": b'{\n "ablation": 1\n}\n',
    "rerank": b'{\n  "rerank_weights": 1\n}\n',
    "translate": b"ein Satz\nnoch einer\n",
    "init": b"# A recipe\n[data]\n",
}
COMMANDS = [*CONTENTS]
MARKS = ["", "translate", "report 1 2", "average 0 0 0", "\0", "\udcff", "x" * 99]
PIN = f"{'0' * 64}  sub/x.txt\n# mine\n{'f' * 64} *y\n".encode()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def case(draw: Random) -> tuple[str, bytes, str | None, str]:
    """Return the command that runs, a file's content, its mark and the command that wrote it."""
    writer = draw.choice(COMMANDS)
    content = changed_bytes(draw, CONTENTS[writer], draw.choice([0, 1, 2, 9]))
    found = draw.choice([None, writer, writer, draw.choice(MARKS)])
    return draw.choice([writer, writer, draw.choice(COMMANDS)]), content, found, writer


@pytest.mark.usefixtures("folder")
@given(given_case=seeded(case))
@fuzz
def test_a_file_in_the_way(folder: Path, given_case: tuple[str, bytes, str | None, str]) -> None:
    command, content, found, writer = given_case
    path = folder / "output"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    if found == writer:
        mark(path, writer)
    elif found is not None:
        os.setxattr(path, "user.nmt.output", os.fsencode(found))

    def is_allowed() -> bool:
        check_output(path, command)
        return True

    allowed = value_or_error(is_allowed)
    assert path.read_bytes() == content
    assert [each.name for each in folder.iterdir()] == ["output"]
    if not content or (found == writer == command):
        assert allowed
    elif found == writer or (found is None and command in ("translate", "init")):
        assert not allowed


@given(lines=seeded(lambda draw: changed_bytes(draw, PIN, 3)))
@settings(fuzz, max_examples=CASES // 4)
def test_recorded_hashes(folder: Path, lines: bytes) -> None:
    path = folder / PINS
    path.write_bytes(lines)
    try:
        found = value_or_error(lambda: read_pins(folder))
        if found is not None:
            add_pin(folder, "new file", "a" * 64)
            assert read_pins(folder) == {**found, "new file": "a" * 64}
    finally:
        path.unlink()
