"""Settings of the training: [train] (section 5)."""

from dataclasses import dataclass

from nmt.config.setting import BATCH, UPDATES, setting


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

    @property
    def moments(self) -> int:
        """Return how many numbers the optimiser keeps of each parameter.

        They are Adam's two moments and, with `moving_average`, the average.
        """
        return 3 if self.moving_average else 2
