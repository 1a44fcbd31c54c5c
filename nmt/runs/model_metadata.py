"""Read what a model file says of itself, without loading it."""

from pathlib import Path

from nmt.errors import NmtError
from nmt.recipe.model_recipe import metadata_of
from nmt.system.json_data import convert, parse_json

AVERAGE = "average"  # of `made_by`: the command `nmt average`


def model_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a model file; empty if the file is not an intact one."""
    try:
        return convert(metadata_of(path), dict[str, str], str(path))
    except NmtError:
        return {}


def last_update(metadata: dict[str, str]) -> int:
    """Return the last of the updates that a model was made of; 0 if its metadata do not say it."""
    try:
        return max(parse_json(metadata.get("updates", ""), list[int], "updates"), default=0)
    except NmtError:
        return 0


def is_overtaken(average: Path, best: Path) -> bool:
    """Return whether the best model of a run is of a training that went on after its average.

    An average that `nmt average` put in its place is what the user wants, and is never overtaken;
    nor is a damaged one, so that reading it is an error.
    """
    old, new = model_metadata(average), model_metadata(best)
    return old.get("made_by") != AVERAGE and 0 < last_update(old) < last_update(new)
