"""Models that cannot be imported, and files made to do harm: one sentence, in little memory."""

import json
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file

from nmt.errors import NmtError, UsageError
from nmt.interop.import_model import import_model
from tests.interop.marian_models import marian_settings, write_npz
from tests.interop.test_import import PICKLE, TENSORS, edit

Change = Callable[[Path], object]  # of a model's folder
CONFIG = "config.json"
YAML, ARCHIVE, SETTINGS = "opus.spm-spm.vocab.yml", "model.npz", "special:model.yml"
LEVELS = 12  # of lists of nine: 9^12 values
LISTS = "a: &a [x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join([f'*{chr(97 + level)}'] * 9)}]\n"
    for level in range(LEVELS)
)


def write(name: str, content: bytes | str) -> Change:
    """Return a change: a file gets other content."""
    text = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(text)


def config(**changes: Any) -> Change:
    return lambda folder: edit(folder / CONFIG, **changes)


def tensors(**changes: Any) -> Change:
    """Return a change of weights, whose names have "__" for a dot; None: NaN."""

    def changed(folder: Path) -> None:
        found = load_file(folder / TENSORS)
        for key, value in changes.items():
            name = key.replace("__", ".")
            found[name] = found[name].fill_(torch.nan) if value is None else value
        save_file(found, folder / TENSORS)

    return changed


def instead(name: str, content: Any) -> Change:
    """Return a change: the weights are in another file, these bytes or a pickle of this object."""

    def changed(folder: Path) -> None:
        (folder / TENSORS).unlink()
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            torch.save(content, folder / name)

    return changed


def pipe(folder: Path) -> None:
    """Replace the configuration by a pipe: reading it would wait for ever."""
    (folder / CONFIG).unlink()
    os.mkfifo(folder / CONFIG)


class Foreign:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


REPEATED = torch.zeros(1).expand(10**6, 10**4)  # a few bytes describe gigabytes
HUGGING_FACE: dict[str, tuple[Change, str]] = {
    "no config": (lambda folder: (folder / CONFIG).unlink(), "is not a model that nmt can import"),
    "no source model": (lambda f: (f / "source.spm").unlink(), "source.spm does not exist"),
    "no weights": (lambda folder: (folder / TENSORS).unlink(), "neither model.safetensors nor"),
    "split": (
        instead("model.safetensors.index.json", b"{}"),
        "the weights are split into several files",
    ),
    "pipe": (pipe, "config.json is a pipe or a device"),
    "damaged config": (write(CONFIG, '{"model_type": '), "config.json is damaged"),
    "damaged model": (write("target.spm", b"\x08\x01" * 9), "target model of"),
    "damaged weights": (write(TENSORS, b"\x09\0\0\0\0\0\0\0{}"), "model.safetensors are damaged"),
    "page": (write(TENSORS, "<!doctype html><html>"), "are an HTML page"),
    "other type": (config(model_type="t5"), "model_type='t5' is not supported"),
    "unscaled": (config(scale_embedding=None), "scale_embedding=False is not supported"),
    "activation": (config(activation_function="gelu_new"), "activation_function='gelu_new' is not"),
    "heads": (config(decoder_attention_heads=4), "decoder_attention_heads=4 differ"),
    "width": (config(d_model=17), "d_model=17 is not a multiple of 2 heads"),
    "no heads": (config(encoder_attention_heads=0, decoder_attention_heads=0), "of 0 heads"),
    "start": (config(decoder_start_token_id=9999), "decoder_start_token_id=9999 is not one of"),
    "padding": (config(pad_token_id=3), "has <pad> at 127, but config.json has pad_token_id=3"),
    "huge": (config(encoder_layers=10**6), "its model cannot be imported"),
    "missing size": (config(d_model=None), "config.json is damaged: Object missing"),
    "other sizes": (config(vocab_size=10**12), "need the ids 0 to 999,999,999,999, each once"),
    "other target": (config(decoder_vocab_size=500), "decoder_vocab_size=500 differs from"),
    "layers": (config(decoder_layers=2), "'model.decoder.layers.1.encoder_attn.k_proj.bias' is"),
    "own softmax": (config(tie_word_embeddings=False), "'lm_head.weight' is missing"),
    "other table": (
        tensors(model__encoder__embed_positions__weight=torch.zeros(8, 16)),
        "is not a table of sinusoids",
    ),
    "other copy": (
        tensors(lm_head__weight=torch.zeros(128, 16)),
        "lm_head.weight differs from model.shared.weight",
    ),
    "not finite": (
        tensors(final_logits_bias=None),
        "embeddings.softmax_bias has numbers that are not finite",
    ),
    "quantised": (
        tensors(final_logits_bias=torch.zeros(1, 128).char()),
        "final_logits_bias has the type I8",
    ),
    "pickled object": (instead(PICKLE, {"a": Foreign()}), "hold more than numbers and are not"),
    "plain pickle": (instead(PICKLE, pickle.dumps({"a": Foreign()})), "hold more than numbers"),
    "pickled list": (instead(PICKLE, [torch.zeros(2)]), "are not a table of tensors by name"),
    "pickled numbers": (instead(PICKLE, {"a": torch.arange(3)}), "a has the type torch.int64"),
    "one number": (instead(PICKLE, {"model.shared.weight": REPEATED}), "is incomplete"),
    "noise": (instead(PICKLE, bytes(range(9))), "pytorch_model.bin are damaged"),
}


