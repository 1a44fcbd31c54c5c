"""The rule for folders: a command replaces only what it wrote and nobody has changed since."""

import os
import shutil
from pathlib import Path

import pytest

from nmt.errors import NmtError, UsageError
from nmt.runs.output_folder import (
    MANIFEST,
    check_output_folder,
    output_folder,
    read_manifest,
)


def write(path: Path, content: str, command: str = "export") -> None:
    """Write a folder with two files, one of them in a folder of its own."""
    with output_folder(path, command, {"format": "x"}) as partial:
        (partial / "model").write_text(content)
        (partial / "sub").mkdir()
        (partial / "sub" / "file").write_text("same")


def refusal(path: Path, command: str = "export") -> str:
    """Return the message of a refusal, one line; "" if there is none."""
    try:
        check_output_folder(path, command)
    except UsageError as error:
        message = str(error)
        assert "\n" not in message
        return message
    return ""


def content(path: Path) -> dict[str, bytes]:
    return {
        str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()
    }


def test_a_folder_is_replaced_by_the_command_that_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out"
    write(path, "old")
    assert refusal(path) == ""
    before = content(path)
    write(path, "new")
    assert content(path).keys() == before.keys() == {"model", "sub/file", MANIFEST}
    assert (path / "model").read_text() == "new"
    write(path, "old")
    assert content(path) == before  # equal files, equal bytes
    manifest = read_manifest(path)
    assert manifest is not None
    assert manifest.details == {"format": "x"}
    assert os.listdir(path.parent) == ["out"]


def test_an_empty_folder_and_a_link_are_written(tmp_path: Path) -> None:
    empty, link = tmp_path / "empty", tmp_path / "link"
    empty.mkdir()
    link.symlink_to(empty)
    write(link, "new")
    assert link.is_symlink()
    assert (empty / "model").read_text() == "new"


@pytest.mark.parametrize("old", ["", "old"])
def test_an_existing_folder_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    """It may be a mount point, or the current folder of a shell; nothing is written beside it."""
    path = tmp_path / "out"
    path.mkdir()
    monkeypatch.chdir(path)
    if old:
        write(path, old)
    before = path.stat().st_ino
    with output_folder(Path(), "export", {}) as partial:
        (partial / "model").write_text("new")
        assert os.listdir(tmp_path) == ["out"]
    assert path.stat().st_ino == before
    assert set(os.listdir()) == {"model", MANIFEST}
    assert refusal(path) == ""


@pytest.mark.parametrize("exists", [True, False])
def test_what_a_process_of_the_same_number_writes_stays(tmp_path: Path, exists: bool) -> None:
    """In a container, each process may have the same number."""
    path = tmp_path / "out"
    if exists:
        path.mkdir()
    other = tmp_path / f".out.{os.getpid()}.partial"
    other.mkdir()
    (other / "model").write_text("half")
    write(path, "new")
    assert (path / "model").read_text() == "new"
    assert (other / "model").read_text() == "half"


@pytest.mark.parametrize("is_moved", [True, False])
@pytest.mark.parametrize("number", range(6))
def test_an_interrupted_replacement_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_moved: bool
) -> None:
    """There are three moves out of the folder and three into it."""
    path = tmp_path / "out"
    write(path, "old")
    before = content(path)
    rename = Path.rename
    targets: list[Path] = []

    def interrupted(source: Path, target: Path) -> Path:
        assert not (path / MANIFEST).exists() or len({*os.listdir(path)} & before_names) == 3
        targets.append(target)
        if len(targets) != number + 1 or is_moved:
            rename(source, target)
        if len(targets) == number + 1:
            raise KeyboardInterrupt
        return target

    before_names = {*os.listdir(path)}
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, "new")
    monkeypatch.undo()
    assert content(path) == before
    assert {*os.listdir(path)} == before_names
    assert refusal(path) == ""


def change(path: Path) -> None:
    (path / "sub" / "file").write_text("mine")


def add(path: Path) -> None:
    (path / "notes").write_text("mine")


def add_link(path: Path) -> None:
    (path / "sub" / "link").symlink_to("/nowhere")


def relink(path: Path) -> None:
    (path / "model").rename(path.parent / "elsewhere")
    (path / "model").symlink_to(path.parent / "elsewhere")


def damage(path: Path) -> None:
    (path / MANIFEST).write_text("{")


def remove_list(path: Path) -> None:
    (path / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (change, "holds sub/file, which was changed after `nmt export` wrote it"),
        (add, "holds notes, which `nmt export` did not write"),
        (add_link, "holds sub/link, which `nmt export` did not write"),
        (relink, "holds model, which was changed"),
        (damage, f"has a damaged {MANIFEST}"),
        (remove_list, "holds files that `nmt export` did not write"),
    ],
    ids=["change", "add", "add_link", "relink", "damage", "remove_list"],
)
def test_what_others_changed_stays(tmp_path: Path, action: object, reason: str) -> None:
    path = tmp_path / "out"
    write(path, "old")
    assert callable(action)
    action(path)
    assert f"DIR {path} {reason}" in refusal(path)
    assert "name a new or an empty folder" in refusal(path)
    before = content(path)
    with pytest.raises(NmtError, match="is not replaced"):
        write(path, "new")
    assert content(path) == before
    assert {each.name for each in tmp_path.iterdir()} <= {"out", "elsewhere"}


def test_other_commands_and_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write(path, "old", "another")
    assert "did not write" in refusal(path)
    assert "is not a folder" in refusal(path / "model")
    assert "cannot be written" in refusal(path / "model" / "below")
    shutil.rmtree(path)
    assert refusal(path) == ""


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write(path, "old")
    before = content(path)

    def fail() -> None:
        with output_folder(path, "export", {}) as partial:
            (partial / "model").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(path) == before
    assert os.listdir(tmp_path) == ["out"]
