"""The sections of a recipe that training reads: [data], [tokenizer], [model] and [train]."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nmt.config.setting import BATCH, LAYERS, RATE, UPDATES, WIDTH, setting

SEPARATOR = "<sep>"  # token between the segments of `data.context`


@dataclass(frozen=True)
class TextFiles:
    """Parallel text: two aligned files, one TSV file with two columns, or one bilingual file.

    Names are relative to the data folder. Files ending in .gz, .xz and .sgm are read as such.
    """

    source: str = setting("", "file of source segments, one per line")
    target: str = setting("", "file of target segments, aligned line by line")
    tsv: str = setting("", "instead of source and target: one file with a tab between them")
    file: str = setting("", "instead of source and target: one bilingual file, such as memory.tmx")
    columns: tuple[int, ...] = setting(
        (), "columns of source and target in a TSV file, counted from 1; empty: the first two"
    )
    source_language: str = setting("", "language of the sources; empty: data.source_language")
    target_language: str = setting("", "language of the targets; empty: data.target_language")
    labels: str = setting("", "labels, one per line; `nmt evaluate` counts exact matches by label")
    references: tuple[str, ...] = setting((), "files of further references of a test set")
    contrast: str = setting(
        "",
        "wrong targets of a test set, aligned line by line; `nmt evaluate` counts how often the"
        " model gives the target a higher probability (Sennrich, 2017)",
    )
    tag: str = setting(
        "",
        "token before each source of a training corpus, such as <BT> for synthetic sources (Caswell"
        " et al., 2019)",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the files that hold the segments."""
        return (self.tsv or self.file,) if self.tsv or self.file else (self.source, self.target)

    @property
    def title(self) -> str:
        """Return the names of the files that hold the segments, and the tag, as one text."""
        return " + ".join(self.names) + (f" with the tag {self.tag}" if self.tag else "")


@dataclass(frozen=True)
class Download:
    """A file that `nmt fetch` downloads into the data folder."""

    url: str = setting("", "address of the file")
    to: str = setting("", "file name below the data folder")
    sha256: str = setting("", "expected SHA-256; if empty, that of the first download is recorded")
    unpack: tuple[str, ...] = setting((), "members of a tar archive to unpack into its folder")

    @property
    def files(self) -> tuple[PurePosixPath, ...]:
        """Return the names, below the data folder, of the file and of what is unpacked from it."""
        path = PurePosixPath(self.to)
        return (path, *(path.parent / member for member in self.unpack))


