"""NumPy's products take one thread while a search runs."""

import subprocess
import sys

SHOW = """
import os
os.environ.pop("OPENBLAS_NUM_THREADS", None)
from nmt.system.blas import blas_threads, one_blas_thread
threads = blas_threads()
if threads is None:
    print("no OpenBLAS")
else:
    threads.set(2)
    before = threads.get()
    with one_blas_thread():
        print(threads.get())
    assert threads.get() == before
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with one_blas_thread():
        assert threads.get() == before  # nothing to do: it was read when NumPy was imported
"""


def test_a_block_takes_one_thread_and_restores_their_number() -> None:
    found = subprocess.check_output([sys.executable, "-c", SHOW], text=True)
    assert found in ("1\n", "no OpenBLAS\n")


OVERLAP = """
import os
os.environ.pop("OPENBLAS_NUM_THREADS", None)
from nmt.system.blas import blas_threads, one_blas_thread
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
"""


def test_blocks_that_overlap_restore_the_number_when_the_last_one_ends() -> None:
    """Threads of Python that translate at once leave it in the order in which they end."""
    found = subprocess.check_output([sys.executable, "-c", OVERLAP], text=True)
    assert found in ("1\n", "no OpenBLAS\n")
