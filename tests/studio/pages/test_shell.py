"""A page shows texts and data, and never runs them."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.studio.pages.shell import Parts, render, write_page

TEMPLATE = '<head><meta content="$policy">$styles</head><h1>$title</h1>$data$scripts\n'
HOSTILE = "</script><script>alert('&')</script><!-- \u2028 \"$x\" ${y}"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    (tmp_path / "page.html").write_text(TEMPLATE)
    return Parts(tmp_path / "page.html", ["p { color: red }\n"], ["one();\n", "two();\n"])


def test_texts_and_data_are_not_changed(parts: Parts) -> None:
    page = render(parts, {"text": HOSTILE, "n": [1, None]}, {"title": HOSTILE})
    assert page.count("<script") == 3
    assert page.count("</script>") == 3
    assert "<h1>&lt;/script&gt;&lt;script&gt;alert(&#x27;&amp;&#x27;)" in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert data
    assert "<" not in data[1]
    assert json.loads(data[1]) == {"text": HOSTILE, "n": [1, None]}


def test_the_policy_allows_only_the_scripts_and_styles_of_the_page(parts: Parts) -> None:
    page = render(parts, {}, {"title": ""})
    policy = re.search(r'<meta content="(.*?)">', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    for kind, count in (("script", 2), ("style", 1)):
        contents = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert len(contents) == count
        for content in contents:
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]
    assert "http" not in page


def test_nan_is_refused(parts: Parts) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(parts, {"n": float("nan")}, {"title": ""})


def test_write_creates_folders_and_reports_failure(parts: Parts, tmp_path: Path) -> None:
    write_page(tmp_path / "new" / "page.html", "é\n")
    assert (tmp_path / "new" / "page.html").read_bytes() == "é\n".encode()
    with pytest.raises(NmtError, match="cannot write"):
        write_page(tmp_path, "x")


def test_only_an_html_page_is_overwritten(tmp_path: Path) -> None:
    page = "<!doctype html>\n<p>new"
    path = tmp_path / "file"
    for content in ("", "<!doctype html>\n<p>old", "\n<!DOCTYPE html>", "<html></html>"):
        path.write_text(content)
        write_page(path, page)
        assert path.read_text() == page
    for content in ("source\tTarget\n", "{}", "\x00model"):
        path.write_text(content)
        with pytest.raises(NmtError, match=r"file exists and is not an HTML page.*--output"):
            write_page(path, page)
        assert path.read_text() == content
