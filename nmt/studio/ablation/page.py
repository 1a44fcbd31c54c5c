"""Render the HTML page of an ablation: `nmt/studio/ablation/web/` with its results in it."""

from collections.abc import Sequence
from pathlib import Path

from nmt.studio.ablation.data import page_data
from nmt.studio.ablation.results import AblationResult
from nmt.studio.ablation.variants import Variant
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle
from nmt.studio.report.page import chart_library, style_sheets

FOLDER = Path(__file__).resolve().parent / "web"


def render_ablation(result: AblationResult, variants: Sequence[Variant]) -> str:
    """Return the HTML of the page."""
    styles = [*style_sheets(), FOLDER / "ablation.css"]
    parts = shell.Parts(
        command="ablate",
        template=FOLDER / "ablation.html",
        styles=[path.read_text(encoding="utf-8") for path in styles],
        scripts=[chart_library(), bundle(FOLDER / "main.js")],
    )
    return shell.render(parts, page_data(result, variants), {"title": result.recipe})
