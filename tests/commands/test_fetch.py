"""`nmt fetch` from a local server: SHA-256, archives and errors."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CommandResult, Run


@dataclass
class Server:
    """A server, the files that it serves and the requests that it received."""

    address: str
    served: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    cut_short: bool = False


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    state = Server("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            content = state.served.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if state.cut_short else content)

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


@pytest.fixture
def case(nmt: Run, tmp_path: Path) -> Case:
    return Case(tmp_path, nmt)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_known_hash_is_checked_and_the_file_is_downloaded_once(
    case: Case, server: Server
) -> None:
    server.served["/x"] = b"hello\n"
    result = case.fetch(f"{server.address}/x", sha256=sha256(b"hello\n"))
    assert (result.code, result.out) == (0, "")
    assert f"{case.data / 'sub/x.txt'}: downloaded" in result.err
    assert (case.data / "sub/x.txt").read_bytes() == b"hello\n"
    again = case.fetch(f"{server.address}/x", sha256=sha256(b"hello\n").upper())
    assert f"{case.data / 'sub/x.txt'}: already downloaded" in again.err
    assert server.requests == ["/x"]
    assert case.files() == {"sub/x.txt"}


def test_a_file_with_a_wrong_hash_is_refused_and_removed(case: Case, server: Server) -> None:
    server.served["/x"] = b"forged\n"
    result = case.fetch(f"{server.address}/x", sha256=sha256(b"hello\n"))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nmt: {server.address}/x ")
    assert sha256(b"hello\n") in result.err
    assert case.files() == set()


def test_an_old_file_stays_until_the_right_one_is_downloaded(case: Case, server: Server) -> None:
    path = case.data / "sub/x.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old\n")
    assert case.fetch(f"{server.address}/x", sha256=sha256(b"hello\n")).code == 1
    assert path.read_bytes() == b"old\n"
    server.served["/x"] = b"hello\n"
    assert case.fetch(f"{server.address}/x", sha256=sha256(b"hello\n")).code == 0
    assert path.read_bytes() == b"hello\n"


def test_an_unknown_hash_is_printed_recorded_and_checked_the_next_time(
    case: Case, server: Server
) -> None:
    server.served["/x"] = b"first\n"
    pin = sha256(b"first\n")
    result = case.fetch(f"{server.address}/x")
    assert result.code == 0
    assert pin in result.err
    assert "SHA256SUMS" in result.err
    assert (case.data / "SHA256SUMS").read_text() == f"{pin}  sub/x.txt\n"
    assert "already downloaded" in case.fetch(f"{server.address}/x").err
    (case.data / "sub/x.txt").unlink()
    server.served["/x"] = b"second\n"
    result = case.fetch(f"{server.address}/x")
    assert result.code == 1
    assert pin in result.err
    assert case.files() == {"SHA256SUMS"}


def test_a_file_of_the_user_is_kept_and_its_hash_is_recorded(case: Case, server: Server) -> None:
    path = case.data / "sub/x.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine\n")
    result = case.fetch(f"{server.address}/x")
    assert result.code == 0
    assert sha256(b"mine\n") in result.err
    assert "SHA256SUMS" in result.err
    assert path.read_bytes() == b"mine\n"
    assert server.requests == []


def test_the_hash_of_an_incomplete_download_is_not_recorded(case: Case, server: Server) -> None:
    server.served["/x"] = b"word " * 100_000
    server.cut_short = True
    result = case.fetch(f"{server.address}/x")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("nmt: cannot ")
    assert result.err.count("\n") == 1
    assert case.files() == set()


def test_a_file_missing_on_the_server_is_named(case: Case, server: Server) -> None:
    result = case.fetch(f"{server.address}/none")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nmt: cannot download {server.address}/none: 404 ")
    assert result.err.count("\n") == 1
    assert case.files() == set()


def test_without_a_network_the_message_says_where_to_put_the_file(
    case: Case, server: Server
) -> None:
    """Port 1 refuses connections."""
    result = case.fetch("http://127.0.0.1:1/x")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("nmt: cannot reach http://127.0.0.1:1/x")
    assert str(case.data / "sub/x.txt") in result.err
    assert result.err.count("\n") == 1
    assert case.files() == set()


@pytest.mark.parametrize("url", ["", "x.txt", "file:///etc/hostname", "ftp://x/y"])
def test_only_http_addresses_are_accepted(case: Case, url: str) -> None:
    result = case.fetch(url)
    assert result.code == 1
    assert f"data.downloads: {url} is not an http(s) address" in result.err
    assert case.files() == set()


# The absolute name is never created.
@pytest.mark.parametrize("to", ["", "../x", "a/../../x", "/tmp/x"])  # noqa: S108 (never written)
def test_names_outside_the_data_folder_are_refused(case: Case, server: Server, to: str) -> None:
    server.served["/x"] = b"hello\n"
    result = case.fetch(f"{server.address}/x", to=to)
    assert result.code == 1
    assert f"'{to}' is not a name below the data folder" in result.err
    assert server.requests == []


def tar(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    # The mode is a parameter of the test; typeshed wants it literal.
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload] # any mode
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../../outside"
        archive.addfile(link)
    return packed.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_members_are_unpacked_next_to_the_archive(case: Case, server: Server, mode: str) -> None:
    server.served["/x"] = tar({"in/a.en": b"a\n", "b.de": b"b\n", "c": b"c\n"}, mode)
    options: dict[str, Any] = {"to": "sub/x.tgz", "unpack": ["in/a.en", "b.de"]}
    assert case.fetch(f"{server.address}/x", **options).code == 0
    assert case.files() == {"SHA256SUMS", "sub/x.tgz", "sub/in/a.en", "sub/b.de"}
    assert (case.data / "sub/in/a.en").read_bytes() == b"a\n"
    (case.data / "sub/b.de").unlink()
    assert case.fetch(f"{server.address}/x", **options).code == 0
    assert (case.data / "sub/b.de").read_bytes() == b"b\n"
    assert server.requests == ["/x"]


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        ("none", "has no member "),
        ("../up", "'../up' is not a name below the data folder"),
        ("/abs", "'/abs' is not a name below the data folder"),
        ("folder", "its member folder is not a file"),
        ("link", "has no member "),
    ],
)
def test_members_that_cannot_be_unpacked_are_named(
    case: Case, server: Server, member: str, fact: str
) -> None:
    server.served["/x"] = tar({"a": b"a\n", "../up": b"up\n", "/abs": b"abs\n"})
    result = case.fetch(f"{server.address}/x", to="sub/x.tgz", unpack=[member])
    assert (result.code, result.out) == (1, "")
    assert fact in result.err.splitlines()[-1]
    assert result.err.splitlines()[-1].startswith("nmt: ")
    assert case.files() <= {"SHA256SUMS", "sub/x.tgz"}
    assert not (case.folder / "up").exists()


@pytest.mark.parametrize("content", [b"not an archive", b""])
def test_a_file_that_is_not_an_archive_is_named(case: Case, server: Server, content: bytes) -> None:
    server.served["/x"] = content
    result = case.fetch(f"{server.address}/x", to="x.tgz", unpack=["a"])
    assert result.code == 1
    assert f"nmt: cannot unpack {case.data / 'x.tgz'}: " in result.err


def test_a_truncated_archive_leaves_no_partial_member(case: Case, server: Server) -> None:
    whole = tar({"a": bytes(i * i % 251 for i in range(300_000))})
    server.served["/x"] = whole[: len(whole) // 2]
    result = case.fetch(f"{server.address}/x", to="x.tgz", unpack=["a"])
    assert result.code == 1
    assert "cannot unpack" in result.err
    assert "Traceback" not in result.err
    assert case.files() <= {"SHA256SUMS", "x.tgz"}


def test_a_recipe_without_downloads_names_missing_files(nmt: Run, tiny: Path) -> None:
    result = nmt("fetch", tiny)
    assert (result.code, result.out) == (0, "")
    assert "recipe tiny has no downloads" in result.err
    tiny.with_name("dev.tgt").unlink()
    result = nmt("fetch", tiny)
    assert result.code == 1
    assert "dev.tgt does not exist" in result.err
    assert "--data-dir" in result.err
