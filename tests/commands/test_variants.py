"""What is not the paper's goes the whole way too, from text to score, by the command line."""

import json
import re
from pathlib import Path

import pytest

from nmt.artifacts.model_file import read_model
from nmt.studio.explain.packing import unpack
from tests.conftest import Run
from tests.training.conftest import assert_same

ALL_AT_ONCE = [
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
    """The run folder of a tiny model that has everything that the paper's has not."""
    ended = nmt("train", tiny, *ALL_AT_ONCE)
    assert ended.code == 0, ended.err
    return Path("runs/tiny")


def test_it_translates_scores_and_is_shown(nmt: Run, variant: Path) -> None:
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
    source, target = ("".join(data["pieces"][str(each)]["text"] for each in ids) for ids in sides)
    assert "sun" in source
    assert target.replace("</s>", "") == target.replace("</s>", "").upper()
    rows = [data["pieces"][str(each)]["row"] for each in data["target"]["outputs"]]
    assert max(rows) < data["model"]["vocabulary"] == 28
    softmax = read_model(variant / "model.safetensors").weights["own_softmax_weight"]
    for step, last, row in zip(data["outlook"]["steps"], unpack(data["last"]), rows, strict=True):
        place = step["pieces"].index(step["chosen"])
        assert data["pieces"][str(step["chosen"])]["row"] == row
        assert step["logits"][place] == pytest.approx(float(last @ softmax[row]), abs=1e-2)


def test_it_resumes_as_if_never_stopped(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--run", "whole", *ALL_AT_ONCE).code == 0
    for updates in (5, 12):
        assert (
            nmt("train", tiny, "--run", "parts", *ALL_AT_ONCE, "--max-updates", updates).code == 0
        )
    assert_same(Path("whole/model.safetensors"), Path("parts/model.safetensors"))


def test_inspect_tells_every_deviation(nmt: Run, tiny: Path) -> None:
    told = nmt("inspect", tiny, *ALL_AT_ONCE).out
    for deviation in (
        "model.norm = pre, paper: post, section 3.1",
        "model.norm_kind = rms, paper: layer, section 3.1",
        "model.activation = swiglu, paper: relu, section 3.3",
        "model.positions = rotary, paper: sinusoidal, section 3.5",
        "model.attention_dropout = 0.1, paper: 0.0, section 5.4",
        "model.tied = none, paper: all, section 3.4",
        "tokenizer.joint = false, paper: true, section 5.1",
    ):
        assert deviation in told


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        (["tokenizer.joint=false"], "set model.tied to target or none"),
        (["model.positions=rotary", "model.d_k=7"], "model.d_k=7 is odd; make it even"),
        (["model.norm=before"], "must be one of: post, pre"),
    ],
)
def test_what_cannot_be_is_refused(nmt: Run, tiny: Path, settings: list[str], mend: str) -> None:
    options = [part for each in settings for part in ("--set", each)]
    refused = nmt("train", tiny, *options)
    assert refused.code in (1, 2)
    assert mend in refused.err


def test_fine_tuning_keeps_to_the_vocabularies(nmt: Run, variant: Path, tiny: Path) -> None:
    begun = [*ALL_AT_ONCE, "--init-from", variant, "--run", "tuned"]
    assert nmt("train", tiny, *begun).code == 0
    other = [*ALL_AT_ONCE, "--set", "tokenizer.joint=true", "--init-from", variant, "--run", "no"]
    refused = nmt("train", tiny, *other)
    assert refused.code == 1
    assert "tokenizer.joint=false" in refused.err


def test_the_source_may_have_more_symbols_than_the_target(nmt: Run, tiny: Path) -> None:
    """The softmax is as wide as the larger vocabulary; what is beyond the other is no output."""
    for name in ("train.tgt", "dev.tgt"):
        text = Path(name).read_text()
        Path(name).write_text(re.sub("[A-Z]+", lambda word: word[0][0], text))  # 6 of 10 words
    word = [
        part
        for each in ("kind=word", "vocab_size=20", "joint=false")
        for part in ("--set", f"tokenizer.{each}")
    ]
    word += ["--set", "model.tied=none"]
    told = nmt("prepare", tiny, *word).err
    assert "14 pieces in the vocabulary of the source, 10 of the target" in told
    trained = nmt("train", tiny, *word, "--max-updates", "1")
    assert trained.code == 0, trained.err
    for command in ("translate", "explain"):
        text = "dev.src" if command == "translate" else "sun moon star"
        done = nmt(command, text, "--beam-size", "13", "--set", "decode.max_extra_tokens=9")
        assert done.code == 0, done.err
