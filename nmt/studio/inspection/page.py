"""The paper's tables beside our counts, as the page recipes/paper/README.md."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nmt.config import Recipe
from nmt.recipe import load_recipe
from nmt.studio.inspection.costs import flops_of
from nmt.studio.inspection.paper import NOT_AVERAGED, TABLE_2, TABLE_3, Row
from nmt.studio.inspection.summary import scientific
from nmt.training.cost import TRAINING_PASSES, Workload, count_parameters, forward_flops

HEAD = """\
# The paper's rows

Every row of table 3 of "Attention Is All You Need" (Vaswani et al., 2017) as a recipe:
[base.toml](base.toml), and what a row changes of it. The models of table 2 are `wmt14_en_de_base`,
`wmt14_en_de_big`, `wmt14_en_fr_base` and `wmt14_en_fr_big`. `nmt inspect paper/a-h1` shows that a
recipe deviates from the paper in nothing, `nmt train paper/a-h1` trains it into `runs/paper/a-h1`.

This page is what `nmt inspect --paper-table` prints; a test holds it to that. Perplexity, BLEU and
the paper's counts were published by its authors. None of these rows was trained here.

## Table 3

On newstest2013, the development set, without averaging checkpoints; perplexity is a piece's, not a
word's. The paper prints parameters, in millions, where they are not base's. Ours are those of
{V:,} pieces, the vocabulary that section 5.1 names, and of one matrix for both embeddings and the
softmax (section 3.4). Operations are those of the whole run, counted as below.
"""

COUNTS = """\
## Where the paper's counts and its vocabulary disagree

With {V:,} pieces no count is met exactly: base and its variations have {least:.1%} to
{most:.1%} fewer parameters than the paper prints, big has {big:.1%} more. The column of
pieces tells with how many ours would round to the printed million. One vocabulary of {low:,} to
{high:,} pieces would meet base and all its variations, but big's count asks for {big_low:,} to
{big_high:,}: none meets all. Ours is the stated one, for every row, and the difference stays in
sight.
"""

COST = """\
## Training cost

The paper's table 2 estimates the operations from outside: training time × GPUs × "an estimate of
the sustained single-precision floating-point capacity of each GPU", {TFLOPS} TFLOP/s for a P100
(section 6.1, footnote 5).
"""

OURS = """\
Ours are counted from inside: matrix products over real tokens (of an m × n and an n × p matrix:
2 m n p), × 3 for forward and backward. An update reads {source:,} source and {target:,} target
tokens (section 5.1). For attention, sentences have {length} tokens a side: an assumption, as the
paper tells no length. Without attention's own products base's run would still have {without}.
"""

MEANING = """\
The last column is the share of the assumed rate that the model's products explain. Padding,
waiting, and what is no product (softmax, norms, dropout, Adam) make up the rest.
"""


@dataclass(frozen=True)
class Training:
    """How long a model of table 2 was trained (section 5.2), and what table 2 says that cost."""

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
    """A row's parameters, ours and the paper's."""

    row: Row
    recipe: Recipe
    ours: int

    @property
    def printed(self) -> float:
        """The paper's, where it prints one."""
        return math.nan if self.row.millions is None else 1e6 * self.row.millions

    @property
    def excess(self) -> float:
        """Ours over the paper's, less 1."""
        return self.ours / self.printed - 1

    @property
    def pieces(self) -> tuple[int, int]:
        """The least and the greatest vocabulary with which ours would be rounded to the paper's."""
        d_model = self.recipe.model.d_model
        others = self.ours - self.recipe.tokenizer.vocab_size * d_model
        room = self.printed - others
        return math.ceil((room - 0.5e6) / d_model), math.floor((room + 0.5e6) / d_model)


def page(length: int) -> str:
    """The whole page; `length` is that of the sentences whose attention is counted."""
    counts = [counted(row) for row in TABLE_3]
    V = counts[0].recipe.tokenizer.vocab_size
    blocks = [
        HEAD.format(V=V),
        markdown(rows_of_table_3(counts, length)),
        about_counts([each for each in counts if each.row.millions], V),
        COST.format(TFLOPS=TFLOPS),
        markdown(estimates()),
        about_ours(length),
        markdown(products(length)),
        MEANING,
    ]
    return "\n".join(blocks)


