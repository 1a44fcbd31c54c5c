"""Training equals that of a Transformer made from PyTorch's own layers, loss and optimiser.

`benchmarks/independent_model.py` is that model, which uses no code of `nmt`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/equal_behaviour.py"


def compare(run: Path, folder: Path, *options: object) -> tuple[str, dict[str, list[list[float]]]]:
    """Return what the command prints, and both loss curves by precision."""
    file = folder / "curves.json"
    command = [sys.executable, *map(str, (SCRIPT, run, "--curves", file, *options))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    curves = json.loads(file.read_text())
    return ended.stdout, {key: [each["ours"], each["pytorch"]] for key, each in curves.items()}


def largest_gap(curves: list[list[float]]) -> float:
    gaps: list[float] = [abs(ours - theirs) for ours, theirs in zip(*curves, strict=True)]
    return max(gaps)


def test_losses_of_ten_updates_are_equal(nmt: Run, tiny: Path) -> None:
    """In float64 they differ in the last digits only; in float32 and bf16 by their rounding."""
    assert nmt("prepare", tiny).code == 0
    printed, curves = compare(
        Path("runs/tiny"), tiny.parent, "--updates", 10, "--batch-tokens", 100
    )
    assert all(len(each) == 10 for pair in curves.values() for each in pair)
    assert largest_gap(curves["float64"]) < 1e-12
    assert 1e-12 < largest_gap(curves["float32"]) < 1e-4
    assert 1e-6 < largest_gap(curves["bf16"]) < 0.05
    # The model learns, so the curves are not equal merely because they are constant.
    assert curves["float64"][0][-1] < curves["float64"][0][0] - 0.2
    rows = [line.split(" | ")[:2] for line in printed.splitlines()[2:]]
    assert [precision for precision, _ in rows] == ["| float64", "| float32", "| bf16"]
    for (_, cell), (_, pair) in zip(rows, curves.items(), strict=True):
        assert cell.startswith(f"{largest_gap(pair):.1e} (update ")


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_losses_of_500_updates_on_multi30k_are_equal(nmt: Run, tmp_path: Path) -> None:
    """Train TINY with batches of 1,000 tokens; this takes minutes to an hour."""
    data = os.environ.get("NMT_DATA_DIR")
    if not data or not (Path(data) / "multi30k" / "train.en.gz").is_file():
        pytest.skip("NMT_DATA_DIR names no folder with multi30k: nmt fetch multi30k_en_de")
    run = tmp_path / "multi30k"
    assert nmt("prepare", "multi30k_en_de", "--run", run).code == 0
    _, curves = compare(run, tmp_path, "--precision", "float64")
    assert len(curves["float64"][0]) == 500
    assert largest_gap(curves["float64"]) < 1e-4
    assert curves["float64"][0][-1] < 5
