"""The JSON of an explanation's page, which `nmt/studio/explain/web/` shows.

Vectors and matrices are packed (`packing`); other numbers are rounded to what the page shows.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from torch import Tensor

from nmt import __version__
from nmt.decoding.models.alignment import aligning_attention
from nmt.studio.explain.explanation import Explanation
from nmt.studio.explain.next_tokens import TEMPERATURES
from nmt.studio.explain.packing import pack
from nmt.studio.explain.recording import Recording
from nmt.text.tokenizer import BOS, EOS, PAD, UNK

SPECIAL_NAMES = {PAD: "padding", UNK: "unknown", BOS: "start", EOS: "end"}


def page_data(explanation: Explanation) -> dict[str, Any]:
    """Return everything that the page shows."""
    record, settings = explanation.recording, explanation.model.recipe.model
    embeddings = explanation.model.network.embeddings
    pre = settings.norm == "pre"
    return {
        "nmt": __version__,
        "model": model_data(explanation),
        "tokens": token_data(explanation),
        "source": {"text": explanation.text, "ids": explanation.source_ids},
        "target": {
            "text": explanation.translation,
            "inputs": target_numbers(explanation, explanation.target_inputs),
            "outputs": target_numbers(explanation, explanation.target_outputs),
        },
        "embedding": {
            "source": embedding_data(
                explanation, embeddings.source_weight, explanation.source_ids, "encoder.0"
            ),
            "target": embedding_data(
                explanation, embeddings.weight, explanation.target_inputs, "decoder.0"
            ),
        },
        "encoder": [
            encoder_layer(record, f"encoder.{n}", pre) for n in range(settings.encoder_layers)
        ],
        "decoder": [
            decoder_layer(record, f"decoder.{n}", pre) for n in range(settings.decoder_layers)
        ],
        "decoder_output": pack(record.outputs["decoder_norm"]),
        "next_tokens": next_tokens_data(explanation),
        "beam": beam_data(explanation),
    }


def model_data(explanation: Explanation) -> dict[str, Any]:
    """Return the facts about the model."""
    model = explanation.model
    settings = model.recipe.model
    return {
        "name": model.recipe.name,
        "parameters": sum(each.numel() for each in model.network.parameters()),
        "joint": model.tokenizer.is_joint,
        "vocabulary": len(model.tokenizer.target),
        "source_vocabulary": len(model.tokenizer.source),
        "source_language": model.recipe.data.source_language,
        "target_language": model.recipe.data.target_language,
        "tokenizer": model.recipe.tokenizer.kind,
        "positions": settings.positions,
        "norm": settings.norm,
        "norm_kind": settings.norm_kind,
        "activation": settings.activation,
        "attention_bias": settings.attention_bias,
        "softmax_bias": settings.softmax_bias,
        "tied": settings.tied != "none",  # the softmax's matrix and the embeddings
        "encoder_layers": settings.encoder_layers,
        "decoder_layers": settings.decoder_layers,
        "heads": settings.heads,
        "alignment": asdict(aligning_attention(model)),
        "d_model": settings.d_model,
        "d_ff": settings.d_ff,
        "d_k": settings.d_k,
        "d_v": settings.d_v,
    }


def target_numbers(explanation: Explanation, ids: Iterable[int]) -> list[int]:
    """Return the page's numbers for target tokens.

    They are the ids if source and target share a vocabulary; otherwise they come after the ids of
    the source vocabulary.
    """
    tokenizer = explanation.model.tokenizer
    return [each if tokenizer.is_joint else each + len(tokenizer) for each in ids]


def token_data(explanation: Explanation) -> dict[str, Any]:
    """Return the row, text and special meaning of each token on the page, by its number."""
    source, target = explanation.model.tokenizer.sides
    named = [(each, source, each) for each in sorted(set(explanation.source_ids))]
    targets = sorted(
        {
            *explanation.target_inputs,
            *(token for each in explanation.next_tokens for token in each.ids),
            *(each.token for each in explanation.tree.nodes),
        }
    )
    numbers = target_numbers(explanation, targets)
    named += [(number, target, each) for number, each in zip(numbers, targets, strict=True)]
    return {
        str(number): {
            "row": each,
            "text": vocabulary.piece(each),
            "special": SPECIAL_NAMES.get(each),
        }
        for number, vocabulary, each in named
    }


def embedding_data(
    explanation: Explanation, matrix: Tensor, ids: tuple[int, ...], first_layer: str
) -> dict[str, Any]:
    """Return sqrt(d_model) * embedding, the position, and their sum, the first layer's input."""
    d_model = explanation.model.recipe.model.d_model
    scaled = matrix.detach().float().cpu()[list(ids)] * d_model**0.5
    total = explanation.recording.inputs[first_layer]
    return {"scaled": pack(scaled), "position": pack(total - scaled), "sum": pack(total)}


