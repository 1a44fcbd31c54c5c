"""The reference lists every setting, command and environment variable of the program."""

import re
import runpy
from typing import Any

import nmt
from nmt.config import DECLARED, SECTIONS
from nmt.recipe.toml import toml_value
from tests.docs.markdown import DOCS, ROOT, parts

VARIABLE = re.compile(
    r'environ(?:\.get|\.setdefault)?[\[(]\s*"(\w+)"|envvar="(\w+)"|"(\w+)" (?:not )?in os\.environ'
)


def setting_rows(table: str) -> list[Any]:
    """Return the rows of a table, as the Sphinx extension writes them."""
    extension = runpy.run_path(str(DOCS / "extensions" / "nmt_reference.py"))
    rows: list[Any] = extension["setting_rows"](table)
    return rows


def test_every_setting_is_listed() -> None:
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    tables = re.findall(r"^```\{nmt-settings\} (\w+)$", page, re.MULTILINE)
    assert {"TextFiles", "Download"} <= set(tables)
    assert {"source", "target", "tsv"} <= {row.name for row in setting_rows("TextFiles")}
    listed = [row for table in tables if table in SECTIONS for row in setting_rows(table)]
    assert [row.name for row in listed] == list(DECLARED)
    for row, declared in zip(listed, DECLARED.values(), strict=True):
        assert row.meaning == declared.metadata["meaning"]
        default = declared.metadata["default"]
        assert row.default == toml_value(default) or default == {}
        for choice in declared.metadata["choices"]:
            assert f"`{choice}`" in row.values


def test_every_public_name_is_documented() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: nmt\.(\w+)$", page, re.MULTILINE))
    documented |= {"Evaluation"} if ".. automodule:: nmt.evaluation.results" in page else set()
    assert documented == set(nmt.__all__) - {"__version__"}


def test_every_environment_variable_is_listed() -> None:
    prose = parts(DOCS / "reference" / "environment.md")[1]
    text = "\n".join(line for _, line in prose)
    for path in sorted((ROOT / "nmt").rglob("*.py")):
        for groups in VARIABLE.findall(path.read_text(encoding="utf-8")):
            name = "".join(groups)
            assert f"`{name}`" in text, f"{path} reads {name}"
