"""The models and results of the paper, and the deviations of a recipe from them.

Source: Vaswani et al. (2017). The base model's settings are the defaults of `nmt.config`, whose
meanings name the section of each. A row of a table lists the settings that differ from them.

Every setting counts as a deviation unless a set below names it, so that a setting added to
`nmt.config` counts from the first day.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nmt.config import DECLARED, Recipe, TextFiles
from nmt.recipe.settings import get_setting, recipe_differences, with_settings
from nmt.recipe.toml import format_value

# Parts of the file names in every copy of a corpus (section 5.1), by target language.
CORPORA = {
    "de": ("europarl-v7", "commoncrawl", "news-commentary-v9"),
    "fr": ("europarl-v7", "commoncrawl", "news-commentary-v9", "undoc.2000", "giga-fren"),
}
LANGUAGES = {"de": "German", "fr": "French"}
DEV_SET = "newstest2013"  # section 6.2
CHECKPOINT_MINUTES = 10.0  # "written at 10-minute intervals" (section 6.1)
SENTENCE_TOKENS = 30  # a side; an assumption for costs, because the paper reports no lengths

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
# What the meaning of a setting says of its place in the paper, such as "section 5.4".
SECTION = re.compile(r"\(((?:sections?|equation|table|footnote) [^()]*)\)")


@dataclass(frozen=True, eq=False)
class Row:
    """One row: the settings in which it differs from the base model of table 2, and its results."""

    recipe: str  # name of the shipped recipe for this row
    table: int
    name: str  # the paper's letter, or the model's name
    changes: Mapping[str, Any]
    bleu: float
    perplexity: float | None = None  # a token, on the dev set
    millions: int | None = None  # of parameters; None if the paper prints no count

    @property
    def title(self) -> str:
        """Return the row's name in the paper, such as "table 3, row A"."""
        return f"table {self.table}, row {self.name}"

    @property
    def test_set(self) -> str:
        """Return the test set that its BLEU was measured on."""
        return "newstest2014" if self.table == 2 else DEV_SET

    @property
    def language(self) -> str:
        """Return the code of the target language."""
        return str(self.changes.get("data.target_language", "de"))

    @cached_property
    def settings(self) -> Recipe:
        """Return a recipe with the row's settings; it names no corpora."""
        return with_settings(Recipe(self.recipe), self.changes)


NOT_AVERAGED = {"train.average_checkpoints": 1}  # "no checkpoint averaging" (section 6.2)
BIG = {
    "model.d_model": 1024,
    "model.d_ff": 4096,
    "model.heads": 16,
    "model.dropout": 0.3,
    "train.max_updates": 300_000,
}
# 20 checkpoints at 10-minute intervals, at 1.0 s an update (sections 5.2 and 6.1)
BIG_AVERAGED = {**BIG, "train.average_checkpoints": 20, "train.checkpoint_updates": 600}
FRENCH = {"data.target_language": "fr", "tokenizer.vocab_size": 32_000}
BIG_FRENCH = {**BIG_AVERAGED, **FRENCH, "model.dropout": 0.1}  # section 6.1

