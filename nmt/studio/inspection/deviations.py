"""Compare a recipe with the paper.

Every setting counts as a deviation unless one of the tables below names it, so that a setting added
to `nmt.config` counts from the first day. Its default is the paper's value, and its meaning names
the section of the paper.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass
from typing import Any

from nmt.config import Recipe, TextFiles, declared_settings
from nmt.recipe import get_setting, recipe_differences, toml_value, with_settings
from nmt.studio.inspection.paper import (
    BIG,
    CHECKPOINT_MINUTES,
    CORPORA,
    DEV_SET,
    TABLE_2,
    TABLE_3,
    Row,
)

DECLARED = dict(declared_settings())
# Settings that lead to the same updates and translations in another way, or only observe them. The
# paper could have used any seed.
SAME_RESULT = {
    "train.seed",
    "train.micro_batch_tokens",
    "train.compile",
    "train.bucket_megabytes",
    "train.deterministic",
    "train.validate_updates",
    "train.early_stopping_metric",
    "train.report_updates",
    "train.tensorboard",
    "decode.batch_tokens",
    "decode.seed",
}
# Settings that the paper must have had too, but does not report.
SILENT = {
    "data.max_length",
    "data.max_ratio",
    "tokenizer.character_coverage",
    "tokenizer.sample_lines",
    "model.max_positions",
    "decode.precision",
    "decode.max_segment_tokens",
    "decode.odd_input",
}
# Corpora, which are compared by the names of their files.
BY_NAME = {"data.train", "data.dev", "data.test", "data.downloads"}

LANGUAGES = {"de": "German", "fr": "French"}

SECTION = re.compile(r"\(((?:sections?|equation|table|footnote) [^()]*)\)")


@dataclass(frozen=True)
class Deviation:
    """A setting, its value in a recipe and its value in the paper."""

    setting: str
    value: str
    paper: str
    source: str | None  # place in the paper; None if the paper has no such setting

    def __str__(self) -> str:
        paper = f"paper: {self.paper}, {self.source}" if self.source else "not in the paper"
        return f"{self.setting} = {self.value}, {paper}"


@dataclass(frozen=True)
class Comparison:
    """The row of the paper's tables that is nearest to a recipe, and what differs."""

    row: Row
    deviations: tuple[Deviation, ...]  # none if the recipe equals the row


def compare(recipe: Recipe) -> Comparison:
    """Compare a recipe with the row that it equals, else with the nearest of the paper's models.

    The nearest model is big if the recipe is as wide, else base. It is that of table 2 if the
    recipe averages checkpoints, else that of table 3.
    """
    every = [Comparison(row, deviations(recipe, row)) for row in (*TABLE_2, *TABLE_3)]
    exact = [each for each in every if not each.deviations]
    wide = recipe.model.d_model == BIG["model.d_model"]
    table = 3 if recipe.train.average_checkpoints == 1 else 2
    near = [each for each in every if is_model(each.row, table, wide)]
    return min(exact or near, key=lambda each: len(each.deviations))


def is_model(row: Row, table: int, wide: bool) -> bool:
    """Return whether a row is the big (else the base) model of a table."""
    return row.table == table and row.name.startswith("big" if wide else "base")


def deviations(recipe: Recipe, row: Row) -> tuple[Deviation, ...]:
    """Return all deviations of a recipe from a row: in corpora, settings and subwords."""
    found = [*text_deviations(recipe, row), *setting_deviations(recipe, row)]
    if row.language == "fr":
        found.append(Deviation("tokenizer", "byte-pair encoding", "word pieces", "section 5.1"))
    return tuple(found)


def text_deviations(recipe: Recipe, row: Row) -> Iterator[Deviation]:
    """Yield deviations of the corpora by the names of their files, not by their content."""
    data = recipe.data
    wanted = CORPORA[row.language]
    named = [
        [corpus for corpus in wanted if all(corpus in name for name in files.names)]
        for files in data.train
    ]
    if not all(named) or {corpus for each in named for corpus in each} != {*wanted}:
        paper = f"WMT 2014 English-{LANGUAGES[row.language]} ({', '.join(wanted)})"
        yield Deviation("data.train", corpora_names(data.train), paper, "section 5.1")
    if data.tags:
        yield Deviation("data.train.tag", ", ".join(data.tags), "none", None)
    if not data.dev or not all(DEV_SET in name for files in data.dev for name in files.names):
        yield Deviation("data.dev", corpora_names(data.dev), DEV_SET, "section 6.2")
    tests = data.test.values()
    if not any(all(row.test_set in name for name in files.names) for files in tests):
        yield Deviation("data.test", corpora_names(tests), row.test_set, f"table {row.table}")


def corpora_names(corpora: Iterable[TextFiles]) -> str:
    """Return the name of the first corpus and the number of the others."""
    firsts = [files.names[0] for files in corpora]
    more = f" and {len(firsts) - 1} more" if len(firsts) > 1 else ""
    return firsts[0] + more if firsts else "none"


def setting_deviations(recipe: Recipe, row: Row) -> Iterator[Deviation]:
    """Yield deviations of all settings that the tables above do not name."""
    ignored = SAME_RESULT | SILENT | BY_NAME
    paper = row.settings
    if paper.train.average_checkpoints == 1:  # the interval matters only to an average
        ignored = ignored | {"train.checkpoint_updates", "train.checkpoint_minutes"}
    elif recipe.train.checkpoint_minutes:  # replaces updates
        ignored = ignored | {"train.checkpoint_updates"}
        paper = with_settings(paper, {"train.checkpoint_minutes": CHECKPOINT_MINUTES})
    if recipe.train.precision == "auto":
        ignored = ignored | {"train.precision"}  # the device decides, and the model's recipe says
    for each in recipe_differences(paper, recipe):
        if each.name not in ignored:
            changed = each.name in row.changes and each.name.startswith("model.")
            source = "table 3" if changed else paper_section(DECLARED[each.name])
            yield Deviation(each.name, format_value(each.new), format_value(each.old), source)


def silent_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's settings that the paper must have had too, but does not report."""
    in_order = (name for name in DECLARED if name in SILENT)
    is_limited = recipe.model.position_limit is not None
    return {
        name: get_setting(recipe, name)
        for name in in_order
        if is_limited or name != "model.max_positions"
    }


def paper_section(declared: "Field[Any]") -> str | None:
    """Return the place in the paper that a setting's meaning names, such as "section 5.4"."""
    found = SECTION.findall(declared.metadata["meaning"])
    return found[-1] if found else None


def format_value(value: Any) -> str:
    """Return a value in recipe notation, texts without quotes."""
    return value if isinstance(value, str) and value else toml_value(value)
