"""The script for a GPU: it runs without one, and a part that fails does not stop the others."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.measurements import read_measurement

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def gpu(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the script."""
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def test_what_is_not_measured_says_so(tmp_path: Path) -> None:
    assert gpu("--blank", "--save", tmp_path).returncode == 0
    names = ("gpu-training", "gpu-decoding", "gpu-multi30k")
    training, decoding, multi30k = (read_measurement(tmp_path / f"{name}.toml") for name in names)
    for each in (training, decoding, multi30k):
        assert each.machine == "no GPU was at hand"
        assert each.figures[0].value == "not measured"
    assert {each.goal for each in training.figures} == {
        "",
        "500,000 target tokens/s on an H100",
        "230,000 target tokens/s on an H100",
    }
    assert "2,000 sentences/s on an H100" in {each.goal for each in decoding.figures}
    assert {each.value for each in training.figures} == {"not measured", 82_059, 32_942, 160_000}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script as a module that runs no other."""
    module = import_module("gpu")
    monkeypatch.setattr(module, "run", lambda command: (0, "", ""))
    return module


def rows_of(*rows: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return measurements whose part "training" yields these rows."""
    table = import_module("gpu").TRAINING
    return {"training": (table, lambda device, quick: iter(rows))}


def test_a_measurement_that_fails_is_a_row_and_the_next_one_goes_on(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measurements = rows_of(("one", {"failed": "failed: why"}), ("two", {"target tokens/s": 5}))
    monkeypatch.setattr(script, "MEASUREMENTS", measurements)
    arguments = ["--device", "cpu", "--part", "training", "--save", str(tmp_path)]
    assert CliRunner().invoke(script.command, arguments).exit_code == 1
    figures = read_measurement(tmp_path / "gpu-training.toml").figures
    speeds = {each.row: each.value for each in figures if each.column == "speed"}
    assert (speeds["one"], speeds["two"]) == ("failed: why", 5)


def test_a_gpu_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    ended = gpu("--device", "cuda:99", "--save", tmp_path / "results")
    assert ended.returncode == 1
    assert ended.stderr.startswith("gpu.py: device 'cuda:99' is not on this machine")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


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
    script: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    found: dict[str, Any],
    published: bool,
) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(script, "HERE", tmp_path)
    monkeypatch.setattr(script, "pick_device", lambda name: SimpleNamespace(type=kind))
    monkeypatch.setattr(script, "MEASUREMENTS", rows_of(("base, bf16", found)))
    ended = CliRunner().invoke(script.command, ["--part", "training"])
    assert ended.exit_code == ("failed" in found)
    assert [*(tmp_path / "results").iterdir()] == (
        [tmp_path / "results" / "gpu-training.toml"] if published else []
    )


@pytest.mark.slow
def test_the_whole_script_runs_on_a_cpu(tmp_path: Path) -> None:
    ended = gpu("--device", "cpu", "--quick", "--save", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the tests passed on the CPU; none ran on a GPU" in ended.stdout
    training = read_measurement(tmp_path / "gpu-training.toml").figures
    speeds = {each.row: each.value for each in training if each.column == "speed"}
    assert speeds["quick, tf32"] == "not on a CPU"
    assert isinstance(speeds["quick, float32"], int)
    decoding = read_measurement(tmp_path / "gpu-decoding.toml").figures
    assert len({each.row for each in decoding}) == 4
