"""Helpers of the training tests: read what a run wrote, start processes and wait for them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.artifacts.model_file import read_model
from nmt.artifacts.run_folder import RunFolder

Process = subprocess.Popen[bytes]

# `nmt` with a file "validating" that appears when a validation starts.
MARK_VALIDATION = """
import sys
from pathlib import Path
from nmt.commands import main
from nmt.training.validation import DevSet

validate = DevSet.validate

def marked(self, network):
    Path("validating").touch()
    return validate(self, network)

DevSet.validate = marked
main(sys.argv[1:])
"""


def weights(path: Path) -> dict[str, Tensor]:
    """Return a model file's weights."""
    return read_model(path).weights


def assert_same(one: Path, other: Path) -> None:
    """Assert that two model files hold the same weights, bit for bit."""
    left, right = weights(one), weights(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics."""
    return RunFolder(run).read_metrics()


def losses(run: Path) -> list[float]:
    """Return the training losses in a run's metrics."""
    return [line["loss"] for line in read_metrics(run) if line["kind"] == "train"]


def start_process(*command: object, **options: Any) -> Process:
    """Start Python with these arguments and one thread; stderr is captured."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, *map(str, command)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, env=environment, **options)


def finish(process: Process, seconds: float = 300) -> tuple[int, str]:
    """Wait for a process to end; return its exit code and stderr."""
    try:
        errors = process.communicate(timeout=seconds)[1].decode()
    finally:
        process.terminate()
    return process.returncode, errors