def encoder_layer(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Return the two sub-layers of an encoder layer; pre: it has pre-norm."""
    return {
        "self": attention_data(record, f"{name}.self_attention", pre),
        **feed_forward_data(record, name, pre),
    }


def decoder_layer(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Return the three sub-layers of a decoder layer; pre: it has pre-norm."""
    return {
        "self": attention_data(record, f"{name}.self_attention", pre),
        "cross": attention_data(record, f"{name}.cross_attention", pre),
        **feed_forward_data(record, name, pre),
    }


def attention_data(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Return an attention sub-layer, from its queries to its output."""
    heads = record.attention[name]
    return {
        "query": pack(heads.query),
        "key": pack(heads.key),
        "value": pack(heads.value),
        "weights": pack(heads.weights),
        "normed": pack(record.outputs[f"{name}_norm.norm"]) if pre else None,
        "joined": pack(record.inputs[f"{name}.out"]),
        "projected": pack(record.outputs[name]),
        "added": pack(record.outputs[f"{name}_norm"]),  # with post-norm also normalized
    }


def feed_forward_data(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Return the feed-forward sub-layer and the output of its layer."""
    return {
        "normed": pack(record.outputs[f"{name}.feed_forward_norm.norm"]) if pre else None,
        "hidden": pack(record.inputs[f"{name}.feed_forward.outer"]),
        "feed_forward": pack(record.outputs[f"{name}.feed_forward"]),
        "output": pack(record.outputs[name]),
    }


def next_tokens_data(explanation: Explanation) -> dict[str, Any]:
    """Return the most probable tokens of each step."""
    return {
        "temperatures": TEMPERATURES,
        "steps": [
            {
                "tokens": target_numbers(explanation, each.ids),
                "logits": rounded(each.logits),
                "log_sums": rounded(each.log_sums),
                "entropy": round(each.entropy, 5),
                "chosen": target_numbers(explanation, [each.chosen])[0],
                "rank": each.rank,
            }
            for each in explanation.next_tokens
        ],
    }


def beam_data(explanation: Explanation) -> dict[str, Any]:
    """Return the search tree: for each property of the nodes, a list by index of node."""
    nodes, settings = explanation.tree.nodes, explanation.settings
    return {
        "size": settings.beam_size,
        "alpha": settings.length_penalty,
        "max_length": explanation.max_length,
        "stopping": settings.stopping,
        "score": round(explanation.best.score, 5),
        "log_prob": round(explanation.best.log_prob, 5),
        "bounds": rounded(explanation.tree.bounds),
        "nodes": {
            "parent": [each.parent for each in nodes],
            "step": [each.step for each in nodes],
            "token": target_numbers(explanation, (each.token for each in nodes)),
            "log_prob": rounded(each.log_prob for each in nodes),
            "score": rounded(each.score for each in nodes),
            "status": [each.status for each in nodes],
            "wins": [each.index for each in nodes if each.wins],
        },
    }


def rounded(values: Iterable[float]) -> list[float | None]:
    """Round to 5 decimal places; None stands for minus infinity, which JSON does not have."""
    return [round(each, 5) if each > -1e30 else None for each in values]
