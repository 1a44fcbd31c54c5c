"""The page of a story: `nmt/studio/explain/web/` with a story's data in it."""

from pathlib import Path

from nmt.studio.explain.data import as_data
from nmt.studio.explain.story import Explanation
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle

FOLDER = Path(__file__).resolve().parent / "web"


def page_of(story: Explanation) -> str:
    """The whole HTML file."""
    styles = [shell.FOLDER / "base.css", FOLDER / "explain.css"]
    parts = shell.Parts(
        template=FOLDER / "explain.html",
        styles=["\n".join(path.read_text(encoding="utf-8") for path in styles)],
        scripts=[bundle(FOLDER / "main.js")],
    )
    data = story.model.recipe.data
    texts = {
        "source": story.text,
        "translation": story.translation,
        "source_language": data.source_language,
        "target_language": data.target_language,
        "model": story.model.recipe.name,
    }
    return shell.render(parts, as_data(story), texts)
