"""The code of each block of the page: the lines of this package that compute it, read from it.

So a page can't show lines that a later version has changed. The lines are those that a model of
these settings runs.
"""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from nmt.config import ModelSettings
from nmt.decoding.search.beam import BeamSearch
from nmt.kernels.array_functions import softmax
from nmt.model.attention import MultiHeadAttention, attention, causal_mask
from nmt.model.embedding import Embeddings
from nmt.model.feed_forward import GATES, FeedForward
from nmt.model.layers import AddAndNorm, DecoderLayer, EncoderLayer
from nmt.model.positions import FORMULAS, LearnedPositions, complex_rotary
from nmt.model.transformer import Transformer

FUNCTIONS = {
    "relu": "max(0, z)",
    "silu": "z · sigmoid(z)",
    "gelu": "z · Φ(z)",
    "glu": "sigmoid(z)",
    "reglu": "max(0, z)",
    "geglu": "z · Φ(z)",
    "swiglu": "z · sigmoid(z)",
}
NORMS = {
    "layer": ("LayerNorm", "(x − mean) / √(variance + ε) · gain + bias"),
    "rms": ("RMSNorm", "x / √(mean of x² + ε) · gain"),
}


@dataclass(frozen=True)
class Block:
    """A computation of the model, and where its code is."""

    title: str
    section: str  # of the paper, or another source
    formula: str
    function: Callable[..., object]
    since: str = ""  # how the first line begins; by default all lines after the docstring
    pseudo: tuple[str, ...] = ()  # the same in five lines, if the code is long

    def data(self) -> dict[str, Any]:
        """Return what the page shows."""
        first, lines = self.lines()
        return {
            "title": self.title,
            "section": self.section,
            "formula": self.formula,
            "file": f"{self.function.__module__.replace('.', '/')}.py",
            "first": first,
            "lines": lines,
            "pseudo": self.pseudo or None,
        }

    def lines(self) -> tuple[int, list[str]]:
        """Return the number of the first line in its file, and the lines without indentation."""
        whole, start = inspect.getsourcelines(self.function)
        definition = ast.parse(dedent("".join(whole))).body[0]
        assert isinstance(definition, ast.FunctionDef)  # noqa: S101 (for the type checker)
        skipped = definition.body[ast.get_docstring(definition) is not None].lineno - 1
        while not whole[skipped].lstrip().startswith(self.since):
            skipped += 1
        return start + skipped, dedent("".join(whole[skipped:])).splitlines()


# Blocks that every model has.
ALWAYS = {
    "attention": Block(
        "Scaled dot-product attention",
        "§3.2.1",
        "softmax(Q Kᵀ / √d_k + mask) V",
        attention,
        "scores =",
        (
            "scores = (q / √d_k) · kᵀ    (h, queries, keys)",
            "where a query may not look: score = −∞",
            "weights = softmax of each row of scores    (h, queries, keys)",
            "a recorder, such as this page's, keeps q, k, v and weights",
            "return weights · v    (h, queries, d_v)",
        ),
    ),
    "masks": Block("Mask of later positions", "§3.2.3", "0 or −∞ is added", causal_mask),
    "softmax": Block(
        "Softmax, as `nmt translate` computes it on a CPU",
        "§3.2.1, §3.4",
        "exp(x_i) / Σ_j exp(x_j)",
        softmax,
    ),
    "encoder_layer": Block(
        "Encoder layer", "§3.1", "self-attention, then feed-forward", EncoderLayer.forward
    ),
    "decoder_layer": Block(
        "Decoder layer",
        "§3.1",
        "masked self-attention, attention to the source, then feed-forward",
        DecoderLayer.forward,
        pseudo=(
            "while searching: take the keys and values of earlier steps from the cache",
            "x = add & norm(x, self-attention, which sees no later position)",
            "x = add & norm(x, attention to the encoder's output)",
            "x = add & norm(x, feed-forward network)",
            "return x    (length, d_model)",
        ),
    ),
    "transformer": Block(
        "The Transformer",
        "§3",
        "p(next token) = softmax(E · decoder(target so far, encoder(source)))",
        Transformer.hidden,
        pseudo=(
            "x = embed(source);  y = embed(target so far)",
            "for each encoder layer: x = layer(x)",
            "for each decoder layer: y = layer(y, what the encoder made of x)",
            "logits = y · Eᵀ",
            "probabilities of the next token = softmax(logits)",
        ),
    ),
    "beam": Block(
        "Beam search",
        "§6.1",
        "score = log p / ((5 + length) / 6)^α",
        BeamSearch.extend,
        pseudo=(
            "for each of K hypotheses: log-probabilities of all next tokens",
            "keep the 2K best tokens of each",
            "add the log-probability of the hypothesis that they continue",
            "sort the candidates of all hypotheses; keep the 2K best",
            "return them: those with EOS are finished, and the K best others go on",
        ),
    ),
}


