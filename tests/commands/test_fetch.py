"""`nmt fetch` from a local server: SHA-256, archives, files that are in the way, and errors."""

import fcntl
import gzip
import io
import resource
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import NmtError
from nmt.text.reading.download import add_hash, read_hashes
from tests.commands.downloads import Case, Server, refused, sha256
from tests.conftest import Run

HELLO = b"hello\n"


def test_a_known_hash_is_checked_and_the_file_is_downloaded_once(
    case: Case, server: Server
) -> None:
    server.served["/x"] = HELLO
    result = case.fetch(f"{server.address}/x", sha256=sha256(HELLO))
    assert (result.code, result.out) == (0, "")
    assert f"{case.data / 'sub/x.txt'}: downloaded" in result.err
    assert (case.data / "sub/x.txt").read_bytes() == HELLO
    again = case.fetch(f"{server.address}/x", sha256=sha256(HELLO).upper())
    assert f"{case.data / 'sub/x.txt'}: already downloaded" in again.err
    assert server.requests == ["/x"]
    assert case.files() == {"sub/x.txt"}


def test_a_packed_file_stays_packed(case: Case, server: Server) -> None:
    """Some servers state the packing of a file as if it were that of the connection."""
    content = gzip.compress(HELLO)
    server.served["/x"], server.encoding = content, "gzip"
    for name, expected in (("x.gz", content), ("train.en", HELLO)):
        result = case.fetch(f"{server.address}/x", to=name, sha256=sha256(expected))
        assert result.code == 0, result.err
        assert (case.data / name).read_bytes() == expected


def test_what_is_wrong_incomplete_or_missing_is_not_kept(case: Case, server: Server) -> None:
    url = f"{server.address}/x"
    refused(case.fetch(url), f"cannot download {url}: 404 ")
    assert not case.data.exists()  # nor are the folders left that were made for it
    server.served["/x"] = b"forged\n"
    refused(case.fetch(url, sha256=sha256(HELLO)), url, sha256(HELLO))
    assert case.files() == set()
    server.served["/x"], server.cut_short = b"word " * 100_000, True
    refused(case.fetch(url), "cannot ")
    assert case.files() == set()


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_local_file_with_another_hash_is_kept_and_reported(
    case: Case, server: Server, is_pinned: bool
) -> None:
    path = case.data / "sub/x.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine\n")
    server.served["/x"] = HELLO
    expected = {} if is_pinned else {"sha256": sha256(HELLO)}
    if is_pinned:
        (case.data / "SHA256SUMS").write_text(f"{sha256(HELLO)}  sub/x.txt\n")
    result = case.fetch(f"{server.address}/x", **expected)
    found = sha256(b"mine\n")
    refused(result, f"{path} exists, but its SHA-256 is {found}, not", "move it away to download")
    assert ("remove the line of sub/x.txt from" in result.err) == is_pinned
    assert ("correct sha256 in the recipe" in result.err) != is_pinned
    assert path.read_bytes() == b"mine\n"
    path.unlink()
    assert case.fetch(f"{server.address}/x", **expected).code == 0
    assert path.read_bytes() == HELLO


def test_a_folder_in_the_way_is_reported(case: Case, server: Server) -> None:
    (case.data / "sub/x.txt").mkdir(parents=True)
    (case.data / "file").touch()
    url, folder = f"{server.address}/x", case.data / "sub/x.txt"
    refused(case.fetch(url), f"{folder} is a folder, not a file")
    reason = f"cannot write {case.data / 'file/x.txt'}: {case.data / 'file'} is not"
    refused(case.fetch(url, to="file/x.txt"), reason)
    assert server.requests == []


def test_a_web_page_instead_of_a_file_is_refused(case: Case, server: Server) -> None:
    server.served["/error"] = b"\n<!DOCTYPE html>\n<p>Sign in, please."
    server.redirects["/x"] = "/error"
    url = f"{server.address}/x"
    refused(case.fetch(url), f"{url} gives a web page instead of", str(case.data / "sub/x.txt"))
    assert server.requests == ["/x", "/error"]
    assert case.files() == set()
    assert case.fetch(url, to="page.html").code == 0


