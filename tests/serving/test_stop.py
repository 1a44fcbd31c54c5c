"""A stop under load: whatever client was connected gets its answer."""

import signal
import socket
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.serving.running import Running, post, running
from tests.waiting import wait_until

BODY = {"q": "sun moon", "source": "en", "target": "de"}
CLIENTS = 32
ANSWERS = 150  # before the signal


class Client(threading.Thread):
    """A client that sends one request after the other, until it cannot connect any more."""

    def __init__(self, server: Running, counts: Counter[str], *, keeps: bool) -> None:
        """`keeps`: it keeps its connection as long as the server does."""
        super().__init__()
        self._server, self._counts, self._keeps = server, counts, keeps
        self._request = post(BODY, *([] if keeps else ["Connection: close"]))

    def run(self) -> None:
        """Send requests and count what becomes of them."""
        with suppress(ConnectionRefusedError):
            while True:
                with self._server.connect() as connection:
                    while self._ask(connection):
                        pass

    def _ask(self, connection: socket.socket) -> bool:
        """Send a request; return whether another one may follow on the connection."""
        answer = b""
        try:
            connection.sendall(self._request)
            while not answer.endswith(b"}") and (part := connection.recv(65_536)):
                answer += part
        except ConnectionError:
            answer = b""
        is_whole = answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"}")
        self._counts["answered" if is_whole else "lost"] += 1
        return is_whole and self._keeps and b"connection: close" not in answer.lower()


def stop_under_load(run: Path, *, keeps: bool) -> Counter[str]:
    """Stop a server while all clients send requests; return what became of these."""
    counts: Counter[str] = Counter()
    with running(run, "--processes", 2) as server:
        clients = [Client(server, counts, keeps=keeps) for _ in range(CLIENTS)]
        for each in clients:
            each.start()
        wait_until(lambda: counts["answered"] > ANSWERS)
        assert server.stop() == 128 + signal.SIGTERM
        for each in clients:
            each.join()
    assert server.lines[-1] == "stopped"
    return counts


@pytest.mark.parametrize("keeps", [False, True], ids=["close", "keep-alive"])
def test_a_stop_under_load_loses_nothing(tiny_run: Path, keeps: bool) -> None:
    assert stop_under_load(tiny_run, keeps=keeps)["lost"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [False, True], ids=["close", "keep-alive"])
def test_forty_stops_under_load_lose_nothing(tiny_run: Path, keeps: bool) -> None:
    counts: Counter[str] = Counter()
    for _ in range(20):
        counts += stop_under_load(tiny_run, keeps=keeps)
    print(counts)
    assert counts["lost"] == 0
