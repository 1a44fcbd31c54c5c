"""`nmt report` and `nmt explain`: the pages that they write, and what they refuse."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from nmt.runs.run_folder import RunFolder
from tests.conftest import Run


def read_data(page: Path) -> dict[str, Any]:
    """Return the data inside a page."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_the_report_of_several_runs_is_in_the_current_folder(
    nmt: Run, run: RunFolder, skilled_run: Path
) -> None:
    result = nmt("report", run.path, "--output", "new/page.html")
    assert (result.code, result.out) == (0, "new/page.html\n")
    assert nmt("report", run.path).out == f"{run.report}\n"
    with run.metrics.open("a") as stream:
        stream.write('{"kind": "tra')
    (run.prepared / "train-0.ids").unlink()
    result = nmt("report", run.path, skilled_run)
    assert (result.code, result.out, result.err.count("\n")) == (0, "report.html\n", 2)
    assert f"{run.metrics}: damaged lines left out: 1" in result.err
    assert str(run.prepared / "train-0") in result.err
    assert "Report of copy and skilled" in Path("report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("command", "opened"), [("report", True), ("explain", False)])
def test_open_shows_the_page_in_the_browser(
    nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, command: str, opened: bool
) -> None:
    urls: list[str] = []

    def open_url(url: str) -> bool:
        urls.append(url)
        return opened

    monkeypatch.setattr("webbrowser.open", open_url)
    subject = [tiny_run] if command == "report" else ["sun", "--model", tiny_run]
    result = nmt(command, *subject, "--output", "a page.html", "--open")
    assert result.code == 0
    assert urls == [Path("a page.html").absolute().as_uri()]
    assert ("no browser was found" in result.err) == (not opened)


@pytest.mark.parametrize(
    ("text", "stdin"), [("-", "\n  sun moon \n"), ("sun\u2028moon\x0cstar", "")]
)
def test_a_sentence_is_read_from_an_argument_or_stdin(
    nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch, text: str, stdin: str
) -> None:
    """Only a line feed ends a line."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
    assert nmt("explain", text, "--model", tiny_run, "--output", "page.html").code == 0
    (data,) = read_data(Path("page.html"))["models"]
    assert data["source"]["text"] == (stdin.strip() or text)