@dataclass(frozen=True)
class DataSettings:
    """The text that a model is trained, validated and tested on."""

    source_language: str = setting(
        "en",
        "source language's ISO 639 code, for reports; selects text of bilingual files",
        may_change=True,
    )
    target_language: str = setting(
        "de",
        "target language's ISO 639 code; selects BLEU's tokenizer, and text of bilingual files",
        may_change=True,
    )
    train: tuple[TextFiles, ...] = setting((), "training corpora")
    dev: tuple[TextFiles, ...] = setting(
        (), "validation corpora, as data.train; the best model is chosen on them"
    )
    test: dict[str, TextFiles] = setting(
        {}, "test sets by name, each as in data.train; `nmt evaluate` scores them", may_change=True
    )
    downloads: tuple[Download, ...] = setting(
        (), "files that `nmt fetch` downloads", may_change=True
    )
    metric: str = setting(
        "bleu",
        "bleu (section 6.1), or error_rate: wrong tokens and wrong sequences; a source with several"
        " targets counts once",
        choices=("bleu", "error_rate"),
    )
    context: int = setting(
        0,
        "how many earlier segments of the same document are put before each source and each target"
        " (Tiedemann and Scherrer, 2017); a blank line ends a document",
        (0, 100),
    )
    max_length: int = setting(
        250, "most tokens per side; longer training pairs are dropped and counted", (1, 65_000)
    )
    max_ratio: float = setting(
        9.0, "longer side / shorter side, in tokens; pairs above it are dropped", (1, 65_000)
    )

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags of the training corpora, each once, in the order of the corpora."""
        return tuple(dict.fromkeys(files.tag for files in self.train if files.tag))

    def find_languages(self, files: TextFiles) -> tuple[str, str]:
        """Return the codes of a corpus's languages: its own, else those of this section."""
        return (
            files.source_language or self.source_language,
            files.target_language or self.target_language,
        )

    @property
    def directions(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of languages of the training corpora, each once, in their order."""
        return tuple(dict.fromkeys(map(self.find_languages, self.train)))

    @property
    def known_directions(self) -> tuple[tuple[str, str], ...]:
        """Return the directions; those of this section for a model without training corpora."""
        return self.directions or ((self.source_language, self.target_language),)

    @property
    def language_tokens(self) -> dict[str, str]:
        """Return the tokens that name target languages, by code; none for a single language.

        As in OPUS-MT's models, a source begins with the token of the language to write.
        """
        codes = dict.fromkeys(target for _, target in self.directions)
        return {code: f">>{code}<<" for code in codes} if len(codes) > 1 else {}

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """Return the tokens that no text contains: tags, languages and the separator."""
        return (*self.tags, *self.language_tokens.values(), *self.target_control_tokens)

    @property
    def target_control_tokens(self) -> tuple[str, ...]:
        """Return the control tokens that targets have, too: the separator."""
        return (SEPARATOR,) if self.context else ()

    def find_downloads(self, corpora: Sequence[TextFiles]) -> list[Download]:
        """Return the downloads that hold files of corpora; a recipe may inherit others."""
        names = {PurePosixPath(name) for files in corpora for name in files.names}
        return [download for download in self.downloads if names & {*download.files}]

    @property
    def file_names(self) -> tuple[str, ...]:
        """Return the names of the files that hold the segments of every corpus."""
        corpora = (*self.train, *self.dev, *self.test.values())
        return tuple(name for files in corpora for name in files.names)


@dataclass(frozen=True)
class TokenizerSettings:
    """The vocabulary that SentencePiece learns (section 5.1)."""

    vocab_size: int = setting(
        37_000,
        "vocabulary size (section 5.1); an upper limit if kind is char or word",
        (8, 1_000_000),
    )
    kind: str = setting(
        "bpe",
        "kind of token: bpe (section 5.1), char (a character) or word (a symbol between spaces);"
        " imported: that of the model of another program, in train.init_from",
        choices=("bpe", "char", "word", "imported"),
    )
    joint: bool = setting(
        True, "one vocabulary for both languages (section 5.1); false: one for each language"
    )
    character_coverage: float = setting(
        1.0, "share of the corpus's characters that the vocabulary covers", (0.9, 1)
    )
    byte_fallback: bool = setting(
        False,
        "spell characters outside the vocabulary as bytes, so that any text can be read and"
        " written; 256 of the tokens are bytes; needs kind=bpe",
    )
    sample_lines: int = setting(
        5_000_000,
        "most lines to learn from; a larger corpus, or one above 300 MB, is sampled",
        (1, 1_000_000_000),
    )

    @property
    def has_fixed_size(self) -> bool:
        """Return True if the vocabulary has `vocab_size` tokens; there may be fewer words."""
        return self.kind in ("bpe", "imported")


GATED = ("glu", "reglu", "geglu", "swiglu")  # activations with a gate (Shazeer, 2020)


@dataclass(frozen=True)
class ModelSettings:
    """The architecture (section 3)."""

    architecture: str = setting(
        "transformer",
        "transformer, or recurrent, to compare with: LSTMs with attention, as before the paper"
        " (Bahdanau et al., 2015; Wu et al., 2016); recurrent uses only these settings of this"
        " section: encoder_layers, decoder_layers, d_model (even), dropout, softmax_bias, tied,"
        " target_order",
        choices=("transformer", "recurrent"),
    )
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
        " keys of self-attention by their position (Su et al., 2021); none, to see what positions"
        " give",
        choices=("sinusoidal", "sinusoidal_halves", "learned", "rotary", "none"),
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
    def is_recurrent(self) -> bool:
        """Return True if the model is recurrent instead of a Transformer."""
        return self.architecture == "recurrent"

    @property
    def position_limit(self) -> int | None:
        """Return the most positions that the model can read; None if there is no limit."""
        is_limited = self.positions == "learned" and not self.is_recurrent
        return self.max_positions if is_limited else None

    @property
    def cross_attentions(self) -> tuple[int, int]:
        """Return how many layers of the decoder attend to the source, and the heads of each."""
        return (1, 1) if self.is_recurrent else (self.decoder_layers, self.heads)

    @property
    def is_right_to_left(self) -> bool:
        """Return True if the decoder writes the last token of an output first."""
        return self.target_order == "right_to_left"

    @property
    def is_gated(self) -> bool:
        """Return True if the feed-forward sub-layer has a gate."""
        return self.activation in GATED

    @property
    def inner_width(self) -> int:
        """Return the inner width of the feed-forward sub-layer: d_ff, or two thirds if gated."""
        return max(1, round(2 * self.d_ff / 3)) if self.is_gated else self.d_ff

    @property
    def inner_rows(self) -> int:
        """Return the rows of W_1: the inner width, twice if there is a gate."""
        return 2 * self.inner_width if self.is_gated else self.inner_width


@dataclass(frozen=True)
class TrainSettings:
    """The training (section 5)."""

    seed: int = setting(1, "seed of initial weights, batch order and dropout", (0, 2**31 - 1))
    max_updates: int = setting(100_000, "total updates (section 5.2)", UPDATES, may_change=True)
    batch_source_tokens: int = setting(25_000, "source tokens in a batch (section 5.1)", BATCH)
    batch_target_tokens: int = setting(25_000, "target tokens in a batch (section 5.1)", BATCH)
    micro_batch_tokens: int = setting(
        0,
        "tokens per side that each worker has in memory at once; larger batches accumulate"
        " gradients; 0: whole batches, or as much of them as fits; a run that has started keeps"
        " what was chosen",
        (0, BATCH[1]),
        may_change=True,
    )
    label_smoothing: float = setting(0.1, "rate epsilon_ls (section 5.4)", (0, 0.999))
    warmup_updates: int = setting(4000, "updates of linear warm-up (section 5.3)", UPDATES)
    learning_rate_scale: float = setting(
        1.0, "factor on the learning rate (equation 3)", (0, 10_000)
    )
    cooldown_updates: int = setting(
        0,
        "length of the cooldown: in the last updates, the learning rate falls in equal steps from"
        " that of the schedule to 0 (Haegele et al., 2024); it begins after the warm-up and needs"
        " patience=0",
        (0, UPDATES[1]),
    )
    optimizer: str = setting(
        "adam",
        "adam (section 5.3); muon: steps of orthogonal matrices in the layers, Adam for all other"
        " weights (Jordan et al., 2024)",
        choices=("adam", "muon"),
    )
    weight_decay: float = setting(
        0.0,
        "weight decay: before a step, all matrices, also those of embeddings, shrink by this times"
        " the learning rate (Loshchilov and Hutter, 2019); 0: none",
        (0, 100),
    )
    adam_beta1: float = setting(0.9, "Adam's beta 1 (section 5.3)", (0, 0.9999))
    adam_beta2: float = setting(0.98, "Adam's beta 2 (section 5.3)", (0, 0.99999))
    adam_epsilon: float = setting(1e-9, "Adam's epsilon (section 5.3)", (0, 1))
    precision: str = setting(
        "float32",
        "precision of matrix products (footnote 5); bf16 keeps weights and sums in float32; tf32"
        " rounds factors to 10 bits (CUDA GPUs); auto measures float32 and bf16 before the first"
        " update and chooses bf16 if it takes 5 % less time; with deterministic, it chooses bf16 if"
        " there is hardware for it",
        choices=("float32", "tf32", "bf16", "auto"),
    )
    compile: bool = setting(
        False, "compile the model with torch.compile; a CPU needs a C++ compiler", may_change=True
    )
    gradient_precision: str = setting(
        "float32",
        "precision of the gradients that workers exchange; bf16 halves the traffic between machines"
        " and rounds each worker's sum to bf16",
        choices=("float32", "bf16"),
    )
    bucket_megabytes: int = setting(
        25,
        "MB of gradients that workers collect before they exchange them; 25 is PyTorch's default;"
        " on a slow network, fewer but larger exchanges can be faster",
        (1, 100_000),
        may_change=True,
    )
    deterministic: bool = setting(
        False,
        "make GPUs repeat every update bit for bit, with slower kernels; a CPU always does with the"
        " same number of threads",
        may_change=True,
    )
    checkpoint_updates: int = setting(
        1500, "updates between checkpoints; 1,500 x 0.4 s = 10 minutes (section 6.1)", UPDATES
    )
    checkpoint_minutes: float = setting(
        0.0,
        "minutes between checkpoints, instead of checkpoint_updates; 10 in the paper (section 6.1);"
        " such a run is not repeatable: the speed decides what is averaged; 0: by updates",
        (0, 100_000),
    )
    average_checkpoints: int = setting(
        5, "last checkpoints to keep, and to average at the end (section 6.1)", (1, 10_000)
    )
    moving_average: float = setting(
        0.0,
        "decay of an exponential moving average of the weights, which validations and the final"
        " model use instead of an average of checkpoints; 0: none",
        (0, 0.999999),
    )
    validate_updates: int = setting(1500, "updates between validations on the dev set", UPDATES)
    early_stopping_metric: str = setting(
        "bleu",
        "dev-set measure that selects the best model and drives patience: data.metric or loss",
        choices=("bleu", "error_rate", "loss"),
    )
    patience: int = setting(
        0,
        "validations without improvement before training stops; 0: never stop early (section 5.2)",
        (0, 1_000_000),
        may_change=True,
    )
    share: float = setting(
        1.0,
        "share of the training pairs to train on, the same pairs in every epoch and with every"
        " seed; the tokenizer is learned from all pairs",
        (1e-6, 1),
    )
    language_sampling: float = setting(
        1.0,
        "temperature T of the sampling of directions: one with n pairs gets a share of n^(1/T) in"
        " each epoch and in the vocabulary's text; 1: by size; 5: nearly the same for all"
        " (Arivazhagan et al., 2019)",
        (1, 100),
    )
    bpe_dropout: float = setting(
        0.0,
        "probability to drop a BPE merge, drawn again each epoch (Provilkov et al., 2020); 0: none",
        (0, 1),
    )
    r_drop: float = setting(
        0.0,
        "weight alpha of R-Drop, which makes two passes agree (Liang et al., 2021); 0: one pass",
        (0, 1000),
    )
    simcut: float = setting(
        0.0,
        "weight alpha of SimCut, which makes a second pass without some embeddings agree with the"
        " first; 3 in its paper (Gao et al., 2022); 0: one pass",
        (0, 1000),
    )
    simcut_cutoff: float = setting(
        0.05,
        "probability that SimCut's second pass lacks a token's embedding (Gao et al., 2022)",
        (0, 0.99),
    )
    guided_alignment: float = setting(
        0.0,
        "weight lambda of guided alignment, which trains an attention head of the decoder to align"
        " words; the paper's is 0.05 (Garg et al., 2019); 0: none",
        (0, 1000),
    )
    init_from: str = setting("", "model or run whose weights and tokenizer training starts from")
    report_updates: int = setting(
        50, "updates between lines of metrics.jsonl", UPDATES, may_change=True
    )
    tensorboard: bool = setting(
        False,
        "also write TensorBoard events; needs `pip install 'attention-nmt[tensorboard]'`",
        may_change=True,
    )

    @property
    def passes(self) -> int:
        """Return how often an update computes each pair, forward and backward."""
        return 2 if self.r_drop or self.simcut else 1

    @property
    def averaged(self) -> int:
        """Return how many checkpoints the final model averages at most."""
        return 1 if self.moving_average else self.average_checkpoints
