"""Links of pages beside the manual lead somewhere; `make docs` checks those of the manual."""

from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, anchors, links, pages

OTHERS = [page for page in pages() if DOCS not in page.parents]


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for number, link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page}, line {number}: {link} leads to no file"
        if anchor:
            assert anchor in anchors(target), f"{page}, line {number}: {link} leads to no heading"
