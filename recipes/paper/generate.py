"""Write README.md next to this script: the paper's tables 2 and 3 compared with our counts.

Run it after a change of the recipes, the costs or the published results:
`python recipes/paper/generate.py`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nmt.config import Recipe
from nmt.evaluation.markdown import table
from nmt.recipe.files import read_recipe
from nmt.recipe.paper import NOT_AVERAGED, SENTENCE_TOKENS, TABLE_2, TABLE_3, Row
from nmt.recipe.size import count_parameters
from nmt.studio.inspection import count_flops, scientific
from nmt.system.atomic import write_text

PAGE = Path(__file__).resolve().parent / "README.md"

HEAD = """\
# The paper's rows

Every row of table 3 of "Attention Is All You Need" (Vaswani et al., 2017) is a recipe here: `nmt
train paper/a-h1` trains one, and `nmt inspect paper/a-h1` shows that it does not deviate from the
paper. `python recipes/paper/generate.py` writes this page. Perplexity, BLEU and the paper's counts
are published results of its authors. None of these rows was trained here.

## Table 3

Results are on newstest2013, the development set, without averaging checkpoints; perplexity is per
subword. The paper prints parameters, in millions, where they differ from the base model's. Our
counts are for {V:,} tokens, the vocabulary that section 5.1 names, and for one matrix that serves
as both embeddings and the softmax (section 3.4).
"""

COUNTS = """\
## Where the paper's counts and its vocabulary disagree

With {V:,} tokens, no count is met exactly: base and its variations have {least:.1%} to {most:.1%}
fewer parameters than the paper prints, and big has {big:.1%} more. One vocabulary of {low:,} to
{high:,} tokens would match base and all its variations to the printed million, but big needs
{big_low:,} to {big_high:,}, so that no size matches all rows.
"""

COST = """\
## Training cost

Table 2 of the paper estimates the operations from outside: training time × GPUs × "an estimate of
the sustained single-precision floating-point capacity of each GPU", which is {TFLOPS} TFLOP/s for a
P100 (section 6.1, footnote 5).
"""

OURS = """\
Our operations are counted from inside: matrix products over real tokens, 2 m n p for an m × n and
an n × p matrix, and three times the forward pass for training. An update reads {source:,} source
and {target:,} target tokens (section 5.1). We assume sentences of {length} tokens a side, because
the paper reports no lengths.
"""

MEANING = """\
Padding, waiting, and what is not a product (softmax, norms, dropout, Adam) make up the rest.
"""


@dataclass(frozen=True)
class Training:
    """The training time of a model of table 2 (section 5.2) and its published cost."""

    row: Row
    name: str
    hours: float
    update_seconds: float
    published: float  # floating-point operations


GPUS = 8  # of one machine (section 5.2)
TFLOPS = 9.5  # of a P100 (footnote 5)
TRAININGS = (
    Training(TABLE_2[0], "base", 12, 0.4, 3.3e18),
    Training(TABLE_2[1], "big", 3.5 * 24, 1.0, 2.3e19),
)


@dataclass(frozen=True)
class Count:
    """The parameters of a row: our count and the paper's."""

    row: Row
    recipe: Recipe
    ours: int

    @property
    def printed(self) -> float:
        """Return the paper's count, or NaN if the paper prints none."""
        return math.nan if self.row.millions is None else 1e6 * self.row.millions

    @property
    def excess(self) -> float:
        """Return our count relative to the paper's, minus 1."""
        return self.ours / self.printed - 1

    @property
    def matching_vocabulary(self) -> tuple[int, int]:
        """Return the smallest and largest vocabulary whose count rounds to the paper's."""
        d_model = self.recipe.model.d_model
        others = self.ours - self.recipe.tokenizer.vocab_size * d_model
        room = self.printed - others
        return math.ceil((room - 0.5e6) / d_model), math.floor((room + 0.5e6) / d_model)


def render_page(length: int = SENTENCE_TOKENS) -> str:
    """Return the page as Markdown; costs of attention are for sentences of `length` tokens."""
    counts = [count_row(row) for row in TABLE_3]
    V = counts[0].recipe.tokenizer.vocab_size
    blocks = [
        HEAD.format(V=V),
        table_3(counts, length),
        about_counts([each for each in counts if each.row.millions], V),
        COST.format(TFLOPS=TFLOPS),
        estimates_table(),
        about_operations(length),
        operations_table(length),
        MEANING,
    ]
    return "\n".join(blocks)


