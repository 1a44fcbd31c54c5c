"""`nmt fetch`: members of archives are unpacked, and damaged archives are named."""

import io
import tarfile
from typing import Any

import pytest

from tests.commands.downloads import Case, Server

LINKS = (
    ("outside", tarfile.SYMTYPE, "../../outside"),
    ("itself", tarfile.SYMTYPE, "itself"),
    ("lost", tarfile.SYMTYPE, "none"),
    ("second", tarfile.LNKTYPE, "a"),
)


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
        for name, kind, target in LINKS:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
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


def test_a_member_that_is_there_is_never_replaced(case: Case, server: Server) -> None:
    server.served["/x"] = tar({"a": b"a\n", "b": b"b\n"})
    mine, same = case.data / "sub/b", case.data / "sub/a"
    mine.parent.mkdir(parents=True)
    for content in (b"mine\n", b"b", b"b\nc"):
        mine.write_bytes(content)
        same.write_bytes(b"a\n")
        result = case.fetch(f"{server.address}/x", to="sub/x.tgz", unpack=["a", "b"])
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert f"{mine} differs from the file in {case.data / 'sub/x.tgz'}; move it" in result.err
        assert mine.read_bytes() == content
        again = case.fetch(f"{server.address}/x", to="sub/x.tgz", unpack=["a", "b"])
        assert (again.code, again.err) == (1, result.err)
        (case.data / "sub/x.tgz").unlink()
    mine.unlink()
    assert case.fetch(f"{server.address}/x", to="sub/x.tgz", unpack=["a", "b"]).code == 0
    assert mine.read_bytes() == b"b\n"


@pytest.mark.parametrize(
    ("member", "fact"),
    [
        ("none", "has no member "),
        ("../up", "'../up' is not a name below the data folder"),
        ("/abs", "'/abs' is not a name below the data folder"),
        ("folder", "its member folder is not a file"),
        *((name, f"{name} is a link to {target!r}; name a file") for name, _, target in LINKS),
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
