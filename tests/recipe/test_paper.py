"""The paper's rows are shipped recipes, and each setting that deviates names its section."""

from dataclasses import Field, replace
from typing import Any

import pytest

from nmt.config import DECLARED, Recipe, TextFiles
from nmt.recipe.files import load_recipe, shipped_recipes
from nmt.recipe.paper import (
    BY_NAME,
    SAME_RESULT,
    SILENT,
    TABLE_2,
    TABLE_3,
    Row,
    compare,
    deviations,
    silent_settings,
)
from nmt.recipe.settings import parse_overrides, with_settings
from nmt.recipe.size import count_parameters
from nmt.recipe.toml import toml_value
from recipes.paper.generate import PAGE, render_page

BASE = TABLE_3[0]


def recipe_name(row: Row) -> str:
    return row.recipe


def test_table_3_and_the_recipes_of_the_paper_match() -> None:
    names = [row.recipe for row in TABLE_3]
    assert len(names) == 20
    assert sorted(names) == [name for name in shipped_recipes() if name.startswith("paper/")]
    letters = [row.name for row in TABLE_3]
    assert [letters.count(letter) for letter in "ABCDE"] == [4, 2, 7, 4, 1]


@pytest.mark.parametrize("row", TABLE_3, ids=recipe_name)
def test_a_recipe_of_table_3_has_no_deviations(row: Row) -> None:
    recipe = load_recipe(row.recipe)
    assert deviations(recipe, row) == ()
    assert compare(recipe).row is row


@pytest.mark.parametrize("row", TABLE_2, ids=recipe_name)
def test_a_recipe_of_table_2_deviates_at_most_in_word_pieces(row: Row) -> None:
    found = compare(load_recipe(row.recipe))
    assert found.row is row
    french = ["tokenizer = byte-pair encoding, paper: word pieces, section 5.1"]
    assert [str(deviation) for deviation in found.deviations] == (
        french if row.language == "fr" else []
    )


@pytest.mark.parametrize("row", TABLE_3, ids=recipe_name)
def test_the_parameters_of_a_row_are_near_the_printed_count(row: Row) -> None:
    recipe = load_recipe(row.recipe)
    built = count_parameters(recipe.model, 37_000)
    if row.millions:
        assert built == pytest.approx(1e6 * row.millions, rel=0.07)
    else:
        learned = 2 * 256 * 512 if row.name == "E" else 0
        assert built == count_parameters(load_recipe(BASE.recipe).model, 37_000) + learned


def test_hand_worked_counts() -> None:
    """Count the parameters of base by hand.

    An encoder layer has 4 d² in attention, 2 d d_ff + d_ff + d in the feed-forward network and 4 d
    in norms. A decoder layer has 8 d², the same feed-forward network and 6 d. The embeddings have
    37,000 d.
    """
    d, d_ff = 512, 2048
    feed_forward = 2 * d * d_ff + d_ff + d
    base = 37_000 * d + 6 * (12 * d * d + 2 * feed_forward + 10 * d)
    narrow = base - 18 * 2 * d * 8 * (64 - 16)  # 18 attentions' queries and keys of d_k 16
    counts = {
        row.recipe: count_parameters(load_recipe(row.recipe).model, 37_000) for row in TABLE_3
    }
    assert counts["paper/base"] == base == 63_045_632
    assert counts["paper/b-dk16"] == narrow == 55_967_744
    assert counts["paper/big"] == 214_171_648


def test_the_committed_page_is_what_the_script_writes() -> None:
    """After a change, run `python recipes/paper/generate.py`."""
    assert PAGE.read_text(encoding="utf-8") == render_page()
    assert render_page(60) != render_page()


CASES = [name for name in DECLARED if name not in BY_NAME]
# Further changes that a setting needs, because it cannot be changed alone.
REQUIRED = {"tokenizer.joint": ["model.tied=target"]}


def another_value(declared: "Field[Any]") -> Any:
    """Return a valid value that is not the default."""
    default = declared.metadata["default"]
    choices = [choice for choice in declared.metadata["choices"] if choice != default]
    if choices:
        return choices[0]
    if isinstance(default, bool):
        return not default
    if isinstance(default, float):
        half = max(default / 2 or 0.5, declared.metadata["minimum"])
        return half if half != default else 2 * default
    return default + 1 if isinstance(default, int) else f"{default}x"


def list_deviations(name: str, *overrides: str) -> list[str]:
    """Return the deviations of a shipped recipe with some settings changed."""
    return [str(deviation) for deviation in compare(load_recipe(name, overrides)).deviations]


def test_each_setting_is_in_at_most_one_table() -> None:
    tables = [SAME_RESULT, SILENT, BY_NAME]
    assert set.union(*tables) <= DECLARED.keys()
    assert len(set.union(*tables)) == sum(map(len, tables))


