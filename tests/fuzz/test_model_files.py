"""Fuzz model files: header, metadata, offsets, shapes, data types, tokenizer, cut anywhere."""

import copy
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given

from nmt.config import ModelSettings, Recipe, TokenizerSettings
from nmt.model.transformer import Transformer
from nmt.runs.model_file import save_model
from nmt.runs.run_folder import RunFolder
from nmt.runs.trained_model import arrays_of, load_model
from nmt.studio.report import stored_parameters
from nmt.text.learning import learn_subwords
from nmt.text.tokenizer import PAD
from tests.fuzz import fuzz, value_or_error
from tests.fuzz.mutations import change, changed_bytes, seeded

pytestmark = pytest.mark.slow

MODEL = ModelSettings(
    encoder_layers=1, decoder_layers=1, d_model=4, d_ff=3, heads=1, d_k=2, d_v=2, norm="pre"
)
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "F4", "X", ""]
SIZES = [0, 1, 2, 3, 4, 8, 2**16, 2**31, 2**32, 2**62, 2**64, -1, 1.5, None]
NUMBERS = [*"01234689", "-1", "99", "1000", "2147483647", "1e999", "nan", '"x"', "[]", "true"]
CPU = torch.device("cpu")

Header = dict[str, Any]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the content of a small valid model file."""
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    tokenizer = learn_subwords(["a b c"] * 9, TokenizerSettings(9, kind="word"))
    weights = Transformer(MODEL, len(tokenizer), PAD).state_dict()
    save_model(path, arrays_of(weights), tokenizer.model, Recipe("tiny", model=MODEL), [1])
    assert load_model(path, "cpu").tokenizer.model == tokenizer.model
    return path.read_bytes()


def change_tensor(draw: Random, header: Header) -> None:
    """Change what the header says about one tensor, or about which tensors there are."""
    names = [name for name in header if name != "__metadata__"]
    name, other = draw.choice(names), draw.choice(names)
    entry = header[name]
    how = draw.randint(0, 6)
    if how == 0:
        entry["dtype"] = draw.choice(DTYPES)
    elif how == 1:
        entry["shape"] = [*entry["shape"], draw.choice(SIZES)][-draw.randint(0, 3) :]
    elif how == 2:
        entry["shape"].reverse()
    elif how == 3:
        entry["data_offsets"][draw.randint(0, 1)] = draw.choice([*SIZES, 16, 32, 64])
    elif how == 4:
        header[name], header[other] = header[other], entry
    elif how == 5:
        header[draw.choice(["x", "", "\x00", "encoder.9.x", f"{name}2"])] = header.pop(name)
    else:
        header[name] = change(draw, entry)


def change_metadata(draw: Random, header: Header) -> None:
    """Change the metadata: mostly a number in the recipe, the list of updates or the format."""
    metadata = header["__metadata__"]
    how = draw.randint(0, 5)
    if how <= 1:
        places = [*re.finditer(r"(?<== )[\d.]+", metadata["recipe"])]
        place = draw.choice(places)
        text = metadata["recipe"]
        metadata["recipe"] = text[: place.start()] + draw.choice(NUMBERS) + text[place.end() :]
    elif how == 2:
        key = draw.choice(list(metadata))
        value = changed_bytes(draw, metadata[key].encode(errors="replace"))
        metadata[key] = value.decode(errors="surrogateescape")
    elif how == 3:
        metadata["updates"] = draw.choice(["", "[1e999]", "[-1]", "{}", "[[1]]", "[" * 2000, "1"])
    elif how == 4:
        del metadata[draw.choice(list(metadata))]
    else:
        header["__metadata__"] = change(draw, metadata)


def changed_model(draw: Random, whole: bytes) -> bytes:
    """Return the content of a model file with a changed header, or changed bytes."""
    end = 8 + int.from_bytes(whole[:8], "little")
    header: Header = json.loads(whole[8:end])
    for _ in range(draw.randint(0, 2)):
        part = draw.choice([change_tensor, change_metadata])
        if isinstance(header.get("__metadata__"), dict) and len(header) > 1:
            try:
                part(draw, header)
            except (TypeError, AttributeError, IndexError, KeyError):
                continue  # an earlier change removed what this one changes
    text, data = json.dumps(header).encode(), whole[end:]
    if draw.random() < 0.3:
        text = changed_bytes(draw, text)
    if draw.random() < 0.3:
        data = changed_bytes(draw, data)
    content = len(text).to_bytes(8, "little") + text + data
    return changed_bytes(draw, content, 1) if draw.random() < 0.2 else content


@fuzz
@given(draw=seeded(copy.copy))
def test_model_files(model: bytes, tmp_path: Path, draw: Random) -> None:
    """A file is a model whose network has the shapes of its recipe, or it is refused."""
    run = RunFolder(tmp_path)
    run.model.write_bytes(changed_model(draw, model))
    loaded = value_or_error(lambda: load_model(run.model, "cpu"))
    parameters = stored_parameters(run)
    if loaded is not None:
        network = loaded.network
        assert network.settings == loaded.recipe.model
        assert sum(each.numel() for each in network.parameters()) == parameters
        assert len(loaded.tokenizer) == network.vocab_size
