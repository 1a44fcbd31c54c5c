"""`nmt serve` in its own process: translations, clients, batches and stops."""

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import pytest

from nmt.config import DecodeSettings
from nmt.decoding.translator.load import load_models
from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.recipe.settings import with_settings
from nmt.runs.trained_model import load_model
from tests.conftest import WORDS
from tests.serving.running import AS_IS, Running, post, running
from tests.waiting import wait_until

LINES = [f"{first} {second} {third}" for first in WORDS for second in WORDS for third in WORDS[:2]]
BODY = {"q": "sun moon", "source": "en", "target": "de"}


def translated(run: Path, lines: list[str], n_best: int = 1) -> list[list[str]]:
    """Return what `nmt translate` writes for lines."""
    model = load_model(run, "cpu")
    recipe = with_settings(model.recipe, {"decode.odd_input": "as_is"})
    settings: DecodeSettings = recipe.decode
    translator = Translator(model, settings, print, OutputOptions(n_best))
    return [[each.text for each in found.candidates] for found in translator.translate(lines)]


def test_many_clients_get_what_translate_writes(server: Running, tiny_run: Path) -> None:
    expected = [texts[0] for texts in translated(tiny_run, LINES)]
    with ThreadPoolExecutor(16) as pool:
        assert [*pool.map(server.translate, LINES)] == expected
    lines, batches = (server.number(f"nmt_batch_lines_{each}") for each in ("sum", "count"))
    assert lines >= len(LINES)
    assert batches < lines  # requests of several clients were translated together
    assert server.translate("\n".join(LINES[:50])) == "\n".join(expected[:50])
    assert server.translate(LINES[:50]) == expected[:50]


def test_alternatives_are_the_n_best(server: Running, tiny_run: Path) -> None:
    (expected,) = translated(tiny_run, LINES[:1], 4)
    status, answer = server.ask("/translate", {**BODY, "q": LINES[0], "alternatives": 9})
    assert status == 200
    assert [answer["translatedText"], *answer["alternatives"]] == expected


def test_an_engine_translates_as_it_does_for_nmt_translate(tiny_run: Path) -> None:
    """The engine's process is new, not a copy of the server."""
    pytest.importorskip("ctranslate2")
    model, settings = load_models([tiny_run], "cpu", print, AS_IS[1:], engine="ctranslate2")
    translator = Translator(model, settings, print)
    expected = [each.text for each in translator.translate(LINES[:20])]
    with running(tiny_run, "--engine", "ctranslate2") as server:
        assert server.translate(LINES[:20]) == expected
        assert server.stop() == 128 + signal.SIGTERM


@pytest.mark.slow
def test_the_process_of_an_engine_is_started_again(tiny_run: Path) -> None:
    pytest.importorskip("ctranslate2")
    with running(tiny_run, "--engine", "ctranslate2") as server:
        expected = server.translate(LINES[:20])
        for each in server.workers():
            if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes():
                os.kill(each, signal.SIGKILL)
        assert server.translate(LINES[:20]) == expected


def test_libretranslates_client_works(server: Running) -> None:
    libretranslatepy = pytest.importorskip("libretranslatepy")
    client = libretranslatepy.LibreTranslateAPI(f"http://127.0.0.1:{server.port}")
    assert client.translate("sun moon", "en", "de") == server.translate("sun moon")
    with pytest.raises(HTTPError, match="501"):
        client.detect("sun moon")
    assert {each["code"] for each in client.languages()} == {"en", "de"}


def test_a_killed_process_loses_no_request(tiny_run: Path) -> None:
    with running(tiny_run, "--processes", 2) as server, ThreadPoolExecutor(8) as pool:
        expected = server.translate(LINES)
        found = [pool.submit(server.translate, LINES) for _ in range(8)]
        wait_until(lambda: server.number("nmt_requests_waiting") > 4)
        before = server.workers()
        for each in before:
            os.kill(each, signal.SIGKILL)
        assert [each.result() for each in found] == [expected] * 8
        assert not set(before) & set(server.workers())
        assert server.number("nmt_process_restarts_total") == 2
        assert server.stop() == 128 + signal.SIGTERM
    assert any("a translating process ended" in line for line in server.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it(tiny_run: Path, number: signal.Signals) -> None:
    with running(tiny_run, "--processes", 1) as server:
        workers = server.workers()
        assert len(workers) == 1
        server.translate("sun")
        with server.connect():  # an idle connection does not hold it up
            assert server.stop(number) == 128 + number
    assert server.lines[-1] == "stopped"
    assert len(server.lines) == 4
    assert not any(Path(f"/proc/{each}").exists() for each in workers)


def test_a_stop_loses_no_accepted_request(tiny_run: Path) -> None:
    """All requests that were sent before the signal are answered, also those not yet accepted."""
    expected: list[str] = []
    with running(tiny_run, "--processes", 2, "--set", "decode.beam_size=8") as server:
        expected = [server.translate(line) for line in LINES[:5]]
        slow = post({**BODY, "q": LINES}, "Connection: close")
        quick = [post({**BODY, "q": line}, "Connection: close") for line in LINES[:5]]
        connections = [server.connect() for _ in range(40)]
        idle, late = server.connect(), server.connect()
        for each in connections[:20]:
            each.sendall(slow)
        wait_until(lambda: server.number("nmt_requests_waiting") == 20)
        for number, each in enumerate(connections[20:]):
            each.sendall(quick[number % 5])
        late.sendall(quick[0][:30])  # a request that is on its way
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: any(line.startswith("stopping") for line in server.lines))
        late.sendall(quick[0][30:])
        answers = [everything(each) for each in [*connections, late]]
        assert server.process.wait(60) == 128 + signal.SIGTERM
        assert everything(idle) == b""
    assert all(each.startswith(b"HTTP/1.1 200") for each in answers)
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


def test_what_is_not_ready_after_the_grace_is_refused(tiny_run: Path) -> None:
    with running(tiny_run, "--processes", 1, "--grace", 0) as server:
        connection = server.connect()
        connection.sendall(post({**BODY, "q": LINES * 20}))
        wait_until(lambda: server.number("nmt_requests_waiting") == 1)
        assert server.stop() == 128 + signal.SIGTERM
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"the server is stopping" in answer
    assert "1 request not answered" in "\n".join(server.lines)


def test_a_second_signal_ends_it_at_once(tiny_run: Path) -> None:
    with running(tiny_run, "--processes", 1, "--grace", 3000) as server:
        connection = server.connect()
        connection.sendall(post({**BODY, "q": LINES * 20}))
        wait_until(lambda: server.number("nmt_requests_waiting") == 1)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: any(line.startswith("stopping") for line in server.lines))
        assert server.stop() == 128 + signal.SIGTERM
        connection.close()
    assert server.lines[-1] != "stopped"


def test_a_client_that_goes_does_not_disturb_others(server: Running) -> None:
    expected = server.translate("sun moon")
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(post({**BODY, "q": LINES[:20]}))
    assert server.translate("sun moon") == expected
    wait_until(lambda: server.number("nmt_requests_waiting") == 0)


def test_short_texts_do_not_wait_for_a_long_one(tiny_run: Path) -> None:
    """Requests take turns: a short one is answered while a long one is translated."""
    with running(tiny_run, "--processes", 1) as server:
        ended: list[str] = []

        def send_long_text() -> None:
            server.translate(LINES * 10)
            ended.append("long")

        long = threading.Thread(target=send_long_text)
        long.start()
        wait_until(lambda: server.number("nmt_requests_waiting") == 1)
        server.translate("sun")
        ended.append("short")
        long.join()
    assert ended == ["short", "long"]
