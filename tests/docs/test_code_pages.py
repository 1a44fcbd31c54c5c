"""The pages about the code match the tree: files exist, and the names are defined in them."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from nmt.config import DECLARED
from tests.docs.markdown import DOCS, ROOT, code_spans, parts

EXPLANATION = sorted((DOCS / "explanation").glob("*.md"))
PAGES = [*EXPLANATION, ROOT / "CONTRIBUTING.md"]
PAPER, WALK = DOCS / "explanation" / "paper-in-the-code.md", DOCS / "explanation" / "walk.md"
PICTURE = DOCS / "pictures" / "packages.svg"

FILE = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
ENDINGS = (".py", ".js", ".md", ".toml", ".svg", ".sh", "/")
ROOTS = ("nmt/", "tests/", "docs/", "recipes/", "benchmarks/", "data/")
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
FOREIGN = {"torch", "transformer_base", "transformer_base_v1"}  # names of other programs
SETTINGS = set(DECLARED)


def identified(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def files_in(line: str) -> list[str]:
    """Return the files and folders of the project that a line names."""
    return [
        each
        for each in code_spans(line)
        if each.startswith(ROOTS) and FILE.fullmatch(each) and each.endswith(ENDINGS)
    ]


@cache
def defined(path: Path) -> frozenset[str]:
    """Return the names that a Python file defines: `name`, and `Class.name` of a class."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        own = bound(node)
        names |= own
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{each}" for child in node.body for each in bound(child)}
    return frozenset(names)


def bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement binds by a definition or an assignment."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {each.id for each in targets if isinstance(each, ast.Name)}


@pytest.mark.parametrize("page", identified(PAGES))
def test_files_exist(page: Path) -> None:
    for number, line in parts(page)[1]:
        for name in files_in(line):
            assert (ROOT / name).exists(), f"{page}, line {number}: {name} does not exist"


@pytest.mark.parametrize("page", identified([PAPER, WALK]))
def test_names_are_defined_in_the_files_of_their_line(page: Path) -> None:
    """In tables and lists, a name in backquotes belongs to a file that the same line names."""
    checked = 0
    for number, line in parts(page)[1]:
        files = [ROOT / name for name in files_in(line) if name.endswith(".py")]
        if not files:
            continue
        for span in code_spans(line):
            name = span.removesuffix("()")
            if span in files_in(line) or name in SETTINGS or not NAME.fullmatch(name):
                continue
            assert any(name in defined(each) for each in files), (
                f"{page}, line {number}: {name} is not defined in {files}"
            )
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("page", identified(PAGES))
def test_names_occur_in_the_code(page: Path) -> None:
    """A name in backquotes that can only be one of ours is a word of the source."""
    known = words()
    for number, line in parts(page)[1]:
        for span in code_spans(line):
            name = span.removesuffix("()")
            is_ours = re.search(r"[a-z]_[a-z]|[a-z][A-Z]", name) and NAME.fullmatch(name)
            if is_ours and name.partition(".")[0] not in FOREIGN:
                missing = {*name.split(".")} - known
                assert not missing, f"{page}, line {number}: {missing} is not in the code"


@cache
def words() -> frozenset[str]:
    """Return the words of the package's source, its settings and its recipes."""
    files = [*(ROOT / "nmt").rglob("*.py"), *(ROOT / "recipes").rglob("*.toml")]
    text = " ".join(path.read_text(encoding="utf-8") for path in files)
    return frozenset(re.findall(r"\w+", text)) | {path.stem for path in files}


@pytest.mark.parametrize("page", identified(EXPLANATION))
def test_settings_exist(page: Path) -> None:
    sections = {name.partition(".")[0] for name in SETTINGS}
    for number, line in parts(page)[1]:
        for span in code_spans(line):
            name = re.split(r"[ =><]", span)[0]
            if NAME.fullmatch(name) and name.partition(".")[0] in sections and "." in name:
                assert name in SETTINGS, f"{page}, line {number}: no setting {name}"


def test_every_part_of_the_model_is_on_the_page_of_the_paper() -> None:
    text = PAPER.read_text(encoding="utf-8")
    for path in (ROOT / "nmt" / "model").glob("*.py"):
        assert path.name == "__init__.py" or f"nmt/model/{path.name}" in text


def test_every_package_is_named() -> None:
    rooms = {
        path.stem
        for path in (ROOT / "nmt").iterdir()
        if not path.name.startswith("_")
        and (path.suffix == ".py" or (path / "__init__.py").is_file())
    }
    picture = PICTURE.read_text(encoding="utf-8")
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for room in rooms:
        assert f">{room}<" in picture, f"{room} is not in the picture of the packages"
        assert re.search(rf"^\s+(__init__\.py  )?{room}(/|\.py)\s", contributing, re.MULTILINE)


def test_dependencies_are_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for requirement in project["dependencies"]:
        assert re.split(r"[<>=~\[]", requirement)[0] in text
