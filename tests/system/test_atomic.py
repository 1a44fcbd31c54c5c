"""Atomic files: a file is written whole or not at all."""

import errno
import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.system.atomic import atomic_folder, atomic_path, atomic_paths, write_bytes, write_text


@pytest.mark.parametrize("failure", [ValueError(), KeyboardInterrupt(), SystemExit(143)])
def test_the_old_content_stays_until_the_block_ends(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "x"
    write_bytes(path, b"old")

    def fail() -> None:
        with atomic_path(path) as partial:
            partial.write_bytes(b"half")
            assert path.read_bytes() == b"old"
            raise failure

    with pytest.raises(type(failure)):
        fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    write_bytes(link, b"x")
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The path of a folder, and a path below a file."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "x"):
        with pytest.raises(NmtError, match=f"cannot write {path}: ") as refused:
            write_text(path, "")
    assert str(refused.value).endswith(f"{tmp_path / 'file'} is not a folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    if Path("/dev/full").exists():
        with pytest.raises(NmtError, match="cannot write /dev/full: No space left on device"):
            write_text(Path("/dev/full"), "text")


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    """Devices such as /dev/null are written to in place, too."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes(pipe, b"x")
        assert os.read(reader, 9) == b"x"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    """In a new folder, as UTF-8 with line feeds."""
    path = tmp_path / "new" / ("ä" * 127)
    write_text(path, "ü\n")
    assert path.read_bytes() == b"\xc3\xbc\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_no_longer_empty_stays(tmp_path: Path) -> None:
    """Another program writes into it meanwhile."""
    path = tmp_path / "sets"
    path.mkdir()

    def write_both() -> None:
        with atomic_folder(path) as partial:
            (partial / "train.en").write_text("new")
            (path / "notes").write_text("mine")

    with pytest.raises(NmtError, match=f"cannot write {path}: Directory not empty"):
        write_both()
    assert os.listdir(path) == ["notes"]


def test_a_folder_that_cannot_be_written_leaves_no_folder(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "new" / "sets") as partial:
            (partial / "train.en").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_leaves_no_partial_file(tmp_path: Path, number: signal.Signals) -> None:
    """`nmt fetch` waits for a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        recipe = tmp_path / "far.toml"
        recipe.write_text(f'[[data.downloads]]\nurl = "{address}"\nto = "x"\n')
        data = tmp_path / "data"
        command = [sys.executable, "-m", "nmt", "fetch", str(recipe), "--data-dir", str(data)]
        environment = {**os.environ, "no_proxy": "*"}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        connection, _ = server.accept()
        with connection:
            assert [path.suffix for path in data.iterdir()] == [".partial"]
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"Traceback" not in errors
    assert not data.exists()


@pytest.mark.parametrize(("mode", "kept"), [(0o600, 0o600), (0o440, 0o440), (0o4777, 0o644)])
def test_a_new_file_has_no_more_permissions_than_the_old_one(
    tmp_path: Path, mode: int, kept: int
) -> None:
    path = tmp_path / "x"
    write_text(path, "old")
    path.chmod(mode)
    before = os.umask(0o022)
    try:
        write_text(path, "new")
    finally:
        os.umask(before)
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("new", kept)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user, as root can")
def test_the_permissions_for_another_owner_are_not_taken_over(tmp_path: Path) -> None:
    """The owner of the old file can read the new one, which is root's."""
    path = tmp_path / "x"
    write_text(path, "old")
    path.chmod(0o600)
    os.chown(path, 65534, 65534)
    write_text(path, "new")
    assert path.stat().st_mode & 0o044


def test_a_file_system_without_permissions_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    path = tmp_path / "x"
    write_text(path, "old")
    monkeypatch.setattr(os, "chmod", refuse)
    write_text(path, "new")
    assert path.read_text() == "new"


def write_both_while(paths: list[Path], action: Callable[[], object]) -> None:
    """Write "new" into several files and act before they appear."""
    with atomic_paths(paths) as partials:
        for partial in partials:
            partial.write_text("new")
        action()


def test_of_several_files_all_are_replaced_or_none(tmp_path: Path) -> None:
    paths = [tmp_path / "a.en", tmp_path / "a.de"]
    for path in paths:
        path.write_text("old")

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(partial: Path) -> None:
        if partial.name.startswith(".a.de"):  # of the second file
            full()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmt.system.atomic.sync_file", sync)
        with pytest.raises(NmtError, match=r"cannot write .*/a\.de: No space left"):
            write_both_while(paths, lambda: None)
    assert [path.read_text() for path in paths] == ["old", "old"]
    with pytest.raises(NmtError, match=r"cannot write .*a\.en or .*a\.de: No space left"):
        write_both_while(paths, full)
    assert [path.read_text() for path in paths] == ["old", "old"]
    write_both_while(paths, lambda: None)
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert {path.name for path in tmp_path.iterdir()} == {"a.en", "a.de"}


def test_closed_streams_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "__stdout__", None)
    monkeypatch.setattr(sys, "__stderr__", closed)
    write_text(tmp_path / "x", "new")
    write_text(tmp_path / "x", "newer")
    assert (tmp_path / "x").read_text() == "newer"
