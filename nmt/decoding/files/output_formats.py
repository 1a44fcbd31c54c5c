"""How translations are written: text, JSON, Moses's n-best lists, or tab-separated values."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from nmt.decoding.translator.translation import Candidate, Translation
from nmt.errors import UsageError

# Returns all lines of a translation, with line feeds; takes the line number of its source, from 1.
Format = Callable[[Translation, int], str]

MOSES_MARK = "|||"  # separates the fields
ESCAPED_MARK = 3 * "&#124;"  # as Moses escapes it


def best_line(translation: Translation, line: int) -> str:
    """Return the text of the best translation."""
    return f"{translation.text}\n"


def json_line(translation: Translation, line: int, *, with_tokens: bool = False) -> str:
    """Return all candidates as a JSON object: {"translations": [{"text", "score", "log_prob"}]}.

    with_tokens: add "tokens" to each: [{"piece", "log_prob"}].
    """
    candidates = [candidate_json(candidate, with_tokens) for candidate in translation.candidates]
    return json.dumps({"translations": candidates}, ensure_ascii=False) + "\n"


def candidate_json(candidate: Candidate, with_tokens: bool) -> dict[str, Any]:
    """Return a candidate as a JSON object.

    It has "utility" if `decode.mbr` chose it, and "written", the model's own text, if its segment
    is odd and was not copied whole.
    """
    found: dict[str, Any] = {
        "text": candidate.text,
        "score": candidate.score,
        "log_prob": candidate.log_prob,
    }
    if candidate.utility is not None:
        found["utility"] = candidate.utility
    if candidate.read:
        found["written"] = candidate.written
    if with_tokens:
        found["tokens"] = [token._asdict() for token in candidate.tokens]
    return found


def moses_lines(translation: Translation, line: int) -> str:
    """Return a line for each candidate: `index ||| text ||| LogProb0= Length0= ||| score`.

    The index is that of the source line, from 0. A `|||` in a text is escaped. If `decode.mbr`
    chose the candidates, their features have Utility0.
    """
    return "".join(
        f"{line - 1} ||| {candidate.text.replace(MOSES_MARK, ESCAPED_MARK)} |||"
        f" {features(candidate)} ||| {candidate.score:.6f}\n"
        for candidate in translation.candidates
    )


def features(candidate: Candidate) -> str:
    """Return what Moses calls the features of a candidate."""
    found = f"LogProb0= {candidate.log_prob:.6f} Length0= {candidate.length}"
    utility = candidate.utility
    return found if utility is None else f"{found} Utility0= {utility:.6f}"


def tsv_lines(translation: Translation, line: int) -> str:
    """Return a line for each candidate: line number, rank, score, log_prob and text.

    Line number and rank begin with 1. A tab in a text becomes a space.
    """
    texts = [candidate.text.replace("\t", " ") for candidate in translation.candidates]
    return "".join(
        f"{line}\t{rank}\t{candidate.score:.6f}\t{candidate.log_prob:.6f}\t{text}\n"
        for rank, (candidate, text) in enumerate(zip(translation.candidates, texts, strict=True), 1)
    )


FORMATS: dict[str, Format] = {
    "text": best_line,
    "json": json_line,
    "moses": moses_lines,
    "tsv": tsv_lines,
}


def choose_format(name: str | None, n_best: int | None, *, token_scores: bool) -> Format:
    """Return the format with a name; by default JSON if the options ask for more than text.

    n_best: None if the user gave no number. Raises UsageError if the format cannot hold what is
    asked for.
    """
    if name == "text" and (n_best or 1) > 1:
        raise UsageError(
            f"--output-format text holds one translation but --n-best asks for {n_best}; add"
            " --output-format json, moses or tsv"
        )
    if name not in (None, "json") and token_scores:
        raise UsageError(
            f"--output-format {name} cannot hold --token-scores; use --output-format json"
        )
    if token_scores:
        return partial(json_line, with_tokens=True)
    return FORMATS[name or ("text" if n_best is None else "json")]
