"""The pages about the code match the tree: files exist, and the names are defined in them."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from nmt.config import DECLARED
from tests.docs.markdown import DOCS, ROOT, code_spans, parts

PAGES = [*sorted((DOCS / "explanation").glob("*.md")), ROOT / "CONTRIBUTING.md"]
PAPER, WALK = DOCS / "explanation" / "paper-in-the-code.md", DOCS / "explanation" / "walk.md"
PICTURE = DOCS / "pictures" / "packages.svg"

FILE = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
ENDINGS = (".py", ".js", ".md", ".toml", ".svg", ".sh", "/")
ROOTS = ("nmt/", "tests/", "docs/", "recipes/", "benchmarks/", "data/")
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
FOREIGN = {"torch", "transformer_base", "transformer_base_v1"}  # names of other programs
SETTINGS = set(DECLARED)
SECTIONS = {name.partition(".")[0] for name in SETTINGS}


def files_in(line: str) -> list[str]:
    """Return the files and folders of the project that a line names."""
    spans = (span for span in code_spans(line) if FILE.fullmatch(span))
    return [span for span in spans if span.startswith(ROOTS) and span.endswith(ENDINGS)]


@cache
def defined(path: Path) -> frozenset[str]:
    """Return the names that a Python file defines: `name`, and `Class.name` of a class."""
    return frozenset(bound(ast.parse(path.read_text(encoding="utf-8")).body))


def bound(nodes: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind by a definition or an assignment."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in bound(node.body))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_settings_and_names_exist(page: Path) -> None:
    """A name in backquotes that can only be one of ours is a word of the source.

    In the pages of the paper and the walk, it belongs to a file that the same line names.
    """
    checked = 0
    for number, line in parts(page)[1]:
        named = files_in(line)
        for name in named:
            assert (ROOT / name).exists(), f"{page}, line {number}: {name} does not exist"
        files = [ROOT / name for name in named if name.endswith(".py") and page in (PAPER, WALK)]
        for span in {*code_spans(line)} - {*named}:
            name = re.split(r"[ =><]", span)[0].removesuffix("()")
            first, _, rest = name.partition(".")
            place = f"{page}, line {number}: {name} is not in the code"
            if not NAME.fullmatch(name):
                continue
            if rest and first in SECTIONS:
                assert name in SETTINGS, place
            elif files and name == span.removesuffix("()"):
                assert any(name in defined(path) for path in files), f"{place} of {files}"
                checked += 1
            elif re.search(r"[a-z]_[a-z]|[a-z][A-Z]", name):
                assert first in FOREIGN or {*name.split(".")} <= words(), place
    assert page not in (PAPER, WALK) or checked > 20


@cache
def words() -> frozenset[str]:
    """Return the words of the package's source, its settings and its recipes."""
    files = [*(ROOT / "nmt").rglob("*.py"), *(ROOT / "recipes").rglob("*.toml")]
    text = " ".join(path.read_text(encoding="utf-8") for path in files)
    return frozenset(re.findall(r"\w+", text)) | {path.stem for path in files}


def test_every_package_and_every_part_of_the_model_is_named() -> None:
    files = {path.name for path in (ROOT / "nmt" / "model").glob("[!_]*.py")}
    text = PAPER.read_text(encoding="utf-8")
    assert {name for name in files if f"nmt/model/{name}" not in text} == set()
    rooms = {path.parent.stem for path in (ROOT / "nmt").glob("*/__init__.py")}
    rooms |= {path.stem for path in (ROOT / "nmt").glob("[!_]*.py")}
    picture = PICTURE.read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for room in rooms:
        assert f">{room}<" in picture, f"{room} is not in the picture of the packages"
        assert re.search(rf"^\s+(__init__\.py  )?{room}(/|\.py)\s", contributing, re.MULTILINE)
