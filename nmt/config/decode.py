"""The section [decode] of a recipe, which translating reads."""

from dataclasses import dataclass

from nmt.config.setting import BATCH, setting

CPU_BATCH_TOKENS = 1024  # where decode.batch_tokens is 0
GPU_BATCH_TOKENS = 32_768
BATCH_SAMPLES = 4  # of a segment, for which these numbers are meant
BATCH_BEAM = 8  # likewise; wider beams get smaller batches
MBR_SAMPLES = 100  # where decode.candidates is 0
MOST_SAMPLES = 1000

# The settings that matter when a given translation is scored; the others are the search's.
SCORE_SETTINGS = (
    "decode.length_penalty",
    "decode.target_language",
    "decode.batch_tokens",
    "decode.precision",
    "decode.max_segment_tokens",
)
RERANK_SETTINGS = (*SCORE_SETTINGS, "decode.odd_input")


@dataclass(frozen=True)
class DecodeSettings:
    """The search for a translation (section 6.1)."""

    beam_size: int = setting(4, "hypotheses kept; 1 is greedy search (section 6.1)", (1, 1000))
    length_penalty: float = setting(
        0.6, "alpha of ((5 + |Y|) / 6)^alpha, where |Y| counts the end token (section 6.1)", (0, 10)
    )
    max_extra_tokens: int = setting(
        50, "output tokens allowed beyond the number of input tokens (section 6.1)", (1, 10_000)
    )
    min_length: int = setting(
        0, "fewest tokens of an output, the end token not counted", (0, 10_000)
    )
    max_length: int = setting(
        0,
        "most tokens of an output, the end token not counted; 0: limited by max_extra_tokens only",
        (0, 100_000),
    )
    no_repeat_ngram: int = setting(
        0, "an output never repeats this many tokens in a row; 0: it may", (0, 1000)
    )
    method: str = setting(
        "beam",
        "beam: search for the most probable outputs (section 6.1); sample: draw them at random from"
        " the model's distribution, token by token",
        choices=("beam", "sample"),
    )
    temperature: float = setting(
        1.0,
        "for samples: probabilities are raised to the power of 1 / temperature; lower: more"
        " probable outputs, less variety",
        (0.001, 1000),
    )
    top_k: int = setting(
        0,
        "for samples: each token is one of the k most probable (Fan et al., 2018); 0: any",
        (0, 1_000_000),
    )
    top_p: float = setting(
        1.0,
        "for samples: each token is one of the most probable that together have this probability"
        " (Holtzman et al., 2020); 1: any",
        (0, 1),
    )
    seed: int = setting(1, "for samples: another seed draws other outputs", (0, 2**31 - 1))
    mbr: str = setting(
        "none",
        "minimum Bayes risk: choose the candidate that is most like all candidates, by sacreBLEU's"
        " chrF or BLEU of sentences (Eikema and Aziz, 2020)",
        choices=("none", "chrf", "bleu"),
    )
    candidates: int = setting(
        0, f"number of candidates of mbr; 0: beam_size, or {MBR_SAMPLES} samples", (0, MOST_SAMPLES)
    )
    odd_input: str = setting(
        "repair",
        "repair: copy numbers, signs, addresses and unknown characters, translate capitals in lower"
        " case, and translate a line again, with limits, if its output repeats itself or is far too"
        " long; as_is: translate all input as it is",
        choices=("repair", "as_is"),
    )
    target_language: str = setting(
        "", "code of the language to write, for a model of several languages"
    )
    search_again: bool = setting(
        False,
        "true: with odd_input=as_is, translate a line again, with limits, if its output repeats"
        " itself or is far too long",
    )
    stopping: str = setting(
        "safe",
        "safe: search until no unfinished hypothesis can enter the n best (section 6.1);"
        " beam_finished: also stop when beam_size outputs are finished; takes fewer steps, but the"
        " score is sometimes lower",
        choices=("safe", "beam_finished"),
    )
    batch_tokens: int = setting(
        0,
        "source tokens in a batch, padding included; 0: automatic"
        f" (CPU {CPU_BATCH_TOKENS:,}; CUDA GPU {GPU_BATCH_TOKENS:,}, or what fits)",
        (0, BATCH[1]),
        may_change=True,
    )
    precision: str = setting(
        "auto",
        "auto, float32, bf16 or int8: precision of the network while it translates; bf16 is faster"
        " on devices that support it, int8 (large weights in 8 bits, x86 CPUs) for large models;"
        " auto: bf16 on CUDA GPUs that have it, else float32",
        choices=("auto", "float32", "bf16", "int8"),
    )
    max_segment_tokens: int = setting(
        250, "most tokens in a segment; longer ones are split, and a note says so", (2, 100_000)
    )