@pytest.mark.parametrize(
    ("download", "fact"),
    [
        *(({"url": url}, f"cannot download {url}: ") for url in ("http://", "http://[")),
        *(({"url": url}, f"cannot download {url}: ") for url in ("http://a..b/", "http://x:y/")),
        ({"url": "http://127.0.0.1:1/x"}, "cannot reach http://127.0.0.1:1/x"),  # no connection
        *(({"url": url}, "is not an http(s) address") for url in ("", "x.txt", "ftp://x/y")),
        ({"url": "file:///etc/hostname"}, "data.downloads: file:///etc/hostname is not an http(s)"),
        # The absolute name is never created.
        *(({"to": name}, f"'{name}' is not a name below") for name in ("", ".", "../x", "/no/x")),
        ({"to": "a/../../x"}, "'a/../../x' is not a name below the data folder"),
        *(
            (option, "is the file of recorded SHA-256 values; choose another")
            for name in ("SHA256SUMS", "./SHA256SUMS", "sha256sums", "SHA256SUMS/x")
            for option in ({"to": name}, {"to": "x.tar", "unpack": ["a", name]})
        ),
        *(
            ({"sha256": digest}, "must have 64 hexadecimal digits; correct it")
            for digest in ("D79C", "g" * 64, "a" * 65, f" {'a' * 64}")
        ),
    ],
    ids=str,
)
def test_what_cannot_be_downloaded_is_refused(
    case: Case, server: Server, download: dict[str, Any], fact: str
) -> None:
    server.served["/x"] = HELLO
    refused(case.fetch(**{"url": f"{server.address}/x", **download}), fact)
    assert server.requests == []
    assert case.files() == set()


def test_endless_redirects_and_a_full_disk_are_one_sentence(case: Case, server: Server) -> None:
    """A limit on the size of files stands in for the disk."""
    server.redirects["/x"] = "/x"
    refused(case.fetch(f"{server.address}/x"), f"cannot download {server.address}/x: ")
    server.served["/y"] = bytes(3_000_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        result = case.fetch(f"{server.address}/y")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(result, f"cannot write {case.data / 'sub/x.txt'}: File too large")
    assert case.files() == set()


def test_an_unknown_hash_is_recorded_and_checked_the_next_time(case: Case, server: Server) -> None:
    """Other lines of the file stay."""
    server.served["/x"] = b"first\n"
    case.data.mkdir()
    other = f"# mine\n{sha256(b'a')} *a"
    (case.data / "SHA256SUMS").write_text(other)
    pin = sha256(b"first\n")
    result = case.fetch(f"{server.address}/x")
    assert (result.code, pin in result.err, "SHA256SUMS" in result.err) == (0, True, True)
    assert (case.data / "SHA256SUMS").read_text() == f"{other}\n{pin}  sub/x.txt\n"
    assert "already downloaded" in case.fetch(f"{server.address}/x").err
    (case.data / "sub/x.txt").unlink()
    server.served["/x"] = b"second\n"
    refused(case.fetch(f"{server.address}/x"), pin)
    refused(case.fetch(f"{server.address}/x", to="a"), "not the file that was expected")
    assert case.files() == {"SHA256SUMS"}


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
    monkeypatch.setattr("nmt.text.reading.download.LOCK_PAUSE", 0)
    with (tmp_path / "SHA256SUMS").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(NmtError, match="another process holds the lock"):
            add_hash(tmp_path, "y", "c" * 64)
    assert read_hashes(tmp_path) == {"x": "a" * 64}


def test_a_file_of_the_user_is_kept_and_its_hash_is_recorded(case: Case, server: Server) -> None:
    path = case.data / "sub/x.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine\n")
    result = case.fetch(f"{server.address}/x")
    assert (result.code, sha256(b"mine\n") in result.err) == (0, True)
    assert case.files() == {"sub/x.txt", "SHA256SUMS"}
    assert path.read_bytes() == b"mine\n"
    assert server.requests == []


