"""Parsing of `--vary`."""

import pytest

from nmt.errors import UsageError
from nmt.studio.ablation.axes import parse_axis, split


def test_one_setting_makes_a_step_for_each_value() -> None:
    assert parse_axis("model.d_ff=256,512").steps == (("model.d_ff=256",), ("model.d_ff=512",))


def test_settings_that_change_together_take_their_values_in_order() -> None:
    """The example is row A of the paper's table 3."""
    axis = parse_axis("model.heads=1,4 model.d_k=512,128  model.d_v=512,128")
    assert axis.settings == ("model.heads", "model.d_k", "model.d_v")
    assert axis.steps == (
        ("model.heads=1", "model.d_k=512", "model.d_v=512"),
        ("model.heads=4", "model.d_k=128", "model.d_v=128"),
    )


def test_a_single_value_holds_for_all_steps() -> None:
    axis = parse_axis("model.encoder_layers=8,12 model.decoder_layers=2")
    assert axis.steps == (
        ("model.encoder_layers=8", "model.decoder_layers=2"),
        ("model.encoder_layers=12", "model.decoder_layers=2"),
    )


def test_tables_lists_and_quoted_texts_are_single_values() -> None:
    one, two = '[{ source = "a, b", target = "c" }]', "[{tsv='d=e'}, {tsv='f'}]"
    assert parse_axis(f"data.train={one},{two}").steps == (
        (f"data.train={one}",),
        (f"data.train={two}",),
    )
    assert split("a 'b c' [d e]", " ") == ["a", "'b c'", "[d e]"]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "--vary is empty"),
        ("model.heads", "not 'model.heads'"),
        ("model.heads=", "not 'model.heads='"),
        ("=2,4", "not '=2,4'"),
        ("model.heads=2, 4", "not '4'"),
        ("model.heads=2 model.heads=4", "names model.heads twice"),
        ("model.heads=1,2,4 model.d_k=8,4", "model.heads has 3, model.d_k has 2"),
    ],
)
def test_a_wrong_text_is_refused(text: str, fact: str) -> None:
    with pytest.raises(UsageError, match="--vary") as raised:
        parse_axis(text)
    assert fact in str(raised.value)
