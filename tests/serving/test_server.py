"""`nmt serve` in its own process: translations, clients, batches and stops."""

import errno
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.error import HTTPError

import httpx
import pytest

import nmt
from nmt.errors import NmtError
from nmt.serving.server import LINGER_SECONDS, is_local, open_sockets
from tests.conftest import WORDS
from tests.serving.running import AS_IS, Running, post, running
from tests.serving.test_texts import FIELDS, SLOW
from tests.waiting import wait_until

LINES = [f"{first} {second} {third}" for first in WORDS for second in WORDS for third in WORDS[:2]]
BODY = {"q": "sun moon", "source": "en", "target": "de"}
CLIENTS = 32
ANSWERS = 150  # before the signal


def test_many_clients_get_what_translate_writes(server: Running, tiny_run: Path) -> None:
    model = nmt.load(tiny_run, device="cpu", notify=lambda _: None)
    settings = dict([AS_IS[1].split("=")])
    found = [*model.translate(LINES, settings=settings, n_best=4)]
    expected = [translation.text for translation in found]
    with ThreadPoolExecutor(16) as pool:
        assert [*pool.map(server.translate, LINES)] == expected
    lines, batches = (server.number(f"nmt_batch_lines_{name}") for name in ("sum", "count"))
    assert lines >= len(LINES)
    assert batches < lines  # requests of several clients were translated together
    assert server.translate("\n".join(LINES[:50])) == "\n".join(expected[:50])
    status, answer = server.ask("/translate", {**BODY, "q": LINES[0], "alternatives": 9})
    best = [candidate.text for candidate in found[0].candidates]
    assert status == 200
    assert [answer["translatedText"], *answer["alternatives"]] == best


def test_the_file_is_that_of_nmt_translate(server: Running, tiny_run: Path, tmp_path: Path) -> None:
    page, expected = tmp_path / "page.html", tmp_path / "expected.html"
    page.write_bytes(b"".join(b"<p>sun moon star %d. Rain?</p>" % n for n in range(9)))
    model = nmt.load(tiny_run, device="cpu", notify=lambda _: None)
    model.translate_file(page, expected, settings=dict([AS_IS[1].split("=")]))
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as one:
        files = {"file": ("page.html", page.read_bytes())}
        answer = one.post("/translate_file", files=files, data=FIELDS).json()
        assert one.get(answer["translatedFileUrl"]).content == expected.read_bytes()


@pytest.mark.slow
def test_the_process_of_an_engine_is_started_again(tiny_run: Path) -> None:
    pytest.importorskip("ctranslate2")
    with running(tiny_run, "--engine", "ctranslate2") as server:
        expected = server.translate(LINES[:20])
        for number in server.workers():
            if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes():
                os.kill(number, signal.SIGKILL)
        assert server.translate(LINES[:20]) == expected


def test_libretranslates_client_works(server: Running) -> None:
    libretranslatepy = pytest.importorskip("libretranslatepy")
    client = libretranslatepy.LibreTranslateAPI(f"http://127.0.0.1:{server.port}")
    assert client.translate("sun moon", "en", "de") == server.translate("sun moon")
    with pytest.raises(HTTPError, match="501"):
        client.detect("sun moon")
    assert {language["code"] for language in client.languages()} == {"en", "de"}


def test_a_killed_process_loses_no_request(server: Running) -> None:
    restarts = server.number("nmt_process_restarts_total")
    with ThreadPoolExecutor(8) as pool:
        expected = server.translate(LINES)
        found = [pool.submit(server.translate, LINES) for _ in range(8)]
        wait_until(lambda: server.number("nmt_requests_waiting") > 4)
        before = server.workers()
        for number in before:
            os.kill(number, signal.SIGKILL)
        assert [answer.result() for answer in found] == [expected] * 8
    assert not set(before) & set(server.workers())
    assert server.number("nmt_process_restarts_total") == restarts + 2
    assert any("a translating process ended" in line for line in server.lines)


def are_gone(processes: list[int]) -> bool:
    return not any(Path(f"/proc/{number}").exists() for number in processes)


def test_a_stop_loses_no_accepted_request(tiny_run: Path) -> None:
    """All requests that were sent before the signal are answered, also those not yet accepted."""
    with running(tiny_run, "--processes", 2, "--set", "decode.beam_size=8") as server:
        expected = [server.translate(line) for line in LINES[:5]]
        slow = post({**BODY, "q": LINES}, "Connection: close")
        quick = [post({**BODY, "q": line}, "Connection: close") for line in LINES[:5]]
        connections = [server.connect() for _ in range(40)]
        idle, late = server.connect(), server.connect()
        for connection in connections[:20]:
            connection.sendall(slow)
        wait_until(lambda: server.number("nmt_requests_waiting") == 20)
        for number, connection in enumerate(connections[20:]):
            connection.sendall(quick[number % 5])
        late.sendall(quick[0][:30])  # a request that is on its way
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: any(line.startswith("stopping") for line in server.lines))
        late.sendall(quick[0][30:])
        answers = [everything(connection) for connection in [*connections, late]]
        assert server.process.wait(60) == 128 + signal.SIGTERM
        assert everything(idle) == b""
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    for number, answer in enumerate(answers[20:40]):
        assert expected[number % 5].encode() in answer
    assert server.lines[-1] == "stopped"


def everything(connection: socket.socket) -> bytes:
    """Return all that comes from a connection until its end, and close it."""
    received = b""
    with connection:
        while part := connection.recv(65_536):
            received += part
    return received