@pytest.mark.parametrize("name", CASES)
def test_a_changed_setting_is_a_deviation_unless_a_table_names_it(name: str) -> None:
    """Settings that are added to the configuration later are tested too."""
    changed = f"{name}={toml_value(another_value(DECLARED[name]))}"
    both = "train.early_stopping_metric=loss"  # not a deviation, and valid with every metric
    more = REQUIRED.get(name, [])
    found = compare(load_recipe("wmt14_en_de_base", [changed, both, *more]))
    expected = {name, *(change.partition("=")[0] for change in more)} - SAME_RESULT - SILENT
    assert {deviation.setting for deviation in found.deviations} == expected
    assert found.row is TABLE_2[0]


@pytest.mark.parametrize(
    ("recipe", "changes", "expected"),
    [
        ("wmt14_en_de_base", "model.dropout=0.3", "model.dropout = 0.3, paper: 0.1, section 5.4"),
        ("wmt14_en_de_big", "model.d_ff=2048", "model.d_ff = 2048, paper: 4096, table 3"),
        ("wmt14_en_de_base", "train.r_drop=5", "train.r_drop = 5.0, not in the paper"),
        (
            "wmt14_en_de_base",
            "train.precision=bf16",
            "train.precision = bf16, paper: float32, footnote 5",
        ),
        (
            "wmt14_en_de_base",
            'data.train=[{ source = "europarl-v7.commoncrawl.news-commentary-v9.en",'
            ' target = "europarl-v7.commoncrawl.news-commentary-v9.de", tag = "<BT>" }]',
            "data.train.tag = <BT>, not in the paper",
        ),
        (
            "wmt14_en_de_base",
            "data.test={}",
            "data.test = none, paper: newstest2014, table 2",
        ),
        (
            "wmt14_en_de_base",
            'data.train=[{ source = "europarl-v7.de-en.en", target = "europarl-v7.de-en.de" }]',
            "data.train = europarl-v7.de-en.en, paper: WMT 2014 English-German (europarl-v7,"
            " commoncrawl, news-commentary-v9), section 5.1",
        ),
    ],
)
def test_deviations_name_value_paper_and_place(recipe: str, changes: str, expected: str) -> None:
    assert list_deviations(recipe, changes) == [expected]


def test_corpora_are_recognised_by_parts_of_their_names() -> None:
    """Tokenised copies, in any order and in parts, are the paper's; another corpus is not."""
    parts = ["commoncrawl.tok", "news-commentary-v9.1", "news-commentary-v9.2", "europarl-v7"]
    files = tuple(TextFiles(source=f"x/{part}.en", target=f"x/{part}.de") for part in parts)
    base = load_recipe("wmt14_en_de_base")
    assert not compare(replace(base, data=replace(base.data, train=files))).deviations
    more = (*files, TextFiles(tsv="mine.tsv"))
    (found,) = compare(replace(base, data=replace(base.data, train=more))).deviations
    assert found.value == "x/commoncrawl.tok.en and 4 more"


def test_ten_minutes_are_the_paper_s_interval_whatever_the_updates() -> None:
    """The interval matters only to an average."""
    updates, name = "train.checkpoint_updates=77", "wmt14_en_de_base"
    expected = "train.checkpoint_updates = 77, paper: 1500, section 6.1"
    assert list_deviations(name, updates) == [expected]
    assert list_deviations(name, updates, "train.checkpoint_minutes=10") == []
    expected = "train.checkpoint_minutes = 5.0, paper: 10.0, section 6.1"
    assert list_deviations(name, updates, "train.checkpoint_minutes=5") == [expected]
    for change in (updates, "train.checkpoint_minutes=5"):
        assert list_deviations("paper/base", change) == []


def test_a_recipe_without_settings_is_the_base_without_its_corpora() -> None:
    found = compare(Recipe("empty"))
    assert found.row is TABLE_2[0]
    assert [deviation.setting for deviation in found.deviations] == [
        "data.train",
        "data.dev",
        "data.test",
    ]


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ([], TABLE_2[0]),
        (["model.dropout=0.3"], TABLE_2[0]),
        (["model.d_model=1024", "model.encoder_layers=12"], TABLE_2[1]),
        (["train.average_checkpoints=1"], TABLE_3[0]),
        (["train.average_checkpoints=1", "model.d_model=1024"], TABLE_3[-1]),
        (["data.target_language=fr", "tokenizer.vocab_size=32000"], TABLE_2[2]),
    ],
)
def test_a_recipe_that_is_not_a_row_is_compared_with_the_nearest_model(
    changes: list[str], row: object
) -> None:
    assert compare(with_settings(Recipe("mine"), parse_overrides(changes))).row is row


def test_settings_that_the_paper_does_not_report_are_listed() -> None:
    silent = silent_settings(load_recipe("wmt14_en_de_base"))
    assert silent.keys() == SILENT - {"model.max_positions"}
    assert silent["tokenizer.character_coverage"] == 0.9999
    assert silent_settings(load_recipe("paper/e-learned"))["model.max_positions"] == 256
