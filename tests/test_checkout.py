"""The files of the checkout: what is shipped, and what commands wrote, which changes no test."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytest_plugins = ["pytester"]

# A test, with a fixture that tests share, of a suite with this suite's fixtures.
INSIDE = """
import os
import pytest

@pytest.fixture(scope="session")
def shared():
    return os.listdir(), os.environ.get("NMT_DATA_DIR")

def test_nothing_is_found(nmt, shared):
    assert shared == (os.listdir(), os.environ.get("NMT_DATA_DIR")) == ([], None)
    assert "no run under runs/" in nmt("report").err
    assert "data/dev.src does not exist" in nmt("evaluate", "--model", "{model}").err
"""


def test_the_image_gets_what_the_package_ships() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    shipped = build["targets"]["wheel"]["force-include"]
    copied = re.findall(r"^COPY (\S+) \S+$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    missing = [name for name in shipped if not {name, *map(str, Path(name).parents)} & {*copied}]
    assert not missing


def test_runs_and_fetched_corpora_of_the_checkout_are_hidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tiny_run: Path
) -> None:
    """A checkout after `make demo` and `nmt fetch`, with `NMT_DATA_DIR` set."""
    shutil.copytree(tiny_run, "runs/tiny")
    shutil.copytree(tiny_run.parents[1], "data", ignore=shutil.ignore_patterns("runs"))
    monkeypatch.setenv("NMT_DATA_DIR", "data")
    model = shutil.copy(tiny_run / "model.safetensors", pytester.path)
    pytester.makepyfile(INSIDE.replace("{model}", str(model)))
    pytester.runpytest_inprocess("-p", "tests.conftest").assert_outcomes(passed=1)
