"""The pages of `make explain-demo`: each section works, in both schemes, and fits."""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import Browser
from tests.browser.test_explain_page import shown

PAGES = [Path(name) for name in os.environ.get("NMT_DEMO_PAGES", "").split(os.pathsep) if name]
pytestmark = pytest.mark.skipif(not PAGES, reason="no pages are named in NMT_DEMO_PAGES")


def pages(kind: str) -> list[Path]:
    return [page for page in PAGES if page.name.startswith(f"{kind}-")] or [Path("none")]


def show(browser: Browser, demo: Path) -> None:
    """Open a page in both schemes, and take its pictures."""
    for dark in (True, False):
        browser.open(demo, dark=dark)
        assert browser.overflow() <= 0
        browser.shoot(f"demo-{demo.stem}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("demo", pages("explain"), ids=lambda path: path.stem)
def test_a_page_of_a_trained_model(browser: Browser, demo: Path) -> None:
    assert demo.stat().st_size < 3e6
    show(browser, demo)
    browser.shoot(f"readme-{demo.stem}", "#decoder", through="#decoder .reading")
    assert sum(shown(browser, "#probabilities tbody td:nth-child(3)")) <= 100.1
    assert "it wins" in browser.text("#beam .beam-detail")


@pytest.mark.parametrize("demo", pages("report"), ids=lambda path: path.stem)
def test_a_page_of_a_real_run(browser: Browser, demo: Path) -> None:
    show(browser, demo)
    browser.shoot(f"readme-{demo.stem}", "#curves", through="[data-figure=learning_rate]")
    assert len(browser.all("#curves canvas")) == 6
