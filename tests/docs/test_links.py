"""Links between pages lead somewhere, and lines are short enough to read in a terminal."""

from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, anchors, links, pages, parts

LONGEST_LINE = 120

PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for number, link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page}, line {number}: {link} leads to no file"
        if anchor:
            assert anchor in anchors(target), f"{page}, line {number}: {link} leads to no heading"


@pytest.mark.parametrize("page", [each for each in PAGES if "results" not in str(each.id)])
def test_lines_are_short(page: Path) -> None:
    """Tables of results are generated, and what programs print is shown as it is."""
    blocks, prose = parts(page)
    lines = [*prose]
    for block in blocks:
        if block.language and block.language != "text":
            lines += enumerate(block.text.splitlines(), start=block.line)
    for number, line in lines:
        if line.startswith(("|", "<!--")) and page.parent.name == "recipes":  # generated
            continue
        assert len(line) <= LONGEST_LINE, f"{page}, line {number} has {len(line)} columns"
