"""`nmt report`, and the report that `nmt train` writes when it ends."""

import os
import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import Run


def test_train_writes_a_report(nmt: Run, tiny: Path) -> None:
    result = nmt("train", tiny)
    assert result.code == 0
    assert result.err.splitlines()[-1] == "report: runs/tiny/report.html"
    page = Path("runs/tiny/report.html").read_text(encoding="utf-8")
    assert "<title>Report of tiny</title>" in page
    assert leftovers(Path()) == []


def test_training_succeeds_if_the_report_cannot_be_written(nmt: Run, tiny: Path) -> None:
    Path("runs/tiny/report.html").mkdir(parents=True)
    Path("runs/tiny/.lock").touch()  # a run folder
    result = nmt("train", tiny)
    assert result.code == 0
    assert "no report was written" in result.err
    assert "runs/tiny/report.html" in result.err
    assert Path("runs/tiny/model.safetensors").is_file()


def test_an_unfinished_run_has_a_report_too(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 4, "--set", "train.validate_updates=100")
    Path("runs/tiny/report.html").unlink()
    result = nmt("report")
    assert (result.code, result.out, result.err) == (0, "runs/tiny/report.html\n", "")


def test_the_report_of_several_runs_is_in_the_current_folder(
    nmt: Run, tiny_run: Path, skilled_run: Path
) -> None:
    os.symlink(tiny_run, "one")
    result = nmt("report", "one", "--output", "new/page.html")
    assert (result.code, result.out) == (0, "new/page.html\n")
    result = nmt("report", "one", skilled_run)
    assert (result.code, result.out) == (0, "report.html\n")
    assert "Report of tiny and skilled" in Path("report.html").read_text(encoding="utf-8")


def test_a_run_named_twice_is_refused(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    os.symlink(tiny_run, tmp_path / "again")
    page = tmp_path / "page.html"
    result = nmt("report", tiny_run, tmp_path / "again", "--output", page)
    assert result.code == 2
    assert "name each run once" in result.err
    assert not page.exists()


def test_a_circle_of_links_is_not_a_run(nmt: Run, tiny_run: Path) -> None:
    Path("loop").symlink_to("loop")
    result = nmt("report", tiny_run, "loop")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "loop" in result.err


def test_runs_with_the_same_name_have_their_folders_in_the_title(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "tiny"
    shutil.copytree(tiny_run, other, ignore=shutil.ignore_patterns("checkpoints"))
    page = tmp_path / "page.html"
    assert nmt("report", tiny_run, other, "--output", page).code == 0
    assert "Report of runs/tiny and other/tiny" in page.read_text(encoding="utf-8")


def test_damaged_lines_are_counted_on_stderr(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "tiny"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("checkpoints"))
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"kind": "tra')
    result = nmt("report", run)
    assert result.code == 0
    assert str(run / "metrics.jsonl") in result.err
    assert "damaged lines left out: 1" in result.err


def test_a_missing_shard_is_named_on_stderr(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "tiny"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("checkpoints"))
    (run / "prepared" / "train-0.ids").unlink()
    result = nmt("report", run)
    assert result.code == 0
    assert str(run / "prepared" / "train-0") in result.err
    assert result.err.count("\n") == 1


def test_a_model_is_not_overwritten(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes((tiny_run / "model.safetensors").read_bytes())
    for command in (["report", tiny_run], ["explain", "sun", "--model", tiny_run]):
        result = nmt(*command, "--output", model)
        assert result.code == 2
        assert f"--output {model} is a model; name another file" in result.err
    assert model.read_bytes() == (tiny_run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("opened", [True, False])
def test_open_shows_it_in_the_browser(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: opened)
    result = nmt("report", tiny_run, "--output", tmp_path / "page.html", "--open")
    assert result.code == 0
    assert ("no browser was found" in result.err) == (not opened)


def test_a_folder_that_is_not_a_run_is_refused(nmt: Run, tmp_path: Path) -> None:
    result = nmt("report")
    assert (result.code, result.out) == (1, "")
    assert "runs/" in result.err
    assert "nmt train" in result.err
    result = nmt("report", "nowhere")
    assert result.code == 1
    assert "there is no run folder nowhere" in result.err
    Path("file").touch()
    assert "file is a file, not a run folder" in nmt("report", "file").err
    Path("file").unlink()
    assert list(tmp_path.iterdir()) == []
