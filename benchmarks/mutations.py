"""Break `nmt/` at random places, one at a time, and count how many of these faults the tests find.

    python benchmarks/mutations.py . --log build/mutations.jsonl

A mutant is a copy of the checkout's last commit with one change: a comparison, an arithmetic or
logical operator, a number or a condition. The twelve test files next to the changed one run: those
that import its module, then those that import what imports it. They stop at the first failure, or
when they have used the seconds of a processor that a mutant gets; so the share found is a lower
bound, and some mutants change nothing that anybody sees. The same seed breaks the same places of
the same code. A second call with the same log goes on where the first was stopped.
"""

import ast
import importlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import click
import pytest

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
FILES = 12  # test files that run for each mutant
HANG_SECONDS = 900  # a mutant that runs longer than this hangs


@dataclass(frozen=True)
class Mutant:
    """A change of one place."""

    path: str  # of the file, from the checkout
    line: int
    column: int  # in bytes, as `ast` counts
    before: str
    after: str

    def apply(self, source: str) -> str:
        """Return the text of the file with the change."""
        lines = source.splitlines(keepends=True)
        line = lines[self.line - 1].encode()
        end = self.column + len(self.before.encode())
        lines[self.line - 1] = (line[: self.column] + self.after.encode() + line[end:]).decode()
        return "".join(lines)


def mutants(checkout: Path, path: Path) -> Iterator[Mutant]:
    """Yield the mutants of a file."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in walk(ast.parse(source)):
        changed = changed_node(node)
        if changed is None or not isinstance(node, ast.expr) or node.lineno != node.end_lineno:
            continue
        before = lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()
        after = f"({ast.unparse(changed)})"
        name = path.relative_to(checkout).as_posix()
        yield Mutant(name, node.lineno, node.col_offset, before, after)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those in f-strings, whose columns Python 3.11 does not tell."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.JoinedStr):
            yield from walk(child)


def changed_node(node: ast.AST) -> ast.expr | None:
    """Return a changed copy of a node; None if it is of no kind that is changed."""
    match node:
        case ast.Compare(ops=[operator, *others]) if type(operator) in SWAPS:
            return ast.Compare(node.left, [SWAPS[type(operator)](), *others], node.comparators)  # type: ignore[list-item]
        case ast.BinOp(op=operator) if type(operator) in SWAPS and not has_text(node):
            return ast.BinOp(node.left, SWAPS[type(operator)](), node.right)  # type: ignore[arg-type]
        case ast.BoolOp(op=operator):
            return ast.BoolOp(SWAPS[type(operator)](), node.values)  # type: ignore[arg-type]
        case ast.Constant(value=int() | float() as value):
            return ast.Constant(not value if isinstance(value, bool) else value + 1)
        case ast.IfExp():
            return ast.IfExp(node.test, node.orelse, node.body)
    return None


def has_text(node: ast.BinOp) -> bool:
    """Return whether an operator joins texts, so that a change would not even start."""
    return any(
        isinstance(part, ast.JoinedStr)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )


def nearest_tests(copy: Path, path: str) -> list[str]:
    """Return the test files that may find a fault in a file, the nearest first.

    These import the changed module or have its name; then come those of the modules that import it,
    and so on.
    """
    modules = {module(file.relative_to(copy)): imports(file) for file in python_files(copy / "nmt")}
    tests = {}
    for file in python_files(copy / "tests"):
        room, name = file.relative_to(copy / "tests").parts[0], file.stem.removeprefix("test_")
        if file.stem != name and room not in {"browser", "docs", "gpu"}:
            same = {
                key for key in modules if key.startswith(f"nmt.{room}.") and is_named(name, key)
            }
            tests[str(file.relative_to(copy))] = imports(file) | same
    wave, known, found = {module(Path(path))}, set[str](), list[str]()
    while wave and len(found) < FILES:
        near = [name for name, names in tests.items() if names & wave and name not in found]
        room = f"tests/{Path(path).parts[1]}/"
        found += sorted(near, key=lambda name: (not name.startswith(room), name))
        known |= wave
        wave = {name for name, names in modules.items() if names & wave} - known
    return found[:FILES]


def python_files(folder: Path) -> list[Path]:
    """Return the Python files of a folder in order."""
    return sorted(folder.rglob("*.py"))


def module(path: Path) -> str:
    """Return the name of the module in a file, named from the checkout."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def is_named(test: str, name: str) -> bool:
    """Return whether test_TEST.py has the name of a module."""
    return test.startswith(name.rpartition(".")[2].strip("_"))


