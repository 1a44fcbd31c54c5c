"""Notes and bars: on terminals without a width, and when stderr is gone."""

import os
import subprocess
import sys

SHOW = """
from nmt.system.log import note, progress_bar
with progress_bar(total=3, desc="work") as bar:
    for _ in range(3):
        bar.update()
note("done")
"""


def test_a_terminal_of_unknown_width_shows_a_bar() -> None:
    """A new pseudo-terminal has 0 columns, as that of `docker exec -t` may have."""
    leader, terminal = os.openpty()
    process = subprocess.Popen([sys.executable, "-c", SHOW], stderr=terminal)
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert "work: 100%" in shown
    assert "done" in shown


def test_a_closed_terminal_ends_nothing() -> None:
    leader, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"input(){SHOW}print('went on')"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=terminal,
    )
    os.close(terminal)
    os.close(leader)
    assert process.communicate(b"\n", timeout=60)[0] == b"went on\n"
    assert process.returncode == 0
