"""What the page needs to run a model, and which models it cannot run."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.runs.trained_model import load_model
from nmt.studio.explain import live
from nmt.studio.explain.live import Message, why_not_live
from nmt.text.subwords.tokenizer import SubwordModel, Tokenizer


def test_what_a_page_cannot_compute_is_not_live(
    skilled_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(skilled_run, "cpu")
    decode = model.recipe.decode
    assert why_not_live(model, decode) == ""
    assert "not in bf16" in why_not_live(model, replace(decode, precision="bf16"))
    own = model.tokenizer.source
    pieces = [own.piece(token) for token in range(4, len(own))]
    listed = SubwordModel.with_pieces(own.sentencepiece, pieces)
    other = replace(model, tokenizer=Tokenizer(listed.model))
    assert "those of another program" in why_not_live(other, decode)
    monkeypatch.setattr(live, "MOST_PARAMETERS", 20_000)
    assert "at most 20,000" in why_not_live(model, decode)


def test_a_message_is_read_by_hand() -> None:
    message = Message(b"\x08\x96\x01" + b"\x12\x02hi" + b"\x1d\x00\x00\x80\x3f" + b"\x12\x01!")
    assert message.only(1) == 150
    assert message.every(2) == [b"hi", b"!"]
    assert message.only(3) == b"\x00\x00\x80\x3f"
    assert message.only(4, 7) == 7
