"""Connections of clients that are bad, slow or too many: none harms another one."""

import asyncio
import errno
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import ANY, Mock, create_autospec

import pytest

from nmt.serving.server import Connection
from tests.serving.abuse import GOOD, LIMIT, SENT, attack
from tests.serving.running import Running, post, running
from tests.waiting import wait_until

# A loaded machine may take seconds for a line whose sender has gone; nothing else may be noted.
ABANDONED = "nobody waits for a long translation any more; its process is started again"
KEPT = 0.2  # share by which memory may grow: pages that forks write, or others stop sharing


def check_answers(server: Running, numbers: range) -> Counter[int]:
    """Send bad requests from many threads and good ones between them; return the statuses."""
    expected = server.translate("sun moon")
    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(24) as pool:
        for first in range(numbers.start, numbers.stop, 100):
            part = range(first, min(first + 100, numbers.stop))
            attacks = [pool.submit(attack, server, number) for number in part]
            good = [pool.submit(server.translate, "sun moon") for _ in range(10)]
            assert {translation.result() for translation in good} == {expected}
            for number, lines in zip(part, attacks, strict=True):
                found = [int(line.split()[1]) for line in lines.result()]
                assert not [status for status in found if status >= 500], f"request {number}"
                statuses.update(found)
    return statuses


def test_bad_requests_do_no_harm(server: Running) -> None:
    before = len(server.lines)
    statuses = check_answers(server, range(250))
    assert {200, 400, 405, 413} <= set(statuses)
    assert set(server.lines[before:]) <= {ABANDONED}
    # A line whose sender has gone may still be translated.
    wait_until(lambda: server.number("nmt_requests_waiting") == 0)


def memory(server: Running) -> float:
    """Return the memory of all processes, after each has imported what places tags."""
    with ThreadPoolExecutor(8) as pool:
        pages = ["<p>sun <b>moon</b> star</p>"] * 20
        [*pool.map(lambda _: server.translate(pages, format="html"), range(16))]
    return server.number("nmt_memory_bytes")


@pytest.mark.slow
def test_ten_thousand_bad_requests_cost_no_memory(tiny_run: Path) -> None:
    options = ("--processes", 2, "--read-timeout", 1, "--max-characters", LIMIT)
    with running(tiny_run, *options) as server:
        statuses = check_answers(server, range(3_000))
        before = memory(server)
        statuses += check_answers(server, range(3_000, 10_000))
        after = memory(server)
        print(f"{statuses}; {before / 1e6:.1f} MB, then {after / 1e6:.1f} MB")
        assert after < (1 + KEPT) * before
        assert len(server.workers()) == 2
        restarts = server.number("nmt_process_restarts_total")
        assert server.stop() == 143
    assert server.lines.count(ABANDONED) == restarts
    assert len(server.lines) == 4 + restarts


def test_a_sender_that_stops_is_cut_off(server: Running) -> None:
    """It gets an answer if it has sent anything; either way the connection ends."""
    sent = [0, 1, 30, 100, len(SENT) - 1]
    with ThreadPoolExecutor(len(sent)) as pool:
        nothing, *answers = pool.map(lambda number: server.send(SENT[:number]), sent)
    assert nothing == b""
    for number, answer in zip(sent[1:], answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 408")
        part = b"the head of" if number < SENT.index(b"\r\n\r\n") else b"the request was"
        assert part in answer


def test_a_slow_sender_is_cut_off(server: Running) -> None:
    """Some bytes now and then do not extend the deadline."""
    began = time.monotonic()
    with server.connect() as connection, pytest.raises(ConnectionError):  # noqa: PT012 (it loops)
        while time.monotonic() < began + 60:
            connection.sendall(b"GET / HTTP/1.1\r\n"[:1])
            time.sleep(0.1)
    assert time.monotonic() < began + 30


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"A: " + b"x" * 500_000, 431, b"the head of the request has more than 16,384 bytes"),
        (b"A: b\r\n" * 50_000, 431, b"the head of the request has more than 16,384 bytes"),
        (b"Host: y", 400, b"no HTTP request: Found multiple Host: headers"),
        (b"A B: secret", 400, b'no HTTP request: illegal header line"'),
        (b"Content-Length: 1x", 400, b"no HTTP request: bad Content-Length"),
    ],
    ids=["long-field", "many-fields", "two-hosts", "field", "length"],
)
def test_a_refused_head_is_told_the_cause(
    server: Running, head: bytes, status: int, reason: bytes
) -> None:
    """Also if all of it is sent before the answer is read."""
    answer = server.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert reason in answer
    assert b"secret" not in answer


def test_a_client_may_go_while_it_is_refused() -> None:
    """It goes after the system has taken the answer, and before the end of it."""
    transport = create_autospec(asyncio.Transport, instance=True)
    transport.write_eof.side_effect = OSError(errno.ENOTCONN, "not connected")
    connection = create_autospec(Connection, instance=True)
    connection.transport, connection.is_answering = transport, False
    connection.app, connection.loop = Mock(), Mock()
    Connection._refuse(connection, 400, "no HTTP request")
    connection.loop.call_later.assert_called_once_with(ANY, transport.close)


def test_a_reader_that_stops_is_cut_off(server: Running) -> None:
    """It asks for pages without end and reads none."""
    request = b"GET /page.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect() as connection, pytest.raises(ConnectionError):  # noqa: PT012 (it loops)
        for _ in range(100_000):
            connection.sendall(request * 1000)


def test_a_body_that_is_too_large_is_told_so(server: Running) -> None:
    """Also when it is sent whole before the answer is read."""
    answer = server.send(post(b"x" * 10_000_000))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_connections_are_kept_and_pipelined_requests_are_answered_in_order(
    server: Running,
) -> None:
    texts = ["sun", "moon star rain", "tree"]
    expected = [server.translate(text) for text in texts]
    requests = [post({**GOOD, "q": text}) for text in texts]
    received = b""
    with server.connect() as connection:
        connection.sendall(b"".join(requests[:2]))
        while received.count(b"}") < 2:
            received += connection.recv(65_536)
        connection.sendall(requests[2])
        while received.count(b"}") < 3:
            received += connection.recv(65_536)
    offsets = [received.decode().index(f'"{text}"') for text in expected]
    assert received.count(b"HTTP/1.1 200") == 3
    assert offsets == sorted(offsets)


def test_a_connection_too_many_is_told_so(server: Running) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(server.connect())
        answer = server.send(b"")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in answer
    server.translate("sun")
