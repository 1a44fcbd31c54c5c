"""Cores are counted as PyTorch does, and threads of libraries are limited."""

import os
import subprocess
import sys
from types import ModuleType

import pytest

from nmt.system.pools import ProcessPool
from nmt.system.threads import OWN_CHOICES, SPIN_COUNT, core_count, present_cores

BOTH = """
from nmt.system.threads import core_count
import sys
own = core_count()
assert "torch" not in sys.modules
import torch
print(own, torch.get_num_threads(), core_count())
torch.set_num_threads(1)
assert core_count() == 1
"""


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OMP_NUM_THREADS": "1,2"},
        {"OMP_NUM_THREADS": "many"},
        {"MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"},
    ],
)
def test_there_are_as_many_cores_as_torch_uses(variables: dict[str, str]) -> None:
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | variables
    output = subprocess.check_output([sys.executable, "-c", BOTH], env=env, text=True)
    own, of_torch, after_import = output.split()
    assert own == of_torch == after_import


def test_another_thread_may_be_importing_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its import ends, the module is there but has no functions."""
    for name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert core_count() == present_cores()
    assert list(ProcessPool(2).map(abs, [-1, -2])) == [1, 2]


# Run a command that exits, and show what later processes and libraries would see.
BLOCKS = """
import os
os.environ.pop("OPENBLAS_NUM_THREADS", None)
from nmt.system.threads import blas_threads, one_blas_thread

threads = blas_threads()
if threads is None:
    print("no OpenBLAS")
else:
    threads.set(2)
    before = threads.get()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    print(threads.get())
    second.__exit__(None, None, None)
    assert threads.get() == before
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with one_blas_thread():
        assert threads.get() == before  # nothing to do: it was read when NumPy was imported
"""


def test_blocks_take_one_thread_and_restore_the_number_when_the_last_one_ends() -> None:
    """Threads of Python that translate at once leave it in the order in which they end."""
    found = subprocess.check_output([sys.executable, "-c", BLOCKS], text=True)
    assert found in ("1\n", "no OpenBLAS\n")


SPINNING = """
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
    command = [sys.executable, "-c", SPINNING.format(first=first)]
    return subprocess.check_output(command, text=True, env=env | variables).splitlines()[-1]


@pytest.mark.parametrize(
    ("first", "variables", "count"),
    [
        ("", {}, str(SPIN_COUNT)),
        ("", {"GOMP_SPINCOUNT": "7"}, "7"),
        ("", {"OMP_WAIT_POLICY": "active"}, "None"),
        ("import torch", {}, "None"),  # too late
    ],
)
def test_a_command_limits_spinning(first: str, variables: dict[str, str], count: str) -> None:
    assert spin_count(first, **variables) == count
