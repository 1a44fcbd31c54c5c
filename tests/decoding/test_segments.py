"""Long segments are split; learned positions limit the length, because they cannot grow."""

from pathlib import Path

import pytest

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.translator.segments import segment_limit, split_long
from nmt.errors import NmtError
from nmt.runs.trained_model import load_model
from nmt.text.subwords.tokenizer import SubwordModel
from tests.conftest import WORDS, Run

LEARNED = ["--set", "model.positions=learned", "--set", "model.max_positions=30"]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        (ModelSettings(), 250),
        (ModelSettings(max_positions=100), 250),  # not for sinusoids
        (ModelSettings(positions="learned"), 206),  # 256 - 50 more tokens of output
        (ModelSettings(positions="learned", max_positions=512), 250),
    ],
)
def test_learned_positions_hold_a_part_and_its_output(model: ModelSettings, limit: int) -> None:
    assert segment_limit(DecodeSettings(), model).tokens == limit


def test_no_room_for_an_output_is_an_error() -> None:
    settings = DecodeSettings(max_extra_tokens=99)
    assert (
        segment_limit(settings, ModelSettings(positions="learned", max_positions=101)).tokens == 2
    )
    with pytest.raises(NmtError, match="max_extra_tokens=99 leaves no room in the 100 positions"):
        segment_limit(settings, ModelSettings(positions="learned", max_positions=100))


def test_what_learned_positions_cannot_hold_is_refused_at_once(nmt: Run, tiny: Path) -> None:
    dropout = ["--set", "data.max_length=29", "--set", "train.bpe_dropout=0.1"]
    for options, facts in (
        ([], ("data.max_length=250", "model.max_positions=30")),
        (dropout, ("train.bpe_dropout", "model.positions=learned")),
    ):
        ended = nmt("train", tiny, *LEARNED, *options)
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert all(fact in ended.err for fact in facts)
    assert not Path("runs").exists()


@pytest.mark.parametrize("limit", [2, 7, 40, 1000])
def test_splitting_loses_no_id_and_keeps_the_limit(tiny_run: Path, limit: int) -> None:
    subwords = load_model(tiny_run, "cpu").tokenizer.source
    ids = subwords.encode([" ".join(WORDS * 5) + "x" * 50])[0]
    parts = split_long(ids, limit, subwords)
    assert [token for part in parts for token in part] == ids
    assert all(0 < len(part) <= limit for part in parts)


class Spelled(SubwordModel):
    """A subword model whose ids are indices of a list of pieces."""

    def __init__(self, pieces: list[str]) -> None:
        self.spelled = pieces

    def piece(self, piece_id: int) -> str:
        return self.spelled[piece_id]


@pytest.mark.parametrize(
    ("pieces", "limit", "lengths"),
    [
        (["\u2581a", ".", "\u2581b", "c", "\u2581d"], 4, [2, 3]),  # after the last sentence end
        (["\u2581a", "b", "\u2581c", "d", "\u2581e"], 4, [4, 1]),  # before the last word that fits
        (["\u2581a", "b", "\u2581c", "d", "e"], 4, [2, 3]),  # not inside a word
        (["\u2581a", "b", "c", "d", "e"], 4, [4, 1]),  # a word longer than a part
        (["\u2581a", '!"', "\u2581b", "\u2581c", "\u2581d"], 4, [2, 3]),  # closing quote
        ([*"\u6211\u53bb\u3002\u4ed6\u6765\u3002"], 4, [3, 3]),  # Chinese has no spaces
        ([*"\u6211\u3002\u300d\u4ed6\u6765\u53bb"], 4, [3, 3]),  # closing bracket
    ],
)
def test_where_a_segment_is_split(pieces: list[str], limit: int, lengths: list[int]) -> None:
    parts = split_long(list(range(len(pieces))), limit, Spelled(pieces))
    assert [len(part) for part in parts] == lengths
