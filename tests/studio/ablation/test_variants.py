"""Which variants a base and what varies make."""

from dataclasses import replace

import pytest

from nmt.config import ModelSettings, Recipe
from nmt.errors import UsageError
from nmt.studio.ablation.axes import parse_axis
from nmt.studio.ablation.variants import Variant, parse_seeds, plan_variants, with_seed

BASE = Recipe("small", model=ModelSettings(heads=4, d_ff=256, dropout=0.1))


def plan(*texts: str, grid: bool = False) -> list[Variant]:
    return plan_variants(BASE, [parse_axis(text) for text in texts], grid=grid)


def test_one_at_a_time() -> None:
    """Each differs from the base in one thing; what equals the base is the base, once."""
    variants = plan("model.d_ff=256,512", "model.heads=2,4,8")
    assert [each.name for each in variants] == [
        "base",
        "model.d_ff=512",
        "model.heads=2",
        "model.heads=8",
    ]
    assert [each.axis for each in variants] == [None, 0, 1, 1]
    assert variants[0].recipe == BASE
    assert variants[2].recipe == replace(BASE, model=replace(BASE.model, heads=2))
    (change,) = variants[2].changes
    assert (change.setting, change.value, change.base) == ("model.heads", "2", "4")


def test_a_grid_is_every_combination() -> None:
    variants = plan("model.d_ff=256,512", "model.heads=2,4,8", grid=True)
    names = {each.name for each in variants}
    assert len(variants) == 2 * 3
    assert {"base", "model.d_ff=512", "model.heads=2", "model.d_ff=512 model.heads=2"} <= names


def test_a_grid_without_the_base_s_own_values_has_the_base_too() -> None:
    variants = plan("model.d_ff=512,1024", "model.heads=2", grid=True)
    assert [each.name for each in variants] == [
        "base",
        "model.d_ff=512 model.heads=2",
        "model.d_ff=1024 model.heads=2",
    ]


def test_one_recipe_has_one_name_and_one_run() -> None:
    """However it is asked for."""
    asked = ("model.heads=8 model.d_ff=512", "model.d_ff=512 model.heads=8", "model.dropout=0.10")
    assert [each.name for each in plan(*asked)] == ["base", "model.d_ff=512 model.heads=8"]


def test_folders_tell_variants_apart() -> None:
    """Whatever their values hold, and however long they are."""
    texts = [
        f"data.train=[{{tsv='{name}'}}]" for name in ("a/b", "a b", "a|b", "c" * 200, "d" * 200)
    ]
    folders = [each.folder for each in plan(*texts, "train.init_from=../up")]
    assert len({*folders}) == len(folders) == 7
    assert folders[0] == "base"
    assert all("/" not in each and not each.startswith(".") for each in folders)
    assert max(map(len, folders)) < 140
    assert plan("model.norm=pre")[1].folder == "model.norm=pre"


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["model.hedas=2"], "unknown setting 'model.hedas'; did you mean 'model.heads'?"),
        (["model.heads=2,none"], "model.heads is 'none' but must be a whole number"),
        (["model.dropout=2"], "must be at most"),
        (["model.heads=4"], "nothing varies"),
        (["train.seed=1,2"], "--seeds"),
        (["data.metric=error_rate"], "one measure"),
        (["tokenizer.kind=char train.bpe_dropout=0.1"], "variant tokenizer.kind=char train.bpe"),
        (["data.max_length=300 model.positions=learned"], "model.max_positions=256"),
    ],
)
def test_a_wrong_setting_is_told(texts: list[str], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan(*texts)
    assert told in str(raised.value)


def test_a_grid_does_not_cross_a_setting_with_itself() -> None:
    with pytest.raises(UsageError, match=r"model\.heads stands in two"):
        plan("model.heads=1,2", "model.heads=8 model.d_k=8", grid=True)
    assert len(plan("model.heads=1,2", "model.heads=8 model.d_k=8")) == 4


def test_seeds() -> None:
    assert parse_seeds("3, 1") == [3, 1]
    assert with_seed(BASE, 7).train.seed == 7
    for wrong in ("", "1,", "one", "1,1", "1.5"):
        with pytest.raises(UsageError, match="--seeds"):
            parse_seeds(wrong)
    with pytest.raises(UsageError, match="at least 0"):
        with_seed(BASE, -1)
