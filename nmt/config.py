"""Every setting of a recipe with its default, unit, source and valid range, each written once.

Defaults are the base model of "Attention Is All You Need" (Vaswani et al., 2017, arXiv 1706.03762).
Each class below is a section of a recipe's TOML file; `nmt.recipe` reads and writes recipes.
"""

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any

from nmt.setting import setting


@dataclass(frozen=True)
class TextFiles:
    """Parallel text: two aligned files, or one TSV file with source and target columns.

    Names are relative to the data folder. Files ending in .gz, .xz and .sgm are read as such.
    """

    source: str = setting("", "file of source segments, one per line")
    target: str = setting("", "file of target segments, aligned line by line")
    tsv: str = setting("", "instead of source and target: one file with a tab between them")
    labels: str = setting("", "labels, one per line; `nmt evaluate` counts exact matches by label")
    references: tuple[str, ...] = setting((), "files of further references of a test set")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files that hold the segments."""
        return (self.tsv,) if self.tsv else (self.source, self.target)


@dataclass(frozen=True)
class Download:
    """A file that `nmt fetch` downloads into the data folder."""

    url: str = setting("", "address of the file")
    to: str = setting("", "file name below the data folder")
    sha256: str = setting("", "expected SHA-256; if empty, that of the first download is recorded")
    unpack: tuple[str, ...] = setting((), "members of a tar archive to unpack into its folder")


@dataclass(frozen=True)
class DataSettings:
    """The text that a model is trained, validated and tested on."""

    source_language: str = setting("en", "source language's ISO 639 code, for reports")
    target_language: str = setting("de", "target language's ISO 639 code; selects BLEU's tokenizer")
    train: tuple[TextFiles, ...] = setting((), "training corpora")
    dev: tuple[TextFiles, ...] = setting((), "validation corpora; they select the best model")
    test: dict[str, TextFiles] = setting({}, "test sets by name, scored by `nmt evaluate`")
    downloads: tuple[Download, ...] = setting((), "files that `nmt fetch` downloads")
    metric: str = setting(
        "bleu",
        "bleu (section 6.1), or error_rate of tokens and sequences; equal sources are one item",
        choices=("bleu", "error_rate"),
    )
    max_length: int = setting(
        250,
        "most tokens on a side; longer training pairs are dropped and counted",
        minimum=1,
        maximum=65_000,
    )
    max_ratio: float = setting(
        9.0, "longer over shorter side, in tokens; pairs above it are dropped", minimum=1
    )

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the files that hold the segments of every corpus."""
        corpora = (*self.train, *self.dev, *self.test.values())
        return tuple(name for files in corpora for name in files.names)


@dataclass(frozen=True)
class TokenizerSettings:
    """The vocabulary that SentencePiece learns (section 5.1)."""

    vocab_size: int = setting(
        37_000, "vocabulary size (section 5.1); an upper limit unless kind is bpe", minimum=8
    )
    kind: str = setting(
        "bpe",
        "kind of token: bpe (section 5.1), char (a character) or word (a symbol between spaces)",
        choices=("bpe", "char", "word"),
    )
    joint: bool = setting(
        True, "one vocabulary for both languages (section 5.1); false: one for each language"
    )
    character_coverage: float = setting(
        1.0, "share of the corpus's characters that the vocabulary covers", minimum=0.9, maximum=1
    )
    sample_lines: int = setting(
        5_000_000, "most lines to learn from; more, or over 300 MB, are sampled", minimum=1
    )


