"""The page of an ablation: `nmt/studio/ablation/web/` with its figures; curves as in a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nmt.config import SECTIONS
from nmt.studio.ablation.variants import Variant
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle
from nmt.studio.report.page import FOLDER as REPORT
from nmt.studio.report.page import chart_library, paper_data, settings_of

Data = dict[str, Any]

FOLDER = Path(__file__).resolve().parent / "web"


def page_of(data: Data, variants: Sequence[Variant]) -> str:
    """The whole HTML file."""
    styles = [
        REPORT / "vendor" / "uPlot.min.css",
        shell.FOLDER / "base.css",
        REPORT / "web" / "report.css",
        FOLDER / "ablation.css",
    ]
    parts = shell.Parts(
        template=FOLDER / "ablation.html",
        styles=[path.read_text(encoding="utf-8") for path in styles],
        scripts=[
            chart_library(),
            bundle(FOLDER / "main.js"),
        ],
    )
    recipes = [recipe_data(variant) for variant in variants]
    return shell.render(parts, {**data, "recipes": recipes}, {"title": data["recipe"]})


def recipe_data(variant: Variant) -> Data:
    """A variant's settings as the page of a report tells a run's."""
    recipe = variant.recipe
    return {
        "name": variant.name,
        "paper": paper_data(recipe),
        "settings": {section: settings_of(getattr(recipe, section)) for section in SECTIONS},
    }
