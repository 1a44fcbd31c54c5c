"""Files of `nmt translate`: inputs, outputs, the default model, and what is refused."""

import os
import time
from pathlib import Path

import pytest

from nmt.runs.model_file import read_model, save_model
from nmt.system.atomic import write_text
from tests.commands.conftest import give_stdin, leftovers, translate
from tests.conftest import Run


def test_an_input_that_is_missing_is_refused(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.src"
    result = nmt("translate", path, "--model", tiny_run)
    assert (result.code, result.out) == (1, "")
    reason = "does not exist; name another, or - for stdin"
    assert result.err.startswith(f"nmt: the text file {path} {reason}")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("via_stdin", [False, True])
def test_invalid_utf_8_is_reported_and_keeps_the_old_output(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, via_stdin: bool
) -> None:
    path, output = tmp_path / "in", tmp_path / "out"
    path.write_bytes(b"sun\nmo\xffon\n")
    write_text(output, "old\n")
    if via_stdin:
        give_stdin(monkeypatch, path)
    name = "-" if via_stdin else path
    result = nmt("translate", name, "--model", tiny_run, "--output", output)
    assert (result.code, result.out) == (1, "")
    place = "stdin" if via_stdin else str(path)
    assert f"nmt: {place}, line 2: not valid UTF-8 (byte 3 of the line)" in result.err
    assert output.read_text() == "old\n"
    assert leftovers(tmp_path) == []


def test_an_output_that_is_the_input_is_refused(
    nmt: Run, tiny_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = source.read_text()
    link = source.with_name("link")
    link.symlink_to(source)
    for output in (source, link):
        result = nmt("translate", source, "--model", tiny_run, "--output", output)
        assert result.code == 2
        assert "is an input of this command" in result.err
        give_stdin(monkeypatch, source)
        result = nmt("translate", "--model", tiny_run, "--output", output)
        assert result.code == 2
    assert source.read_text() == before
    assert link.is_symlink()


def test_an_output_that_cannot_be_written_is_named(nmt: Run, tiny_run: Path, source: Path) -> None:
    folder = source.parent
    (folder / "file").write_text("")
    for output, reason in (("file/out", "Not a directory"), (".", "is a folder")):
        result = nmt("translate", source, "--model", tiny_run, "--output", folder / output)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert result.err.startswith("nmt: --output ")
        assert f"{folder / output}" in result.err
        assert reason in result.err
    assert leftovers(folder) == []


def test_a_link_as_output_stays_a_link(nmt: Run, tiny_run: Path, source: Path) -> None:
    link, target = source.with_name("link"), source.with_name("target")
    link.symlink_to(target)
    translate(nmt, tiny_run, source, "--output", link)
    assert link.is_symlink()
    assert target.read_text().count("\n") == 3


def test_without_a_model_the_message_says_how_to_get_one(
    nmt: Run, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    result = nmt("translate", source)
    assert (result.code, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert all(fact in result.err for fact in ("nmt: ", "runs/", "`nmt train`", "--model"))


def test_the_default_is_the_newest_finished_model(
    nmt: Run, tiny_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run `a` wrote its average first but resumed later: it is used only if no run is finished."""
    monkeypatch.chdir(source.parent)
    content = read_model(tiny_run / "model.safetensors")
    for age, name, update in (
        (30, "a/model.safetensors", 4),
        (20, "b/model.safetensors", 4),
        (10, "a/best.safetensors", 5),
    ):
        path = Path("runs") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(path, content.weights, content.tokenizer, content.recipe, [update])
        os.utime(path, (time.time() - age, time.time() - age))
    (Path("runs") / "c-empty").mkdir()
    assert "model: runs/b/model.safetensors" in nmt("translate", source).err
    Path("runs/b/model.safetensors").unlink()
    assert "model: runs/a/best.safetensors" in nmt("translate", source).err
