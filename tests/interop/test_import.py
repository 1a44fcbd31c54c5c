"""`nmt import`: OPUS-MT models as Hugging Face lays them out, and what is refused."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt.interop.marian_names import NEVER
from nmt.runs.model_file import read_model
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import BOS, EOS, PAD
from tests.conftest import Run

CONFIG, TENSORS, PICKLE = "config.json", "model.safetensors", "pytorch_model.bin"


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    found = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: each for key, each in found.items() if each is not None}))


def test_the_recipe_tells_what_the_paper_has_not(copied: Path, nmt: Run) -> None:
    edit(copied / "generation_config.json", num_beams=6)
    found = nmt("import", copied, "-o", "opus.safetensors")
    assert found.code == 0
    assert "decode.beam_size=6 and decode.length_penalty=1" in found.err
    recipe = read_model(Path("opus.safetensors")).recipe
    assert (recipe.name, recipe.tokenizer.kind) == ("opus-mt-en-de", "imported")
    assert (recipe.data.source_language, recipe.data.target_language) == ("en", "de")
    listed = nmt("inspect", "opus.safetensors").out
    for setting in (
        "model.activation = silu",
        "model.positions = sinusoidal_halves",
        "model.attention_bias = true",
        "model.softmax_bias = true",
        "model.norm_epsilon = 1e-05",
        "tokenizer.kind = imported",
    ):
        assert setting in listed


def test_special_rows(opus: Path, opus_model: TrainedModel) -> None:
    theirs = load_file(opus / TENSORS)
    names = json.loads((opus / "vocab.json").read_text())
    rows, bias = theirs["model.shared.weight"], theirs["final_logits_bias"][0]
    ours = opus_model.weights
    for each, name in ((PAD, "<pad>"), (EOS, "</s>"), (BOS, "<pad>")):
        assert numpy.array_equal(ours["embeddings.weight"][each], rows[names[name]])
    assert ours["embeddings.softmax_bias"][BOS] == NEVER
    assert ours["embeddings.softmax_bias"][EOS] == bias[names["</s>"]]


def test_equal_models_give_equal_files_and_foreign_files_stay(copied: Path, nmt: Run) -> None:
    for name in ("one", "other"):
        assert nmt("import", copied, "-o", f"{name}.safetensors").code == 0
    content = Path("one.safetensors").read_bytes()
    assert content == Path("other.safetensors").read_bytes()
    assert nmt("import", copied, "-o", "one.safetensors").code == 0
    own = copied / TENSORS
    refused = nmt("import", copied, "-o", own)
    assert (refused.code, "is an input of this command" in refused.err) == (2, True)
    shutil.copy(own, "kept.safetensors")
    refused = nmt("import", copied, "-o", "kept.safetensors")
    assert (refused.code, "is a model that `nmt import` did not write" in refused.err) == (2, True)


def test_a_pickle_gives_the_same_model(copied: Path, nmt: Run) -> None:
    nmt("import", copied, "-o", "one.safetensors")
    tensors = load_file(copied / TENSORS)
    shared = tensors["model.shared.weight"]
    tensors |= {f"model.{side}.embed_tokens.weight": shared for side in ("encoder", "decoder")}
    torch.save(tensors | {"lm_head.weight": shared}, copied / PICKLE)
    (copied / TENSORS).unlink()
    assert nmt("import", copied, "-o", "two.safetensors").code == 0
    old = torch.load(copied / PICKLE)
    torch.save(old, copied / PICKLE, _use_new_zipfile_serialization=False)
    assert nmt("import", copied, "-o", "three.safetensors").code == 0
    files = [Path(f"{name}.safetensors").read_bytes() for name in ("one", "two", "three")]
    assert files[0] == files[1] == files[2]


def test_half_precision_becomes_float32(copied: Path, nmt: Run) -> None:
    tensors = {name: each.bfloat16() for name, each in load_file(copied / TENSORS).items()}
    save_file(tensors, copied / TENSORS)
    assert nmt("import", copied, "-o", "half.safetensors").code == 0
    found = read_model(Path("half.safetensors")).weights["encoder.0.feed_forward.inner.bias"]
    assert numpy.array_equal(found, tensors["model.encoder.layers.0.fc1.bias"].float())


def remove(name: str) -> Callable[[Path], None]:
    """Return a change of a folder: a file is removed."""
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    """Return a change of a folder: a file gets other content."""

    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def config(**changes: Any) -> Callable[[Path], None]:
    """Return a change of a folder: of its config.json."""
    return lambda folder: edit(folder / CONFIG, **changes)


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """Return a change of a folder: of its weights."""

    def changed(folder: Path) -> None:
        found = load_file(folder / TENSORS)
        change(found)
        save_file(found, folder / TENSORS)

    return changed


def renamed(name: str, content: bytes = b"{}") -> Callable[[Path], None]:
    """Return a change of a folder: its weights are replaced by another file."""

    def change(folder: Path) -> None:
        (folder / TENSORS).unlink()
        (folder / name).write_bytes(content)

    return change


def pickled(content: object) -> Callable[[Path], None]:
    """Return a change of a folder: its weights are this object as a pickle."""

    def change(folder: Path) -> None:
        (folder / TENSORS).unlink()
        torch.save(content, folder / PICKLE)

    return change


class Foreign:
    """An object that no file of weights needs."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


