"""The one rule for outputs: a command replaces only what it wrote and nobody changed since."""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import (
    check_output,
    check_run_folder,
    output_path,
    output_paths,
    write_output,
)
from nmt.runs.recognition import generator

PAGE = f"<!doctype html>\n<html>{generator('report')}"
MODEL = (
    b'\x40\x00\x00\x00\x00\x00\x00\x00{"__metadata__":{"made_by":"average","recipe":""}}'
    + b" " * 20
)
# What shows by its content which command wrote it.
RECOGNISED = {
    "average": MODEL,
    "evaluate": b'{\n "evaluation_card": 1,',
    "report": PAGE.encode(),
    "explain": PAGE.replace("report", "explain").encode(),
    "ablate": b'{\n "ablation": 1,',
}
COMMANDS = [*RECOGNISED, "translate", "init"]


def is_refused(path: Path, command: str, *sources: Path) -> str:
    """Return the message of a refusal, one line without a traceback; "" if there is none."""
    try:
        check_output(path, command, sources)
    except UsageError as error:
        message = str(error)
        assert message.startswith("--output ")
        assert "\n" not in message
        return message
    return ""


def without_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take extended attributes away, as some file systems do."""

    def fail(*arguments: object) -> bytes:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr("os.setxattr", fail)
    monkeypatch.setattr("os.getxattr", fail)


@pytest.fixture
def marks(tmp_path: Path) -> None:
    """Skip a test where the file system has no extended attributes."""
    (tmp_path / "try").touch()
    try:
        os.setxattr(tmp_path / "try", "user.nmt.try", b"")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    (tmp_path / "try").unlink()


@pytest.mark.parametrize("command", COMMANDS)
def test_new_and_empty_files_devices_and_pipes_are_allowed(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("new", "no/such/folder/new", "empty", "pipe", "dangling", "/dev/null"):
        assert is_refused(tmp_path / name, command) == ""
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "pipe", "dangling"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    assert "is a folder" in is_refused(tmp_path, command)
    for name in ("file/x", "file/x/y", "x" * 300, "loop", "a\0b", "/proc/x", "/proc/x/y"):
        assert "cannot be written" in is_refused(tmp_path / name, command)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_files_of_others_are_refused(tmp_path: Path, command: str) -> None:
    contents = [*RECOGNISED.values(), b"notes\n", b"\0\xff" * 9, b"{}", b"\xff" * 9, b"[data]\n"]
    contents += [
        b"<!doctype html>\n<p>mine",
        b"# Evaluation of our ideas\n",
        b"# Ablation of `x`\n",
    ]
    contents += [b"\xff" * 8 + b"{" * 9, b"\x09" + bytes(7) + b"{" * 9]  # no model
    for content in contents:
        if content == RECOGNISED.get(command):
            continue
        path = tmp_path / "file"
        path.write_bytes(content)
        link = tmp_path / "link"
        link.unlink(missing_ok=True)
        link.symlink_to("file")
        for each in (path, link):
            assert f"was not written by `nmt {command}`" in is_refused(each, command)
        assert path.read_bytes() == content


@pytest.mark.parametrize("command", RECOGNISED)
def test_a_copy_is_recognised_by_its_content(tmp_path: Path, command: str) -> None:
    path = tmp_path / "copy"
    path.write_bytes(RECOGNISED[command])
    assert is_refused(path, command) == ""
    assert is_refused(path, "translate") != ""


@pytest.mark.usefixtures("marks")
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_is_replaced_until_somebody_changes_it(tmp_path: Path, command: str) -> None:
    path = tmp_path / "new" / "x"
    for text in ("first\n", "second\n"):
        assert is_refused(path, command) == ""
        write_output(path, command, text)
        assert path.read_text() == text
    other = "translate" if command == "report" else "report"
    assert f"was not written by `nmt {other}`" in is_refused(path, other)
    moved = path.rename(tmp_path / "moved")
    assert is_refused(moved, command) == ""
    with moved.open("a") as stream:
        stream.write("my note\n")
    assert f"was changed after `nmt {command}` wrote it" in is_refused(moved, command)


@pytest.mark.usefixtures("marks")
def test_an_edit_of_the_same_size_counts(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_output(path, "translate", "one\n")
    status = path.stat()
    path.write_text("two\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert "was changed" in is_refused(path, "translate")


@pytest.mark.usefixtures("marks")
def test_a_translation_that_lost_its_mark_is_kept(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("ein Satz\n")
    assert "was not written" in is_refused(tmp_path / "copy", "translate")


def test_inputs_are_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link, hard = tmp_path / "x", tmp_path / "link", tmp_path / "hard"
    write_output(path, "translate", "Satz\n")
    link.symlink_to("x")
    os.link(path, hard)
    for output in (path, link, hard):
        for source in (path, link, hard):
            assert "is an input of this command" in is_refused(output, "translate", source)
    assert is_refused(path, "translate", tmp_path / "nothing", tmp_path) == ""
    descriptor = os.dup(0)
    try:
        with path.open() as stream:
            os.dup2(stream.fileno(), 0)
        assert "is an input of this command" in is_refused(link, "translate", Path("-"))
    finally:
        os.dup2(descriptor, 0)
        os.close(descriptor)


def test_without_marks_only_plain_text_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_marks(monkeypatch)
    path = tmp_path / "out.de"
    write_output(path, "translate", "ein Satz\n")
    assert is_refused(path, "translate") == ""
    assert "is an input" in is_refused(path, "translate", path)
    assert is_refused(path, "init") != ""
    for content in (*RECOGNISED.values(), b"a\0b", b"\xff\n"):
        path.write_bytes(content)
        assert is_refused(path, "translate") != ""
    run = tmp_path / "run"
    for name in ("recipe.toml", "metrics.jsonl", "prepared/manifest.json", "run.json", "mine.toml"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("{}\n")
    for name in ("recipe.toml", "metrics.jsonl", "prepared/manifest.json", "run.json", "mine.toml"):
        assert is_refused(run / name, "translate") != ""
    (run / "out.de").write_text("ein Satz\n")
    assert is_refused(run / "out.de", "translate") == ""


def test_a_failed_output_is_not_marked(tmp_path: Path) -> None:
    def fail() -> None:
        with output_path(tmp_path / "x", "translate"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_stdout_is_written_through(tmp_path: Path) -> None:
    """Append what a shell redirects with `>> FILE`: the file keeps its content."""
    log = tmp_path / "log"
    log.write_text("old\n")
    code = (
        "from pathlib import Path; from nmt.runs.outputs import *; p = Path('/dev/stdout');"
        " print('before'); check_output(p, 'translate'); write_output(p, 'translate', 'new\\n')"
    )
    with log.open("a") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert log.read_text() == "old\nbefore\nnew\n"
    with log.open("w") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert log.read_text() == "before\nnew\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_closed_streams_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "__stdout__", None)
    monkeypatch.setattr(sys, "__stderr__", closed)
    write_output(tmp_path / "x", "report", PAGE)
    assert is_refused(tmp_path / "x", "report") == ""


def test_a_folder_with_other_files_is_no_run_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    check_run_folder(folder)
    folder.mkdir()
    check_run_folder(folder)
    (folder / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"run \(--run\) is not a run folder but holds notes\.txt"):
        check_run_folder(folder)
    (folder / "recipe.toml").touch()  # perhaps written by hand
    with pytest.raises(UsageError):
        check_run_folder(folder)
    (folder / "metrics.jsonl").touch()
    check_run_folder(folder)
    (folder / "metrics.jsonl").unlink()
    (folder / ".lock").touch()
    check_run_folder(folder)
    with pytest.raises(NmtError):
        check_run_folder(tmp_path / "x\0")


def write_while(path: Path, text: str, action: Callable[[], object]) -> None:
    """Write an output while another program acts."""
    with output_path(path, "translate") as partial:
        partial.write_text(text)
        action()


@pytest.mark.parametrize("before", [None, "", "old"])
def test_what_another_program_writes_meanwhile_is_kept(tmp_path: Path, before: str | None) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    link.symlink_to(path)
    for number, output in enumerate((path, link), start=1):
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_text(before)
        with pytest.raises(NmtError, match=r"changed by another program .* content is in .*/out"):
            write_while(output, f"new {number}", lambda: path.write_text("notes"))
        assert path.read_text() == "notes"
    assert {each.name for each in tmp_path.iterdir()} == {"out", "link", "out.new", "out.new2"}
    assert (tmp_path / "out.new").read_text() == "new 1"
    assert (tmp_path / "out.new2").read_text() == "new 2"


def write_both_while(paths: list[Path], action: Callable[[], object]) -> None:
    """Write "new" into several outputs while another program acts."""
    with output_paths(paths, "clean") as partials:
        for partial in partials:
            partial.write_text("new")
        action()


@pytest.mark.parametrize("changed", [0, 1])
def test_of_several_outputs_all_are_replaced_or_none(tmp_path: Path, changed: int) -> None:
    paths = [tmp_path / "a.en", tmp_path / "a.de"]
    write_both_while(paths, lambda: None)
    assert [path.read_text() for path in paths] == ["new", "new"]
    for path in paths:
        path.write_text("old")
    with pytest.raises(NmtError, match=rf"{paths[changed]} was changed .*a\.en\.new, .*a\.de\.new"):
        write_both_while(paths, lambda: paths[changed].write_text("notes"))
    texts = ["old", "old"]
    texts[changed] = "notes"
    assert [path.read_text() for path in paths] == texts
    assert {each.name for each in tmp_path.iterdir()} == {"a.en", "a.de", "a.en.new", "a.de.new"}
    assert (tmp_path / "a.en.new").read_text() == (tmp_path / "a.de.new").read_text() == "new"


def test_an_error_of_several_outputs_names_them_all(tmp_path: Path) -> None:
    def fill_the_disk() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(NmtError, match=r"cannot write .*a or .*b: No space left"):
        write_both_while([tmp_path / "a", tmp_path / "b"], fill_the_disk)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_removed_meanwhile_stays_removed(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)
    path.write_text("old")
    with pytest.raises(NmtError, match="changed by another program"):
        write_while(path, "new", path.unlink)
    (kept,) = tmp_path.iterdir()
    assert kept.name == "x" * 200 + ".new"
    assert kept.read_text() == "new"
