"""Exports to transformers: equal logits, equal greedy outputs, equal ids; else a refusal."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nmt.config import ModelSettings
from nmt.errors import NmtError
from nmt.interop.huggingface_export import choose_type, write
from nmt.interop.network import check_network
from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.subwords.tokenizer import PAD, Tokenizer
from tests.conftest import Run
from tests.interop.conftest import imported
from tests.interop.models import (
    MARIAN,
    batch,
    compute_logits,
    greedy,
    random_model,
    two_languages,
    two_vocabularies,
)

transformers = pytest.importorskip("transformers")

SHAPES: list[dict[str, Any]] = [
    {},
    {"model.tied": "target"},
    {"model.tied": "none"},
    {"model.norm": "pre"},
    {"model.norm": "pre", "model.positions": "learned", "model.max_positions": 32},
    MARIAN,
    {"model.norm": "pre", "model.activation": "gelu", "model.attention_bias": True},
    {"model.heads": 1, "model.d_k": 16, "model.d_v": 16, "model.decoder_layers": 2},
]


def load(model: TrainedModel, folder: Path) -> Any:
    """Return the model as transformers loads it; all its weights come from the folder."""
    write(model, folder, "")
    loaded, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(info.values())
    assert not [*folder.glob("*.bin"), *folder.glob("*.py")]
    return loaded.eval()


def check_equal(model: TrainedModel, folder: Path) -> None:
    loaded = load(model, folder)
    source, target = batch(model.tokenizer)
    given = {
        "input_ids": torch.from_numpy(source),
        "attention_mask": torch.from_numpy(source != PAD).long(),
    }
    ours = compute_logits(model, source, target)
    with torch.inference_mode():
        theirs = loaded(**given, decoder_input_ids=torch.from_numpy(target)).logits.numpy()
    # The norms of transformers add 1e-5, ours 1e-6; the weights make up for it.
    assert numpy.abs(ours - theirs).max() < (2e-5 if model.recipe.model.norm == "post" else 1e-5)
    found = loaded.generate(**given, num_beams=1, max_length=12)
    for row, expected in zip(found.tolist(), greedy(model, source, 11), strict=True):
        assert row[: len(expected)] == expected
        assert not any(row[len(expected) :])


def test_a_post_norm_model_is_a_marian_model(tokenizer: Tokenizer, tmp_path: Path) -> None:
    check_equal(random_model(tokenizer, {}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("settings", SHAPES, ids=lambda shape: " ".join(map(str, shape.values())))
@pytest.mark.parametrize("seed", [1, 2])
def test_every_shape(
    settings: dict[str, Any], seed: int, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    check_equal(random_model(tokenizer, settings, seed), tmp_path)


def test_text_has_equal_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    write(random_model(tokenizer, {}), tmp_path, "")
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is transformers.MarianTokenizer
    texts = ["sun moon", "", " rain  snow", "unknown ẞ text", "x"]
    ids = [[*row, 3] for row in tokenizer.source.encode(texts)]
    assert loaded(texts)["input_ids"] == ids
    outputs = [[2, *row, PAD] for row in ids[:3]]
    assert loaded.batch_decode(outputs, skip_special_tokens=True) == [
        tokenizer.target.decode(row) for row in ids[:3]
    ]


def test_a_text_begins_with_the_token_of_its_language(tmp_path: Path) -> None:
    """Exported, a model has its language tokens; imported again, it has them still."""
    model, folder = two_languages(), tmp_path / "first"
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        write(model, tmp_path / name, "")
        loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / name)
        source = model.tokenizer.source
        ids = [source.language_id(">>en<<"), *source.encode(["sun moon"])[0], 3]
        assert loaded(">>en<< sun moon")["input_ids"] == ids
        model = imported(folder)
        assert model.tokenizer.source.language_tokens == (">>de<<", ">>en<<")


@pytest.mark.parametrize("tied", ["all", "target"])
def test_each_language_may_have_its_vocabulary(tied: str, tmp_path: Path) -> None:
    tokenizer = two_vocabularies()
    check_equal(random_model(tokenizer, {"model.tied": tied}), tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer.source.encode(["sun moon"])[0]
    assert loaded("sun moon")["input_ids"] == [*ids, 3]
    outputs = [[2, *tokenizer.target.encode(["MOON SUN"])[0], 3]]
    assert loaded.batch_decode(outputs, skip_special_tokens=True) == ["MOON SUN"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model.positions": "rotary"}, "model.positions=rotary"),
        ({"model.norm_kind": "rms"}, "model.norm_kind=rms"),
        ({"model.activation": "swiglu"}, "model.activation=swiglu"),
        ({"model.positions": "learned"}, "model.positions=learned with model.norm=post"),
        ({"model.norm": "pre", "model.tied": "none"}, "model.tied=none with model.norm=pre"),
        ({"model.d_v": 4}, "model.d_v"),
        ({"model.norm_epsilon": 1e-4}, "model.norm_epsilon=0.0001"),
        ({"model.target_order": "right_to_left"}, "model.target_order=right_to_left"),
    ],
    ids=str,
)
def test_what_transformers_lacks_is_refused(
    settings: dict[str, Any], reason: str, tokenizer: Tokenizer
) -> None:
    with pytest.raises(NmtError, match=reason):
        choose_type(random_model(tokenizer, settings).recipe.model)


def test_a_search_uses_the_recipe_and_forbids_what_is_no_output(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    write(
        random_model(tokenizer, {"decode.beam_size": 7, "decode.length_penalty": 0.3}), tmp_path, ""
    )
    found = json.loads((tmp_path / "generation_config.json").read_text())
    assert (found["num_beams"], found["length_penalty"]) == (7, 0.3)
    assert found["suppress_tokens"] == [0, 1, 2]


@pytest.mark.parametrize("setting", ["positions=none", "architecture=recurrent"])
def test_what_no_export_has(setting: str) -> None:
    """The reason comes before others, because no other format helps."""
    name, _, value = setting.partition("=")
    new = replace(ModelSettings(), norm_kind="rms", **{name: value})  # type: ignore[arg-type]
    with pytest.raises(NmtError, match=f"^no format of nmt export has model.{setting}"):
        check_network(new)


def test_out_and_back_and_out_again(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    back, again = (tmp_path / f"{name}.safetensors" for name in ("back", "again"))
    for model, folder, file in ((tiny_run, "out", back), (back, "second", again)):
        assert nmt("export", model, tmp_path / folder, "--to", "huggingface").code == 0
        assert nmt("import", tmp_path / folder, "-o", file, "--languages", "en-de").code == 0
    one, two = read_model(back), read_model(again)
    assert one.weights.keys() == two.weights.keys()
    for name, weight in one.weights.items():
        if not name.startswith("embeddings."):  # special tokens become pieces
            assert numpy.array_equal(two.weights[name], weight), name
    lines = tiny_run.parent.parent / "dev.src"
    outputs = [
        nmt("translate", lines, "--model", model, "--beam-size", 1).out.splitlines()
        for model in (tiny_run, back, again)
    ]
    # The tokenizer of an imported model drops spaces at the ends, as MarianTokenizer does.
    before, *others = ([line.strip() for line in output] for output in outputs)
    assert any(before)
    assert others == [before, before]
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "second")
    words = lines.read_text(encoding="utf-8").splitlines()
    ids = load_model(back, "cpu").tokenizer.source.encode(words)
    assert loaded(words)["input_ids"] == [[*row, 3] for row in ids]
