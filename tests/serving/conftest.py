"""A server that several tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.running import Running, running


@pytest.fixture(scope="session")
def server(tiny_run: Path) -> Iterator[Running]:
    """Serve the tiny model with two processes and short deadlines; do not stop it."""
    with running(tiny_run, "--processes", 2, "--read-timeout", 1, "--max-characters", 2000) as one:
        yield one
