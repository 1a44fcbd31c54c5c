"""A page shows texts and data and never runs them; its script keeps the scopes of its modules."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from nmt.studio.pages.page import FOLDER, bundle, render, vendored

CHART_STYLES = ("vendor/uPlot.min.css", "charts.css")
HOSTILE = "</script><script>alert('&')</script><!-- \u2028 \"$x\" ${y}"
PUBLISHED = {  # of the npm packages uplot 1.6.32 and three 0.170.0
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "three.cjs": "f41a071cca3809c22b09736cbddaa6898ae69be95aa9540c8b72def74925379c",
    "three.LICENSE": "4c40a1ef62450b857c3b2aaf294936304cd552d965fbcd9d32d4c5bcf4ba4454",
}


def write(folder: Path, **files: str) -> Path:
    """Write modules by name; return the path of `main`."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder / "main.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a page with a heading, styles and a script."""
    own = write(tmp_path / "explain", main="one();\n").parent
    (own / "page.html").write_text("<h1>$name</h1>\n")
    (own / "page.css").write_text("p { color: red }\n")
    return own


def test_texts_and_data_are_not_changed(folder: Path) -> None:
    page = render(folder, {"text": HOSTILE, "n": [1, None]}, HOSTILE, {"name": HOSTILE})
    assert page.count("<script") == page.count("</script>") == 2
    assert "<h1>&lt;/script&gt;&lt;script&gt;alert(&#x27;&amp;&#x27;)" in page
    assert "<title>&lt;/script&gt;" in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert data
    assert "<" not in data[1]
    assert json.loads(data[1]) == {"text": HOSTILE, "n": [1, None]}
    assert '<meta name="generator" content="nmt explain">' in page
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(folder, {"n": float("nan")}, "", {"name": ""})


def test_the_policy_allows_only_the_scripts_and_styles_of_the_page(folder: Path) -> None:
    library = vendored("uPlot.iife.min.js")
    page = render(folder, {}, "", {"name": ""}, *CHART_STYLES, library=library)
    policy = re.search(r'Content-Security-Policy" content="(.*?)">', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    for kind, count in (("script", 2), ("style", 4)):
        contents = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert len(contents) == count
        for content in contents:
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]
    assert "Permission is hereby granted, free of charge" in page  # the licence of the charts


def test_the_libraries_are_the_published_ones() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (FOLDER / "vendor").iterdir()
        if path.name != "README.md"
    }
    assert found == PUBLISHED


def test_each_module_occurs_once_after_its_imports(tmp_path: Path) -> None:
    entry = write(
        tmp_path,
        main='import { a } from "./a.js";\nimport {\n  b,\n} from "./b.js";\n\na(b);\n',
        a='import { b } from "./b.js";\nexport function a() {}\nconst own = b;\n',
        b="export const b = 1;\nconst own = 2;\n",
    )
    assert bundle(entry) == (
        '(() => {\n"use strict";\n'
        "const module0 = (() => {\nconst b = 1;\nconst own = 2;\nreturn { b };\n})();\n"
        "const module1 = (() => {\nconst { b } = module0;\nfunction a() {}\nconst own = b;\n"
        "return { a };\n})();\n"
        "const module2 = (() => {\nconst { a } = module1;\nconst {\n  b,\n} = module0;\n\na(b);\n"
        "return {  };\n})();\n"
        "})();\n"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('import a from "./a.js";\n', "cannot join 'import"),
        ("export default function () {}\n", "cannot join 'export"),
        ('import { a } from "./a.js";\nexport const b = a;\n', "imports itself in a circle"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    circle = 'import { b } from "./main.js";\nexport const a = b;\n'
    with pytest.raises(ValueError, match=rf"main\.js:? {fault}"):
        bundle(write(tmp_path, main=text, a=circle))
