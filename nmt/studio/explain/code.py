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
from nmt.model.feed_forward import FeedForward
from nmt.model.layers import AddAndNorm
from nmt.model.positions import FORMULAS, LearnedPositions, complex_rotary

# The function of each gate.
GATE_FUNCTIONS = {
    "glu": "sigmoid(z)",
    "reglu": "max(0, z)",
    "geglu": "z · Φ(z)",
    "swiglu": "z · sigmoid(z)",
}


@dataclass(frozen=True)
class Code:
    """The code of a block, and where it is."""

    function: Callable[..., object]
    since: str = ""  # how the first line begins; by default all lines after the docstring
    pseudo: tuple[str, ...] = ()  # the same in five lines, if the code is long

    def data(self) -> dict[str, Any]:
        """Return what the page shows."""
        first, lines = self.lines()
        return {
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


ATTENTION = (
    "scores = (q / √d_k) · kᵀ    (h, queries, keys)",
    "where a query may not look: score = −∞",
    "weights = softmax of each row of scores    (h, queries, keys)",
    "a recorder, such as this page's, keeps q, k, v and weights",
    "return weights · v    (h, queries, d_v)",
)
BEAM = (
    "for each of K hypotheses: log-probabilities of all next tokens",
    "keep the 2K best tokens of each",
    "add the log-probability of the hypothesis that they continue",
    "sort the candidates of all hypotheses; keep the 2K best",
    "return them: those with EOS are finished, and the K best others go on",
)
SINUSOIDS = (
    "for each position pos and each pair of columns (2i, 2i + 1):",
    "    angle = pos / 10000^(2i/d_model)",
    "    table[pos, 2i] = sin(angle)",
    "    table[pos, 2i + 1] = cos(angle)",
    "return table    (length, d_model)",
)


def code_data(settings: ModelSettings) -> dict[str, dict[str, Any]]:
    """Return the code of each block of a model, by the key that the page's blocks name."""
    turned = "; self-attention turns q and k" if settings.positions == "rotary" else ""
    codes = {
        "embedding": Code(Embeddings.embed, "x: Tensor ="),
        "positions": positions_code(settings.positions),
        "heads": Code(
            MultiHeadAttention.forward,
            pseudo=(
                "q = x · W^Q;  k, v = y · W^K, y · W^V    (y: x itself, or the encoder's output)",
                f"cut each into h heads: (length, h · d_k) → (h, length, d_k){turned}",
                "heads = attention(q, k, v, mask)    (h, length, d_v)",
                "joined = the heads side by side    (length, h · d_v)",
                "return joined · W^O    (length, d_model)",
            ),
        ),
        "attention": Code(attention, "scores =", ATTENTION),
        "masks": Code(causal_mask),
        "norm": Code(AddAndNorm.forward),
        "feed_forward": feed_forward_code(settings.activation),
        "project": Code(Embeddings.project, "return linear"),
        "softmax": Code(softmax),
        "beam": Code(BeamSearch.extend, pseudo=BEAM),
    }
    return {key: code.data() for key, code in codes.items()}


def positions_code(kind: str) -> Code:
    """Return the code of a positional encoding."""
    if kind == "rotary":
        return Code(complex_rotary)
    if kind == "learned":
        return Code(LearnedPositions.forward)
    return Code(FORMULAS[kind], pseudo=SINUSOIDS if kind == "sinusoidal" else ())


def feed_forward_code(activation: str) -> Code:
    """Return the code of the feed-forward network."""
    if activation not in GATE_FUNCTIONS:
        return Code(FeedForward.forward)
    pseudo = (
        "inner = x · [W V] + [b c]    (length, 2 · width)",
        "gates, values = its two halves",
        f"f(z) = {GATE_FUNCTIONS[activation]}",
        "hidden = f(gates) ⊙ values    (length, width)",
        "return hidden · W₂ + b₂    (length, d_model)",
    )
    return Code(FeedForward.forward, pseudo=pseudo)
