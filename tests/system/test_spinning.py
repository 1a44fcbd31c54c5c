"""The command line limits how long OpenMP's threads spin, before PyTorch is imported."""

import os
import subprocess
import sys

import pytest

from nmt.system.spinning import OWN_CHOICES, SPIN_COUNT

# Run a command that exits, and show what later processes and libraries would see.
SHOW = """
import os, sys
{first}
from nmt.commands import main
try:
    main(["--version"])
except SystemExit:
    print(os.environ.get("GOMP_SPINCOUNT"))
"""


def spin_count(first: str = "", **variables: str) -> str:
    """Return the variable's value after a command; `first` is run before it."""
    env = {name: value for name, value in os.environ.items() if name not in OWN_CHOICES}
    command = [sys.executable, "-c", SHOW.format(first=first)]
    return subprocess.check_output(command, text=True, env=env | variables).splitlines()[-1]


def test_a_command_limits_spinning() -> None:
    assert spin_count() == str(SPIN_COUNT)


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [("GOMP_SPINCOUNT", "7", "7"), ("OMP_WAIT_POLICY", "active", "None")],
)
def test_the_environment_comes_first(name: str, value: str, count: str) -> None:
    assert spin_count(**{name: value}) == count


def test_nothing_is_set_after_pytorch_is_imported() -> None:
    assert spin_count("import torch") == "None"
