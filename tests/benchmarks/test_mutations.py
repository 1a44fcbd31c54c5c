"""Mutants change one place each, and the nearest tests come first."""

import ast
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_mutant_changes_one_place(tmp_path: Path) -> None:
    script = import_module("mutations")
    source = 'a = b if c < 3 and "ä" + d else f"{1 + 2}"\n'
    (tmp_path / "code.py").write_text(source, encoding="utf-8")
    changed = [mutant.apply(source) for mutant in script.mutants(tmp_path, tmp_path / "code.py")]
    assert {ast.unparse(ast.parse(text)) for text in changed} == {
        "a = f'{1 + 2}' if c < 3 and 'ä' + d else b",
        "a = b if c < 3 or 'ä' + d else f'{1 + 2}'",
        "a = b if c <= 3 and 'ä' + d else f'{1 + 2}'",
        "a = b if c < 4 and 'ä' + d else f'{1 + 2}'",
    }


def test_the_nearest_tests_name_the_module() -> None:
    script = import_module("mutations")
    found = script.nearest_tests(ROOT, "nmt/text/words.py")
    assert "tests/text/test_words.py" in found[:2]
    assert len(found) == script.FILES
