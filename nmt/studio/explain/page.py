"""The page of `nmt explain`: `nmt/studio/pages/explain/` with the data of an explanation.

Vectors and matrices are packed, and other numbers are rounded to what the page shows.

With each block of the model, the page shows the code that computes it. These lines are read from
this package, so they are those that run.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import dedent
from typing import Any

from torch import Tensor

from nmt.config import ModelSettings
from nmt.decoding.models.alignment import aligning_attention
from nmt.decoding.search.beam import BeamSearch
from nmt.kernels.array_functions import softmax
from nmt.model.attention import MultiHeadAttention, attention, causal_mask
from nmt.model.embedding import Embeddings
from nmt.model.feed_forward import FeedForward
from nmt.model.layers import AddAndNorm
from nmt.model.positions import FORMULAS, LearnedPositions, complex_rotary
from nmt.studio.explain.explanation import TEMPERATURES, Explanation
from nmt.studio.explain.live import live_data, why_not_live
from nmt.studio.explain.packing import pack
from nmt.studio.explain.recording import Recording
from nmt.studio.heads import head_names
from nmt.studio.pages.page import FOLDER, render, vendored
from nmt.system.log import note
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK, target_token

NOT_WANTED = "This page was written with --no-live, so nothing can be typed here."
SPECIAL_NAMES = {PAD: "padding", UNK: "unknown", BOS: "start", EOS: "end"}


def render_explanation(
    *explanations: Explanation,
    names: Sequence[str] = (),
    examples: Sequence[str] = (),
    live: bool = True,
    data_dir: Path | None = None,
) -> str:
    """Return the page as one HTML file: of one model, or of several side by side.

    names: what the page calls the models; by default as their recipes. examples: other sentences to
    try. live: whether the page holds the models, so that it can translate what is typed. data_dir:
    of the dev set, on which heads are measured. A note says why the page does not hold a model.
    """
    names = names or [explanation.model.recipe.name for explanation in explanations]
    models = []
    for explanation, name in zip(explanations, names, strict=True):
        data = page_data(explanation)
        data["model"] |= {"name": name, "head_names": head_names(explanation.model, data_dir)}
        data["code"] = code_data(explanation.model.recipe.model)
        data |= live_part(explanation, live)
        models.append({**data, "examples": examples if data["live"] else []})
    first = explanations[0]
    source_language, target_language = find_languages(first)
    texts = {
        "source": first.text,
        "translation": first.translation,
        "source_language": source_language,
        "target_language": target_language,
        "model": " and ".join(names),
        "translate": "translates" if len(names) == 1 else "translate",
    }
    title = f"How {texts['model']} {texts['translate']}: {first.text}"
    folder = FOLDER / "explain"
    worker = folder / "live" / "worker.js" if any(data["live"] for data in models) else None
    three = vendored("three.cjs", "THREE")
    return render(folder, {"models": models}, title, texts, library=three, worker=worker)


def live_part(explanation: Explanation, live: bool) -> dict[str, Any]:
    """Return what the page needs to run the model, or why it cannot."""
    model = explanation.model
    reason = why_not_live(model, explanation.settings) if live else NOT_WANTED
    if not reason:
        return {"live": live_data(model, explanation.settings), "live_reason": None}
    if live:
        note(f"{model.path}: {reason[0].lower()}{reason[1:].rstrip('.')}")
    return {"live": None, "live_reason": reason}


def find_languages(explanation: Explanation) -> tuple[str, str]:
    """Return the languages of a text, "" if it may have several, and of its translation."""
    known = explanation.model.recipe.data.known_directions
    wanted = explanation.settings.target_language or known[0][1]
    target = target_token(wanted, explanation.model.tokenizer.source, wanted)[2:-2] or known[0][1]
    sources = {source for source, _ in known if len(known) == 1 or source != target}
    return sources.pop() if len(sources) == 1 else "", target


def page_data(explanation: Explanation) -> dict[str, Any]:
    """Return everything that the page shows."""
    record, settings = explanation.recording, explanation.model.recipe.model
    embeddings = explanation.model.network.embeddings
    pre = settings.norm == "pre"
    return {
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
            layer_data(record, f"encoder.{n}", ("self",), pre)
            for n in range(settings.encoder_layers)
        ],
        "decoder": [
            layer_data(record, f"decoder.{n}", ("self", "cross"), pre)
            for n in range(settings.decoder_layers)
        ],
        "encoder_output": pack(record.outputs["encoder_norm"]),
        "decoder_output": pack(record.outputs["decoder_norm"]),
        "next_tokens": next_tokens_data(explanation),
        "beam": beam_data(explanation),
    }


def model_data(explanation: Explanation) -> dict[str, Any]:
    """Return the facts about the model."""
    model = explanation.model
    settings = model.recipe.model
    source_language, target_language = find_languages(explanation)
    return {
        "name": model.recipe.name,
        "parameters": sum(weight.numel() for weight in model.network.parameters()),
        "joint": model.tokenizer.is_joint,
        "vocabulary": len(model.tokenizer.target),
        "source_vocabulary": len(model.tokenizer.source),
        "source_language": source_language,
        "target_language": target_language,
        "tokenizer": model.recipe.tokenizer.kind,
        "positions": settings.positions,
        "norm": settings.norm,
        "norm_kind": settings.norm_kind,
        "activation": settings.activation,
        "attention_bias": settings.attention_bias,
        "softmax_bias": settings.softmax_bias,
        "backwards": settings.is_right_to_left,
        "tied": settings.tied != "none",  # the softmax's matrix and the embeddings
        "encoder_layers": settings.encoder_layers,
        "decoder_layers": settings.decoder_layers,
        "heads": settings.heads,
        "alignment": asdict(aligning_attention(model)),
        "d_model": settings.d_model,
        "d_k": settings.d_k,
    }


def target_numbers(explanation: Explanation, ids: Iterable[int]) -> list[int]:
    """Return the page's numbers for target tokens.

    They are the ids if source and target share a vocabulary; otherwise they come after the ids of
    the source vocabulary.
    """
    tokenizer = explanation.model.tokenizer
    return [token if tokenizer.is_joint else token + len(tokenizer) for token in ids]


def token_data(explanation: Explanation) -> dict[str, Any]:
    """Return the row, text and special meaning of each token on the page, by its number."""
    source, target = explanation.model.tokenizer.sides
    named = [(token, source, token) for token in sorted(set(explanation.source_ids))]
    targets = sorted(
        {
            *explanation.target_inputs,
            *(token for step in explanation.next_tokens for token in step.ids),
            *(node.token for node in explanation.tree.nodes),
        }
    )
    numbers = target_numbers(explanation, targets)
    named += [(number, target, token) for number, token in zip(numbers, targets, strict=True)]
    return {
        str(number): {
            "row": token,
            "text": vocabulary.piece(token),
            "special": SPECIAL_NAMES.get(token),
        }
        for number, vocabulary, token in named
    }


def embedding_data(
    explanation: Explanation, matrix: Tensor, ids: tuple[int, ...], first_layer: str
) -> dict[str, Any]:
    """Return sqrt(d_model) * embedding, the position, and their sum, the first layer's input."""
    d_model = explanation.model.recipe.model.d_model
    scaled = matrix.detach().float().cpu()[list(ids)] * d_model**0.5
    total = explanation.recording.inputs[first_layer]
    return {"scaled": pack(scaled), "position": pack(total - scaled), "sum": pack(total)}


