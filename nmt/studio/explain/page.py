"""The page of `nmt explain`: `nmt/studio/explain/web/` with the data of an explanation."""

from pathlib import Path

from nmt.studio.explain.data import page_data
from nmt.studio.explain.explanation import Explanation
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle

FOLDER = Path(__file__).resolve().parent / "web"


def render_explanation(explanation: Explanation) -> str:
    """Return the page as one HTML file."""
    styles = [shell.FOLDER / "base.css", FOLDER / "explain.css"]
    parts = shell.Parts(
        command="explain",
        template=FOLDER / "explain.html",
        styles=["\n".join(path.read_text(encoding="utf-8") for path in styles)],
        scripts=[bundle(FOLDER / "main.js")],
    )
    data = explanation.model.recipe.data
    texts = {
        "source": explanation.text,
        "translation": explanation.translation,
        "source_language": data.source_language,
        "target_language": data.target_language,
        "model": explanation.model.recipe.name,
    }
    return shell.render(parts, page_data(explanation), texts)
