"""Settings that differ from the paper, with every command from text to score."""

import re
from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.recipe.files import load_recipe
from tests.conftest import Run
from tests.training.conftest import assert_same

VARIATIONS = [
    "tokenizer.joint=false",
    "tokenizer.vocab_size=28",
    "model.tied=none",
    "model.norm=pre",
    "model.norm_kind=rms",
    "model.activation=swiglu",
    "model.positions=rotary",
    "model.attention_dropout=0.1",
    "model.encoder_layers=2",
    "train.optimizer=muon",
]


def options(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def test_every_command_works_and_a_resumed_run_is_the_same(nmt: Run, tiny: Path) -> None:
    trained = nmt("train", tiny, *options(*VARIATIONS))
    assert trained.code == 0, trained.err
    translated = nmt("translate", "dev.src")
    assert translated.code == 0
    assert translated.out.count("\n") == 10
    assert nmt("evaluate").code == 0
    assert nmt("explain", "sun moon", "--output", "page.html").code == 0
    for updates in (5, 12):
        parts = ("--run", "parts", "--max-updates", updates)
        assert nmt("train", tiny, *options(*VARIATIONS), *parts).code == 0
    assert_same(Path("runs/tiny/model.safetensors"), Path("parts/model.safetensors"))
    tuned = ("--init-from", "runs/tiny", "--max-updates", 1)
    assert nmt("train", tiny, *options(*VARIATIONS), *tuned, "--run", "tuned").code == 0
    joint = options(*VARIATIONS, "tokenizer.joint=true")
    refused = nmt("train", tiny, *joint, *tuned, "--run", "no")
    assert refused.code == 1
    assert "tokenizer.joint=false" in refused.err


@pytest.mark.parametrize(
    ("settings", "fact"),
    [
        (["tokenizer.joint=false"], "model.tied to target or none"),
        (["model.positions=rotary", "model.d_k=7"], "model.d_k=7 is odd"),
        (["model.norm=before"], "must be one of: post, pre"),
    ],
)
def test_contradicting_settings_are_refused(settings: list[str], fact: str) -> None:
    with pytest.raises(NmtError) as refused:
        load_recipe("pocket", settings)
    assert fact in str(refused.value)


def test_the_source_vocabulary_can_be_larger_than_the_target_one(nmt: Run, tiny: Path) -> None:
    """The softmax has the width of the larger one; ids beyond the target's are never output."""
    for name in ("train.tgt", "dev.tgt"):
        text = Path(name).read_text()
        Path(name).write_text(re.sub("[A-Z]+", lambda word: word[0][0], text))  # 6 of 10 words
    words = options("tokenizer.kind=word", "tokenizer.vocab_size=20", "tokenizer.joint=false")
    words += options("model.tied=none")
    assert "14 (source) and 10 (target) tokens" in nmt("prepare", tiny, *words).err
    trained = nmt("train", tiny, *words, "--max-updates", "1")
    assert trained.code == 0, trained.err
    for command, text in (("translate", "dev.src"), ("explain", "sun moon star")):
        done = nmt(command, text, "--beam-size", "13", "--set", "decode.max_extra_tokens=9")
        assert done.code == 0, done.err
