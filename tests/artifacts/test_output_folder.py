"""The rule for folders: a command replaces only what it wrote and nobody has changed since."""

import os
import shutil
from pathlib import Path

import pytest

from nmt.artifacts.output_folder import (
    MANIFEST,
    check_output_folder,
    output_folder,
    read_manifest,
)
from nmt.errors import NmtError, UsageError


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
