"""A story as plain data for its page; `nmt/studio/explain/web/` shows it.

Vectors and matrices are packed (`packing`), other numbers rounded to what is shown.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from nmt import __version__
from nmt.studio.explain.outlook import TEMPERATURES
from nmt.studio.explain.packing import pack
from nmt.studio.explain.recording import Recording
from nmt.studio.explain.story import Explanation
from nmt.text.tokenizer import BOS, EOS, PAD, UNK

SPECIAL_NAMES = {PAD: "padding", UNK: "unknown", BOS: "start", EOS: "end"}


def as_data(story: Explanation) -> dict[str, Any]:
    """Everything the page shows."""
    record, settings, network = story.recording, story.model.recipe.model, story.model.network
    pre = settings.norm == "pre"
    encoder = [encoder_layer(record, f"encoder.{n}", pre) for n in range(settings.encoder_layers)]
    decoder = [decoder_layer(record, f"decoder.{n}", pre) for n in range(settings.decoder_layers)]
    beam = beam_data(story)
    outlook = outlook_data(story)
    targets = {
        *story.target_inputs,
        *(piece for each in story.next_tokens for piece in each.pieces),
        *(each.piece for each in story.tree.nodes),
    }
    return {
        "nmt": __version__,
        "model": model_data(story),
        "pieces": piece_data(story, set(story.source_ids), targets),
        "source": {"text": story.text, "ids": story.source_ids},
        "target": {
            "text": story.translation,
            "inputs": target_names(story, story.target_inputs),
            "outputs": target_names(story, story.target_outputs),
        },
        "embedding": {
            "source": embedding_data(
                story, network.source_embedding, story.source_ids, "encoder.0"
            ),
            "target": embedding_data(story, network.embedding, story.target_inputs, "decoder.0"),
        },
        "encoder": encoder,
        "decoder": decoder,
        "last": pack(record.outputs["decoder_norm"]),
        "outlook": outlook,
        "beam": beam,
    }


def model_data(story: Explanation) -> dict[str, Any]:
    """What is said of the model."""
    model = story.model
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
        "tied": settings.tied != "none",  # the softmax's matrix and the embeddings
        "encoder_layers": settings.encoder_layers,
        "decoder_layers": settings.decoder_layers,
        "heads": settings.heads,
        "d_model": settings.d_model,
        "d_ff": settings.d_ff,
        "d_k": settings.d_k,
        "d_v": settings.d_v,
    }


def target_names(story: Explanation, ids: Iterable[int]) -> list[int]:
    """Numbers for target pieces on the page: their ids; of a vocabulary of their own, after V."""
    tokenizer = story.model.tokenizer
    return [each if tokenizer.is_joint else each + len(tokenizer) for each in ids]


def piece_data(story: Explanation, sources: set[int], targets: set[int]) -> dict[str, Any]:
    """The pieces that occur by number: row, text by SentencePiece, what special ones mean."""
    source, target = story.model.tokenizer.sides
    named = [(each, source, each) for each in sorted(sources)]
    ids = sorted(targets)
    named += zip(target_names(story, ids), [target] * len(ids), ids, strict=True)
    return {
        str(number): {
            "row": each,
            "text": pieces.piece(each),
            "special": SPECIAL_NAMES.get(each),
        }
        for number, pieces, each in named
    }


def embedding_data(
    story: Explanation, matrix: Tensor, ids: tuple[int, ...], first_layer: str
) -> dict[str, Any]:
    """sqrt(d_model) * embedding, position, and their sum as the first layer gets it."""
    scaled = matrix.detach().float().cpu()[list(ids)] * story.model.recipe.model.d_model**0.5
    total = story.recording.inputs[first_layer]
    return {"scaled": pack(scaled), "position": pack(total - scaled), "sum": pack(total)}


def encoder_layer(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Self-attention and feed-forward of an encoder layer, of pre-norm or of the paper's."""
    return {
        "self": attention_data(record, f"{name}.self_attention", pre),
        **feed_forward_data(record, name, pre),
    }


def decoder_layer(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Masked self-attention, attention to the encoder and feed-forward of a decoder layer."""
    return {
        "self": attention_data(record, f"{name}.self_attention", pre),
        "cross": attention_data(record, f"{name}.cross_attention", pre),
        **feed_forward_data(record, name, pre),
    }


def attention_data(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """One sub-layer, from its queries to what it gives on."""
    heads = record.attended[name]
    return {
        "query": pack(heads.query),
        "key": pack(heads.key),
        "value": pack(heads.value),
        "weights": pack(heads.weights),
        "read": pack(record.outputs[f"{name}_norm.norm"]) if pre else None,
        "joined": pack(record.inputs[f"{name}.out"]),
        "projected": pack(record.outputs[name]),
        "added": pack(record.outputs[f"{name}_norm"]),  # normed as well, unless before
    }


def feed_forward_data(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """The last sub-layer, and what the layer gives on."""
    return {
        "read": pack(record.outputs[f"{name}.feed_forward_norm.norm"]) if pre else None,
        "hidden": pack(record.inputs[f"{name}.feed_forward.outer"]),
        "fed": pack(record.outputs[f"{name}.feed_forward"]),
        "output": pack(record.outputs[name]),
    }


def outlook_data(story: Explanation) -> dict[str, Any]:
    """The likeliest pieces of each step."""
    return {
        "temperatures": TEMPERATURES,
        "steps": [
            {
                "pieces": target_names(story, each.pieces),
                "logits": rounded(each.logits),
                "log_sums": rounded(each.log_sums),
                "entropy": round(each.entropy, 5),
                "chosen": target_names(story, [each.chosen])[0],
                "rank": each.rank,
            }
            for each in story.next_tokens
        ],
    }


def beam_data(story: Explanation) -> dict[str, Any]:
    """The tree, a list a property; a node's place in them is its name."""
    nodes = story.tree.nodes
    return {
        "size": story.settings.beam_size,
        "alpha": story.settings.length_penalty,
        "max_length": story.max_length,
        "stopping": story.settings.stopping,
        "score": round(story.winner.score, 5),
        "log_prob": round(story.winner.log_prob, 5),
        "bounds": rounded(story.tree.bounds),
        "nodes": {
            "parent": [each.parent for each in nodes],
            "step": [each.step for each in nodes],
            "piece": target_names(story, (each.piece for each in nodes)),
            "log_prob": rounded(each.log_prob for each in nodes),
            "score": rounded(each.score for each in nodes),
            "fate": [each.fate for each in nodes],
            "wins": [each.place for each in nodes if each.wins],
        },
    }


def rounded(values: Iterable[float]) -> list[float | None]:
    """To 5 digits behind the point; none for minus infinity, which JSON lacks."""
    return [round(each, 5) if each > -1e30 else None for each in values]