class Client(threading.Thread):
    """A client that sends one request after the other, until it cannot connect any more."""

    def __init__(self, server: Running, *, keeps: bool) -> None:
        """`keeps`: it keeps its connection as long as the server does."""
        super().__init__()
        self._server, self._keeps = server, keeps
        self._request = post(BODY, *([] if keeps else ["Connection: close"]))
        self.answered = 0
        self.unanswered: list[tuple[float, float]] = []  # opened its connection, was sent

    def run(self) -> None:
        with suppress(ConnectionRefusedError):
            while True:
                opened = time.monotonic()
                with self._server.connect() as connection:
                    while self._ask(connection, opened):
                        opened = 0.0  # the server waits from the signal on, not from then

    def _ask(self, connection: socket.socket, opened: float) -> bool:
        """Send a request; return whether another one may follow on the connection."""
        answer = b""
        with suppress(ConnectionError):
            connection.sendall(self._request)
        sent = time.monotonic()
        with suppress(ConnectionError):
            while not answer.endswith(b"}") and (part := connection.recv(65_536)):
                answer += part
        is_whole = answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"}")
        if is_whole:
            self.answered += 1
        else:
            self.unanswered.append((opened, sent))
        return is_whole and self._keeps and b"connection: close" not in answer.lower()


def stop_under_load(run: Path, number: int, *, keeps: bool) -> int:
    """Stop a server while all clients send requests; return how many of these it lost.

    The server waits LINGER_SECONDS for a request on an open connection. A request that its client
    sends later than that is late, not lost.
    """
    with running(run, "--processes", 2) as server:
        workers = server.workers()
        clients = [Client(server, keeps=keeps) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        wait_until(lambda: sum(client.answered for client in clients) > ANSWERS)
        signalled = time.monotonic()
        assert server.stop(number) == 128 + number
        for client in clients:
            client.join()
    assert server.lines[-1] == "stopped"
    assert len(server.lines) == 4
    assert are_gone(workers)
    return sum(
        sent < max(signalled, opened) + LINGER_SECONDS
        for client in clients
        for opened, sent in client.unanswered
    )


@pytest.mark.parametrize(
    ("number", "keeps"),
    [(signal.SIGINT, False), (signal.SIGHUP, True)],
    ids=["close", "keep-alive"],
)
def test_a_stop_under_load_loses_nothing(
    tiny_run: Path, number: signal.Signals, keeps: bool
) -> None:
    assert stop_under_load(tiny_run, number, keeps=keeps) == 0


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [False, True], ids=["close", "keep-alive"])
def test_forty_stops_under_load_lose_nothing(tiny_run: Path, keeps: bool) -> None:
    lost = [stop_under_load(tiny_run, signal.SIGTERM, keeps=keeps) for _ in range(20)]
    assert sum(lost) == 0


def test_what_is_not_ready_after_the_grace_is_refused(tiny_run: Path) -> None:
    """A text that is translated, and a file that a process reads, which ends with the server."""
    with (
        running(tiny_run, "--processes", 1, "--grace", 0) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as one,
        ThreadPoolExecutor(1) as pool,
    ):
        files = {"file": ("a.md", SLOW)}
        uploaded = pool.submit(one.post, "/translate_file", files=files, data=FIELDS)
        wait_until(lambda: len(server.workers()) == 2)
        connection = server.connect()
        connection.sendall(post({**BODY, "q": LINES * 20}))
        wait_until(lambda: server.number("nmt_requests_waiting") == 2)
        processes = server.workers()
        assert server.stop() == 128 + signal.SIGTERM
        for answer in (everything(connection), uploaded.result().content):
            assert b"the server is stopping" in answer
        assert uploaded.result().status_code == 503
    assert "2 requests not answered" in "\n".join(server.lines)
    wait_until(lambda: are_gone(processes))


def test_a_second_signal_ends_it_at_once(tiny_run: Path) -> None:
    with running(tiny_run, "--processes", 1, "--grace", 3000) as server:
        processes = server.workers()
        connection = server.connect()
        connection.sendall(post({**BODY, "q": LINES * 20}))
        wait_until(lambda: server.number("nmt_requests_waiting") == 1)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: any(line.startswith("stopping") for line in server.lines))
        assert server.stop() == 128 + signal.SIGTERM
        connection.close()
    assert server.lines[-1] != "stopped"
    wait_until(lambda: are_gone(processes))  # nobody has told them to end


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no host", "there is no host 'no host'"),
        ("203.0.113.7", "does not have the address 203.0.113.7"),
        ("127.0.0.1", "on 127.0.0.1 is in use; .* another port"),
    ],
)
def test_a_server_that_cannot_listen_says_why(host: str, reason: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        ExitStack() as stack,
        pytest.raises(NmtError, match=reason),
    ):
        open_sockets(host, taken.getsockname()[1], stack)


def test_a_free_port_is_the_same_on_all_addresses() -> None:
    with ExitStack() as stack:
        sockets = open_sockets("localhost", 0, stack)
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
        # Otherwise asyncio does not set TCP_NODELAY, and each answer is 40 ms late.
        assert {listener.proto for listener in sockets} == {socket.IPPROTO_TCP}
        assert is_local(sockets)
        # Nothing is sent.
        assert not is_local([*sockets, *open_sockets("0.0.0.0", 0, stack)])  # noqa: S104


@pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_an_address_that_is_turned_off_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As ::1 of localhost, on a machine without IPv6."""
    there, gone = ((socket.AF_INET, 1, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [gone, there])

    class Socket(socket.socket):
        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override] # of IPv4
            if address[0] == "192.0.2.1":
                raise OSError(number, "is off")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Socket)
    with ExitStack() as stack:
        (one,) = open_sockets("localhost", 0, stack)
        assert one.getsockname()[0] == "127.0.0.1"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [gone])
        with pytest.raises(NmtError, match="localhost"):
            open_sockets("localhost", 0, stack)
