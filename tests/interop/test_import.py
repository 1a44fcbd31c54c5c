"""Imported OPUS-MT models equal the originals, in both layouts."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt.config import DecodeSettings
from nmt.decoding.translator.translator import Translator
from nmt.interop.opus.model import NEVER
from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, SubwordModel
from tests.conftest import Run
from tests.interop.conftest import imported
from tests.interop.marian_models import TEXTS, Original, Shape, write_folder, write_npz

TENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
CLOSE = 1e-4  # between logits
# An output that reaches its last token is scored in another way: transformers forces its end free
# of charge. No output is so long.
ROOM = 60
SHAPES = {
    "tied": Shape(),
    "separate": Shape(separate=True, shared=False),
    "odd": Shape(d_model=15, heads=3, activation="relu", languages=(">>deu<<",)),
    "own": Shape(shared=False, activation="gelu", encoder_layers=1, decoder_layers=2),
    "untied": Shape(shared=False, separate=True, tied=False, d_ff=40),
    "large": Shape(d_model=64, d_ff=256, heads=8, encoder_layers=6, decoder_layers=6),
}


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    found = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def test_the_recipe_tells_what_the_paper_has_not(copied: Path, nmt: Run) -> None:
    edit(copied / "generation_config.json", num_beams=6)
    found = nmt("import", copied, "-o", "opus.safetensors")
    assert found.code == 0
    assert "decode.beam_size=6 and decode.length_penalty=1" in found.err
    recipe = read_model(Path("opus.safetensors")).recipe
    assert (recipe.name, recipe.tokenizer.kind) == ("opus-mt-en-de", "imported")
    assert (recipe.data.source_language, recipe.data.target_language) == ("en", "de")
    model = recipe.model
    assert (model.activation, model.positions) == ("silu", "sinusoidal_halves")
    assert (model.attention_bias, model.softmax_bias, model.norm_epsilon) == (True, True, 1e-5)


def test_what_an_import_may_replace(copied: Path, nmt: Run) -> None:
    for _ in range(2):
        assert nmt("import", copied, "-o", "one.safetensors").code == 0
    refused = nmt("import", copied, "-o", copied / TENSORS)
    assert (refused.code, "is an input of this command" in refused.err) == (2, True)
    shutil.copy(copied / TENSORS, "kept.safetensors")
    refused = nmt("import", copied, "-o", "kept.safetensors")
    assert (refused.code, "is a model that `nmt import` did not write" in refused.err) == (2, True)


def test_a_pickle_gives_the_same_file(copied: Path) -> None:
    """It may hold copies of the shared matrix, and be as old as PyTorch 1.5."""
    file = copied.with_suffix(".safetensors")
    imported(copied)
    contents = [file.read_bytes()]
    tensors = load_file(copied / TENSORS)
    shared = tensors["model.shared.weight"]
    tensors |= {f"model.{side}.embed_tokens.weight": shared for side in ("encoder", "decoder")}
    (copied / TENSORS).unlink()
    for is_new in (True, False):
        pickled = tensors | {"lm_head.weight": shared}
        torch.save(pickled, copied / PICKLE, _use_new_zipfile_serialization=is_new)
        imported(copied)
        contents.append(file.read_bytes())
    assert contents[0] == contents[1] == contents[2]


def test_half_precision_becomes_float32(copied: Path) -> None:
    tensors = {name: weight.bfloat16() for name, weight in load_file(copied / TENSORS).items()}
    save_file(tensors, copied / TENSORS)
    found = imported(copied).weights["encoder.0.feed_forward.inner.bias"]
    assert numpy.array_equal(found, tensors["model.encoder.layers.0.fc1.bias"].float())


def test_marians_own_files_give_the_same_model(copied: Path, opus_model: TrainedModel) -> None:
    write_npz(copied, Path("marian"))
    Path("marian/decoder.yml").write_text("beam-size: 6\nnormalize: 0.5\n")
    found = imported(Path("marian"))
    assert found.tokenizer.model == opus_model.tokenizer.model
    assert found.recipe.model.norm_epsilon == 1e-6
    assert (found.recipe.decode.beam_size, found.recipe.decode.length_penalty) == (6, 0.5)
    assert found.weights.keys() == opus_model.weights.keys()
    tokens = len(found.tokenizer)
    for name, expected in opus_model.weights.items():
        rows = [row for row in range(len(expected)) if row not in (PAD, BOS)]
        kept = rows if len(expected) == tokens else range(len(expected))
        assert numpy.array_equal(found.weights[name][kept], expected[kept]), name
    # Marian has no padding, and its decoder starts from zeros.
    assert not found.weights["embeddings.weight"][[PAD, BOS]].any()
    assert (found.weights["embeddings.softmax_bias"][[PAD, BOS]] == NEVER).all()


def test_languages_come_from_a_name_or_files_or_the_option(copied: Path, nmt: Run) -> None:
    file = write_npz(copied, Path("opus-mt-fi-sv"))
    found = nmt("import", file, "-o", "new.safetensors")
    assert (found.code, found.err.endswith(f"{file}, fi-sv\n")) == (0, True), found.err
    copied.rename("mine")
    edit(Path("mine/tokenizer_config.json"), source_lang=None)
    refused = nmt("import", "mine", "-o", "new.safetensors")
    assert (refused.code, "add --languages, such as" in refused.err) == (2, True)
    refused = nmt("import", "mine", "-o", "new.safetensors", "--languages", "english")
    assert (refused.code, "give two ISO 639 codes" in refused.err) == (2, True)
    assert nmt("import", "mine", "-o", "new.safetensors", "--languages", "en-nl").code == 0
    assert read_model(Path("new.safetensors")).recipe.data.target_language == "nl"


def drawn(subwords: SubwordModel, count: int) -> Iterator[list[int]]:
    draw = random.Random(5)
    for _ in range(count):
        ids = range(EOS + 1, len(subwords))
        yield draw.choices(ids, k=draw.randint(1, 20))


def check_equal(model: TrainedModel, original: Original, sources: list[list[int]]) -> None:
    """Check logits, greedy outputs and those of a beam of 4."""
    targets = [*drawn(model.tokenizer.target, len(sources))]
    differences = map(original.logit_difference, sources, targets)
    assert max(differences) < CLOSE
    for beam_size in (1, 4):
        settings = DecodeSettings(
            beam_size=beam_size, length_penalty=0.0, max_extra_tokens=ROOM, odd_input="as_is"
        )
        translator = Translator(model, settings, lambda _: None)
        ours = [[*best.ids] for best, *_ in translator.search(sources)]
        assert ours == [original.search(ids, beam_size, len(ids) + ROOM) for ids in sources]


def test_a_small_model_is_equal(opus: Path, opus_model: TrainedModel) -> None:
    sources = opus_model.tokenizer.source.encode(TEXTS["source"])
    check_equal(opus_model, Original(opus, opus_model), sources)
    assert opus_model.weights["embeddings.softmax_bias"][BOS] == NEVER


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_models_are_equal(name: str, tmp_path: Path) -> None:
    pickled = len(name) % 2 == 0
    folder = write_folder(tmp_path / "model", SHAPES[name], seed=len(name), pickled=pickled)
    model = imported(folder)
    check_equal(model, Original(folder, model), [*drawn(model.tokenizer.source, 50)])
