"""How long a piece of a segment may be, with learned positions above all: they cannot grow."""

from pathlib import Path

import pytest

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.segments import segment_limit
from nmt.errors import NmtError
from tests.conftest import Run

LEARNED = ["--set", "model.positions=learned", "--set", "model.max_positions=30"]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        (ModelSettings(), 250),
        (ModelSettings(max_positions=100), 250),  # which sinusoids don't heed
        (ModelSettings(positions="learned"), 206),  # 256 - 50 more tokens of output
        (ModelSettings(positions="learned", max_positions=512), 250),
    ],
)
def test_learned_positions_hold_a_piece_and_its_output(model: ModelSettings, limit: int) -> None:
    assert segment_limit(DecodeSettings(), model) == limit


def test_no_room_for_an_output_is_told() -> None:
    settings = DecodeSettings(max_extra_tokens=99)
    assert segment_limit(settings, ModelSettings(positions="learned", max_positions=101)) == 2
    with pytest.raises(NmtError, match="max_extra_tokens=99 leaves no room in the 100 positions"):
        segment_limit(settings, ModelSettings(positions="learned", max_positions=100))


def test_learned_positions_train_resume_and_translate_what_is_longer(nmt: Run, tiny: Path) -> None:
    """The tiny recipe asks for 4 more tokens of output: 26 of 30 positions are left to a piece."""
    options = [*LEARNED, "--set", "data.max_length=29"]
    assert nmt("train", tiny, "--run", "whole", *options).code == 0
    assert nmt("train", tiny, "--run", "parts", *options, "--max-updates", 4).code == 0
    assert nmt("train", tiny, "--run", "parts", *options).code == 0
    whole, parts = (Path(run, "model.safetensors").read_bytes() for run in ("whole", "parts"))
    assert whole == parts
    Path("in").write_text(f"sun moon\n{'star rain ' * 20}\n\n")
    ended = nmt("translate", "in", "--model", "whole")
    assert (ended.code, ended.out.count("\n")) == (0, 3)
    (told,) = (line for line in ended.err.splitlines() if line.startswith("line 2: "))
    assert "are more than the 26 that 30 learned positions hold, output included" in told
    ended = nmt("translate", "in", "--model", "whole", "--set", "decode.max_extra_tokens=29")
    assert (ended.code, ended.err.count("\n")) == (1, 2)
    assert "leaves no room in the 30 positions that the model learned; lower it" in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (LEARNED, "data.max_length=250 and the end of a segment are more than the model.max_pos"),
        (
            [*LEARNED, "--set", "data.max_length=29", "--set", "train.bpe_dropout=0.1"],
            "train.bpe_dropout can cut a segment into more pieces than model.positions=learned has",
        ),
    ],
)
def test_text_longer_than_learned_positions_is_refused_at_once(
    nmt: Run, tiny: Path, options: list[str], said: str
) -> None:
    ended = nmt("train", tiny, *options)
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert said in ended.err
    assert not Path("runs").exists()
