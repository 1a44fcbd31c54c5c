"""Models with random weights, to compare with other programs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import torch

from nmt.config import Recipe, TextFiles, TokenizerSettings
from nmt.decoding.search.rules import special_ids
from nmt.model.transformer import Transformer
from nmt.recipe.settings import with_settings
from nmt.runs.model_file import ModelFile, save_model
from nmt.runs.trained_model import TrainedModel, to_arrays
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import PAD, Tokenizer

MARIAN = {  # the settings of Marian's models, but with three matrices
    "model.positions": "sinusoidal_halves",
    "model.activation": "silu",
    "model.attention_bias": True,
    "model.softmax_bias": True,
    "model.tied": "none",
}
SHAPE = {
    "model.d_model": 16,
    "model.d_ff": 24,
    "model.heads": 2,
    "model.d_k": 8,
    "model.d_v": 8,
    "model.encoder_layers": 2,
    "model.decoder_layers": 1,
}


def random_model(
    tokenizer: Tokenizer, settings: dict[str, Any], seed: int = 1, scale: float = 1.5
) -> TrainedModel:
    """Return a model of this shape whose weights, biases too, are all random.

    scale: of the matrices; the default is not small.
    """
    recipe = with_settings(Recipe("random"), SHAPE | settings)
    torch.manual_seed(seed)
    network = Transformer(recipe.model, len(tokenizer), PAD)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "norm" in name or name.endswith("bias"):
                weight.add_(torch.randn_like(weight), alpha=0.3)
            else:
                weight.mul_(scale)
    weights = {name: array.copy() for name, array in to_arrays(network.state_dict()).items()}
    return TrainedModel(weights, tokenizer, recipe, Path("random.safetensors"))


def two_languages() -> TrainedModel:
    """Return a random model that translates from English to German and back."""
    tokens = ">>de<<", ">>en<<"
    subwords = learn_subwords(["sun moon star"] * 3, TokenizerSettings(20), tags=tokens)
    model = random_model(Tokenizer(subwords.model), {"decode.max_length": 6})
    texts = tuple(
        TextFiles(f"a.{source}", f"a.{target}", source_language=source, target_language=target)
        for source, target in (("en", "de"), ("de", "en"))
    )
    data = replace(model.recipe.data, train=texts)
    return replace(model, recipe=replace(model.recipe, data=data))


def saved(model: TrainedModel, path: Path) -> Path:
    save_model(path, ModelFile(model.weights, model.tokenizer.model, model.recipe, ()), "train")
    return path


def save_directions(folder: Path) -> list[Path]:
    """Save a model for each direction of `two_languages`, as if it were fine-tuned."""
    model, paths = two_languages(), [folder / "en_de.safetensors", folder / "de_en.safetensors"]
    for path, files in zip(paths, model.recipe.data.train, strict=True):
        recipe = replace(model.recipe, data=replace(model.recipe.data, train=(files,)))
        saved(replace(model, recipe=recipe), path)
    return paths


def two_vocabularies() -> Tokenizer:
    """Return a tokenizer with small letters for the source and capitals, more, for the target."""
    source, target = (
        learn_subwords([text] * 3, TokenizerSettings(size))
        for text, size in (("sun moon star", 16), ("SUN MOON STAR", 18))
    )
    return Tokenizer.from_two(source, target)


def batch(tokenizer: Tokenizer, lengths: tuple[int, ...] = (9, 1, 5)) -> tuple[Any, Any]:
    """Return random source ids (B, S), padded after the end, and target ids (B, T) with BOS."""
    draw = numpy.random.default_rng(3)
    source = numpy.full((len(lengths), max(lengths) + 1), PAD)
    for row, length in enumerate(lengths):
        source[row, :length] = draw.integers(4, len(tokenizer.source), length)
        source[row, length] = 3
    target = draw.integers(4, len(tokenizer.target), (len(lengths), 7))
    target[:, 0] = 2
    return source, target


def compute_logits(model: TrainedModel, source: Any, target: Any) -> Any:
    with torch.inference_mode():
        return model.network(torch.from_numpy(source), torch.from_numpy(target)).numpy()


def greedy(model: TrainedModel, source: Any, length: int) -> list[list[int]]:
    """Return the most probable token again and again, for each row until EOS."""
    never = [*special_ids(model.tokenizer).never]
    rows = []
    for row in source:
        ids = [2]
        while len(ids) <= length and ids[-1] != 3:
            logits = compute_logits(model, row[None][:, row != PAD], numpy.array([ids]))[0, -1]
            logits[never] = -numpy.inf
            ids.append(int(logits.argmax()))
        rows.append(ids)
    return rows
