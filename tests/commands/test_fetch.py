"""`nmt fetch` from a local server: SHA-256, files that are in the way, and errors."""

import fcntl
import gzip
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.text.download import add_hash, read_hashes
from tests.commands.downloads import Case, Server, sha256
from tests.conftest import Run


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


def test_a_packed_file_stays_packed(case: Case, server: Server) -> None:
    """Some servers state the packing of a file as if it were that of the connection."""
    content = gzip.compress(b"hello\n")
    server.served["/x"], server.encoding = content, "gzip"
    result = case.fetch(f"{server.address}/x", to="x.gz", sha256=sha256(content))
    assert result.code == 0, result.err
    assert (case.data / "x.gz").read_bytes() == content
    result = case.fetch(f"{server.address}/x", to="train.en", sha256=sha256(b"hello\n"))
    assert result.code == 0, result.err
    assert (case.data / "train.en").read_bytes() == b"hello\n"


def test_a_file_with_a_wrong_hash_is_refused_and_removed(case: Case, server: Server) -> None:
    server.served["/x"] = b"forged\n"
    result = case.fetch(f"{server.address}/x", sha256=sha256(b"hello\n"))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"nmt: {server.address}/x ")
    assert sha256(b"hello\n") in result.err
    assert case.files() == set()


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_local_file_with_another_hash_is_kept_and_reported(
    case: Case, server: Server, is_pinned: bool
) -> None:
    path = case.data / "sub/x.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine\n")
    server.served["/x"] = b"hello\n"
    expected = {} if is_pinned else {"sha256": sha256(b"hello\n")}
    if is_pinned:
        (case.data / "SHA256SUMS").write_text(f"{sha256(b'hello' + bytes([10]))}  sub/x.txt\n")
    result = case.fetch(f"{server.address}/x", **expected)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"{path} exists, but its SHA-256 is {sha256(b'mine' + bytes([10]))}, not" in result.err
    assert "move it away to download it again" in result.err
    assert ("remove the line of sub/x.txt from" in result.err) == is_pinned
    assert ("correct sha256 in the recipe" in result.err) != is_pinned
    assert path.read_bytes() == b"mine\n"
    path.rename(path.with_name("mine"))
    assert case.fetch(f"{server.address}/x", **expected).code == 0
    assert path.read_bytes() == b"hello\n"


def test_a_folder_in_the_way_is_reported(case: Case, server: Server) -> None:
    (case.data / "sub/x.txt").mkdir(parents=True)
    (case.data / "file").touch()
    result = case.fetch(f"{server.address}/x")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"{case.data / 'sub/x.txt'} is a folder, not a file" in result.err
    result = case.fetch(f"{server.address}/x", to="file/x.txt")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"cannot write {case.data / 'file/x.txt'}: {case.data / 'file'} is not" in result.err
    assert server.requests == []


def test_a_web_page_instead_of_a_file_is_refused(case: Case, server: Server) -> None:
    server.served["/error"] = b"\n<!DOCTYPE html>\n<p>Sign in, please."
    server.redirects["/x"] = "/error"
    result = case.fetch(f"{server.address}/x")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"{server.address}/x gives a web page instead of a file" in result.err
    assert str(case.data / "sub/x.txt") in result.err
    assert server.requests == ["/x", "/error"]
    assert case.files() == set()
    assert case.fetch(f"{server.address}/x", to="page.html").code == 0


def test_endless_redirects_and_bad_addresses_are_one_sentence(case: Case, server: Server) -> None:
    server.redirects["/x"] = "/x"
    for url in (f"{server.address}/x", "http://", "http://[", "http://a..b/", "http://x:y/"):
        result = case.fetch(url)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert result.err.startswith(f"nmt: cannot download {url}: ")
        assert len(result.err) < 400
    assert case.files() == set()


