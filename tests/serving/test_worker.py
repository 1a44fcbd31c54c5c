"""A translating process, seen from outside."""

import multiprocessing
from dataclasses import dataclass
from multiprocessing.synchronize import Event

from nmt.serving.files import METHOD
from nmt.serving.worker import start_process, work


@dataclass
class Late:
    """Stands for a model that is loaded only when the server has ended."""

    has_ended: Event

    @property
    def ready(self) -> str:
        """Wait for the end of the server."""
        self.has_ended.wait(60)
        return "ready"


def test_a_process_that_is_ready_after_the_end_of_the_server_ends_without_an_error() -> None:
    has_ended = multiprocessing.get_context(METHOD).Event()
    process, connection = start_process(METHOD, work, Late(has_ended))
    connection.close()
    has_ended.set()
    process.join(60)
    assert process.exitcode == 0
