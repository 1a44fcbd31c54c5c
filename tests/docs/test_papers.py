"""Every paper that the program or the manual cites is in the list of papers, and no other."""

import re

import yaml

from nmt import __version__
from tests.docs.markdown import DOCS, ROOT, pages

PAPERS = DOCS / "reference" / "papers.md"
NAME = r"[A-Z][\w'-]+"
YEAR = r"(?:19|20)\d\d"
# "A et al. (2020)", "A, B and C, 2020", "(A, 2020)", "; A, 2020" and "A (2020)".
CITATION = re.compile(
    rf"((?:{NAME}, )?{NAME}(?: and {NAME}| et al\.)),? \(?({YEAR})\b"
    rf"|[(;] ?({NAME}), ({YEAR})\b|\b({NAME}) \(({YEAR})\)"
)
NO_PAPERS = {"Provilkov, Emelianenko and Voita (2020)"}  # another way to write one that is listed


def cited(text: str) -> set[str]:
    """Return the papers that a text cites, as "Names (year)"."""
    found = (filter(None, match.groups()) for match in CITATION.finditer(" ".join(text.split())))
    return {f"{names} ({year})" for names, year in found}


def listed() -> list[str]:
    """Return the papers of the list, in order."""
    return re.findall(r"^- (.*?\(\d{4}\)):", PAPERS.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_list_is_sorted_and_each_paper_is_cited() -> None:
    texts = [page for page in pages() if page != PAPERS]
    for folder, ending in (("nmt", "py"), ("recipes", "toml"), ("benchmarks", "py")):
        texts += (ROOT / folder).rglob(f"*.{ending}")
    everything = set[str]().union(*(cited(each.read_text(encoding="utf-8")) for each in texts))
    assert everything - NO_PAPERS == {*listed()}
    assert listed() == sorted(listed(), key=str.casefold)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["title"], citation["version"]) == ("nmt", __version__)
    assert (citation["license"], citation["type"]) == ("Apache-2.0", "software")
