"""`nmt settings` lists what recipes may set."""

import pytest

from nmt.config import DECLARED
from tests.conftest import Run


def test_every_setting_is_listed_with_its_default(nmt: Run) -> None:
    lines = nmt("settings").out.splitlines()
    assert [line.partition("=")[0] for line in lines if line[0] != " "] == [*DECLARED]
    shown = {"train.warmup_updates=4000", "model.heads=8", 'tokenizer.kind="bpe"', "data.train"}
    assert shown <= {*lines}
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize(
    ("names", "prefixes"),
    [(["tokenizer"], {"tokenizer"}), (["decode.beam_size", "model"], {"model", "decode"})],
)
def test_sections_and_settings_are_chosen(nmt: Run, names: list[str], prefixes: set[str]) -> None:
    lines = [line for line in nmt("settings", *names).out.splitlines() if line[0] != " "]
    assert {line.partition(".")[0] for line in lines} == prefixes
    assert sum(line.startswith("decode.") for line in lines) == ("model" in names)


def test_an_unknown_name_is_a_usage_error(nmt: Run) -> None:
    result = nmt("settings", "model.head")
    assert result.code == 2
    assert "no setting or section 'model.head'; did you mean 'model.heads'?" in result.err
