"""Fuzz the rule for outputs: any file in the way is replaced or refused, and never harmed."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from safetensors.numpy import save

from nmt.runs.outputs import check_output
from nmt.text.download import SUMS, add_hash, read_hashes
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import changed_bytes, seeded

pytestmark = pytest.mark.slow

METADATA = {"format": "nmt-transformer", "updates": "[8]"}
MODELS = {
    "": save({}, METADATA),
    "average": save({}, METADATA | {"made_by": "average"}),
    "import": save({}, METADATA | {"made_by": "import"}),
    "export": b"PK\x03\x04" + bytes(26) + b"translate-en_de-1_0/nmt-export.json{}",
}
TEXTS = [b"ein Satz\nnoch einer\n", b"# A recipe\n[data]\n", b'{\n "evaluation_card": 1\n}\n']
PIN = f"{'0' * 64}  sub/x.txt\n# mine\n{'f' * 64} *y\n".encode()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def case(draw: Random) -> tuple[str, str, bytes, int]:
    """Return which command runs, which one wrote a model, its content and how often it changed."""
    changes = draw.choice([0, 1, 2, 9])
    writer = draw.choice([*MODELS])
    content = changed_bytes(draw, MODELS[writer], changes)
    return draw.choice([*MODELS]), writer, content, changes


def is_allowed(path: Path, command: str) -> bool:
    """Return whether a command may write a file."""

    def check() -> bool:
        check_output(path, command=command)
        return True

    return value_or_error(check) is not None


@pytest.mark.usefixtures("folder")
@given(given_case=seeded(case))
@fuzz
def test_a_model_in_the_way(folder: Path, given_case: tuple[str, str, bytes, int]) -> None:
    command, writer, content, changes = given_case
    for name in ("output", "output.safetensors"):
        path = folder / name
        path.write_bytes(content)
        allowed = is_allowed(path, command)
        assert path.read_bytes() == content
        assert [each.name for each in folder.iterdir()] == [name]
        path.unlink()
        if not content:
            assert allowed
        elif not changes:
            assert allowed == (command == writer != "")
        elif name.endswith("s") and not command:
            assert not allowed


@given(content=seeded(lambda draw: changed_bytes(draw, draw.choice(TEXTS), draw.choice([0, 2, 9]))))
@fuzz
def test_another_file_in_the_way(folder: Path, content: bytes) -> None:
    path = folder / "output"
    path.write_bytes(content)
    assert is_allowed(path, "")
    assert path.read_bytes() == content
    path.unlink()


@given(lines=seeded(lambda draw: changed_bytes(draw, PIN, 3)))
@settings(fuzz, max_examples=CASES // 4)
def test_recorded_hashes(folder: Path, lines: bytes) -> None:
    path = folder / SUMS
    path.write_bytes(lines)
    try:
        found = value_or_error(lambda: read_hashes(folder))
        if found is not None:
            add_hash(folder, "new file", "a" * 64)
            assert read_hashes(folder) == {**found, "new file": "a" * 64}
    finally:
        path.unlink()
