"""A page shows texts and data, and never runs them."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from nmt.studio.pages.shell import Parts, render

TEMPLATE = '<head>$generator<meta content="$policy">$styles</head><h1>$title</h1>$data$scripts\n'
HOSTILE = "</script><script>alert('&')</script><!-- \u2028 \"$x\" ${y}"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    (tmp_path / "page.html").write_text(TEMPLATE)
    page, styles = tmp_path / "page.html", ["p { color: red }\n"]
    return Parts("explain", page, styles, ["one();\n", "two();\n"])


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


def test_the_page_names_the_command_that_wrote_it(parts: Parts) -> None:
    assert '<meta name="generator" content="nmt explain">' in render(parts, {}, {"title": ""})
