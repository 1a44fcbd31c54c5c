"""The page of one run or several: `nmt/studio/report/web/` with their data in it."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nmt import __version__
from nmt.artifacts.run_folder import RunFolder
from nmt.config import SECTIONS, Recipe, declared_settings
from nmt.errors import NmtError
from nmt.recipe import toml_value
from nmt.studio.inspection.deviations import compare
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle
from nmt.studio.report.corpus import corpus_statistics
from nmt.studio.report.history import CURVES, History, number, read_history
from nmt.system.log import note

FOLDER = Path(__file__).resolve().parent


def write_report(runs: Sequence[RunFolder], path: Path) -> None:
    """Write the page of some runs; raises NmtError if one tells nothing or the disk refuses."""
    shell.write_page(path, page_of(runs))


def leave_report(run: RunFolder) -> None:
    """Write a run's page into its folder; a training that is done does not fail for want of it."""
    try:
        write_report([run], run.report)
    except (NmtError, OSError) as error:
        note(f"no report was written: {error}")
    else:
        note(f"report: {run.report}")


def page_of(runs: Sequence[RunFolder]) -> str:
    """The whole HTML file."""
    styles = [
        FOLDER / "vendor" / "uPlot.min.css",
        shell.FOLDER / "base.css",
        FOLDER / "web" / "report.css",
    ]
    parts = shell.Parts(
        template=FOLDER / "web" / "report.html",
        styles=[path.read_text(encoding="utf-8") for path in styles],
        scripts=[chart_library(), bundle(FOLDER / "web" / "main.js")],
    )
    names = names_of([run.path for run in runs])
    told = [run_data(run, name) for run, name in zip(runs, names, strict=True)]
    title = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    kicker = "Report of the run" if len(runs) == 1 else f"Report of {len(runs)} runs"
    return shell.render(
        parts, {"nmt": __version__, "runs": told}, {"title": title, "kicker": kicker}
    )


def chart_library() -> str:
    """uPlot, with its licence as that asks."""
    licence, script = (
        (FOLDER / "vendor" / name).read_text(encoding="utf-8")
        for name in ("uPlot.LICENSE", "uPlot.iife.min.js")
    )
    return f"/*!\n{licence}*/\n{script}"


def names_of(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as many of those above as tell different folders apart."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names


def run_data(run: RunFolder, name: str) -> dict[str, Any]:
    """One run as plain data."""
    history = read_history(run)
    recipe = history.recipe
    return {
        "name": name,
        "recipe": recipe.name,
        "measure": history.measure.name,
        "languages": [recipe.data.source_language, recipe.data.target_language],
        **progress_data(history),
        "curves": {
            kind: {figure: history.curve(kind, figure) for figure in figures}
            for kind, figures in CURVES.items()
        },
        "samples": history.samples(),
        "paper": paper_data(recipe),
        "settings": {section: settings_of(getattr(recipe, section)) for section in SECTIONS},
        "corpus": [asdict(each) for each in corpus_statistics(recipe, run)],
        "cards": history.cards,
    }


def paper_data(recipe: Recipe) -> dict[str, Any]:
    """The row of the paper's tables that the recipe is or is nearest to, and what sets it apart."""
    meanings = {name: declared.metadata["meaning"] for name, declared in declared_settings()}
    comparison = compare(recipe)
    deviations = [
        {**asdict(each), "meaning": meanings.get(each.setting, "")}
        for each in comparison.deviations
    ]
    return {"row": comparison.row.title, "deviations": deviations}


def settings_of(section: Any) -> dict[str, str]:
    """The settings of a recipe's section, as TOML writes them."""
    return {key: toml_value(value) for key, value in asdict(section).items()}


def progress_data(history: History) -> dict[str, Any]:
    """How far the run has come, and how well."""
    last = history.lines[-1]
    return {
        "updates": last["update"],
        "epochs": number(last.get("epoch")),
        "seconds": number(last.get("seconds")),
        "skipped": len(history.of("skipped")),
        "parameters": history.parameters,
        "best": figures(history.best),
        "average": figures(history.average),
    }


def figures(line: dict[str, Any] | None) -> dict[str, Any] | None:
    """A validation's figures alone."""
    if line is None:
        return None
    return {key: number(line.get(key)) for key in ("update", "loss", "perplexity", "score")}
