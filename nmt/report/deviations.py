"""Where a recipe departs from the paper's base model, which is what every default is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nmt.config import Recipe, declared_settings, default_of
from nmt.recipe import toml_value

SECTION = re.compile(r"\(((?:sections?|equation|table|footnote) [^()]*)\)")
LEFT_OUT = {  # text, other ways to the same result, and how it is watched
    "data",
    "train.seed",
    "train.micro_batch_tokens",
    "train.compile",
    "train.validate_updates",
    "train.report_updates",
    "train.tensorboard",
    "decode.batch_tokens",
    "decode.max_segment_tokens",
}


@dataclass(frozen=True)
class Deviation:
    """A setting, what the recipe has for it and what the paper has."""

    setting: str
    value: str
    paper: str
    source: str | None  # where in the paper; none if it does not speak of such a thing
    meaning: str


def deviations(recipe: Recipe) -> Iterator[Deviation]:
    """Every setting of method whose value is not its default."""
    for name, declared in declared_settings():
        section, key = name.split(".")
        value, paper = getattr(getattr(recipe, section), key), default_of(declared)
        if value == paper or {section, name} & LEFT_OUT:
            continue
        meaning = declared.metadata["meaning"]
        found = SECTION.search(meaning)
        yield Deviation(
            name, toml_value(value), toml_value(paper), found[1] if found else None, meaning
        )