def refuse(folder: Path, reason: str) -> None:
    """Import a model: the error has one line with this reason, and nothing is written or run."""
    with pytest.raises(NmtError, match=re.escape(reason)) as error:
        import_model(folder, Path("new.safetensors"), "en-de")
    assert not isinstance(error.value, UsageError)
    assert "\n" not in str(error.value)
    assert not Path("new.safetensors").exists()
    assert not Path("executed").exists()


@pytest.mark.parametrize("name", HUGGING_FACE)
def test_what_cannot_be_imported_is_named(name: str, copied: Path) -> None:
    change, reason = HUGGING_FACE[name]
    change(copied)
    refuse(copied, reason)


def test_every_damage_of_a_pickle_is_one_sentence(copied: Path) -> None:
    (copied / TENSORS).unlink()
    file = copied / PICKLE
    torch.save({"a": torch.zeros(3)}, file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for content in (b"\x80\x02.", b"\x80\x02}q\0u.", b"\x80\x02s.", b"", b"\x80\x02e."):
        with zipfile.ZipFile(file, "w") as archive:
            for name, old in members.items():
                archive.writestr(name, content if name.endswith("data.pkl") else old)
        refuse(copied, "pytorch_model.bin")


def settings(**changes: Any) -> Change:
    """Return a change of the settings in Marian's archive; "_" stands for a hyphen."""

    def changed(folder: Path) -> None:
        known = marian_settings(json.loads(Path("opus-mt-en-de", CONFIG).read_text()))
        known |= {name.replace("_", "-"): value for name, value in changes.items()}
        text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in known.items())
        arrays = dict(numpy.load(folder / ARCHIVE))
        numpy.savez(folder / ARCHIVE, **arrays | {SETTINGS: numpy.frombuffer(text.encode(), "i1")})

    return changed


def quantised(folder: Path) -> None:
    found = dict(numpy.load(folder / ARCHIVE))
    numpy.savez(folder / ARCHIVE, **found | {"Wemb": found["Wemb"].astype("int8")})


def member(content: bytes) -> Change:
    """Return a change: the settings in the archive are another member."""

    def changed(folder: Path) -> None:
        path = folder / ARCHIVE
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, old in (members | {f"{SETTINGS}.npy": content}).items():
                archive.writestr(name, old)

    return changed


def header(text: str) -> bytes:
    """Return the start of a NumPy file whose header is a text."""
    return b"\x93NUMPY\x01\0" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def encrypted(folder: Path) -> None:
    """Set the bit that says that a member is encrypted, wherever it is."""
    content = bytearray((folder / ARCHIVE).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        offset = -1
        while (offset := content.find(signature, offset + 1)) >= 0:
            content[offset + flags] |= 1
    (folder / ARCHIVE).write_bytes(content)


def damaged_compression(folder: Path) -> None:
    path = folder / ARCHIVE
    numpy.savez_compressed(path, **dict(numpy.load(path)))
    content = bytearray(path.read_bytes())
    content[800:900] = b"\xff" * 100
    path.write_bytes(content)


# NumPy would read as much as the header says that it has.
LONG_HEADER = b"\x93NUMPY\x02\0" + (400_000_000).to_bytes(4, "little") + b" " * 20_000
TEXT_HEADER = "{'descr': '|S1000000000', 'fortran_order': False, 'shape': (1,)}"
MARIAN: dict[str, tuple[Change, str]] = {
    "pre-norm": (settings(transformer_preprocess="n"), "transformer-preprocess='n' is not"),
    "activation": (settings(transformer_ffn_activation="prelu"), "ffn-activation='prelu' is"),
    "gelu": (settings(transformer_ffn_activation="gelu"), "ffn-activation=gelu is not"),
    "inner": (settings(transformer_decoder_dim_ffn=7), "dim-ffn=the same transformer-dim-ffn"),
    "heads": (settings(transformer_heads=3), "dim-emb=16 is not a multiple of 3 heads"),
    "width": (settings(dim_emb="wide"), "dim-emb is 'wide' in its settings"),
    "quantised": (quantised, "Wemb has the type int8"),
    "two archives": (
        lambda folder: shutil.copy(folder / ARCHIVE, folder / "b.npz"),
        "holds 2 .npz files; name one of them",
    ),
    "no vocabulary": (lambda folder: (folder / YAML).unlink(), "has 0 vocabularies (such as"),
    "aliases in the vocabulary": (write(YAML, LISTS), "has an alias of YAML"),
    "aliases in the settings": (
        write("decoder.yml", f"{LISTS}beam-size: *m\n"),
        "an alias of YAML",
    ),
    "a list of settings": (write("decoder.yml", "- 1\n"), "is not a table of settings"),
    "a tag that does not fit": (write("decoder.yml", "a: !!bool x\n"), "decoder.yml is damaged"),
    "an id without end": (write(YAML, f"a: {'9' * 5000}\n"), "does not fit the model"),
    "a text of a gigabyte": (member(header(TEXT_HEADER)), "model.yml is not a text"),
    "a deep header": (member(header("-" * 8000)), "has a header that is no header"),
    "a long header": (member(LONG_HEADER), "EOF: reading array header"),
    "encryption": (encrypted, "is encrypted"),
    "damaged compression": (damaged_compression, "damaged"),
}


@pytest.mark.parametrize("name", MARIAN)
def test_what_cannot_be_imported_of_marian_is_named(name: str, copied: Path) -> None:
    change, reason = MARIAN[name]
    write_npz(copied, Path("marian"))
    change(Path("marian"))
    refuse(Path("marian"), reason)