def test_a_recipe_without_downloads_names_missing_files(nmt: Run, tiny: Path) -> None:
    result = nmt("fetch", tiny)
    assert (result.code, result.out) == (0, "")
    assert "recipe tiny has no downloads" in result.err
    tiny.with_name("dev.tgt").unlink()
    refused(nmt("fetch", tiny), "dev.tgt does not exist", "--data-dir")


LINKS = (
    ("outside", tarfile.SYMTYPE, "../../outside"),
    ("itself", tarfile.SYMTYPE, "itself"),
    ("lost", tarfile.SYMTYPE, "none"),
    ("second", tarfile.LNKTYPE, "a"),
)


def tar(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, kind, target in (("folder", tarfile.DIRTYPE, ""), *LINKS):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    return packed.getvalue()


def test_members_are_unpacked_next_to_the_archive(case: Case, server: Server) -> None:
    server.served["/x"] = tar({"in/a.en": b"a\n", "b.de": b"b\n", "c": b"c\n"})
    options: dict[str, Any] = {"to": "sub/x.tgz", "unpack": ["in/a.en", "b.de"]}
    for _ in range(2):
        assert case.fetch(f"{server.address}/x", **options).code == 0
        assert case.files() == {"SHA256SUMS", "sub/x.tgz", "sub/in/a.en", "sub/b.de"}
        assert (case.data / "sub/in/a.en").read_bytes() == b"a\n"
        (case.data / "sub/b.de").unlink()
    assert server.requests == ["/x"]


def test_a_member_that_is_there_is_never_replaced(case: Case, server: Server) -> None:
    server.served["/x"] = tar({"a": b"a\n", "b": b"b\n"})
    mine, same = case.data / "sub/b", case.data / "sub/a"
    mine.parent.mkdir(parents=True)
    same.write_bytes(b"a\n")
    given: dict[str, Any] = {"url": f"{server.address}/x", "to": "sub/x.tgz", "unpack": ["a", "b"]}
    for content in (b"mine\n", b"b", b"b\nc"):
        mine.write_bytes(content)
        for _ in range(2):
            result = case.fetch(**given)
            refused(result, f"{mine} differs from the file in {case.data / 'sub/x.tgz'}; move it")
            assert mine.read_bytes() == content
        (case.data / "sub/x.tgz").unlink()
    mine.unlink()
    assert case.fetch(**given).code == 0
    assert mine.read_bytes() == b"b\n"


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        ("none", "has no member "),
        ("../up", "'../up' is not a name below the data folder"),
        ("/abs", "'/abs' is not a name below the data folder"),
        ("folder", "its member folder is a link or no file"),
        *((name, f"{name} is a link or no file; name a file") for name, _, _ in LINKS),
    ],
)
def test_members_that_cannot_be_unpacked_are_named(
    case: Case, server: Server, member: str, fact: str
) -> None:
    server.served["/x"] = tar({"a": b"a\n", "../up": b"up\n", "/abs": b"abs\n"})
    result = case.fetch(f"{server.address}/x", to="sub/x.tgz", unpack=[member])
    refused(result, fact)
    assert case.files() <= {"SHA256SUMS", "sub/x.tgz"}
    assert not (case.folder / "up").exists()


WHOLE = tar({"a": bytes(index * index % 251 for index in range(300_000))})


@pytest.mark.parametrize(
    "content", [b"not an archive", b"", WHOLE[: len(WHOLE) // 2]], ids=["text", "empty", "half"]
)
def test_a_file_that_is_no_whole_archive_is_named(
    case: Case, server: Server, content: bytes
) -> None:
    server.served["/x"] = content
    result = case.fetch(f"{server.address}/x", to="x.tgz", unpack=["a"])
    refused(result, f"cannot unpack {case.data / 'x.tgz'}: ")
    assert case.files() <= {"SHA256SUMS", "x.tgz"}
