"""Export a model to a folder that Hugging Face's transformers loads without code of ours."""

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from nmt.decoding.search.rules import special_ids
from nmt.interop.huggingface_architecture import ACTIVATIONS, Architecture, architecture_of
from nmt.interop.huggingface_weights import huggingface_weights
from nmt.interop.subword_files import write_subwords
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import BOS, EOS, PAD, UNK

FEWEST_POSITIONS = 512  # of sinusoids; transformers makes the table when it loads the model


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write weights, configuration and tokenizer into an empty folder.

    Equal models give equal bytes. quantization: "". Raises NmtError, naming the setting, for a
    model whose architecture transformers does not have.
    """
    architecture = architecture_of(model.recipe.model)
    weights = huggingface_weights(model.weights, model.recipe.model, architecture, positions(model))
    (path / "model.safetensors").write_bytes(save(weights, {"format": "pt"}))
    write_json(path / "config.json", configuration(model, architecture))
    write_json(path / "generation_config.json", generation(model))
    write_json(path / "tokenizer_config.json", tokenization(model))
    write_subwords(model.tokenizer, path)


def configuration(model: TrainedModel, architecture: Architecture) -> dict[str, Any]:
    """Return the content of config.json."""
    s = model.recipe.model
    stacks = {
        f"{stack}_{key}": value
        for stack, layers in (("encoder", s.encoder_layers), ("decoder", s.decoder_layers))
        for key, value in (
            ("layers", layers),
            ("attention_heads", s.heads),
            ("ffn_dim", s.d_ff),
            ("layerdrop", 0.0),
        )
    }
    return {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "activation_function": ACTIVATIONS[s.activation],
        "d_model": s.d_model,
        **stacks,
        "dropout": s.dropout,
        "attention_dropout": s.attention_dropout,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "vocab_size": len(model.tokenizer),
        "decoder_vocab_size": len(model.tokenizer),
        "share_encoder_decoder_embeddings": s.tied == "all",
        "tie_word_embeddings": s.tied != "none",
        "max_position_embeddings": positions(model),
        "is_encoder_decoder": True,
        "dtype": "float32",
        **start_and_end(),
    }


def start_and_end() -> dict[str, Any]:
    """Return the ids at the edges of a text; an output is not forced to end."""
    return {
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
    }


def generation(model: TrainedModel) -> dict[str, Any]:
    """Return the content of generation_config.json.

    A length penalty has another meaning there: the power of the length that divides the
    log-probability.
    """
    decode = model.recipe.decode
    return {
        **start_and_end(),
        "num_beams": decode.beam_size,
        "length_penalty": decode.length_penalty,
        "max_length": positions(model),
        "suppress_tokens": sorted(special_ids(model.tokenizer).never),
        "encoder_no_repeat_ngram_size": 0,
        "no_repeat_ngram_size": decode.no_repeat_ngram,
    }


def tokenization(model: TrainedModel) -> dict[str, Any]:
    """Return the content of tokenizer_config.json."""
    recipe = model.recipe
    pieces = [model.tokenizer.source.piece(each) for each in (PAD, UNK, BOS, EOS)]
    names = ("pad_token", "unk_token", "bos_token", "eos_token")
    return {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": recipe.data.source_language,
        "target_lang": recipe.data.target_language,
        "separate_vocabs": not model.tokenizer.is_joint,
        "model_max_length": positions(model),
        **dict(zip(names, pieces, strict=True)),
    }


def positions(model: TrainedModel) -> int:
    """Return the greatest length of a text in tokens, its end included."""
    longest = model.recipe.data.max_length + 1
    return model.recipe.model.position_limit or max(FEWEST_POSITIONS, longest)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that people can read."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8", newline="\n")
