"""Settings that differ from the paper, with every command from text to score."""

import json
import re
from pathlib import Path

import pytest

from nmt.runs.model_file import read_model
from nmt.studio.explain.page import unpack
from tests.conftest import Run
from tests.training.conftest import assert_same

ALL_VARIATIONS = [
    part
    for setting in (
        "tokenizer.joint=false",
        "tokenizer.vocab_size=28",
        "model.tied=none",
        "model.norm=pre",
        "model.norm_kind=rms",
        "model.activation=swiglu",
        "model.positions=rotary",
        "model.attention_dropout=0.1",
        "model.encoder_layers=2",
    )
    for part in ("--set", setting)
]


@pytest.fixture
def variant(nmt: Run, tiny: Path) -> Path:
    """Train a tiny model with all variations; return its run folder."""
    trained = nmt("train", tiny, *ALL_VARIATIONS)
    assert trained.code == 0, trained.err
    return Path("runs/tiny")


def test_every_command_works(nmt: Run, variant: Path) -> None:
    translated = nmt("translate", "dev.src")
    assert translated.code == 0
    assert translated.out.count("\n") == 10
    assert nmt("evaluate").code == 0
    assert nmt("report", variant).code == 0
    shown = nmt("explain", "sun moon", "--output", "page.html")
    assert shown.code == 0, shown.err
    found = re.search(r'id="data">(.*?)</script>', Path("page.html").read_text(), re.DOTALL)
    assert found
    data = json.loads(found[1])
    sides = (data["source"]["ids"], data["target"]["outputs"])
    source, target = ("".join(data["tokens"][str(each)]["text"] for each in ids) for ids in sides)
    assert "sun" in source
    assert target.replace("</s>", "") == target.replace("</s>", "").upper()
    rows = [data["tokens"][str(each)]["row"] for each in data["target"]["outputs"]]
    assert max(rows) < data["model"]["vocabulary"] == 28
    softmax = read_model(variant / "model.safetensors").weights["embeddings.own_softmax_weight"]
    for step, last, row in zip(
        data["next_tokens"]["steps"], unpack(data["decoder_output"]), rows, strict=True
    ):
        place = step["tokens"].index(step["chosen"])
        assert data["tokens"][str(step["chosen"])]["row"] == row
        assert step["logits"][place] == pytest.approx(float(last.numpy() @ softmax[row]), abs=1e-2)


def test_a_resumed_run_equals_an_uninterrupted_one(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--run", "whole", *ALL_VARIATIONS).code == 0
    for updates in (5, 12):
        assert (
            nmt("train", tiny, "--run", "parts", *ALL_VARIATIONS, "--max-updates", updates).code
            == 0
        )
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def test_inspect_lists_every_deviation(nmt: Run, tiny: Path) -> None:
    out = nmt("inspect", tiny, *ALL_VARIATIONS).out
    for deviation in (
        "model.norm = pre, paper: post, section 3.1",
        "model.norm_kind = rms, paper: layer, section 3.1",
        "model.activation = swiglu, paper: relu, section 3.3",
        "model.positions = rotary, paper: sinusoidal, section 3.5",
        "model.attention_dropout = 0.1, paper: 0.0, section 5.4",
        "model.tied = none, paper: all, section 3.4",
        "tokenizer.joint = false, paper: true, section 5.1",
    ):
        assert deviation in out


@pytest.mark.parametrize(
    ("settings", "fact"),
    [
        (["tokenizer.joint=false"], "model.tied to target or none"),
        (["model.positions=rotary", "model.d_k=7"], "model.d_k=7 is odd"),
        (["model.norm=before"], "must be one of: post, pre"),
    ],
)
def test_contradicting_settings_are_refused(
    nmt: Run, tiny: Path, settings: list[str], fact: str
) -> None:
    options = [part for each in settings for part in ("--set", each)]
    refused = nmt("train", tiny, *options)
    assert refused.code in (1, 2)
    assert fact in refused.err


def test_fine_tuning_needs_the_same_kind_of_vocabulary(nmt: Run, variant: Path, tiny: Path) -> None:
    tuning = [*ALL_VARIATIONS, "--init-from", variant, "--run", "tuned"]
    assert nmt("train", tiny, *tuning).code == 0
    other = [
        *ALL_VARIATIONS,
        "--set",
        "tokenizer.joint=true",
        "--init-from",
        variant,
        "--run",
        "no",
    ]
    refused = nmt("train", tiny, *other)
    assert refused.code == 1
    assert "tokenizer.joint=false" in refused.err


def test_the_source_vocabulary_can_be_larger_than_the_target_one(nmt: Run, tiny: Path) -> None:
    """The softmax has the width of the larger one; ids beyond the target's are never output."""
    for name in ("train.tgt", "dev.tgt"):
        text = Path(name).read_text()
        Path(name).write_text(re.sub("[A-Z]+", lambda word: word[0][0], text))  # 6 of 10 words
    word = [
        part
        for each in ("kind=word", "vocab_size=20", "joint=false")
        for part in ("--set", f"tokenizer.{each}")
    ]
    word += ["--set", "model.tied=none"]
    prepared = nmt("prepare", tiny, *word).err
    assert "14 (source) and 10 (target) tokens" in prepared
    trained = nmt("train", tiny, *word, "--max-updates", "1")
    assert trained.code == 0, trained.err
    for command in ("translate", "explain"):
        text = "dev.src" if command == "translate" else "sun moon star"
        done = nmt(command, text, "--beam-size", "13", "--set", "decode.max_extra_tokens=9")
        assert done.code == 0, done.err