def count_row(row: Row) -> Count:
    """Return a row with the number of parameters of its recipe."""
    recipe = read_recipe(row.recipe)
    return Count(row, recipe, count_parameters(recipe.model, recipe.tokenizer.vocab_size))


def table_3(counts: Iterable[Count], length: int) -> str:
    """Return the paper's table 3 with our counts."""
    heads = (
        *("row", "recipe", "changes", "PPL", "BLEU"),
        *("parameters", "the paper's", "difference", "operations"),
    )
    return markdown_table(heads, (table_3_row(each, length) for each in counts))


def table_3_row(count: Count, length: int) -> list[str]:
    """Return the cells of one row of table 3."""
    row, recipe = count.row, count.recipe
    paper = difference = ""
    if row.millions:
        paper, difference = f"{row.millions} M", f"{count.excess:+.1%}"
    run = count_flops(recipe, recipe.tokenizer.vocab_size, length).training_run
    return [
        *(row.name, f"`{row.recipe}`", changes(row), f"{row.perplexity:.2f}", f"{row.bleu}"),
        *(f"{count.ours:,}", paper, difference, scientific(run)),
    ]


def changes(row: Row) -> str:
    """Return the settings in which a row of table 3 differs from its base."""
    return ", ".join(
        f"{name.partition('.')[2]} = {value}"
        for name, value in row.changes.items()
        if name not in NOT_AVERAGED
    )


def about_counts(counts: list[Count], V: int) -> str:
    """Return the section on counts that the paper's vocabulary of V tokens does not explain.

    counts: the rows with a printed count, big last.
    """
    *variations, big = counts
    fewer = [-each.excess for each in variations]
    lows, highs = zip(*(each.matching_vocabulary for each in variations), strict=True)
    big_low, big_high = big.matching_vocabulary
    return COUNTS.format(
        V=V,
        least=min(fewer),
        most=max(fewer),
        big=big.excess,
        low=max(lows),
        high=min(highs),
        big_low=big_low,
        big_high=big_high,
    )


def estimates_table() -> str:
    """Return the paper's arithmetic, by hours and by seconds an update."""
    rate = GPUS * TFLOPS * 1e12
    rows = []
    for each in TRAININGS:
        updates = each.row.settings.train.max_updates
        by_hours = scientific(each.hours * 3600 * rate)
        by_updates = scientific(updates * each.update_seconds * rate)
        rows.append(
            [
                each.name,
                scientific(each.published, digits=1),
                f"{each.hours:g} h × 3,600 s × {GPUS} × {TFLOPS}e12 = {by_hours}",
                f"{updates:,} × {each.update_seconds} s × {GPUS} × {TFLOPS}e12 = {by_updates}",
            ]
        )
    return markdown_table(("model", "table 2", "by hours", "by updates"), rows)


def about_operations(length: int) -> str:
    """Return the paragraph on our assumptions."""
    train = read_recipe(TRAININGS[0].row.recipe).train
    return OURS.format(
        source=train.batch_source_tokens, target=train.batch_target_tokens, length=length
    )


def operations_table(length: int) -> str:
    """Return our arithmetic, with the share of the paper's result that it explains."""
    heads = (
        *("model", "forward, a source token", "forward, a target token"),
        *("an update", "the whole training", "share of table 2's"),
    )
    return markdown_table(heads, (operations_row(each, length) for each in TRAININGS))


def operations_row(training: Training, length: int) -> list[str]:
    """Return the cells of one model."""
    recipe = read_recipe(training.row.recipe)
    flops = count_flops(recipe, recipe.tokenizer.vocab_size, length)
    return [
        training.name,
        f"{flops.forward_per_source_token / 1e6:.2f}e6",
        f"{flops.forward_per_target_token / 1e6:.2f}e6",
        scientific(flops.training_per_update),
        scientific(flops.training_run),
        f"{flops.training_run / training.published:.0%}",
    ]


def markdown_table(heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    """Return a table with a newline at its end."""
    return table([*heads], rows) + "\n"


if __name__ == "__main__":
    write_text(PAGE, render_page())
    print(PAGE)
