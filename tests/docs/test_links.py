"""Links between pages lead somewhere."""

from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, anchors, links, pages


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for number, link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page}, line {number}: {link} leads to no file"
        if anchor:
            assert anchor in anchors(target), f"{page}, line {number}: {link} leads to no heading"
