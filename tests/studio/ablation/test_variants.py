"""The variants that a base recipe and its axes make."""

from dataclasses import replace

import pytest

from nmt.config import ModelSettings, Recipe
from nmt.errors import UsageError
from nmt.studio.ablation.axes import parse_axis
from nmt.studio.ablation.variants import Variant, parse_seeds, plan_variants, with_seed

BASE = Recipe("small", model=ModelSettings(heads=4, d_ff=256, dropout=0.1))


def plan(*texts: str, grid: bool = False) -> list[Variant]:
    return plan_variants(BASE, [parse_axis(text) for text in texts], grid=grid)


def test_without_a_grid_each_step_is_a_variant() -> None:
    """A step that equals the base is left out."""
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


def test_a_grid_has_every_combination() -> None:
    variants = plan("model.d_ff=256,512", "model.heads=2,4,8", grid=True)
    names = {each.name for each in variants}
    assert len(variants) == 2 * 3
    assert {"base", "model.d_ff=512", "model.heads=2", "model.d_ff=512 model.heads=2"} <= names


def test_a_grid_always_has_the_base() -> None:
    variants = plan("model.d_ff=512,1024", "model.heads=2", grid=True)
    assert [each.name for each in variants] == [
        "base",
        "model.d_ff=512 model.heads=2",
        "model.d_ff=1024 model.heads=2",
    ]


def test_equal_variants_are_one_variant() -> None:
    """The order of settings and the notation of values make no difference."""
    texts = ("model.heads=8 model.d_ff=512", "model.d_ff=512 model.heads=8", "model.dropout=0.10")
    assert [each.name for each in plan(*texts)] == ["base", "model.d_ff=512 model.heads=8"]


def test_each_variant_has_a_folder_of_its_own() -> None:
    """Values may be long, and may contain characters that folders should not have."""
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
    ("texts", "fact"),
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
def test_a_wrong_setting_is_refused(texts: list[str], fact: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan(*texts)
    assert fact in str(raised.value)


def test_a_grid_refuses_a_setting_on_two_axes() -> None:
    with pytest.raises(UsageError, match=r"model\.heads"):
        plan("model.heads=1,2", "model.heads=8 model.d_k=8", grid=True)
    assert len(plan("model.heads=1,2", "model.heads=8 model.d_k=8")) == 4


def test_seeds_are_whole_numbers_each_once() -> None:
    assert parse_seeds("3, 1") == [3, 1]
    assert with_seed(BASE, 7).train.seed == 7
    for wrong in ("", "1,", "one", "1,1", "1.5"):
        with pytest.raises(UsageError, match="--seeds"):
            parse_seeds(wrong)
    with pytest.raises(UsageError, match="at least 0"):
        with_seed(BASE, -1)
