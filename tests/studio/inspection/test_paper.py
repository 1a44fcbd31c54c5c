"""Every row of the paper's tables 2 and 3 is a shipped recipe."""

import tomllib

import pytest

from nmt.recipe import load_recipe, read_text, recipe_differences, shipped_recipes
from nmt.recipe.size import count_parameters
from nmt.studio.inspection.architecture import weights_of
from nmt.studio.inspection.deviations import compare, deviations
from nmt.studio.inspection.paper import TABLE_2, TABLE_3, Row
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
    assert [letters.count(each) for each in "ABCDE"] == [4, 2, 7, 4, 1]


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
    assert [str(each) for each in found.deviations] == (french if row.language == "fr" else [])


@pytest.mark.parametrize("row", TABLE_3[1:], ids=recipe_name)
def test_a_row_changes_only_its_own_settings(row: Row) -> None:
    """The file names the same settings as the difference between the two recipes."""
    tables = tomllib.loads(read_text(shipped("recipes") / f"{row.recipe}.toml"))
    assert tables.pop("extends") == "paper/base"
    written = {
        f"{section}.{key}": value for section, keys in tables.items() for key, value in keys.items()
    }
    recipe, base = load_recipe(row.recipe), load_recipe(BASE.recipe)
    differing = {each.name: each.new for each in recipe_differences(base, recipe)}
    assert written == differing
    assert {**BASE.changes, **written} == row.changes


@pytest.mark.parametrize("row", TABLE_3, ids=recipe_name)
def test_the_parameters_of_a_row_are_near_the_printed_count(row: Row) -> None:
    recipe = load_recipe(row.recipe)
    built = sum(each.parameters for each in weights_of(recipe.model, 37_000))
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