@cache
def imports(path: Path) -> set[str]:
    """Return the names that a file imports: of modules, and of what is in them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


class Budget:
    """A plugin of pytest that names a failed test, and ends tests when their seconds are used."""

    def __init__(self, seconds: float, failed: Path) -> None:
        self._seconds, self._failed = seconds, failed

    def pytest_runtestloop(self) -> None:
        """Start counting; the tests are collected."""
        self._seconds += used_seconds()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the name of a failed test."""
        if report.failed:
            self._failed.write_text(report.nodeid, encoding="utf-8")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write the name of a test file that cannot be imported."""
        if report.failed:
            self._failed.write_text(report.nodeid, encoding="utf-8")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Stop before the next test if the seconds are used."""
        if used_seconds() > self._seconds:
            item.session.shouldstop = "the seconds are used"


def used_seconds() -> float:
    """Return the seconds of a processor that this process and those that it started have used."""
    return sum(os.times()[:4])


def run_tests(copy: Path, tests: list[str], seconds: float) -> int:
    """Run tests of a copy in a fork, which has imported the slow packages; return the exit code.

    A negative code is that of a signal: the tests used three times their seconds, or they hang.
    """
    (copy / "failed.txt").unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        os.environ["PYTHONPATH"] = str(copy)
        with (copy / "out.txt").open("w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        limit = round(3 * seconds) + 60
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider"]
        os._exit(pytest.main([*options, *tests], plugins=[Budget(seconds, copy / "failed.txt")]))
    deadline = time.monotonic() + HANG_SECONDS
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        time.sleep(0.05)
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(ended[1])


def find(copy: Path, mutant: Mutant, seconds: float) -> str:
    """Return what finds a mutant: the failed test or a word, "" if nothing does.

    A test that fails without the change, too, finds nothing.
    """
    path = copy / mutant.path
    source = path.read_text(encoding="utf-8")
    tests = nearest_tests(copy, mutant.path)
    while tests:
        path.write_text(mutant.apply(source), encoding="utf-8")
        try:
            code = run_tests(copy, tests, seconds)
        finally:
            path.write_text(source, encoding="utf-8")
        if code < 0 or code == pytest.ExitCode.USAGE_ERROR:
            return "hangs" if code < 0 else "conftest.py cannot be imported"
        if not (copy / "failed.txt").exists():
            return ""
        failed = (copy / "failed.txt").read_text(encoding="utf-8")
        if not run_tests(copy, [failed.split("[")[0]], seconds):
            return failed
        tests = [*tests, f"--deselect={failed}"]
    return ""


@click.command()
@click.argument("checkout", type=click.Path(exists=True, path_type=Path))
@click.option("--count", type=int, default=150, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--seconds", type=float, default=30, show_default=True, help="Of one mutant's tests.")
@click.option("--log", type=click.Path(path_type=Path), required=True, help="One JSON a line.")
def command(checkout: Path, count: int, seed: int, seconds: float, log: Path) -> None:
    """Break nmt/ of CHECKOUT and count the faults that its tests find."""
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for package in ("torch", "sacrebleu", "sentencepiece", "hypothesis"):
        importlib.import_module(package)
    known = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve()
        git, tar = ["git", "-C", str(checkout), "archive", "HEAD"], ["tar", "-x", "-C", folder]
        archive = subprocess.run(git, capture_output=True, check=True).stdout
        subprocess.run(tar, input=archive, check=True)
        every = [
            mutant
            for path in sorted((copy / "nmt").rglob("*.py"))
            for mutant in mutants(copy, path)
        ]
        chosen = random.Random(seed).sample(every, count)
        for mutant in chosen[len(known) :]:
            result = asdict(mutant) | {"found": find(copy, mutant, seconds)}
            known.append(json.dumps(result))
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"{known[-1]}\n")
    results = [json.loads(line) for line in known]
    for result in results:
        if not result["found"]:
            click.echo("{path}:{line}: {before} -> {after}".format(**result))
    found = sum(bool(result["found"]) for result in results)
    click.echo(f"{found} of {len(results)} found, of {len(every)} places; seed {seed}")


if __name__ == "__main__":
    command()
