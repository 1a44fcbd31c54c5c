"""Export a model to two graphs that onnxruntime runs: the encoder, and steps of the decoder."""

import json
from pathlib import Path
from typing import Any

from nmt.decoding.search.rules import special_ids
from nmt.errors import NmtError
from nmt.interop.subword_files import MODELS, VOCABULARIES, write_subwords
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import BOS, EOS, PAD, UNK

FORMAT_VERSION = 1
FEWEST_POSITIONS = 1024  # of sinusoids and rotations
WEIGHTS, SETTINGS = "weights.bin", "settings.json"


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write the graphs, their weights, the tokenizer and the settings into an empty folder.

    Equal models give equal bytes. quantization: "". Raises NmtError without the package `onnx`.
    """
    try:
        import onnx
    except ImportError as error:
        raise NmtError(
            "exporting to ONNX needs its package; in the checkout: pip install '.[onnx]'"
        ) from error
    from nmt.interop.onnx_graph import WeightFile
    from nmt.interop.onnx_model import decoder_graph, encoder_graph

    graphs = {}
    with (path / WEIGHTS).open("wb") as stream:
        file = WeightFile(WEIGHTS, stream)
        for name, make in (("encoder", encoder_graph), ("decoder", decoder_graph)):
            graphs[name] = make(file, model.weights, model.recipe.model, positions(model))
    described: dict[str, Any] = {}
    for name, graph in graphs.items():
        text = f"The {name} of a Transformer; {SETTINGS} says how to use it."
        place = path / f"{name}.onnx"
        place.write_bytes(graph.model(name, text).SerializeToString(deterministic=True))
        onnx.checker.check_model(place, full_check=True)
        described[name] = {
            "file": place.name,
            "inputs": graph.input_names,
            "outputs": graph.output_names,
        }
    write_subwords(model.tokenizer, path)
    text = json.dumps({**settings_of(model), **described}, ensure_ascii=False, indent=2)
    (path / SETTINGS).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def settings_of(model: TrainedModel) -> dict[str, Any]:
    """Return what a program must know to translate with the graphs."""
    recipe, s = model.recipe, model.recipe.model
    return {
        "format_version": FORMAT_VERSION,
        "source_language": recipe.data.source_language,
        "target_language": recipe.data.target_language,
        "source_model": MODELS[0],
        "target_model": MODELS[1],
        "source_vocabulary": VOCABULARIES[0],
        "target_vocabulary": VOCABULARIES[0 if model.tokenizer.is_joint else 1],
        "pad_id": PAD,
        "unk_id": UNK,
        "bos_id": BOS,
        "eos_id": EOS,
        "never_output_ids": sorted(special_ids(model.tokenizer).never),
        "target_order": s.target_order,
        "max_positions": positions(model),
        "decoder_layers": s.decoder_layers,
        "heads": s.heads,
        "key_width": s.d_k,
        "value_width": s.d_v,
        "beam_size": recipe.decode.beam_size,
        "length_penalty": recipe.decode.length_penalty,
        "max_extra_tokens": recipe.decode.max_extra_tokens,
        "max_segment_tokens": recipe.decode.max_segment_tokens,
    }


def positions(model: TrainedModel) -> int:
    """Return the greatest length of a text in tokens, its end included."""
    longest = model.recipe.data.max_length + 1
    return model.recipe.model.position_limit or max(FEWEST_POSITIONS, longest)
