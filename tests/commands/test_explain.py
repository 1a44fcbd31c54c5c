"""`nmt explain`: its page for any sentence, and its errors."""

import html
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import Run

SCRIPT = "sun <script>alert('&')</script> moon </script>"


def data_of(page: str) -> dict[str, Any]:
    """Return the data inside a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_it_prints_the_path_of_the_page_and_the_translation(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    result = nmt("explain", "sun moon", "--model", skilled_run)
    assert (result.code, result.out) == (0, "explain.html\n")
    model, translation = result.err.splitlines()
    assert model == f"model: {skilled_run / 'model.safetensors'} (tiny)"
    (tmp_path / "in").write_text("sun moon\n")
    expected = nmt("translate", tmp_path / "in", "--model", skilled_run).out
    assert translation == f"translation: {expected.strip()}"
    data = data_of(Path("explain.html").read_text(encoding="utf-8"))
    assert data["source"]["text"] == "sun moon"
    assert data["target"]["text"] == expected.strip()
    assert leftovers(tmp_path) == []


def test_options_change_the_search(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    options = ["--beam-size", 2, "--length-penalty", 1, "--set", "decode.max_extra_tokens=3"]
    result = nmt("explain", "sun", "--model", skilled_run, "--output", page, *options)
    assert result.out == f"{page}\n"
    beam = data_of(page.read_text(encoding="utf-8"))["beam"]
    assert (beam["size"], beam["alpha"]) == (2, 1.0)


def test_a_dash_reads_stdin(
    nmt: Run, skilled_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = io.BytesIO(b"\n  sun moon \n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    page = tmp_path / "page.html"
    assert nmt("explain", "-", "--model", skilled_run, "--output", page).code == 0
    assert data_of(page.read_text(encoding="utf-8"))["source"]["text"] == "sun moon"


def test_markup_in_a_sentence_is_shown_as_text(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ["--model", skilled_run, "--output", page, "--set", "decode.odd_input=as_is"]
    assert nmt("explain", SCRIPT, *options).code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == 2
    assert html.escape(SCRIPT) in text
    assert data_of(text)["source"]["text"] == SCRIPT


def test_only_a_line_feed_ends_a_line(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = "sun\u2028moon\x0cstar"
    assert nmt("explain", text, "--model", skilled_run, "--output", page).code == 0
    assert data_of(page.read_text(encoding="utf-8"))["source"]["text"] == text


@pytest.mark.parametrize("opened", [True, False])
def test_open_shows_the_page_in_the_browser(
    nmt: Run,
    skilled_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: bool,
) -> None:
    urls: list[str] = []

    def open_url(url: str) -> bool:
        urls.append(url)
        return opened

    monkeypatch.setattr("webbrowser.open", open_url)
    page = tmp_path / "a page.html"
    result = nmt("explain", "sun", "--model", skilled_run, "--output", page, "--open")
    assert result.code == 0
    assert urls == [page.as_uri()]
    assert ("no browser was found" in result.err) == (not opened)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "one sentence"),
        (" \n ", "one sentence"),
        ("sun\nmoon", "2 lines"),
        ("\u200b", "blank"),
        ("\udcff", "not UTF-8"),
        ("sun " * 300, "the text has "),
    ],
)
def test_a_text_that_is_not_one_sentence_is_refused(
    nmt: Run, skilled_run: Path, tmp_path: Path, text: str, fact: str
) -> None:
    page = tmp_path / "page.html"
    result = nmt("explain", "--model", skilled_run, "--output", page, "--", text)
    assert (result.code, result.out) == (1, "")
    last = result.err.splitlines()[-1]
    assert last.startswith("nmt: ")
    assert fact in last
    assert "Traceback" not in result.err
    assert not page.exists()


def test_a_beam_too_wide_for_a_page_is_a_usage_error(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    result = nmt("explain", "sun", "--model", skilled_run, "--output", page, "--beam-size", 50)
    assert result.code == 2
    assert "--beam-size" in result.err
    assert "16" in result.err
    assert not page.exists()


def test_a_page_does_not_go_to_stdout(nmt: Run, skilled_run: Path) -> None:
    result = nmt("explain", "sun", "--model", skilled_run, "--output", "-")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "--output - is stdout, but the page goes to a file; name one" in result.err
    assert not Path("-").exists()


def test_a_page_that_cannot_be_written_is_reported(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = nmt(
        "explain", "sun", "--model", skilled_run, "--output", tmp_path / "file" / "page.html"
    )
    assert result.code == 2
    assert "page.html' cannot be written: Not a directory" in result.err
    assert result.err.count("\n") == 1  # before the model is loaded
