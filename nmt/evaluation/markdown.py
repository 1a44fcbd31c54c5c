"""Write an evaluation card as Markdown; text from users is in code spans, where it is no markup."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nmt.config import Recipe
from nmt.evaluation.card import Card
from nmt.evaluation.results import (
    Evaluation,
    Example,
    Examples,
    LengthScores,
    SystemResult,
    TestSetResult,
)
from nmt.evaluation.scores import ExactMatch, Score
from nmt.evaluation.table import CONFIDENCE, P_VALUE, confidence, length_range, printable, size
from nmt.evaluation.translation_metrics import PAPER, BleuVariant
from nmt.recipe.toml import toml_value

PAPER_BLEU = BleuVariant(PAPER).name
PAPER_NOTE = (
    f"`{PAPER_BLEU}` is BLEU as Vaswani et al. (2017) compute it: Moses' tokenizer, hyphenated"
    " compounds split, no smoothing. It is not comparable with `BLEU`, which is sacreBLEU's."
)


def as_markdown(card: Card) -> str:
    """Return a card as Markdown text."""
    evaluation = card.evaluation
    title = " + ".join(map(code, evaluation.system.paths))
    is_ensemble = bool(evaluation.system.ensemble)
    parts = [
        f"# Evaluation of {'the ensemble ' if is_ensemble else ''}{title}",
        table(("", ""), circumstances(card)),
    ]
    for result in evaluation.test_sets:
        parts += result_parts(result)
    if has_paper_bleu(evaluation):
        parts.append(PAPER_NOTE)
    parts += [f"Left out: {each}." for each in evaluation.left_out]
    if card.recipe:
        heading = "## Recipe of the first model" if is_ensemble else "## Recipe"
        parts += [heading, recipe_block(card.recipe)]
    return printable("\n\n".join(filter(None, parts)) + "\n")


def has_paper_bleu(evaluation: Evaluation) -> bool:
    """Return whether the scores include the paper's BLEU."""
    return any(
        score.name == PAPER_BLEU
        for result in evaluation.test_sets
        for score in result.systems[0].scores
    )


def circumstances(card: Card) -> list[tuple[str, str]]:
    """Return rows that say what was evaluated, when and with what."""
    system = card.evaluation.system
    rows = [("recipe", code(card.recipe.name))] if card.recipe else []
    rows.append(("SHA-256", code(system.sha256)))
    for each in system.ensemble:
        facts = f"{code(each.path)}, recipe {code(each.recipe)}, SHA-256 {code(each.sha256)}"
        rows.append(("ensemble with", facts))
    if system.decode:
        rows.append(("decoding", listed(asdict(system.decode))))
        if system.engine:
            rows.append(("engine", code(system.engine)))
        rows.append(("device", code(system.device)))
    rows.append(("date", card.date))
    rows.append(("command", code(shlex.join(card.command))))
    rows.append(("versions", listed(card.versions)))
    return rows


def result_parts(result: TestSetResult) -> list[str]:
    """Return the section of a test set."""
    evaluated, *others = result.systems
    sums = [f"source {code(result.source_sha256)}"] if result.source_sha256 else []
    sums += [f"references {code(each)}" for each in result.reference_sha256s]
    parts = [
        f"## {code(result.name)}",
        f"{size(result)}. SHA-256 of the text, one segment a line: {', '.join(sums)}.",
        table(
            ("metric", "score", "95 % confidence", "signature"),
            [(*score_cells(score), code(score.signature)) for score in evaluated.scores],
        ),
        score_note(evaluated.scores),
    ]
    parts += [f"Warning: {code(each)}" for each in result.warnings]
    if result.exact_matches:
        parts.append(exact_match_table(result.exact_matches))
    for other in others:
        parts += comparison_parts(other)
    if result.by_length:
        parts += length_parts(result.by_length)
    if result.examples:
        parts += examples_parts(result.examples)
    return parts


def score_note(scores: Sequence[Score]) -> str:
    """Return what the figures of a table of scores mean."""
    lower = [code(score.name) for score in scores if score.lower_is_better]
    notes = [f"Lower is better: {', '.join(lower)}."] if lower else []
    if any(score.interval for score in scores):
        notes.append(f"Confidence: {CONFIDENCE}.")
    return " ".join(notes)


def score_cells(score: Score) -> tuple[str, str, str]:
    """Return the name, the value and the confidence interval of a score."""
    interval = confidence(score.interval) if score.interval else ""
    return code(score.name), f"{score.value:.2f}", interval


def exact_match_table(matches: Sequence[ExactMatch]) -> str:
    """Return the share of exact matches for each label."""
    rows = [(code(each.label), f"{each.percent:.1f} %", str(each.segments)) for each in matches]
    return table(("phenomenon", "exact match", "segments"), rows)


def comparison_parts(other: SystemResult) -> list[str]:
    """Return the scores of another system, and whether a difference may be chance."""
    rows = [
        (*score_cells(score), f"{score.difference:+.2f}", f"{score.p_value:.4f}")
        for score in other.scores
    ]
    facts = [f"SHA-256 {code(other.system.sha256)}"]
    facts += [listed(asdict(other.system.decode))] if other.system.decode else []
    return [
        f"### Compared with {code(other.name)}",
        f"{'; '.join(facts)}. p ({other.scores[0].test}) is the {P_VALUE}.",
        table(("metric", "score", "95 % confidence", "difference", "p"), rows),
    ]


def length_parts(lengths: LengthScores) -> list[str]:
    """Return the section of scores by length."""
    names = [score.name for score in lengths.buckets[0].scores]
    rows = [
        (
            length_range(bucket),
            f"{bucket.segments:,}",
            *(f"{score.value:.2f}" for score in bucket.scores),
        )
        for bucket in lengths.buckets
    ]
    heads = ("length", "segments", *map(code, names))
    return ["### By length", f"In {lengths.unit}.", table(heads, rows)]


def examples_parts(examples: Examples) -> list[str]:
    """Return the sections of the worst and of the best segments."""
    parts = []
    for title, shown in (("Worst", examples.worst), ("Best", examples.best)):
        if shown:
            parts.append(f"### {title} segments by {code(examples.measure)}")
            parts += map(example_item, shown)
    return parts


def example_item(example: Example) -> str:
    """Return a segment as a list item."""
    lines = [f"- line {example.line}: {example.score:.2f}"]
    lines += [f"  - source: {code(example.source)}"] if example.source is not None else []
    lines.append(f"  - output: {code(example.hypothesis)}")
    lines += (f"  - reference: {code(reference)}" for reference in example.references)
    return "\n".join(lines)


def recipe_block(recipe: Recipe) -> str:
    """Return a recipe's settings as a fenced block of TOML."""
    lines = []
    for section, values in asdict(recipe).items():
        if isinstance(values, dict):
            lines.append(f"[{section}]")
            lines += (f"{key} = {toml_value(value)}" for key, value in values.items())
    text = "\n".join(lines)
    fence = ticks(text, at_least=3)
    return f"{fence}toml\n{text}\n{fence}"


def listed(values: Mapping[str, object]) -> str:
    """Return named values on one line."""
    return ", ".join(f"{name} {code(value)}" for name, value in values.items())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars within cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def code(value: Any) -> str:
    """Return a value in a code span, with runs of white space made one space."""
    text = " ".join(str(value).split())
    fence = ticks(text)
    space = " " if not text or text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def ticks(text: str, at_least: int = 1) -> str:
    """Return a run of backticks that is longer than any run in the text."""
    return "`" * max(at_least, 1 + max(map(len, re.findall("`+", text)), default=0))