def layer_data(
    record: Recording, name: str, attentions: Iterable[str], pre: bool
) -> dict[str, Any]:
    """Return the sub-layers of a layer and its output; pre: it has pre-norm."""
    return {
        **{kind: attention_data(record, f"{name}.{kind}_attention", pre) for kind in attentions},
        "normed": pack(record.outputs[f"{name}.feed_forward_norm.norm"]) if pre else None,
        "hidden": pack(record.inputs[f"{name}.feed_forward.outer"]),
        "feed_forward": pack(record.outputs[f"{name}.feed_forward"]),
        "output": pack(record.outputs[name]),
    }


def attention_data(record: Recording, name: str, pre: bool) -> dict[str, Any]:
    """Return an attention sub-layer, from its queries to its output."""
    heads = record.attention[name]
    return {
        **{kind: pack(tensor) for kind, tensor in heads._asdict().items()},
        "normed": pack(record.outputs[f"{name}_norm.norm"]) if pre else None,
        "joined": pack(record.inputs[f"{name}.out"]),
        "projected": pack(record.outputs[name]),
        "added": pack(record.outputs[f"{name}_norm"]),  # with post-norm also normalized
    }


def next_tokens_data(explanation: Explanation) -> dict[str, Any]:
    """Return the most probable tokens of each step."""
    return {
        "temperatures": TEMPERATURES,
        "steps": [
            {
                "tokens": target_numbers(explanation, step.ids),
                "logits": rounded(step.logits),
                "log_sums": rounded(step.log_sums),
                "entropy": round(step.entropy, 5),
                "chosen": target_numbers(explanation, [step.chosen])[0],
                "rank": step.rank,
            }
            for step in explanation.next_tokens
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
            "parent": [node.parent for node in nodes],
            "step": [node.step for node in nodes],
            "token": target_numbers(explanation, (node.token for node in nodes)),
            "log_prob": rounded(node.log_prob for node in nodes),
            "score": rounded(node.score for node in nodes),
            "status": [node.status for node in nodes],
            "wins": [node.index for node in nodes if node.wins],
        },
    }


