"""A server that several tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.abuse import LIMIT
from tests.serving.running import Running, running


@pytest.fixture(scope="session")
def server(tiny_run: Path) -> Iterator[Running]:
    """Serve the tiny model with two processes and short deadlines; do not stop it."""
    limits = ("--read-timeout", 1, "--max-characters", LIMIT, "--max-connections", 100)
    with running(tiny_run, "--processes", 2, *limits) as one:
        yield one