def counted(row: Row) -> Count:
    """A row with the parameters of its recipe."""
    recipe = load_recipe(row.recipe)
    return Count(row, recipe, count_parameters(recipe.model, recipe.tokenizer.vocab_size))


def rows_of_table_3(counts: Iterable[Count], length: int) -> Iterator[list[str]]:
    """The table's cells, its head first."""
    yield [
        *("row", "recipe", "changes", "PPL", "BLEU"),
        *("parameters", "the paper's", "difference", "pieces that would meet it", "operations"),
    ]
    for each in counts:
        row, recipe = each.row, each.recipe
        paper = difference = pieces = ""
        if row.millions:
            paper = f"{row.millions} M"
            difference = f"{(each.ours - each.printed) / 1e6:+.2f} M ({each.excess:+.1%})"
            pieces = "{:,} to {:,}".format(*each.pieces)
        run = flops_of(recipe, recipe.tokenizer.vocab_size, length).training_run
        yield [
            *(row.name, f"`{row.recipe}`", changes(row), f"{row.perplexity:.2f}", f"{row.bleu}"),
            *(f"{each.ours:,}", paper, difference, pieces, scientific(run)),
        ]


def changes(row: Row) -> str:
    """What sets a row of table 3 apart from its base."""
    return ", ".join(
        f"{name.partition('.')[2]} = {value}"
        for name, value in row.changes.items()
        if name not in NOT_AVERAGED
    )


def about_counts(counts: list[Count], V: int) -> str:
    """Where the counts that the paper prints, big's last, disagree with its vocabulary."""
    *variations, big = counts
    fewer = [-each.excess for each in variations]
    lows, highs = zip(*(each.pieces for each in variations), strict=True)
    big_low, big_high = big.pieces
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


def estimates() -> Iterator[list[str]]:
    """The paper's arithmetic, by hours and by seconds an update."""
    yield ["model", "table 2", "by hours", "by updates"]
    for each in TRAININGS:
        updates = each.row.value_of("train.max_updates")
        rate = GPUS * TFLOPS * 1e12
        yield [
            each.name,
            scientific(each.published, digits=1),
            f"{each.hours:g} h × 3,600 s × {GPUS} × {TFLOPS}e12 ="
            f" {scientific(each.hours * 3600 * rate)}",
            f"{updates:,} × {each.update_seconds} s × {GPUS} × {TFLOPS}e12 ="
            f" {scientific(updates * each.update_seconds * rate)}",
        ]


def about_ours(length: int) -> str:
    """What our counts take for granted, and how little the length of sentences weighs."""
    base = load_recipe(TRAININGS[0].row.recipe)
    train = base.train
    work = Workload(train.batch_source_tokens, train.batch_target_tokens, 0, 0, 0)
    update = TRAINING_PASSES * forward_flops(base.model, base.tokenizer.vocab_size, work)
    return OURS.format(
        source=train.batch_source_tokens,
        target=train.batch_target_tokens,
        length=length,
        without=scientific(update * train.max_updates),
    )


def products(length: int) -> Iterator[list[str]]:
    """Our arithmetic, beside the paper's result."""
    yield [
        *("model", "forward, a source token", "forward, a target token"),
        *("an update", "the run", "of table 2's"),
    ]
    for each in TRAININGS:
        recipe = load_recipe(each.row.recipe)
        train = recipe.train
        flops = flops_of(recipe, recipe.tokenizer.vocab_size, length)
        source, target = flops.forward_per_source_token, flops.forward_per_target_token
        yield [
            *(each.name, f"{source / 1e6:.2f}e6", f"{target / 1e6:.2f}e6"),
            f"3 × ({train.batch_source_tokens:,} × {source / 1e6:.2f}e6 +"
            f" {train.batch_target_tokens:,} × {target / 1e6:.2f}e6) ="
            f" {scientific(flops.training_per_update)}",
            f"{train.max_updates:,} × {scientific(flops.training_per_update)} ="
            f" {scientific(flops.training_run)}",
            f"{flops.training_run / each.published:.0%}",
        ]


def markdown(rows: Iterable[list[str]]) -> str:
    """A table, its head first."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