def code_data(settings: ModelSettings) -> dict[str, dict[str, Any]]:
    """Return the code of each block of a model, by the block's key."""
    return {key: block.data() for key, block in blocks_of(settings).items()}


def blocks_of(settings: ModelSettings) -> dict[str, Block]:
    """Return the blocks of a model with these settings."""
    is_rotary = settings.positions == "rotary"
    added, turned = ("", "; self-attention turns q and k") if is_rotary else (" + position", "")
    return {
        **ALWAYS,
        "embedding": Block(
            "Embedding", "§3.4", f"√d_model · E[token]{added}", Embeddings.embed, "x: Tensor ="
        ),
        "positions": positions_block(settings.positions),
        "heads": Block(
            "Multi-head attention",
            "§3.2.2",
            "Concat(head₁, …, head_h) W^O with head_i = Attention(X W_i^Q, X W_i^K, X W_i^V)",
            MultiHeadAttention.forward,
            pseudo=(
                "q = x · W^Q;  k, v = y · W^K, y · W^V    (y: x itself, or the encoder's output)",
                f"cut each into h heads: (length, h · d_k) → (h, length, d_k){turned}",
                "heads = attention(q, k, v, mask)    (h, length, d_v)",
                "joined = the heads side by side    (length, h · d_v)",
                "return joined · W^O    (length, d_model)",
            ),
        ),
        "norm": norm_block(settings),
        "feed_forward": feed_forward_block(settings.activation),
        "project": Block(
            "Logits",
            "§3.4",
            "x Eᵀ + b" if settings.softmax_bias else "x Eᵀ",
            Embeddings.project,
            "return linear",
        ),
    }


def positions_block(kind: str) -> Block:
    """Return the block of a positional encoding."""
    angle = "pos / 10000^(2i/d_model)"
    if kind == "rotary":
        return Block(
            "Rotary positions",
            "Su et al. (2021)",
            "the pair (2i, 2i + 1) of a query or key turns by the angle pos / 10000^(2i/d_k)",
            complex_rotary,
        )
    if kind == "learned":
        return Block("Learned positions", "table 3 (E)", "P[pos]", LearnedPositions.forward)
    if kind == "sinusoidal_halves":
        formula = f"sin({angle}) for every i, then cos({angle})"
        return Block("Sinusoids, all sines first", "§3.5", formula, FORMULAS[kind])
    return Block(
        "Sinusoids",
        "§3.5",
        f"PE(pos, 2i) = sin({angle}), PE(pos, 2i + 1) = cos(the same)",
        FORMULAS[kind],
        pseudo=(
            "for each position pos and each pair of columns (2i, 2i + 1):",
            f"    angle = {angle}",
            "    table[pos, 2i] = sin(angle)",
            "    table[pos, 2i + 1] = cos(angle)",
            "return table    (length, d_model)",
        ),
    )


def norm_block(settings: ModelSettings) -> Block:
    """Return the block of the residual connection and its norm."""
    name, formula = NORMS[settings.norm_kind]
    whole = f"x + Sublayer({name}(x))" if settings.norm == "pre" else f"{name}(x + Sublayer(x))"
    section = "§3.1" if settings.norm == "post" else "§3.1; Xiong et al. (2020)"
    return Block("Add & norm", section, f"{whole}, {name}(x) = {formula}", AddAndNorm.forward)


def feed_forward_block(activation: str) -> Block:
    """Return the block of the feed-forward network."""
    function = FUNCTIONS[activation]
    if activation not in GATES:
        formula = f"f(x W₁ + b₁) W₂ + b₂, f(z) = {function}"
        return Block("Feed-forward network", "§3.3", formula, FeedForward.forward)
    return Block(
        "Gated feed-forward network",
        "§3.3; Shazeer (2020)",
        f"(f(x W + b) ⊙ (x V + c)) W₂ + b₂, f(z) = {function}",
        FeedForward.forward,
        pseudo=(
            "inner = x · [W V] + [b c]    (length, 2 · width)",
            "gates, values = its two halves",
            f"f(z) = {function}",
            "hidden = f(gates) ⊙ values    (length, width)",
            "return hidden · W₂ + b₂    (length, d_model)",
        ),
    )
