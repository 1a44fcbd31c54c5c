"""Limit how long OpenMP's threads wait for work without sleeping.

When PyTorch's threads have finished an operation, they spin: they wait in a loop, because the next
operation may come soon. PyTorch's packages for Linux contain GNU OpenMP, which lets them spin for
milliseconds. That is longer than the pauses between two operations, and it keeps cores that the
threads of `nmt.system.threads` or other programs need.
"""

import os
import sys

# Rounds of the waiting loop, 0.1 to 0.4 ms; GNU OpenMP's default is 300,000. With 1,000, a pause
# between two operations is long enough to fall asleep.
SPIN_COUNT = 10_000
OWN_CHOICES = "GOMP_SPINCOUNT", "OMP_WAIT_POLICY"


def limit_spinning() -> None:
    """Let waiting threads sleep soon, unless the environment says how they wait.

    OpenMP reads the variable once, when PyTorch is imported; later this does nothing.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in OWN_CHOICES):
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