TABLE_2 = (
    Row("wmt14_en_de_base", 2, "base (en-de)", {}, 27.3),
    Row("wmt14_en_de_big", 2, "big (en-de)", BIG_AVERAGED, 28.4),
    Row("wmt14_en_fr_base", 2, "base (en-fr)", FRENCH, 38.1),
    Row("wmt14_en_fr_big", 2, "big (en-fr)", BIG_FRENCH, 41.8),
)
# Recipe, name, changes, perplexity, BLEU, millions of parameters.
VARIATIONS: tuple[tuple[str, str, dict[str, Any], float, float, int | None], ...] = (
    ("base", "base", {}, 4.92, 25.8, 65),
    ("a-h1", "A", {"model.heads": 1, "model.d_k": 512, "model.d_v": 512}, 5.29, 24.9, None),
    ("a-h4", "A", {"model.heads": 4, "model.d_k": 128, "model.d_v": 128}, 5.00, 25.5, None),
    ("a-h16", "A", {"model.heads": 16, "model.d_k": 32, "model.d_v": 32}, 4.91, 25.8, None),
    ("a-h32", "A", {"model.heads": 32, "model.d_k": 16, "model.d_v": 16}, 5.01, 25.4, None),
    ("b-dk16", "B", {"model.d_k": 16}, 5.16, 25.1, 58),
    ("b-dk32", "B", {"model.d_k": 32}, 5.01, 25.4, 60),
    ("c-n2", "C", {"model.encoder_layers": 2, "model.decoder_layers": 2}, 6.11, 23.7, 36),
    ("c-n4", "C", {"model.encoder_layers": 4, "model.decoder_layers": 4}, 5.19, 25.3, 50),
    ("c-n8", "C", {"model.encoder_layers": 8, "model.decoder_layers": 8}, 4.88, 25.5, 80),
    ("c-d256", "C", {"model.d_model": 256, "model.d_k": 32, "model.d_v": 32}, 5.75, 24.5, 28),
    ("c-d1024", "C", {"model.d_model": 1024, "model.d_k": 128, "model.d_v": 128}, 4.66, 26.0, 168),
    ("c-ff1024", "C", {"model.d_ff": 1024}, 5.12, 25.4, 53),
    ("c-ff4096", "C", {"model.d_ff": 4096}, 4.75, 26.2, 90),
    ("d-dropout0", "D", {"model.dropout": 0.0}, 5.77, 24.6, None),
    ("d-dropout2", "D", {"model.dropout": 0.2}, 4.95, 25.5, None),
    ("d-smoothing0", "D", {"train.label_smoothing": 0.0}, 4.67, 25.3, None),
    ("d-smoothing2", "D", {"train.label_smoothing": 0.2}, 5.47, 25.7, None),
    ("e-learned", "E", {"model.positions": "learned"}, 4.92, 25.7, None),
    ("big", "big", BIG, 4.33, 26.4, 213),
)
TABLE_3 = tuple(
    Row(f"paper/{recipe}", 3, name, {**NOT_AVERAGED, **changes}, bleu, perplexity, millions)
    for recipe, name, changes, perplexity, bleu, millions in VARIATIONS
)


@dataclass(frozen=True)
class Deviation:
    """A setting, its value in a recipe and its value in the paper."""

    setting: str
    value: str
    paper: str
    source: str | None  # where the paper has it; None if the paper has no such setting

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

    The nearest model is big if the recipe is as wide, else base. With averaged checkpoints it
    is that of table 2, else that of table 3.
    """
    found = [Comparison(row, deviations(recipe, row)) for row in (*TABLE_2, *TABLE_3)]
    exact = [one for one in found if not one.deviations]
    model = "big" if recipe.model.d_model == BIG["model.d_model"] else "base"
    table = 3 if recipe.train.average_checkpoints == 1 else 2
    near = [one for one in found if one.row.table == table and one.row.name.startswith(model)]
    return min(exact or near, key=lambda one: len(one.deviations))


def deviations(recipe: Recipe, row: Row) -> tuple[Deviation, ...]:
    """Return all deviations of a recipe from a row: in corpora, settings and subwords."""
    return (*text_deviations(recipe, row), *setting_deviations(recipe, row))


def text_deviations(recipe: Recipe, row: Row) -> Iterator[Deviation]:
    """Yield deviations of the corpora by the names of their files, not by their content."""
    data = recipe.data
    wanted = CORPORA[row.language]
    named = [
        [corpus for corpus in wanted if all(corpus in name for name in files.names)]
        for files in data.train
    ]
    if not all(named) or {corpus for corpora in named for corpus in corpora} != {*wanted}:
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
    """Yield deviations of all settings that the sets above do not name, and of the subwords."""
    ignored = SAME_RESULT | SILENT | BY_NAME
    paper = row.settings
    if paper.train.average_checkpoints == 1:  # the interval matters only to an average
        ignored = ignored | {"train.checkpoint_updates", "train.checkpoint_minutes"}
    elif recipe.train.checkpoint_minutes:  # replaces updates
        ignored = ignored | {"train.checkpoint_updates"}
        paper = with_settings(paper, {"train.checkpoint_minutes": CHECKPOINT_MINUTES})
    if recipe.train.precision == "auto":
        ignored = ignored | {"train.precision"}  # the device decides, and the model's recipe says
    for found in recipe_differences(paper, recipe):
        if found.name not in ignored:
            changed = found.name in row.changes and found.name.startswith("model.")
            sections = SECTION.findall(DECLARED[found.name].metadata["meaning"])
            source = "table 3" if changed else sections[-1] if sections else None
            yield Deviation(found.name, format_value(found.new), format_value(found.old), source)
    if row.language == "fr":
        yield Deviation("tokenizer", "byte-pair encoding", "word pieces", "section 5.1")


def silent_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's settings that the paper must have had too, but does not report."""
    names = [name for name in DECLARED if name in SILENT]
    if recipe.model.position_limit is None:
        names.remove("model.max_positions")
    return {name: get_setting(recipe, name) for name in names}
