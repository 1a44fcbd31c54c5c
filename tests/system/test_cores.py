"""The number of cores without PyTorch is the one that PyTorch computes with."""

import os
import subprocess
import sys
from types import ModuleType

import pytest

from nmt.system.cores import core_count, present_cores
from nmt.system.processes import ProcessPool

BOTH = """
from nmt.system.cores import core_count
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
        {"OMP_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "1,2"},
        {"OMP_NUM_THREADS": "0"},
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