def test_a_full_disk_is_one_sentence(case: Case, server: Server) -> None:
    """A limit on the size of files stands in for the disk."""
    server.served["/x"] = bytes(3_000_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        result = case.fetch(f"{server.address}/x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert result.code == 1
    assert result.err == f"nmt: cannot write {case.data / 'sub/x.txt'}: File too large\n"
    assert case.files() == set()


def test_other_lines_of_the_recorded_hashes_are_kept(case: Case, server: Server) -> None:
    case.data.mkdir()
    (case.data / "SHA256SUMS").write_text(f"# mine\n{sha256(b'a')} *a")
    server.served["/x"] = b"x\n"
    assert case.fetch(f"{server.address}/x").code == 0
    kept = f"# mine\n{sha256(b'a')} *a\n{sha256(b'x' + bytes([10]))}  sub/x.txt\n"
    assert (case.data / "SHA256SUMS").read_text() == kept
    server.served["/a"] = b"b"
    assert "not the file that was expected" in case.fetch(f"{server.address}/a", to="a").err


def test_hashes_recorded_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """A lock of one thread keeps out the others as it does other processes."""
    hashes = {f"file {number}": sha256(bytes([number])) for number in range(100)}
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):  # the second time, all are there
            list(pool.map(add_hash, [tmp_path] * len(hashes), hashes, hashes.values()))
    assert read_hashes(tmp_path) == hashes
    assert (tmp_path / "SHA256SUMS").read_text().count("\n") == len(hashes)


def test_no_recorded_hash_is_replaced_or_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_hash(tmp_path, "x", "a" * 64)
    with pytest.raises(NmtError, match="another SHA-256 of x"):
        add_hash(tmp_path, "x", "b" * 64)
    monkeypatch.setattr("nmt.text.download.LOCK_PAUSE", 0)
    with (tmp_path / "SHA256SUMS").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(NmtError, match="another process holds the lock"):
            add_hash(tmp_path, "y", "c" * 64)
    assert read_hashes(tmp_path) == {"x": "a" * 64}


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
    assert not case.data.exists()  # nor are the folders left that were made for it
    case.data.mkdir()
    assert case.fetch(f"{server.address}/none").code == 1
    assert list(case.data.iterdir()) == []


@pytest.mark.parametrize("digest", ["D79C", "g" * 64, "a" * 65, f" {'a' * 64}"])
def test_a_hash_that_no_file_has_is_refused_before_the_download(
    case: Case, server: Server, digest: str
) -> None:
    server.served["/x"] = b"hello\n"
    result = case.fetch(f"{server.address}/x", sha256=digest)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert f"data.downloads.sha256 of 'sub/x.txt' is {digest[:20]!r}"[:-1] in result.err
    assert "must have 64 hexadecimal digits; correct it" in result.err
    assert server.requests == []


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
@pytest.mark.parametrize("to", ["", ".", "../x", "a/../../x", "/tmp/x"])  # noqa: S108 (never written)
def test_names_outside_the_data_folder_are_refused(case: Case, server: Server, to: str) -> None:
    server.served["/x"] = b"hello\n"
    result = case.fetch(f"{server.address}/x", to=to)
    assert result.code == 1
    assert f"'{to}' is not a name below the data folder" in result.err
    assert server.requests == []


@pytest.mark.parametrize(
    "name", ["SHA256SUMS", "./SHA256SUMS", "sha256sums", "SHA256SUMS/x", ".//SHA256sums/."]
)
def test_a_recipe_cannot_bring_the_recorded_hashes(case: Case, server: Server, name: str) -> None:
    server.served["/x"] = f"{sha256(b'x')}  a.txt\n".encode()
    for options in ({"to": name}, {"to": "x.tar", "unpack": ["a", name]}):
        result = case.fetch(f"{server.address}/x", **options)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert f"'{name}' is the file of recorded SHA-256 values; choose another" in result.err
    assert server.requests == []
    assert case.files() == set()


def test_a_recipe_without_downloads_names_missing_files(nmt: Run, tiny: Path) -> None:
    result = nmt("fetch", tiny)
    assert (result.code, result.out) == (0, "")
    assert "recipe tiny has no downloads" in result.err
    tiny.with_name("dev.tgt").unlink()
    result = nmt("fetch", tiny)
    assert result.code == 1
    assert "dev.tgt does not exist" in result.err
    assert "--data-dir" in result.err
