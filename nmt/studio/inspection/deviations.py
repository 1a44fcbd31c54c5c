"""Where a recipe departs from the paper.

A setting counts unless it stands in one of the tables below, so that one added to `nmt.config`
counts from the first day: its default is the paper's value, its meaning names the section.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nmt.config import Recipe, TextFiles, declared_settings
from nmt.recipe import get_setting, toml_value
from nmt.studio.inspection.paper import BIG, CORPORA, DEV_SET, TABLE_2, TABLE_3, Row

# Other ways to the same updates and the same translations, and how they are watched; a seed is
# one of many that the paper could have drawn.
SAME_RESULT = {
    "train.seed",
    "train.micro_batch_tokens",
    "train.compile",
    "train.validate_updates",
    "train.early_stopping_metric",
    "train.report_updates",
    "train.tensorboard",
    "decode.batch_tokens",
}
# What the paper had to settle too, but does not tell.
SILENT = {
    "data.max_length",
    "data.max_ratio",
    "tokenizer.character_coverage",
    "tokenizer.sample_lines",
    "model.max_positions",
    "decode.max_segment_tokens",
}
# Text, which is known by the names of its files.
BY_NAME = {"data.train", "data.dev", "data.test", "data.downloads"}

LANGUAGES = {"de": "German", "fr": "French"}

SECTION = re.compile(r"\(((?:sections?|equation|table|footnote) [^()]*)\)")


@dataclass(frozen=True)
class Deviation:
    """A setting, what a recipe has for it and what the paper says."""

    setting: str
    value: str
    paper: str
    source: str | None  # where in the paper; none if it does not speak of such a thing

    def __str__(self) -> str:
        told = f"paper: {self.paper}, {self.source}" if self.source else "not in the paper"
        return f"{self.setting} = {self.value}, {told}"


@dataclass(frozen=True)
class Comparison:
    """A recipe beside the row of the paper that it is, or is nearest to."""

    row: Row
    deviations: tuple[Deviation, ...]


def compare(recipe: Recipe) -> Comparison:
    """The row that the recipe equals; if none, the nearest of the paper's models.

    That is big for one as wide, else base; as of table 2 for one that averages checkpoints, else
    as of table 3.
    """
    every = [Comparison(row, deviations(recipe, row)) for row in (*TABLE_2, *TABLE_3)]
    exact = [each for each in every if not each.deviations]
    wide = recipe.model.d_model == BIG["model.d_model"]
    table = 3 if recipe.train.average_checkpoints == 1 else 2
    near = [each for each in every if is_model(each.row, table, wide)]
    return min(exact or near, key=lambda each: len(each.deviations))


def is_model(row: Row, table: int, wide: bool) -> bool:
    """Whether it is the big model, or else the base model, of that table."""
    return row.table == table and row.name.startswith("big" if wide else "base")


def deviations(recipe: Recipe, row: Row) -> tuple[Deviation, ...]:
    """All that sets the recipe apart from a row: its text, its settings, its word pieces."""
    found = [*text_deviations(recipe, row), *setting_deviations(recipe, row)]
    if row.language == "fr":
        found.append(Deviation("tokenizer", "byte-pair encoding", "word pieces", "section 5.1"))
    return tuple(found)


def text_deviations(recipe: Recipe, row: Row) -> Iterator[Deviation]:
    """Of the corpora, by their files' names; what the files hold is not looked at."""
    data = recipe.data
    wanted = CORPORA[row.language]
    named = [
        [corpus for corpus in wanted if all(corpus in name for name in files.names)]
        for files in data.train
    ]
    if not all(named) or {corpus for each in named for corpus in each} != {*wanted}:
        paper = f"WMT 2014 English-{LANGUAGES[row.language]} ({', '.join(wanted)})"
        yield Deviation("data.train", names(data.train), paper, "section 5.1")
    if not data.dev or not all(DEV_SET in name for files in data.dev for name in files.names):
        yield Deviation("data.dev", names(data.dev), DEV_SET, "section 6.2")
    tests = data.test.values()
    if not any(all(row.test_set in name for name in files.names) for files in tests):
        yield Deviation("data.test", names(tests), row.test_set, f"table {row.table}")


def names(corpora: Iterable[TextFiles]) -> str:
    """The files of corpora, in short."""
    firsts = [files.names[0] for files in corpora]
    more = f" and {len(firsts) - 1} more" if len(firsts) > 1 else ""
    return firsts[0] + more if firsts else "none"


def setting_deviations(recipe: Recipe, row: Row) -> Iterator[Deviation]:
    """Of the settings that the paper speaks of, and of those it could not know."""
    for name, declared in declared_settings():
        if name in SAME_RESULT | SILENT | BY_NAME:
            continue
        if name == "train.checkpoint_updates" and row.value_of("train.average_checkpoints") == 1:
            continue  # checkpoints matter to what is averaged alone
        value, paper = get_setting(recipe, name), row.value_of(name)
        if value != paper:
            changed = name in row.changes and name.startswith("model.")
            source = "table 3" if changed else section(declared.metadata["meaning"])
            yield Deviation(name, shown(value), shown(paper), source)


def silent_settings(recipe: Recipe) -> dict[str, Any]:
    """What the recipe has where the paper tells nothing."""
    in_order = (name for name, _ in declared_settings() if name in SILENT)
    learned = recipe.model.positions == "learned"
    return {
        name: get_setting(recipe, name)
        for name in in_order
        if learned or name != "model.max_positions"
    }


def section(meaning: str) -> str | None:
    """The place in the paper that a setting's meaning names, as in "section 5.4"."""
    found = SECTION.findall(meaning)
    return found[-1] if found else None


def shown(value: Any) -> str:
    """A value as one writes it in a recipe, words without quotes."""
    return value if isinstance(value, str) and value else toml_value(value)
