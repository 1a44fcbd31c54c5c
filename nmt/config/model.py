"""Settings of the architecture: [model] (section 3)."""

from dataclasses import dataclass

from nmt.config.setting import LAYERS, RATE, WIDTH, setting

GATED = ("glu", "reglu", "geglu", "swiglu")  # activations with a gate (Shazeer, 2020)


@dataclass(frozen=True)
class ModelSettings:
    """The architecture (section 3)."""

    encoder_layers: int = setting(6, "encoder layers N (section 3.1)", LAYERS)
    decoder_layers: int = setting(6, "decoder layers N (section 3.1)", LAYERS)
    d_model: int = setting(512, "width of every sub-layer's output (section 3.1)", (2, 16_384))
    d_ff: int = setting(
        2048, "inner width of the feed-forward sub-layer (section 3.3)", (1, 131_072)
    )
    heads: int = setting(8, "attention heads h (section 3.2.2)", (1, 1024))
    d_k: int = setting(64, "width of a head's queries and keys (section 3.2.2)", WIDTH)
    d_v: int = setting(64, "width of a head's values (section 3.2.2)", WIDTH)
    dropout: float = setting(
        0.1, "dropout rate on sub-layer outputs and embedding sums, P_drop (section 5.4)", RATE
    )
    attention_dropout: float = setting(
        0.0, "dropout on attention weights; the paper has none (section 5.4)", RATE
    )
    positions: str = setting(
        "sinusoidal",
        "positional encoding: sinusoidal (section 3.5); sinusoidal_halves, all sines before all"
        " cosines, as in Marian; learned, as in row E of table 3; rotary, which rotates queries and"
        " keys of self-attention by their position (Su et al., 2021)",
        choices=("sinusoidal", "sinusoidal_halves", "learned", "rotary"),
    )
    max_positions: int = setting(
        256,
        "positions in the learned table; longer segments are split when translated",
        (3, 100_000),
    )
    norm: str = setting(
        "post",
        "place of the normalisation: post, after each residual sum (section 3.1); pre, before each"
        " sub-layer and once more after each stack (Xiong et al., 2020)",
        choices=("post", "pre"),
    )
    norm_kind: str = setting(
        "layer",
        "normalisation: layer (section 3.1); rms, without mean and bias (Zhang and Sennrich, 2019)",
        choices=("layer", "rms"),
    )
    norm_epsilon: float = setting(
        1e-6,
        "number that norms add to the variance; the default is that of the authors' code",
        (1e-12, 1e-2),
    )
    activation: str = setting(
        "relu",
        "activation of the feed-forward sub-layer: relu (section 3.3); silu, which Marian calls"
        " swish; gelu; glu, reglu, geglu and swiglu are gated and two thirds as wide, for the same"
        " number of parameters (Shazeer, 2020)",
        choices=("relu", "silu", "gelu", *GATED),
    )
    attention_bias: bool = setting(
        False, "whether each projection of attention has a bias; the authors' code has none"
    )
    softmax_bias: bool = setting(False, "whether each logit has a bias; the authors' code has none")
    tied: str = setting(
        "all",
        "shared matrices; all: both embeddings and the softmax (section 3.4); target: the target"
        " embedding and the softmax; none: no matrix",
        choices=("all", "target", "none"),
    )
    target_order: str = setting(
        "left_to_right",
        "order in which the decoder writes an output's tokens (section 3); right_to_left: the last"
        " one first (Liu et al., 2016), to rerank translations",
        choices=("left_to_right", "right_to_left"),
    )

    @property
    def position_limit(self) -> int | None:
        """The most positions that the model can read; None if there is no limit."""
        return self.max_positions if self.positions == "learned" else None

    @property
    def is_right_to_left(self) -> bool:
        """True if the decoder writes the last token of an output first."""
        return self.target_order == "right_to_left"

    @property
    def is_gated(self) -> bool:
        """True if the feed-forward sub-layer has a gate."""
        return self.activation in GATED

    @property
    def inner_width(self) -> int:
        """Inner width of the feed-forward sub-layer: d_ff, or two thirds of it if gated."""
        return max(1, round(2 * self.d_ff / 3)) if self.is_gated else self.d_ff

    @property
    def inner_rows(self) -> int:
        """Rows of W_1: the inner width, twice if there is a gate."""
        return 2 * self.inner_width if self.is_gated else self.inner_width
