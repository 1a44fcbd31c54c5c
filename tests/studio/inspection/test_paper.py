"""Every row of the paper's tables 2 and 3 is a recipe of ours, and no other."""

import tomllib
from dataclasses import replace

import pytest

from nmt.config import declared_settings
from nmt.recipe import get_setting, load_recipe, read_text, shipped_recipes
from nmt.studio.inspection.architecture import weights_of
from nmt.studio.inspection.deviations import compare, deviations
from nmt.studio.inspection.page import page
from nmt.studio.inspection.paper import SENTENCE_TOKENS, TABLE_2, TABLE_3, Row
from nmt.system.resources import shipped
from nmt.training.cost import count_parameters

BASE = TABLE_3[0]


def titled(row: Row) -> str:
    return row.recipe


def test_each_row_of_table_3_is_a_recipe_and_each_recipe_a_row() -> None:
    names = [row.recipe for row in TABLE_3]
    assert len(names) == 20
    assert sorted(names) == [name for name in shipped_recipes() if name.startswith("paper/")]
    letters = [row.name for row in TABLE_3]
    assert [letters.count(each) for each in "ABCDE"] == [4, 2, 7, 4, 1]


@pytest.mark.parametrize("row", TABLE_3, ids=titled)
def test_a_recipe_of_table_3_deviates_in_nothing(row: Row) -> None:
    recipe = load_recipe(row.recipe)
    assert deviations(recipe, row) == ()
    assert compare(recipe).row is row


@pytest.mark.parametrize("row", TABLE_2, ids=titled)
def test_a_recipe_of_table_2_deviates_in_its_word_pieces_at_most(row: Row) -> None:
    found = compare(load_recipe(row.recipe))
    assert found.row is row
    french = ["tokenizer = byte-pair encoding, paper: word pieces, section 5.1"]
    assert [str(each) for each in found.deviations] == (french if row.language == "fr" else [])


@pytest.mark.parametrize("row", TABLE_3[1:], ids=titled)
def test_a_row_is_the_base_with_its_change_alone(row: Row) -> None:
    """In its file as in what comes of it."""
    tables = tomllib.loads(read_text(shipped("recipes") / f"{row.recipe}.toml"))
    assert tables.pop("extends") == "paper/base"
    written = {
        f"{section}.{key}": value for section, keys in tables.items() for key, value in keys.items()
    }
    recipe, base = load_recipe(row.recipe), load_recipe(BASE.recipe)
    differing = {
        name: get_setting(recipe, name)
        for name, _ in declared_settings()
        if get_setting(recipe, name) != get_setting(base, name)
    }
    assert written == differing
    assert {**BASE.changes, **written} == row.changes


@pytest.mark.parametrize("row", TABLE_3, ids=titled)
def test_a_row_is_built_and_counted(row: Row) -> None:
    recipe = load_recipe(row.recipe)
    built = sum(each.parameters for each in weights_of(recipe.model, 37_000))
    assert count_parameters(recipe.model, 37_000) == built
    if row.millions:
        assert built == pytest.approx(1e6 * row.millions, rel=0.07)
    else:
        learned = 2 * 256 * 512 if row.name == "E" else 0
        assert built == count_parameters(load_recipe(BASE.recipe).model, 37_000) + learned


def test_hand_worked_counts() -> None:
    """Base: an encoder layer has 4 d² of attention, 2 d d_ff + d_ff + d of feed-forward and 4 d of
    norms, a decoder layer 8 d², the same and 6 d, all over the embeddings of 37,000 d."""
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


def test_the_page_is_what_the_program_makes() -> None:
    """After a change: nmt inspect --paper-table > recipes/paper/README.md."""
    assert read_text(shipped("recipes") / "paper" / "README.md") == page(SENTENCE_TOKENS)


def test_the_page_has_every_row_and_the_papers_cost() -> None:
    text = page(SENTENCE_TOKENS)
    for row in TABLE_3:
        assert f"| `{row.recipe}` |" in text
    assert "12 h × 3,600 s × 8 × 9.5e12 = 3.28e18" in text
    assert "84 h × 3,600 s × 8 × 9.5e12 = 2.30e19" in text
    assert page(60) != text


def test_a_row_says_what_the_paper_measured_it_on() -> None:
    assert (TABLE_2[1].title, TABLE_2[1].test_set) == ("table 2, row big (en-de)", "newstest2014")
    assert (TABLE_3[1].title, TABLE_3[1].test_set) == ("table 3, row A", "newstest2013")
    assert replace(TABLE_3[1], changes={}).value_of("model.heads") == 8
    assert TABLE_3[1].value_of("model.heads") == 1