def rounded(values: Iterable[float]) -> list[float | None]:
    """Round to 5 decimal places; None stands for minus infinity, which JSON does not have."""
    return [round(value, 5) if value > -1e30 else None for value in values]


# The function of each gate.
GATE_FUNCTIONS = {
    "glu": "sigmoid(z)",
    "reglu": "max(0, z)",
    "geglu": "z · Φ(z)",
    "swiglu": "z · sigmoid(z)",
}


def read_code(
    function: Callable[..., object], since: str = "", pseudo: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the code of a block without indentation, and where it is.

    since: how the first line begins; by default all lines after the docstring are shown. pseudo:
    the same in five lines, if the code is long.
    """
    whole, start = inspect.getsourcelines(function)
    definition = ast.parse(dedent("".join(whole))).body[0]
    assert isinstance(definition, ast.FunctionDef)  # noqa: S101 (for the type checker)
    skipped = definition.body[ast.get_docstring(definition) is not None].lineno - 1
    while not whole[skipped].lstrip().startswith(since):
        skipped += 1
    return {
        "file": f"{function.__module__.replace('.', '/')}.py",
        "first": start + skipped,
        "lines": dedent("".join(whole[skipped:])).splitlines(),
        "pseudo": pseudo or None,
    }


PSEUDO_ATTENTION = (
    "scores = (q / √d_k) · kᵀ    (h, queries, keys)",
    "where a query may not look: score = −∞",
    "weights = softmax of each row of scores    (h, queries, keys)",
    "a recorder, such as this page's, keeps q, k, v and weights",
    "return weights · v    (h, queries, d_v)",
)
PSEUDO_BEAM = (
    "for each of K hypotheses: log-probabilities of all next tokens",
    "keep the 2K best tokens of each",
    "add the log-probability of the hypothesis that they continue",
    "sort the candidates of all hypotheses; keep the 2K best",
    "return them: those with EOS are finished, and the K best others go on",
)
PSEUDO_SINUSOIDS = (
    "for each position pos and each pair of columns (2i, 2i + 1):",
    "    angle = pos / 10000^(2i/d_model)",
    "    table[pos, 2i] = sin(angle)",
    "    table[pos, 2i + 1] = cos(angle)",
    "return table    (length, d_model)",
)


def code_data(settings: ModelSettings) -> dict[str, dict[str, Any]]:
    """Return the code of each block of a model, by the key that the page's blocks name."""
    turned = "; self-attention turns q and k" if settings.positions == "rotary" else ""
    return {
        "embedding": read_code(Embeddings.embed, "x: Tensor ="),
        "positions": positions_code(settings.positions),
        "heads": read_code(
            MultiHeadAttention.forward,
            pseudo=(
                "q = x · W^Q;  k, v = y · W^K, y · W^V    (y: x itself, or the encoder's output)",
                f"cut each into h heads: (length, h · d_k) → (h, length, d_k){turned}",
                "heads = attention(q, k, v, mask)    (h, length, d_v)",
                "joined = the heads side by side    (length, h · d_v)",
                "return joined · W^O    (length, d_model)",
            ),
        ),
        "attention": read_code(attention, "scores =", PSEUDO_ATTENTION),
        "masks": read_code(causal_mask),
        "norm": read_code(AddAndNorm.forward),
        "feed_forward": feed_forward_code(settings.activation),
        "project": read_code(Embeddings.project, "return linear"),
        "softmax": read_code(softmax),
        "beam": read_code(BeamSearch.extend, pseudo=PSEUDO_BEAM),
    }


def positions_code(kind: str) -> dict[str, Any]:
    """Return the code of a positional encoding."""
    if kind == "rotary":
        return read_code(complex_rotary)
    if kind == "learned":
        return read_code(LearnedPositions.forward)
    return read_code(FORMULAS[kind], pseudo=PSEUDO_SINUSOIDS if kind == "sinusoidal" else ())


def feed_forward_code(activation: str) -> dict[str, Any]:
    """Return the code of the feed-forward network."""
    if activation not in GATE_FUNCTIONS:
        return read_code(FeedForward.forward)
    pseudo = (
        "inner = x · [W V] + [b c]    (length, 2 · width)",
        "gates, values = its two halves",
        f"f(z) = {GATE_FUNCTIONS[activation]}",
        "hidden = f(gates) ⊙ values    (length, width)",
        "return hidden · W₂ + b₂    (length, d_model)",
    )
    return read_code(FeedForward.forward, pseudo=pseudo)
