"""The script for a GPU: it runs without one, and publishes only what a GPU has measured."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.results import read_measurement


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script as a module that runs no other."""
    module = import_module("gpu")
    monkeypatch.setattr(module, "run", lambda command: (0, "", ""))
    return module


def test_what_is_not_measured_says_so(script: Any, tmp_path: Path) -> None:
    assert CliRunner().invoke(script.command, ["--blank", "--save", str(tmp_path)]).exit_code == 0
    for name, goals in {
        "gpu-training": {script.GOALS["base, bf16, compiled"], script.GOALS["big, bf16, compiled"]},
        "gpu-decoding": {script.GOALS["bf16, 32,768 tokens at once"]},
        "gpu-multi30k": set(),
    }.items():
        found = read_measurement(tmp_path / f"{name}.toml")
        assert found.machine == "no GPU was at hand"
        assert {figure.goal for figure in found.figures} - {""} == goals
        published = {*script.PUBLISHED.values()} if name == "gpu-training" else set()
        assert {figure.value for figure in found.figures} == {"not measured"} | published


@pytest.mark.parametrize(
    ("kind", "found", "published"),
    [
        ("cuda", {"target tokens/s": 5}, True),
        ("cuda", {"failed": "failed: why"}, False),
        ("cuda", {"left out": "no corpus"}, False),
        ("cpu", {"target tokens/s": 5}, False),
    ],
)
def test_only_what_a_gpu_has_measured_is_published(
    script: Any, monkeypatch: pytest.MonkeyPatch, kind: str, found: dict[str, Any], published: bool
) -> None:
    """A measurement that fails is a row, and the next one goes on."""
    results = Path("results")
    results.mkdir()
    monkeypatch.setattr(script, "HERE", Path())
    monkeypatch.setattr(script, "pick_device", lambda name: SimpleNamespace(type=kind))
    rows = [("base, bf16", found)] * 2
    parts = {"training": (script.TRAINING, lambda device, quick: iter(rows))}
    monkeypatch.setattr(script, "MEASUREMENTS", parts)
    ended = CliRunner().invoke(script.command, ["--part", "training"])
    assert ended.output.count("training: base, bf16: ") == 2
    assert ended.exit_code == ("failed" in found)
    assert [path.name for path in results.iterdir()] == ["gpu-training.toml"] * published


@pytest.mark.slow
def test_the_whole_script_runs_on_a_cpu(tmp_path: Path) -> None:
    given = ["--device", "cpu", "--quick", "--save", str(tmp_path)]
    ended = CliRunner().invoke(import_module("gpu").command, given)
    assert ended.exit_code == 0, ended.output
    assert "the tests passed on the CPU; none ran on a GPU" in ended.output
    figures = read_measurement(tmp_path / "gpu-training.toml").figures
    speeds = {figure.row: figure.value for figure in figures if figure.column == "speed"}
    assert speeds["quick, tf32"] == "not on a CPU"
    assert speeds["quick, float32"]
