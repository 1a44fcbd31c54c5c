"""Break lines of `nmt/` at random places, one at a time, and count which the tests find.

    pip install coverage
    python benchmarks/mutations.py map               # which test runs which line: one run of all
    python benchmarks/mutations.py run --count 150   # resumes; a line of JSON for each mutant

A mutant is a copy of the package with one change: a comparison, an arithmetic or logical operator,
a number or a condition. The tests that run the changed line are tried, the fastest first, until
one fails. A mutant that none finds was not noticed, or changes nothing (`x <= n`, x never n).
The same seed breaks the same places of the same code.
"""

import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

if TYPE_CHECKING:
    from coverage import Coverage  # type: ignore[import-not-found] # only this script needs it

ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / "build" / "mutations"
TESTS_TRIED = 40  # of those that run a line; more than that seldom find anything
SECONDS = 300  # the longest time of the tests of a mutant

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


@dataclass(frozen=True)
class Mutant:
    """A change of one place."""

    path: str  # of the file, from the checkout
    line: int
    column: int
    before: str
    after: str


def mutants(path: Path) -> Iterator[tuple[Mutant, str]]:
    """Yield the mutants of a file, each with the whole changed text."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        changed = changed_node(node)
        if changed is None or not isinstance(node, ast.expr) or node.lineno != node.end_lineno:
            continue
        text = lines[node.lineno - 1].encode()
        begin, end = node.col_offset, node.end_col_offset or 0
        before, after = text[begin:end].decode(), f"({ast.unparse(changed)})"
        new = (text[:begin] + after.encode() + text[end:]).decode()
        whole = [*lines[: node.lineno - 1], new, *lines[node.lineno :]]
        mutant = Mutant(str(path.relative_to(ROOT)), node.lineno, begin, before, after)
        yield mutant, "".join(whole)


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
    """Return whether an operator joins texts or types, so that a change would not even start."""
    parts = [*ast.walk(node)]
    return any(
        isinstance(part, ast.JoinedStr)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in parts
    )


def tests_by_line() -> dict[tuple[str, int], list[str]]:
    """Return the tests that run each line of each file, the fastest first."""
    from coverage import CoverageData

    seconds = json.loads((MAP / "seconds.json").read_text())
    data = CoverageData(str(MAP / "coverage"))
    data.read()
    found = {}
    for name in data.measured_files():
        path = str(Path(name).relative_to(ROOT))
        for line, contexts in data.contexts_by_lineno(name).items():
            tests = {context for context in contexts if "::" in context}
            found[path, line] = sorted(tests, key=lambda test: (seconds.get(test, 1.0), test))
    return found


def catches(mutant: Mutant, text: str, tests: list[str]) -> str | None:
    """Return what finds a mutant: "failed" or "timeout"; None if the tests pass."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for part in ("nmt", "tests", "data/pocket", "recipes", "benchmarks", "docs"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", "cli.py", "README.md"):
            shutil.copy(ROOT / part, copy / part)
        (copy / mutant.path).write_text(text, encoding="utf-8")
        arguments = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *arguments],
                cwd=copy,
                env=os.environ | {"PYTHONPATH": name},
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "timeout"
    return "failed" if done.returncode else None


@click.group()
def command() -> None:
    """Break lines of nmt/ and count which the tests find."""


class Recorder:
    """A plugin of pytest that names the running test to coverage and adds up its seconds."""

    def __init__(self, coverage: "Coverage") -> None:
        self._coverage = coverage
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Let the lines that run from now on be this test's."""
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the seconds of a test's set-up, call or end."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration


@command.command("map")
@click.argument("tests", nargs=-1)
def make_map(tests: tuple[str, ...]) -> None:
    """Run the tests once, in one process, and write which test runs which line."""
    from coverage import Coverage

    MAP.mkdir(parents=True, exist_ok=True)
    coverage = Coverage(source=["nmt"], data_file=str(MAP / "coverage"))
    recorder = Recorder(coverage)
    coverage.start()
    pytest.main(["-q", *tests], plugins=[recorder])
    coverage.stop()
    coverage.save()
    (MAP / "seconds.json").write_text(json.dumps(recorder.seconds))


@command.command("run")
@click.option("--count", type=int, default=150, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def run(count: int, seed: int) -> None:
    """Try mutants; those that an earlier call has tried are kept."""
    lines = tests_by_line()
    paths = sorted((ROOT / "nmt").rglob("*.py"))
    every = [pair for path in paths for pair in mutants(path)]
    chosen = random.Random(seed).sample(every, count)
    log = MAP / f"mutants-{seed}.jsonl"
    known = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    results = {(one["path"], one["line"], one["column"], one["after"]): one for one in known}
    for mutant, text in chosen:
        key = (mutant.path, mutant.line, mutant.column, mutant.after)
        if key not in results:
            tests = lines.get((mutant.path, mutant.line), [])[:TESTS_TRIED]
            found = catches(mutant, text, tests) if tests else None
            results[key] = asdict(mutant) | {"tests": len(tests), "found": found}
            with log.open("a") as stream:
                stream.write(json.dumps(results[key]) + "\n")
            click.echo(results[key])
    caught = sum(result["found"] is not None for result in results.values())
    run_by_none = sum(not result["tests"] for result in results.values())
    click.echo(f"{caught} of {len(results)} found, {run_by_none} on lines that no test runs")


if __name__ == "__main__":
    command()