REFUSALS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (remove(CONFIG), "is not a model that nmt can import"),
    "no vocabulary": (remove("vocab.json"), "vocab.json does not exist"),
    "no source model": (remove("source.spm"), "source.spm does not exist"),
    "no weights": (remove(TENSORS), "has no weights: neither model.safetensors nor"),
    "split": (
        renamed("model.safetensors.index.json"),
        "the weights are split into several files",
    ),
    "damaged config": (write(CONFIG, b'{"model_type": '), "config.json is damaged"),
    "damaged model": (write("target.spm", b"\x08\x01" * 9), "target model of"),
    "damaged weights": (write(TENSORS, b"\x09\0\0\0\0\0\0\0{}"), "model.safetensors are damaged"),
    "page": (write(TENSORS, b"<!doctype html><html>"), "are an HTML page"),
    "pointer": (write(TENSORS, b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS"),
    "other type": (config(model_type="t5"), "model_type='t5' is not supported"),
    "no type": (config(model_type=None), "model_type=None is not supported"),
    "pre-norm": (config(normalize_before=True), "normalize_before=True is not supported"),
    "unscaled": (config(scale_embedding=False), "scale_embedding=False is not supported"),
    "final norm": (config(add_final_layer_norm=True), "add_final_layer_norm=True is not"),
    "embedding norm": (config(normalize_embedding=True), "normalize_embedding=True is not"),
    "positions": (config(static_position_embeddings=False), "static_position_embeddings=False"),
    "activation": (config(activation_function="gelu_new"), "activation_function='gelu_new' is not"),
    "heads": (config(decoder_attention_heads=4), "decoder_attention_heads=4 differ"),
    "inner": (config(decoder_ffn_dim=48), "decoder_ffn_dim=48 differ"),
    "width": (config(d_model=17), "d_model=17 is not a multiple of 2 heads"),
    "no heads": (config(encoder_attention_heads=0, decoder_attention_heads=0), "of 0 heads"),
    "start": (config(decoder_start_token_id=9999), "decoder_start_token_id=9999 is not one of"),
    "padding": (config(pad_token_id=3), "has <pad> at 127, but config.json has pad_token_id=3"),
    "end": (config(eos_token_id=3), "has </s> at 0, but config.json has eos_token_id=3"),
    "huge": (config(encoder_layers=10**6), "its model cannot be imported"),
    "missing size": (config(d_model=None), "config.json is damaged: Object missing"),
    "other sizes": (config(vocab_size=500), "need the ids 0 to 499, each once"),
    "other target": (config(decoder_vocab_size=500), "decoder_vocab_size=500 differs from"),
    "layers": (config(decoder_layers=2), "'model.decoder.layers.1.encoder_attn.k_proj.bias' is"),
    "own softmax": (config(tie_word_embeddings=False), "'lm_head.weight' is missing"),
    "shape": (
        tensors(lambda found: found.update({"model.encoder.layers.0.fc1.bias": torch.zeros(3)})),
        "'model.encoder.layers.0.fc1.bias' is 3 instead of 24",
    ),
    "surplus": (
        tensors(lambda found: found.update({"model.pooling": torch.zeros(3)})),
        "'model.pooling' does not belong to it",
    ),
    "other table": (
        tensors(
            lambda found: found.update({"model.encoder.embed_positions.weight": torch.zeros(8, 16)})
        ),
        "is not a table of sinusoids",
    ),
    "other copy": (
        tensors(lambda found: found.update({"lm_head.weight": torch.zeros(128, 16)})),
        "lm_head.weight differs from model.shared.weight",
    ),
    "not finite": (
        tensors(lambda found: found["final_logits_bias"].fill_(torch.nan)),
        "embeddings.softmax_bias has numbers that are not finite",
    ),
    "quantised": (
        tensors(lambda found: found.update(final_logits_bias=torch.zeros(1, 128).char())),
        "final_logits_bias has the type I8",
    ),
    "pickled object": (pickled({"a": Foreign()}), "hold more than numbers and are not read"),
    "pickled list": (pickled([torch.zeros(2)]), "are not a table of tensors by name"),
    "noise": (renamed(PICKLE, bytes(range(9))), "pytorch_model.bin are damaged"),
    "no pickle": (
        renamed(PICKLE, b"nothing"),
        "pytorch_model.bin are a text file",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_imported_is_named(name: str, copied: Path, nmt: Run) -> None:
    change, reason = REFUSALS[name]
    change(copied)
    found = nmt("import", copied, "-o", "new.safetensors")
    assert reason in found.err
    assert found.code == 1
    assert "Traceback" not in found.err
    assert found.err.count("\n") == 1
    assert not Path("new.safetensors").exists()
    assert not Path("executed").exists()


def test_a_pipe_among_the_files_is_refused(copied: Path, nmt: Run) -> None:
    """Reading it would wait for ever."""
    (copied / "config.json").unlink()
    os.mkfifo(copied / "config.json")
    found = nmt("import", copied, "-o", "new.safetensors")
    assert (found.code, "config.json is a pipe or a device" in found.err) == (1, True)


def test_other_pickles_are_not_executed(copied: Path, nmt: Run) -> None:
    (copied / TENSORS).unlink()
    (copied / PICKLE).write_bytes(pickle.dumps({"a": Foreign()}))
    found = nmt("import", copied, "-o", "new.safetensors")
    assert found.code == 1
    assert not Path("executed").exists()


def test_languages_must_be_known(copied: Path, nmt: Run) -> None:
    copied.rename("mine")
    edit(Path("mine/tokenizer_config.json"), source_lang=None)
    refused = nmt("import", "mine", "-o", "new.safetensors")
    assert (refused.code, "add --languages, such as" in refused.err) == (2, True)
    refused = nmt("import", "mine", "-o", "new.safetensors", "--languages", "english")
    assert (refused.code, "give two ISO 639 codes" in refused.err) == (2, True)
    assert nmt("import", "mine", "-o", "new.safetensors", "--languages", "en-nl").code == 0
    assert read_model(Path("new.safetensors")).recipe.data.target_language == "nl"
