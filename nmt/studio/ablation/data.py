"""Turn the results of an ablation into the data of ablation.json and of the page."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nmt import __version__
from nmt.studio.ablation.results import AblationResult
from nmt.studio.ablation.variants import Variant
from nmt.studio.report.data import recipe_data

FORMAT = 1


def ablation_data(result: AblationResult) -> dict[str, Any]:
    """Return the content of ablation.json."""
    return {
        "ablation": FORMAT,
        "nmt": __version__,
        "command": shlex.join(result.command),
        "recipe": result.recipe,
        "measure": {"name": result.measure, "lower_is_better": result.lower_is_better},
        "axes": list(result.axes),
        "seeds": list(result.seeds),
        "cautions": list(result.warnings),
        "variants": [asdict(variant) for variant in result.variants],
    }


def page_data(result: AblationResult, variants: Sequence[Variant]) -> dict[str, Any]:
    """Return the page's data: ablation.json's content and the settings of each variant."""
    recipes = [{"name": each.name, **recipe_data(each.recipe)} for each in variants]
    return {**ablation_data(result), "recipes": recipes}
