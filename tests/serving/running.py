"""Start `nmt serve` in its own process, and talk to it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

ADDRESS = re.compile(r" at http://127\.0\.0\.1:([0-9]+)/ ")
# Odd lines as they are: finding the positions of their symbols needs PyTorch, which starts slowly.
AS_IS = ("--set", "decode.odd_input=as_is")


@dataclass
class Running:
    process: "subprocess.Popen[str]"
    port: int
    lines: list[str] = field(default_factory=list)  # of stderr

    def connect(self, seconds: float = 60) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def send(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own; return all that comes back until its end."""
        received = b""
        with self.connect() as connection, suppress(ConnectionError):
            connection.sendall(data)
            while part := connection.recv(65_536):
                received += part
        return received

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Return the status and the JSON of an answer; a body is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"}
            content = None if body is None else json.dumps(body).encode()
            connection.request("POST" if content else "GET", path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers["Content-Type"] == "application/json"
            return answer.status, json.loads(text) if is_json else text.decode()
        finally:
            connection.close()

    def translate(self, text: str | list[str], **others: object) -> Any:
        status, answer = self.ask(
            "/translate", {"q": text, "source": "en", "target": "de", **others}
        )
        assert status == 200, answer
        return answer["translatedText"]

    def number(self, name: str) -> float:
        _, text = self.ask("/metrics")
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
        return float(line.split()[1])

    def workers(self) -> list[int]:
        """Return the numbers of the processes that translate."""
        folder = Path(f"/proc/{self.process.pid}/task/{self.process.pid}")
        return [int(number) for number in (folder / "children").read_text().split()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def post(body: object, *headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        "POST /translate HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + content


@contextmanager
def running(run: Path, *options: object, plain: Sequence[str] = AS_IS) -> Iterator[Running]:
    """Start a server for a model on a free port; end it if the test has not."""
    arguments = ["--port", "0", "--model", str(run), *plain, *map(str, options)]
    with subprocess.Popen(
        [sys.executable, "-m", "nmt", "serve", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    ) as process:
        server = Running(process, 0)
        reader = threading.Thread(target=read, args=(process, server.lines))
        reader.start()
        try:
            wait_until(lambda: any(map(ADDRESS.search, server.lines)), process)
            (found,) = filter(None, map(ADDRESS.search, server.lines))
            server.port = int(found[1])
            yield server
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join()


def read(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line.rstrip("\n"))