@dataclass(frozen=True)
class ModelSettings:
    """The architecture (section 3)."""

    encoder_layers: int = setting(6, "encoder layers N (section 3.1)", minimum=1)
    decoder_layers: int = setting(6, "decoder layers N (section 3.1)", minimum=1)
    d_model: int = setting(512, "width of every sub-layer's output (section 3.1)", minimum=2)
    d_ff: int = setting(2048, "inner width of the feed-forward sub-layer (section 3.3)", minimum=1)
    heads: int = setting(8, "attention heads h (section 3.2.2)", minimum=1)
    d_k: int = setting(64, "width of a head's queries and keys (section 3.2.2)", minimum=1)
    d_v: int = setting(64, "width of a head's values (section 3.2.2)", minimum=1)
    dropout: float = setting(
        0.1,
        "dropout rate on sub-layer outputs and embedding sums, P_drop (section 5.4)",
        minimum=0,
        maximum=0.99,
    )
    attention_dropout: float = setting(
        0.0,
        "dropout on attention weights; the paper has none (section 5.4)",
        minimum=0,
        maximum=0.99,
    )
    positions: str = setting(
        "sinusoidal",
        "positional encoding: sinusoidal (section 3.5); learned, as in row E of table 3; rotary,"
        " which rotates queries and keys of self-attention by their position (Su et al., 2021)",
        choices=("sinusoidal", "learned", "rotary"),
    )
    max_positions: int = setting(
        256, "positions in the learned table; longer segments are split when translated", minimum=3
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
    activation: str = setting(
        "relu",
        "activation of the feed-forward sub-layer (section 3.3); the others are gated and two"
        " thirds as wide, for the same number of parameters (Shazeer, 2020)",
        choices=("relu", "glu", "reglu", "geglu", "swiglu"),
    )
    tied: str = setting(
        "all",
        "shared matrices; all: both embeddings and the softmax (section 3.4); target: the target"
        " embedding and the softmax; none: no matrix",
        choices=("all", "target", "none"),
    )

    @property
    def inner_width(self) -> int:
        """Inner width of the feed-forward sub-layer: d_ff, or two thirds of it if gated."""
        return self.d_ff if self.activation == "relu" else max(1, round(2 * self.d_ff / 3))

    @property
    def inner_rows(self) -> int:
        """Rows of W_1: the inner width, twice if there is a gate."""
        return self.inner_width if self.activation == "relu" else 2 * self.inner_width


@dataclass(frozen=True)
class TrainSettings:
    """The training (section 5)."""

    seed: int = setting(1, "seed of initial weights, batch order and dropout", minimum=0)
    max_updates: int = setting(100_000, "total updates (section 5.2)", minimum=1, may_change=True)
    batch_source_tokens: int = setting(
        25_000, "source tokens in an update's batch (section 5.1)", minimum=1
    )
    batch_target_tokens: int = setting(
        25_000, "target tokens in an update's batch (section 5.1)", minimum=1
    )
    micro_batch_tokens: int = setting(
        0,
        "tokens per side in memory at once; larger batches accumulate gradients; 0: whole batch",
        minimum=0,
        may_change=True,
    )
    label_smoothing: float = setting(0.1, "rate epsilon_ls (section 5.4)", minimum=0, maximum=0.999)
    warmup_updates: int = setting(4000, "updates of linear warm-up (section 5.3)", minimum=1)
    learning_rate_scale: float = setting(1.0, "factor on the learning rate (equation 3)", minimum=0)
    adam_beta1: float = setting(0.9, "Adam's beta 1 (section 5.3)", minimum=0, maximum=0.9999)
    adam_beta2: float = setting(0.98, "Adam's beta 2 (section 5.3)", minimum=0, maximum=0.99999)
    adam_epsilon: float = setting(1e-9, "Adam's epsilon (section 5.3)", minimum=0)
    precision: str = setting(
        "float32",
        "precision of matrix products (footnote 5); bf16 keeps weights and sums in float32; auto"
        " takes bf16 if the device supports it",
        choices=("float32", "bf16", "auto"),
    )
    compile: bool = setting(
        False, "compile the model with torch.compile; a CPU needs a C++ compiler", may_change=True
    )
    checkpoint_updates: int = setting(
        1500, "updates between checkpoints; 1,500 of 0.4 s take 10 minutes (section 6.1)", minimum=1
    )
    average_checkpoints: int = setting(
        5, "last checkpoints to keep, and to average at the end (section 6.1)", minimum=1
    )
    validate_updates: int = setting(1500, "updates between validations on the dev set", minimum=1)
    early_stopping_metric: str = setting(
        "bleu",
        "dev-set measure that selects the best model and drives patience: data.metric or loss",
        choices=("bleu", "error_rate", "loss"),
    )
    patience: int = setting(
        0,
        "validations without improvement before training stops; 0: never stop early (section 5.2)",
        minimum=0,
        may_change=True,
    )
    bpe_dropout: float = setting(
        0.0,
        "probability to drop a BPE merge, drawn again each epoch (Provilkov et al., 2020); 0: none",
        minimum=0,
        maximum=1,
    )
    r_drop: float = setting(
        0.0,
        "weight alpha of R-Drop, which makes two passes agree (Liang et al., 2021); 0: one pass",
        minimum=0,
    )
    init_from: str = setting("", "model file whose weights and tokenizer training starts from")
    report_updates: int = setting(
        50, "updates between lines of metrics.jsonl", minimum=1, may_change=True
    )
    tensorboard: bool = setting(
        False, "also write TensorBoard events; needs nmt[tensorboard]", may_change=True
    )


@dataclass(frozen=True)
class DecodeSettings:
    """The search for a translation (section 6.1)."""

    beam_size: int = setting(
        4, "hypotheses kept; 1 is greedy search (section 6.1)", minimum=1, maximum=1000
    )
    length_penalty: float = setting(
        0.6,
        "alpha of ((5 + |Y|) / 6)^alpha, where |Y| counts the end token (section 6.1)",
        minimum=0,
        maximum=10,
    )
    max_extra_tokens: int = setting(
        50, "output tokens allowed beyond the number of input tokens (section 6.1)", minimum=1
    )
    stopping: str = setting(
        "safe",
        "safe: search until no live hypothesis can enter the n best (section 6.1); beam_finished:"
        " until beam_size outputs are finished, in fewer steps but at times with a lower score",
        choices=("safe", "beam_finished"),
    )
    batch_tokens: int = setting(
        1024, "source tokens translated at once, padding included", minimum=1, may_change=True
    )
    precision: str = setting(
        "float32",
        "precision of the network while it translates; bf16 is faster on devices that support it,"
        " int8 (large weights in 8 bits, x86 CPUs) for large models",
        choices=("float32", "bf16", "int8"),
    )
    max_segment_tokens: int = setting(
        250, "most tokens in a segment; longer ones are split, and a note says so", minimum=2
    )


@dataclass(frozen=True)
class Recipe:
    """Everything that defines a run."""

    name: str
    data: DataSettings = field(default_factory=DataSettings)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)


SECTIONS: dict[str, type[Any]] = {
    "data": DataSettings,
    "tokenizer": TokenizerSettings,
    "model": ModelSettings,
    "train": TrainSettings,
    "decode": DecodeSettings,
}


def declared_settings() -> Iterator[tuple[str, "Field[Any]"]]:
    """Yield the name `section.key` and the declaration of every setting, in reading order."""
    for section, kind in SECTIONS.items():
        for declared in fields(kind):
            yield f"{section}.{declared.name}", declared
