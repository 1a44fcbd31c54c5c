"""The reference lists every setting, command and environment variable of the program."""

import importlib.util
import keyword
import re
from pathlib import Path
from types import ModuleType

import pytest

import nmt
from nmt.commands import COMMANDS
from nmt.config import DECLARED, SECTIONS
from nmt.recipe.toml import toml_value
from tests.docs.markdown import DOCS, ROOT, parts

VARIABLE = re.compile(
    r'environ(?:\.get|\.setdefault)?[\[(]\s*"(\w+)"|envvar="(\w+)"|"(\w+)" (?:not )?in os\.environ'
)


@pytest.fixture(scope="module")
def extension() -> ModuleType:
    """The Sphinx extension that writes the tables."""
    path = DOCS / "extensions" / "nmt_reference.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tables() -> list[str]:
    """Return the tables that the page of the settings asks for."""
    page = DOCS / "reference" / "settings.md"
    return re.findall(
        r"^```\{nmt-settings\} (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE
    )


def test_every_setting_is_listed(extension: ModuleType) -> None:
    listed = [
        row for table in tables() if table in SECTIONS for row in extension.setting_rows(table)
    ]
    assert [row.name for row in listed] == list(DECLARED)
    for row, declared in zip(listed, DECLARED.values(), strict=True):
        assert row.meaning == declared.metadata["meaning"]
        default = declared.metadata["default"]
        assert row.default == toml_value(default) or default == {}
        for choice in declared.metadata["choices"]:
            assert f"`{choice}`" in row.values


def test_keys_of_corpora_and_downloads_are_listed(extension: ModuleType) -> None:
    assert {"TextFiles", "Download"} <= set(tables())
    assert {"source", "target", "tsv"} <= {row.name for row in extension.setting_rows("TextFiles")}


def test_every_public_name_is_documented() -> None:
    page = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\.\. auto\w+:: nmt\.(\w+)$", page, re.MULTILINE))
    documented |= {"Evaluation"} if ".. automodule:: nmt.evaluation.results" in page else set()
    assert documented == set(nmt.__all__) - {"__version__"}


def test_every_command_is_in_the_program_that_the_page_is_made_from() -> None:
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    assert ".. click:: nmt.commands:cli" in page
    assert ":nested: full" in page
    for name in COMMANDS:
        module = f"{name}_" if keyword.iskeyword(name) else name
        assert (ROOT / "nmt" / "commands" / f"{module}.py").is_file()


def test_every_environment_variable_is_listed() -> None:
    prose = parts(DOCS / "reference" / "environment.md")[1]
    text = "\n".join(line for _, line in prose)
    for path in sorted((ROOT / "nmt").rglob("*.py")):
        for name in variables_of(path):
            assert f"`{name}`" in text, f"{path} reads {name}"


def variables_of(path: Path) -> set[str]:
    """Return the environment variables that a file names."""
    found = VARIABLE.findall(path.read_text(encoding="utf-8"))
    return {name for groups in found for name in groups if name}
