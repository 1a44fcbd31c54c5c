"""The paper's rows are shipped recipes, and each setting that deviates names its section."""

import re
import tomllib
from dataclasses import Field, replace
from typing import Any

import pytest

from nmt.config import DECLARED, Recipe, TextFiles
from nmt.recipe.files import load_recipe, read_text, shipped_recipes
from nmt.recipe.paper import (
    BY_NAME,
    SAME_RESULT,
    SILENT,
    TABLE_2,
    TABLE_3,
    Row,
    compare,
    deviations,
    paper_section,
    silent_settings,
)
from nmt.recipe.settings import parse_overrides, recipe_differences, with_settings
from nmt.recipe.size import count_parameters
from nmt.recipe.toml import toml_value
from nmt.studio.inspection import list_weights
from nmt.system.files import shipped
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


@pytest.mark.parametrize("row", TABLE_3[1:], ids=recipe_name)
def test_a_row_changes_only_its_own_settings(row: Row) -> None:
    """The file names the same settings as the difference between the two recipes."""
    tables = tomllib.loads(read_text(shipped("recipes") / f"{row.recipe}.toml"))
    assert tables.pop("extends") == "paper/base"
    written = {
        f"{section}.{key}": value for section, keys in tables.items() for key, value in keys.items()
    }
    recipe, base = load_recipe(row.recipe), load_recipe(BASE.recipe)
    differing = {found.name: found.new for found in recipe_differences(base, recipe)}
    assert written == differing
    assert {**BASE.changes, **written} == row.changes


@pytest.mark.parametrize("row", TABLE_3, ids=recipe_name)
def test_the_parameters_of_a_row_are_near_the_printed_count(row: Row) -> None:
    recipe = load_recipe(row.recipe)
    built = sum(weight.parameters for weight in list_weights(recipe.model, 37_000))
    assert count_parameters(recipe.model, 37_000) == built
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


def test_the_page_has_every_row_and_the_papers_cost() -> None:
    text = render_page()
    for row in TABLE_3:
        assert f"| `{row.recipe}` |" in text
    assert "12 h × 3,600 s × 8 × 9.5e12 = 3.28e18" in text
    assert "84 h × 3,600 s × 8 × 9.5e12 = 2.30e19" in text
    assert render_page(60) != text


def test_a_row_has_a_title_a_test_set_and_settings() -> None:
    assert (TABLE_2[1].title, TABLE_2[1].test_set) == ("table 2, row big (en-de)", "newstest2014")
    assert (TABLE_3[1].title, TABLE_3[1].test_set) == ("table 3, row A", "newstest2013")
    assert TABLE_3[0].settings.model.heads == 8
    assert TABLE_3[1].settings.model.heads == 1


CASES = [name for name in DECLARED if name not in BY_NAME]
# Settings that the paper does not have, so that their meaning names no section.
NOT_IN_PAPER = {
    "tokenizer.byte_fallback",
    "decode.target_token",
    "decode.search_again",
    "model.norm_epsilon",
    "model.attention_bias",
    "model.softmax_bias",
    "train.gradient_precision",
    "train.bpe_dropout",
    "train.r_drop",
    "train.simcut",
    "train.simcut_cutoff",
    "train.moving_average",
    "train.cooldown_updates",
    "train.guided_alignment",
    "train.init_from",
    "decode.min_length",
    "decode.max_length",
    "decode.no_repeat_ngram",
    "decode.temperature",
    "decode.top_k",
    "decode.top_p",
    "decode.mbr",
    "decode.candidates",
}
# Further changes that a setting needs, because it cannot be changed alone.
REQUIRED = {"tokenizer.joint": ["model.tied=target"]}
LANGUAGES = {"data.source_language", "data.target_language"}


def another_value(declared: "Field[Any]") -> Any:
    """Return a valid value that is not the default."""
    default = declared.metadata["default"]
    choices = [choice for choice in declared.metadata["choices"] if choice != default]
    if choices:
        return choices[0]
    if isinstance(default, bool):
        return not default
    if isinstance(default, float):
        return max(default / 2 or 0.5, declared.metadata["minimum"])
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


@pytest.mark.parametrize("name", [name for name in CASES if name not in SAME_RESULT | SILENT])
def test_a_setting_of_the_paper_names_its_section(name: str) -> None:
    section = paper_section(DECLARED[name])
    if name in NOT_IN_PAPER | LANGUAGES:
        assert section is None
    else:
        assert section, f"{name}: name a section in its meaning, or add it to NOT_IN_PAPER"
        assert re.match(r"(sections? [3-6]|equation 3|table [23]|footnote 5)", section)


@pytest.mark.parametrize(
    ("recipe", "changes", "expected"),
    [
        ("wmt14_en_de_base", "model.dropout=0.3", "model.dropout = 0.3, paper: 0.1, section 5.4"),
        ("wmt14_en_de_big", "model.d_ff=2048", "model.d_ff = 2048, paper: 4096, table 3"),
        (
            "wmt14_en_de_big",
            "train.average_checkpoints=5",
            "train.average_checkpoints = 5, paper: 20, section 6.1",
        ),
        (
            "wmt14_en_de_base",
            "train.precision=bf16",
            "train.precision = bf16, paper: float32, footnote 5",
        ),
        ("wmt14_en_de_base", "train.r_drop=5", "train.r_drop = 5.0, not in the paper"),
        ("paper/a-h1", "model.heads=3", None),
        (
            "wmt14_en_de_base",
            'data.dev=[{ tsv = "my.tsv" }]',
            "data.dev = my.tsv, paper: newstest2013, section 6.2",
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
def test_deviations_name_value_paper_and_place(
    recipe: str, changes: str, expected: str | None
) -> None:
    found = list_deviations(recipe, changes)
    if expected:
        assert found == [expected]
    else:  # no row has three heads, so that base is nearest
        assert [text.split(" = ")[0] for text in found] == ["model.heads", "model.d_k", "model.d_v"]


def test_corpora_are_recognised_by_parts_of_their_names() -> None:
    """Tokenised copies, in any order and in parts, are the paper's; another corpus is not."""
    parts = ["commoncrawl.tok", "news-commentary-v9.1", "news-commentary-v9.2", "europarl-v7"]
    files = tuple(TextFiles(source=f"x/{part}.en", target=f"x/{part}.de") for part in parts)
    base = load_recipe("wmt14_en_de_base")
    assert not compare(replace(base, data=replace(base.data, train=files))).deviations
    more = (*files, TextFiles(tsv="mine.tsv"))
    (found,) = compare(replace(base, data=replace(base.data, train=more))).deviations
    assert found.value == "x/commoncrawl.tok.en and 4 more"


def test_the_checkpoint_interval_matters_only_to_an_average() -> None:
    assert list_deviations("paper/base", "train.checkpoint_updates=77") == []
    (found,) = list_deviations("wmt14_en_de_base", "train.checkpoint_updates=77")
    assert found == "train.checkpoint_updates = 77, paper: 1500, section 6.1"


@pytest.mark.parametrize("name", ["wmt14_en_de_base", "wmt14_en_de_big"])
def test_ten_minutes_are_the_paper_s_interval_whatever_the_updates(name: str) -> None:
    updates = "train.checkpoint_updates=77"
    assert list_deviations(name, updates, "train.checkpoint_minutes=10") == []
    (found,) = list_deviations(name, updates, "train.checkpoint_minutes=5")
    assert found == "train.checkpoint_minutes = 5.0, paper: 10.0, section 6.1"
    assert list_deviations("paper/base", "train.checkpoint_minutes=5") == []


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
