"""The reference lists every setting, name and environment variable, and no other."""

import re
import runpy

import yaml

import nmt
from nmt.config import DECLARED, SECTIONS
from nmt.recipe.toml import toml_value
from tests.docs.markdown import DOCS, ROOT

REFERENCE = DOCS / "reference"
VARIABLE = re.compile(
    r'environ(?:\.get|\.setdefault)?[\[(]\s*"(\w+)"|envvar="(\w+)"|"(\w+)" (?:not )?in os\.environ'
)


def read(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def test_every_setting_is_listed() -> None:
    """Read the rows as the Sphinx extension writes them."""
    setting_rows = runpy.run_path(str(DOCS / "extensions" / "nmt_reference.py"))["setting_rows"]
    tables = re.findall(r"^```\{nmt-settings\} (\w+)$", read("settings.md"), re.MULTILINE)
    assert {"TextFiles", "Download"} <= set(tables)
    assert {"source", "target", "tsv"} <= {row.name for row in setting_rows("TextFiles")}
    listed = [row for table in tables if table in SECTIONS for row in setting_rows(table)]
    assert [row.name for row in listed] == list(DECLARED)
    for row, declared in zip(listed, DECLARED.values(), strict=True):
        assert row.meaning == declared.metadata["meaning"]
        default = declared.metadata["default"]
        assert row.default == toml_value(default) or default == {}
        assert {f"`{choice}`" in row.values for choice in declared.metadata["choices"]} <= {True}


def test_every_public_name_is_documented() -> None:
    page = read("python.md")
    documented = set(re.findall(r"^\.\. auto\w+:: nmt\.(\w+)$", page, re.MULTILINE))
    documented |= {"Evaluation"} if ".. automodule:: nmt.evaluation.results" in page else set()
    assert documented == set(nmt.__all__) - {"__version__"}


def test_every_environment_variable_is_listed() -> None:
    text = read("environment.md")
    for path in sorted((ROOT / "nmt").rglob("*.py")):
        for groups in VARIABLE.findall(path.read_text(encoding="utf-8")):
            name = "".join(groups)
            assert f"`{name}`" in text, f"{path} reads {name}"


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["title"], citation["version"]) == ("nmt", nmt.__version__)
    assert (citation["license"], citation["type"]) == ("Apache-2.0", "software")
