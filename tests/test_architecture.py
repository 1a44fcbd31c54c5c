"""Rules of the code: imports point one way, files and functions are short, docstrings exist."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nmt

PACKAGE = Path(nmt.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# A package imports from packages on floors below it and from itself.
FLOORS = [
    {"__main__"},
    {"commands"},
    {"api"},
    {"serving"},
    {"interop"},
    {"studio", "advice", "augmentation"},
    {"training", "reranking", "cleaning"},
    {"diagnosis"},
    {"evaluation", "check", "formats"},
    {"decoding"},
    {"artifacts"},
    {"model", "text"},
    {"kernels", "recipe"},
    {"config", "setting", "errors", "system"},
]
# Parts of the lowest floor may import each other; elsewhere neighbours may not.
SHARED_FLOORS = {13}

# What commands import only when they run.
HEAVY = (
    "torch",
    "nmt.api",
    "nmt.training",
    "nmt.evaluation",
    "nmt.reranking",
    "nmt.interop",
    "nmt.check",
    "nmt.cleaning",
    "nmt.formats",
    "nmt.advice",
    "nmt.augmentation",
    "nmt.diagnosis",
    "nmt.serving",
    "nmt.studio.explain",
    "nmt.decoding",
    "nmt.model",
    "nmt.artifacts.model_file",
    "nmt.artifacts.network_weights",
    "nmt.artifacts.trained_model",
)

LONGEST_FILE = 300
LONGEST_FUNCTION = 50


def room(module: str) -> str:
    """Return the top-level part of a module's name that has a floor; "" for `nmt` itself."""
    return module.partition(".")[2].partition(".")[0]


def floor(module: str) -> int:
    """Return the floor of a module, counted from the top."""
    (number,) = (n for n, rooms in enumerate(FLOORS) if room(module) in rooms)
    return number


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, also in functions and for type checkers."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def own(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    return {name for name in imports(MODULES[module]) if room(name) and name.startswith("nmt.")}


def packages(module: str) -> set[str]:
    """Return the top-level packages that a module imports."""
    return {name.partition(".")[0] for name in imports(MODULES[module])}


def modules_of(*rooms: str) -> list[str]:
    return [module for module in MODULES if room(module) in rooms]


def test_every_file_has_its_floor() -> None:
    assert {room(module) for module in MODULES} - {""} <= set.union(*FLOORS)


@pytest.mark.parametrize("module", [module for module in MODULES if room(module)])
def test_imports_point_one_way(module: str) -> None:
    for name in own(module):
        if room(name) == room(module):
            continue
        allowed = floor(module) < floor(name) or (
            floor(module) == floor(name) and floor(module) in SHARED_FLOORS
        )
        assert allowed, f"{module} imports {name}"


def test_no_module_imports_itself_in_a_circle() -> None:
    below = {module: own(module) for module in MODULES}
    while leaves := {module for module, names in below.items() if not names & below.keys()}:
        below = {module: names for module, names in below.items() if module not in leaves}
    assert not below


@pytest.mark.parametrize("module", modules_of("model"))
def test_the_model_knows_neither_text_nor_files(module: str) -> None:
    known = {room(name) for name in own(module)}
    assert known <= {"model", "kernels", "config"}
    assert packages(module) - sys.stdlib_module_names <= {"nmt", "torch"}


@pytest.mark.parametrize("module", modules_of("text"))
def test_text_needs_torch_only_in_batches(module: str) -> None:
    assert ("torch" in packages(module)) == (module == "nmt.text.batches")


@pytest.mark.parametrize(
    "module",
    [
        *modules_of("config", "setting", "errors", "recipe"),
        "nmt.system.resources",
        "nmt.system.atomic",
        *(module for module in MODULES if module.startswith("nmt.studio.pages")),
    ],
)
def test_settings_need_the_standard_library_alone(module: str) -> None:
    assert packages(module) - sys.stdlib_module_names <= {"nmt"}
    if room(module) == "config":
        assert {room(name) for name in own(module)} <= {"config", "setting"}


@pytest.mark.parametrize("module", modules_of("decoding"))
def test_decoding_never_imports_training(module: str) -> None:
    assert not any(room(name) in ("training", "commands") for name in own(module))


@pytest.mark.parametrize("module", modules_of("commands"))
def test_commands_import_torch_only_when_they_run(module: str) -> None:
    def at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield node

    for node in at_import(tree(MODULES[module]).body):
        source = ast.unparse(node)
        for heavy in HEAVY:
            assert heavy not in source, f"{module}: {source}"


@pytest.mark.parametrize("module", MODULES)
def test_a_file_holds_one_idea(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield functions, classes and methods by name, except those inside functions."""
    for node in body:
        if isinstance(node, Definition):
            yield f"{prefix}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("module", MODULES)
def test_a_function_fits_a_screen(module: str) -> None:
    """Only the body counts: a command's docstring is its --help."""
    for name, node in definitions(tree(MODULES[module]).body):
        if isinstance(node, ast.ClassDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
        lines = (node.end_lineno or 0) - body[0].lineno + 1
        assert lines <= LONGEST_FUNCTION, f"{module}.{name} has {lines} lines"


# Methods that have the meaning of their base class.
INHERITED = {"list_commands", "get_command", "format_commands", "forward", "backward"}


@pytest.mark.parametrize("module", MODULES)
def test_what_is_public_is_documented(module: str) -> None:
    root = tree(MODULES[module])
    assert ast.get_docstring(root), f"{module} has no docstring"
    for name, node in definitions(root.body):
        if any(part.startswith("_") for part in name.split(".")):
            continue
        if name.rpartition(".")[2] in INHERITED and "." in name:
            continue
        assert ast.get_docstring(node), f"{module}.{name} has no docstring"


def test_there_is_no_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not drawers & {module.rpartition(".")[2] for module in MODULES}
