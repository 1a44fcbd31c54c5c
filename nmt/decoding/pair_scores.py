"""Scores of pairs, and how they are written: as tab-separated values or JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nmt.decoding.translation import Token
from nmt.errors import UsageError


@dataclass(frozen=True)
class PairScore:
    """How probable a model finds the target of a pair, given its source. A blank pair has 0."""

    log_prob: float  # natural logarithm of the model's probability, the end counted
    score: float  # log_prob over the length penalty, as that of a translation
    length: int  # number of target tokens, the end counted
    tokens: tuple[Token, ...] = ()  # if they are wanted

    @property
    def mean_log_prob(self) -> float:
        """The log-probability of a token on average."""
        return self.log_prob / self.length if self.length else 0.0


BLANK = PairScore(0.0, 0.0, 0)
LineOf = Callable[[PairScore | None], str]  # None: a pair that could not be read


def tsv_line(score: PairScore | None) -> str:
    """Return log_prob, mean_log_prob, score and length with tabs between them."""
    if score is None:
        return ""
    numbers = score.log_prob, score.mean_log_prob, score.score
    return "\t".join([*(f"{each:.6f}" for each in numbers), str(score.length)])


def json_line(score: PairScore | None, *, with_tokens: bool = False) -> str:
    """Return a JSON object: {"log_prob", "mean_log_prob", "score", "length"}.

    with_tokens: add "tokens": [{"piece", "log_prob"}].
    """
    if score is None:
        return "null"
    found: dict[str, Any] = {
        "log_prob": score.log_prob,
        "mean_log_prob": score.mean_log_prob,
        "score": score.score,
        "length": score.length,
    }
    if with_tokens:
        found["tokens"] = [each._asdict() for each in score.tokens]
    return json.dumps(found, ensure_ascii=False)


def choose_line(name: str | None, *, tokens: bool) -> LineOf:
    """Return the format with a name; by default JSON if tokens are wanted, else TSV.

    Raises UsageError if the format cannot hold them.
    """
    if name == "tsv" and tokens:
        raise UsageError("--output-format tsv cannot hold --tokens; use --output-format json")
    if name == "json" or tokens:
        return partial(json_line, with_tokens=tokens)
    return tsv_line
