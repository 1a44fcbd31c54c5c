"""`nmt import` of the files that Marian writes."""

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from nmt.interop.marian_names import NEVER
from nmt.runs.model_file import read_model
from nmt.text.tokenizer import BOS, PAD
from tests.conftest import Run
from tests.interop.marian_models import marian_settings, write_npz


def test_marians_own_files_give_the_same_model(copied: Path, nmt: Run) -> None:
    write_npz(copied, Path("marian"))
    Path("marian/decoder.yml").write_text("beam-size: 6\nnormalize: 0.5\n")
    nmt("import", copied, "-o", "one.safetensors")
    found = nmt("import", "marian", "-o", "two.safetensors", "--languages", "en-de")
    assert (found.code, "beam_size=6" in found.err) == (0, True)
    one, two = (read_model(Path(f"{name}.safetensors")) for name in ("one", "two"))
    assert one.tokenizer == two.tokenizer
    assert two.recipe.model.norm_epsilon == 1e-6
    assert two.recipe.decode.length_penalty == 0.5
    assert one.weights.keys() == two.weights.keys()
    for name, expected in one.weights.items():
        begin = PAD + 1 if expected.shape[0] == len(one.weights["embeddings.weight"]) else 0
        kept = [each for each in range(begin, len(expected)) if not begin or each != BOS]
        assert numpy.array_equal(two.weights[name][kept], expected[kept]), name
    # Marian has no padding, and its decoder starts from zeros.
    assert not two.weights["embeddings.weight"][[PAD, BOS]].any()
    assert (two.weights["embeddings.softmax_bias"][[PAD, BOS]] == NEVER).all()


MARIAN_REFUSALS = [
    ({"type": "s2s"}, "type='s2s' is not supported"),
    ({"transformer-preprocess": "n"}, "transformer-preprocess='n' is not supported"),
    ({"transformer-decoder-autoreg": "average-attention"}, "autoreg='average-attention'"),
    ({"transformer-ffn-activation": "prelu"}, "transformer-ffn-activation='prelu'"),
    ({"transformer-ffn-activation": "gelu"}, "transformer-ffn-activation=gelu is not"),
    ({"transformer-train-position-embeddings": True}, "position-embeddings=True"),
    ({"right-left": True}, "right-left=True is not supported"),
    ({"enc-depth": 3}, "'model.encoder.layers.2.fc1.bias' is missing"),
    ({"transformer-heads": 3}, "dim-emb=16 is not a multiple of 3 heads"),
    ({"dim-emb": "wide"}, "dim-emb is 'wide' in its settings"),
]


@pytest.mark.parametrize(
    ("changes", "reason"), MARIAN_REFUSALS, ids=[e[1] for e in MARIAN_REFUSALS]
)
def test_other_marian_models_are_refused(
    changes: dict[str, Any], reason: str, copied: Path, nmt: Run
) -> None:
    file = write_npz(copied, Path("marian"))
    settings = marian_settings(json.loads((copied / "config.json").read_text())) | changes
    text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
    arrays = dict(numpy.load(file)) | {"special:model.yml": numpy.frombuffer(text.encode(), "i1")}
    numpy.savez(file, **arrays)
    found = nmt("import", "marian", "-o", "new.safetensors", "--languages", "en-de")
    assert (found.code, reason in found.err) == (1, True), found.err
    assert not Path("new.safetensors").exists()


def test_an_archive_has_the_languages_of_its_folder(copied: Path, nmt: Run) -> None:
    file = write_npz(copied, Path("opus-mt-fi-sv"))
    found = nmt("import", file, "-o", "new.safetensors")
    assert (found.code, found.err.endswith(f"{file}, fi-sv\n")) == (0, True), found.err
