"""A local server, and a recipe that downloads one file from it."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conftest import CommandResult, Run


@dataclass
class Server:
    """A server, the files that it serves and the requests that it received."""

    address: str
    served: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stated: dict[str, str] = field(default_factory=dict)  # SHA-256 that it states, by path
    refused: dict[str, int] = field(default_factory=dict)  # status by path
    chunked: bool = False  # the size of a file is not announced
    cut_short: bool = False
    encoding: str = ""  # that it states


@contextmanager
def serving() -> Iterator[Server]:
    state = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            if self.path in state.refused:
                self.send_error(state.refused[self.path])
                return
            if self.path in state.redirects:
                self.send_response(302)
                self.send_stated()
                self.send_header("Location", state.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = state.served.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_stated()
            if not state.chunked:
                self.send_header("Content-Length", str(len(content)))
            if state.encoding:
                self.send_header("Content-Encoding", state.encoding)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if state.cut_short else content)

        def send_stated(self) -> None:
            if self.path in state.stated:
                self.send_header("X-Linked-Etag", f'"{state.stated[self.path]}"')

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.address = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


@dataclass
class Case:
    """A recipe with one download, in a folder of its own."""

    folder: Path
    nmt: Run

    def fetch(self, url: str, to: str = "sub/x.txt", **more: object) -> CommandResult:
        lines = [f"{key} = {value!r}" for key, value in {"url": url, "to": to, **more}.items()]
        recipe = self.folder / "far.toml"
        recipe.write_text("[[data.downloads]]\n" + "\n".join(lines) + "\n")
        return self.nmt("fetch", recipe, "--data-dir", self.data)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def files(self) -> set[str]:
        paths = (path for path in self.data.rglob("*") if path.is_file())
        return {str(path.relative_to(self.data)) for path in paths}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refused(result: CommandResult, *facts: str) -> None:
    """Check that a command ended with one sentence, which states some facts."""
    assert (result.code, result.out) == (1, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("nmt: ")
    assert len(last) < 600
    assert [fact for fact in facts if fact not in last] == []
