"""`nmt report`, and the page that `nmt train` leaves."""

import os
import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import Run


def test_train_leaves_a_report(nmt: Run, tiny: Path) -> None:
    result = nmt("train", tiny)
    assert result.code == 0
    assert result.err.splitlines()[-1] == "report: runs/tiny/report.html"
    page = Path("runs/tiny/report.html").read_text(encoding="utf-8")
    assert "<title>Report of tiny</title>" in page
    assert leftovers(Path()) == []


def test_a_report_that_cannot_be_written_costs_nothing(nmt: Run, tiny: Path) -> None:
    Path("runs/tiny/report.html").mkdir(parents=True)
    result = nmt("train", tiny)
    assert result.code == 0
    assert "no report was written: cannot write runs/tiny/report.html: Is a directory" in result.err
    assert Path("runs/tiny/model.safetensors").is_file()


def test_a_stopped_run_tells_what_it_has_on_demand(nmt: Run, tiny: Path) -> None:
    nmt("train", tiny, "--max-updates", 4, "--set", "train.validate_updates=100")
    Path("runs/tiny/report.html").unlink()
    result = nmt("report")
    assert (result.code, result.out, result.err) == (0, "runs/tiny/report.html\n", "")


def test_of_one_run_it_lies_in_its_folder_of_two_here(
    nmt: Run, tiny_run: Path, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink(tiny_run, "one")
    result = nmt("report", "one", "--output", "new/page.html")
    assert (result.code, result.out) == (0, "new/page.html\n")
    result = nmt("report", "one", skilled_run)
    assert (result.code, result.out) == (0, "report.html\n")
    assert "Report of tiny and skilled" in Path("report.html").read_text(encoding="utf-8")


def test_a_run_beside_itself(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    os.symlink(tiny_run, tmp_path / "again")
    page = tmp_path / "page.html"
    result = nmt("report", tiny_run, tmp_path / "again", "--output", page)
    assert result.code == 2
    assert "a run stands beside itself; name each once" in result.err
    assert not page.exists()


def test_runs_of_one_name(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "tiny"
    shutil.copytree(tiny_run, other, ignore=shutil.ignore_patterns("checkpoints"))
    page = tmp_path / "page.html"
    assert nmt("report", tiny_run, other, "--output", page).code == 0
    assert "Report of runs/tiny and other/tiny" in page.read_text(encoding="utf-8")


def test_damaged_lines_are_told(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "tiny"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("checkpoints"))
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"kind": "tra')
    result = nmt("report", run)
    assert result.code == 0
    assert result.err == f"{run / 'metrics.jsonl'}: damaged lines left out: 1\n"


def test_what_is_no_page_is_not_written_over(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes((tiny_run / "model.safetensors").read_bytes())
    for command in (["report", tiny_run], ["explain", "sun", "--model", model]):
        result = nmt(*command, "--output", model)
        assert result.code == 1
        assert result.err.endswith("is no HTML page; name another file with --output\n")
    assert model.read_bytes() == (tiny_run / "model.safetensors").read_bytes()


@pytest.mark.parametrize("opened", [True, False])
def test_open_shows_it_in_the_browser(
    nmt: Run, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: opened)
    result = nmt("report", tiny_run, "--output", tmp_path / "page.html", "--open")
    assert result.code == 0
    assert ("no browser was found" in result.err) == (not opened)


def test_what_is_no_run(nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = nmt("report")
    assert (result.code, result.out) == (1, "")
    assert result.err == "nmt: no run under runs/; run `nmt train` first, or name a run folder\n"
    result = nmt("report", "nowhere")
    assert result.code == 1
    assert result.err == "nmt: nowhere is not a run folder: it has no recipe.toml\n"
    assert list(tmp_path.iterdir()) == []
