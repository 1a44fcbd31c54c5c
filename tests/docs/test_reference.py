"""The reference lists every setting, name, environment variable and paper, and no other."""

import re
import runpy

import yaml

import nmt
from nmt.config import DECLARED, SECTIONS
from nmt.recipe.toml import toml_value
from tests.docs.markdown import DOCS, ROOT, pages

REFERENCE = DOCS / "reference"
VARIABLE = re.compile(
    r'environ(?:\.get|\.setdefault)?[\[(]\s*"(\w+)"|envvar="(\w+)"|"(\w+)" (?:not )?in os\.environ'
)
NAME = r"[A-Z][\w'-]+"
YEAR = r"(?:19|20)\d\d"
# "A et al. (2020)", "A, B and C, 2020", "(A, 2020)", "; A, 2020" and "A (2020)".
CITATION = re.compile(
    rf"((?:{NAME}, )?{NAME}(?: and {NAME}| et al\.)),? \(?({YEAR})\b"
    rf"|[(;] ?({NAME}), ({YEAR})\b|\b({NAME}) \(({YEAR})\)"
)
NO_PAPERS = {"Provilkov, Emelianenko and Voita (2020)"}  # another way to write one that is listed


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


def cited(text: str) -> set[str]:
    """Return the papers that a text cites, as "Names (year)"."""
    found = (filter(None, match.groups()) for match in CITATION.finditer(" ".join(text.split())))
    return {f"{names} ({year})" for names, year in found}


def test_the_list_of_papers_is_sorted_and_each_is_cited() -> None:
    listed = re.findall(r"^- (.*?\(\d{4}\)):", read("papers.md"), re.MULTILINE)
    texts = [page for page in pages() if page.name != "papers.md"]
    for folder, ending in (("nmt", "py"), ("recipes", "toml"), ("benchmarks", "py")):
        texts += (ROOT / folder).rglob(f"*.{ending}")
    everything = set[str]().union(*(cited(path.read_text(encoding="utf-8")) for path in texts))
    assert everything - NO_PAPERS == {*listed}
    assert listed == sorted(listed, key=str.casefold)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["title"], citation["version"]) == ("nmt", nmt.__version__)
    assert (citation["license"], citation["type"]) == ("Apache-2.0", "software")
