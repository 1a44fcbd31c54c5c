"""How long OpenMP's threads wait for work without sleeping.

Threads of PyTorch that have finished an operation spin, in case the next one comes soon. GNU
OpenMP, which is in PyTorch's packages for Linux, lets them spin for milliseconds: longer than the
pauses between two operations, and on the cores that the threads of `nmt.system.threads` or other
programs need.
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
