"""Rows of the paper's tables 2 and 3: the settings of each model and its published results.

Source: Vaswani et al. (2017). The base model's settings are the defaults of `nmt.config`, which
names the section of each. A row here lists the settings that differ from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nmt.config import Recipe
from nmt.recipe import with_settings

# Parts of the file names in every copy of a corpus (section 5.1), by target language.
CORPORA = {
    "de": ("europarl-v7", "commoncrawl", "news-commentary-v9"),
    "fr": ("europarl-v7", "commoncrawl", "news-commentary-v9", "undoc.2000", "giga-fren"),
}
DEV_SET = "newstest2013"  # section 6.2
SENTENCE_TOKENS = 30  # a side; an assumption for costs, because the paper reports no lengths


@dataclass(frozen=True, eq=False)
class Row:
    """One row: the settings in which it differs from the base model of table 2, and its results."""

    recipe: str  # name of the shipped recipe for this row
    table: int
    name: str  # the paper's letter, or the model's name
    changes: Mapping[str, Any] = field(default_factory=dict)
    bleu: float | None = None
    perplexity: float | None = None  # a token, on the dev set
    millions: int | None = None  # of parameters; None if the paper prints no count

    @property
    def title(self) -> str:
        """Return the row's place, such as "table 3, row A"."""
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
CHECKPOINT_MINUTES = 10.0  # "written at 10-minute intervals" (section 6.1)
FRENCH = {"data.target_language": "fr", "tokenizer.vocab_size": 32_000}
BIG_FRENCH = {"model.dropout": 0.1}  # section 6.1


def variation(
    recipe: str,
    name: str,
    changes: Mapping[str, Any],
    perplexity: float,
    bleu: float,
    millions: int | None = None,
) -> Row:
    """Return a row of table 3."""
    return Row(f"paper/{recipe}", 3, name, {**NOT_AVERAGED, **changes}, bleu, perplexity, millions)


def heads(h: int) -> dict[str, Any]:
    """Return row A's settings: h heads with the same number of operations in total."""
    return {"model.heads": h, "model.d_k": 512 // h, "model.d_v": 512 // h}


def depth(N: int) -> dict[str, Any]:
    """Return row C's settings for N layers in both stacks."""
    return {"model.encoder_layers": N, "model.decoder_layers": N}


def width(d_model: int, d_head: int) -> dict[str, Any]:
    """Return row C's settings for another width of the model."""
    return {"model.d_model": d_model, "model.d_k": d_head, "model.d_v": d_head}


TABLE_2 = (
    Row("wmt14_en_de_base", 2, "base (en-de)", {}, 27.3),
    Row("wmt14_en_de_big", 2, "big (en-de)", BIG_AVERAGED, 28.4),
    Row("wmt14_en_fr_base", 2, "base (en-fr)", FRENCH, 38.1),
    Row("wmt14_en_fr_big", 2, "big (en-fr)", {**BIG_AVERAGED, **FRENCH, **BIG_FRENCH}, 41.8),
)
TABLE_3 = (
    variation("base", "base", {}, 4.92, 25.8, 65),
    variation("a-h1", "A", heads(1), 5.29, 24.9),
    variation("a-h4", "A", heads(4), 5.00, 25.5),
    variation("a-h16", "A", heads(16), 4.91, 25.8),
    variation("a-h32", "A", heads(32), 5.01, 25.4),
    variation("b-dk16", "B", {"model.d_k": 16}, 5.16, 25.1, 58),
    variation("b-dk32", "B", {"model.d_k": 32}, 5.01, 25.4, 60),
    variation("c-n2", "C", depth(2), 6.11, 23.7, 36),
    variation("c-n4", "C", depth(4), 5.19, 25.3, 50),
    variation("c-n8", "C", depth(8), 4.88, 25.5, 80),
    variation("c-d256", "C", width(256, 32), 5.75, 24.5, 28),
    variation("c-d1024", "C", width(1024, 128), 4.66, 26.0, 168),
    variation("c-ff1024", "C", {"model.d_ff": 1024}, 5.12, 25.4, 53),
    variation("c-ff4096", "C", {"model.d_ff": 4096}, 4.75, 26.2, 90),
    variation("d-dropout0", "D", {"model.dropout": 0.0}, 5.77, 24.6),
    variation("d-dropout2", "D", {"model.dropout": 0.2}, 4.95, 25.5),
    variation("d-smoothing0", "D", {"train.label_smoothing": 0.0}, 4.67, 25.3),
    variation("d-smoothing2", "D", {"train.label_smoothing": 0.2}, 5.47, 25.7),
    variation("e-learned", "E", {"model.positions": "learned"}, 4.92, 25.7),
    variation("big", "big", BIG, 4.33, 26.4, 213),
)
