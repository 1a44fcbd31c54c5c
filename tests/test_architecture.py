"""Rules of the code: imports point one way, files and functions are short, docstrings exist."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
    {"studio"},
    {"corpora", "documents"},
    {"training"},
    {"evaluation"},
    {"decoding"},
    {"runs"},
    {"model", "text"},
    {"kernels", "recipe"},
    {"config", "errors", "system"},
]
# Parts of the lowest floor may import each other; elsewhere neighbours may not.
SHARED_FLOORS = {13}

# What commands import only when they run.
HEAVY = (
    "torch",
    "nmt.api",
    "nmt.training",
    "nmt.evaluation",
    "nmt.interop",
    "nmt.corpora",
    "nmt.documents",
    "nmt.serving",
    "nmt.studio.diagnosis.live",
    "nmt.studio.explain",
    "nmt.decoding",
    "nmt.model",
    "nmt.runs.model_file",
    "nmt.runs.trained_model",
)

LONGEST_FILE = 500
LONGEST_FUNCTION = 50


def room(module: str) -> str:
    """Return the top-level part of a module's name that has a floor; "" for `nmt` itself."""
    return module.partition(".")[2].partition(".")[0]


def floor(module: str) -> int:
    """Return the floor of a module, counted from the top."""
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Return every module that a file imports, also in functions and for type checkers."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            wholes = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {whole if whole in MODULES else node.module for whole in wholes}
    return frozenset(names)


def own(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    return {name for name in imports(MODULES[module]) if room(name) and name.startswith("nmt.")}


def packages(module: str) -> set[str]:
    """Return the top-level packages that a module imports."""
    return {name.partition(".")[0] for name in imports(MODULES[module])}


def modules_of(*rooms: str) -> list[str]:
    return [module for module in MODULES if room(module) in rooms]


def test_imports_point_one_way() -> None:
    for module in filter(room, MODULES):
        lowest = floor(module) + (floor(module) not in SHARED_FLOORS)
        for name in own(module):
            is_below = floor(name) >= lowest
            assert room(name) == room(module) or is_below, f"{module} imports {name}"


def test_no_module_imports_itself_in_a_circle() -> None:
    below = {module: own(module) for module in MODULES}
    while leaves := {module for module, names in below.items() if not names & below.keys()}:
        below = {module: names for module, names in below.items() if module not in leaves}
    assert not below


def test_the_model_knows_neither_text_nor_files() -> None:
    for module in modules_of("model"):
        known = {room(name) for name in own(module)}
        assert known <= {"model", "kernels", "config"}, module
        assert packages(module) - sys.stdlib_module_names <= {"nmt", "torch"}, module


def test_text_needs_torch_only_in_batches() -> None:
    needing = [module for module in modules_of("text") if "torch" in packages(module)]
    assert needing == ["nmt.text.batches"]


def test_settings_need_the_standard_library_alone() -> None:
    modules = modules_of("config", "errors", "recipe")
    modules += [module for module in MODULES if module.startswith("nmt.studio.pages")]
    for module in [*modules, "nmt.system.files", "nmt.system.atomic"]:
        assert packages(module) - sys.stdlib_module_names <= {"nmt"}, module
    for module in modules_of("config"):
        assert {room(name) for name in own(module)} <= {"config", "errors"}, module


def test_commands_import_torch_only_when_they_run() -> None:
    for module in modules_of("commands"):
        for node in tree(MODULES[module]).body:
            source = ast.unparse(node) if isinstance(node, ast.Import | ast.ImportFrom) else ""
            assert not [heavy for heavy in HEAVY if heavy in source], f"{module}: {source}"


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield functions, classes and methods by name, except those inside functions."""
    for node in body:
        if isinstance(node, Definition):
            yield f"{prefix}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{prefix}{node.name}.")


def test_a_file_holds_one_idea_and_a_function_fits_a_screen() -> None:
    """Only the body counts: a command's docstring is its --help."""
    for module, path in MODULES.items():
        assert path.read_text(encoding="utf-8").count("\n") <= LONGEST_FILE, module
        for name, node in definitions(tree(path).body):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1
            is_short = lines <= LONGEST_FUNCTION or isinstance(node, ast.ClassDef)
            assert is_short, f"{module}.{name} has {lines} lines"


# Methods that have the meaning of their base class.
INHERITED = {"list_commands", "get_command", "format_commands", "forward", "backward"}


def test_what_is_public_is_documented() -> None:
    for module, path in MODULES.items():
        assert ast.get_docstring(tree(path)), f"{module} has no docstring"
        for name, node in definitions(tree(path).body):
            if any(part.startswith("_") for part in name.split(".")):
                continue
            if name.rpartition(".")[2] in INHERITED and "." in name:
                continue
            assert ast.get_docstring(node), f"{module}.{name} has no docstring"


def test_there_is_no_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not drawers & {module.rpartition(".")[2] for module in MODULES}
