"""The rule for outputs: what a command may replace, as a file and as a folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save

from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import (
    FILE_LIST,
    check_output,
    check_output_folder,
    check_run_folder,
    output_folder,
    read_manifest,
)
from nmt.system.atomic import write_text

MODELS = {
    "train": save({}, {"format": "nmt-transformer", "recipe": ""}),
    "average": save({}, {"format": "nmt-transformer", "made_by": "average"}),
    "import": save({}, {"format": "nmt-transformer", "made_by": "import"}),
    "export": b"PK\x03\x04" + bytes(26) + b"translate-en_de-1_0/nmt-export.json{}",
}


def is_refused(path: Path, *sources: Path, command: str = "", own: Path | None = None) -> str:
    """Return the message of a refusal, one line without a traceback; "" if there is none."""
    try:
        check_output(path, sources, command=command, own=own)
    except UsageError as error:
        message = str(error)
        assert message.startswith("--output ")
        assert "\n" not in message
        return message
    return ""


def test_new_and_empty_files_devices_and_pipes_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "empty.safetensors").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("new", "no/such/folder/new", "empty.safetensors", "pipe", "dangling", "/dev/null"):
        assert is_refused(tmp_path / name) == ""
    assert {path.name for path in tmp_path.iterdir()} == {"empty.safetensors", "pipe", "dangling"}


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    assert "is a folder" in is_refused(tmp_path)
    for name in ("file/x", "file/x/y", "x" * 300, "loop", "a\0b", "/proc/x", "/proc/x/y"):
        assert "cannot be written" in is_refused(tmp_path / name)


def test_other_files_are_replaced(tmp_path: Path) -> None:
    contents = [b"notes\n", b"\0\xff" * 9, b"{}", b"\xff" * 9, b"[data]\n"]
    contents += [b"PK\x03\x04" + bytes(99), b"\xff" * 8 + b"{" * 9, b"\x09" + bytes(7) + b"{" * 9]
    for content in contents:  # none is a model
        path = tmp_path / "file"
        path.write_bytes(content)
        for command in ("", *MODELS):
            assert is_refused(path, command=command) == ""
        assert path.read_bytes() == content


@pytest.mark.parametrize("writer", MODELS)
def test_a_model_is_replaced_by_the_command_that_wrote_it(tmp_path: Path, writer: str) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(MODELS[writer])
    link.symlink_to("file")
    for command in ("average", "import", "export"):
        for output in (path, link):
            message = is_refused(output, command=command)
            if command == writer:
                assert message == ""
            else:
                assert f"is a model that `nmt {command}` did not write" in message
    assert "is a model; name another file" in is_refused(link)


def test_a_damaged_model_and_that_of_another_program_stay(tmp_path: Path) -> None:
    for number, content in enumerate((b"damaged", save({}), MODELS["average"][:20])):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        assert "is a model" in is_refused(path)
        assert "is a model" in is_refused(path, command="average")


def test_the_files_of_runs_and_exports_and_checkpoints_stay(tmp_path: Path) -> None:
    run, export = tmp_path / "run", tmp_path / "export"
    own = ["recipe.toml", "metrics.jsonl", "run.json", "tokenizer.model", "prepared/manifest.json"]
    own += ["prepared/parts/x", "checkpoints/update-00000004.state.pt", "tensorboard/events"]
    for name in (*own, "mine.toml", "out.de", "report.html", "card.json"):
        write_text(run / name, "{}\n")
    for name in own:
        assert f"belongs to the run {run}" in is_refused(run / name)
    for name in ("mine.toml", "out.de", "report.html", "card.json"):
        assert is_refused(run / name) == ""
    for name in (FILE_LIST, "model.bin", "sub/x"):
        write_text(export / name, "{}\n")
        assert f"belongs to the exported model {export}" in is_refused(export / name)
    write_text(tmp_path / "other" / "run.json", "{}\n")  # the same name elsewhere
    assert is_refused(tmp_path / "other" / "run.json") == ""
    write_text(tmp_path / "disk/update-00000004.json", "{}\n")  # behind a link of a run
    assert "is a checkpoint" in is_refused(tmp_path / "disk/update-00000004.json")


def test_a_command_may_replace_one_file_of_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_text(run / "recipe.toml", "{}\n")
    (run / "model.safetensors").write_bytes(MODELS["train"])
    own = run / "model.safetensors"
    assert is_refused(own, command="average") != ""
    assert is_refused(own, command="average", own=own) == ""
    other = tmp_path / "other.safetensors"
    shutil.copy(own, other)
    own.unlink()
    own.symlink_to(other)  # another's model
    assert is_refused(own, command="average", own=own) != ""


def test_inputs_are_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, link, hard = tmp_path / "x", tmp_path / "link", tmp_path / "hard"
    path.write_text("Satz\n")
    link.symlink_to("x")
    os.link(path, hard)
    for output in (path, link, hard):
        for source in (path, link, hard):
            assert "is an input of this command" in is_refused(output, source)
    assert is_refused(path, tmp_path / "nothing", tmp_path) == ""
    with path.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert "is an input of this command" in is_refused(link, Path("-"))


def test_the_file_of_stdout_is_written_through(tmp_path: Path) -> None:
    """Append what a shell redirects with `>> FILE`: the file keeps its content."""
    log = tmp_path / "log"
    log.write_text("old\n")
    code = (
        "from pathlib import Path; from nmt.runs.outputs import check_output;"
        " from nmt.system.atomic import write_text; p = Path('/dev/stdout');"
        " print('before'); check_output(p); write_text(p, 'new\\n')"
    )
    for mode, expected in (("a", "old\nbefore\nnew\n"), ("w", "before\nnew\n")):
        with log.open(mode) as stream:
            subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
        assert log.read_text() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


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
    for name in ("metrics.jsonl", ".lock"):
        (folder / name).touch()
        check_run_folder(folder)
        (folder / name).unlink()
    with pytest.raises(NmtError):
        check_run_folder(tmp_path / "x\0")


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
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def test_a_folder_is_replaced_by_the_command_that_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out"
    write(path, "old")
    assert refusal(path) == ""
    before = content(path)
    write(path, "new")
    assert content(path).keys() == before.keys() == {"model", "sub/file", FILE_LIST}
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
    assert set(os.listdir()) == {"model", FILE_LIST}
    assert refusal(path) == ""


@pytest.mark.parametrize("exists", [True, False])
def test_what_a_process_of_the_same_number_writes_stays(tmp_path: Path, exists: bool) -> None:
    """In a container, each process may have the same number; a failure leaves the old folder."""
    path = tmp_path / "out"
    if exists:
        write(path, "old")
    before = content(path)
    other = tmp_path / f".out.{os.getpid()}.partial"
    other.mkdir()
    (other / "model").write_text("half")

    def fail() -> None:
        with output_folder(path, "export", {}) as partial:
            (partial / "model").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(path) == before
    write(path, "new")
    assert (path / "model").read_text() == "new"
    assert (other / "model").read_text() == "half"
    assert {entry.name for entry in tmp_path.iterdir()} == {"out", other.name}


@pytest.mark.parametrize("is_moved", [True, False])
@pytest.mark.parametrize("number", [0, 2, 3, 5])
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
        assert not (path / FILE_LIST).exists() or len({*os.listdir(path)} & before_names) == 3
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


def relink(path: Path) -> None:
    (path / "model").rename(path.parent / "elsewhere")
    (path / "model").symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (lambda path: (path / "sub/file").write_text("mine"), "holds sub/file, which was changed"),
        (lambda path: (path / "notes").touch(), "holds notes, which `nmt export` did not write"),
        (lambda path: (path / "sub/link").symlink_to("/nowhere"), "holds sub/link, which `nmt"),
        (relink, "holds model, which was changed"),
        (lambda path: (path / FILE_LIST).write_text("{"), f"has a damaged {FILE_LIST}"),
        (lambda path: (path / FILE_LIST).unlink(), "holds files that `nmt export` did not write"),
    ],
)
def test_what_others_changed_stays(
    tmp_path: Path, action: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "out"
    write(path, "old")
    action(path)
    assert f"DIR {path} {reason}" in refusal(path)
    assert "name a new or an empty folder" in refusal(path)
    before = content(path)
    with pytest.raises(NmtError, match="is not replaced"):
        write(path, "new")
    assert content(path) == before
    assert {entry.name for entry in tmp_path.iterdir()} <= {"out", "elsewhere"}


def test_other_commands_and_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write(path, "old", "another")
    assert "did not write" in refusal(path)
    assert "is not a folder" in refusal(path / "model")
    assert "cannot be written" in refusal(path / "model" / "below")
    shutil.rmtree(path)
    assert refusal(path) == ""
