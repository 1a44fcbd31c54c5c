"""Show an evaluation as text, as JSON or as Markdown; write evaluation cards and find them again.

A card is an evaluation with everything that is needed to cite it or to repeat it.

Programs read the JSON, such as `nmt report`: a key keeps its name and its meaning.
"""

import os
import platform
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nmt import __version__
from nmt.config import DecodeSettings, Recipe
from nmt.errors import NmtError, UsageError
from nmt.evaluation.markdown import code, listed, recipe_block, table
from nmt.evaluation.metrics import PAPER, BleuVariant
from nmt.evaluation.results import (
    Evaluation,
    Examples,
    LabelCount,
    LengthBucket,
    LengthScores,
    Score,
    SystemDescription,
    SystemResult,
    TestSetResult,
)
from nmt.evaluation.significance import RESAMPLES
from nmt.runs.outputs import check_output
from nmt.system.atomic import atomic_paths
from nmt.system.files import entries, in_utf_8, read_bytes
from nmt.system.json_data import convert, json_text, parse_object
from nmt.system.log import Notify

CARD_VERSION = 1
PACKAGES = ("torch", "sentencepiece", "sacrebleu", "sacremoses", "numpy")
CONFIDENCE = f"mean and 95 % confidence interval of {RESAMPLES:,} bootstrap resamples"
P_VALUE = "probability of a difference at least this large between equally good systems"
PAPER_BLEU = BleuVariant(PAPER).name
PAPER_NOTE = (
    f"`{PAPER_BLEU}` is BLEU as Vaswani et al. (2017) compute it: Moses' tokenizer, hyphenated"
    " compounds split, no smoothing. It is not comparable with `BLEU`, which is sacreBLEU's."
)

Data = dict[str, Any]


@dataclass(frozen=True)
class Card:
    """An evaluation, when and how it was made, and the recipe of the model."""

    evaluation: Evaluation
    date: str  # ISO 8601, with the time zone
    command: tuple[str, ...]
    versions: dict[str, str]  # by package
    recipe: Recipe | None  # as resolved; None: a file of translations was scored


def make_card(evaluation: Evaluation, recipe: Recipe | None, command: Sequence[str]) -> Card:
    """Return a card of an evaluation made now by a command line.

    It has the versions of this program, of Python and of the packages that scores depend on.
    """
    date = datetime.now().astimezone().isoformat(timespec="seconds")
    versions = {"nmt": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return Card(evaluation, date, tuple(command), versions, recipe)


def check_card_paths(cards: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise UsageError for an unknown ending, a file named twice, or one that must be kept."""
    for index, path in enumerate(cards):
        if path.suffix not in FORMATS:
            raise UsageError(f"--card {path} must end in {' or '.join(FORMATS)}")
        if os.path.realpath(path) in map(os.path.realpath, cards[:index]):
            raise UsageError(f"--card {path} is named twice; name another file")
        check_output(path, inputs, "--card")


@contextmanager
def open_cards(paths: Sequence[Path]) -> Iterator[Callable[[Card], None]]:
    """Open files and give a function that writes a card into all of them.

    The ending of a file's name gives the format. The files replace older ones at the end, unless an
    error is raised.
    """
    with atomic_paths(paths) as partials:

        def write(card: Card) -> None:
            for path, partial in zip(paths, partials, strict=True):
                text = FORMATS[path.suffix](card)
                partial.write_text(text, encoding="utf-8", newline="\n")

        yield write


@dataclass(frozen=True)
class CardKey:
    """The fields that every evaluation card has."""

    evaluation_card: int  # version of the format
    date: str = ""  # ISO 8601


def read_cards(folder: Path, notify: Notify) -> tuple[Data, ...]:
    """Return the evaluation cards among a folder's JSON files, in the order of their dates.

    A card has the keys of `card_json`, and "file", the name of its file. notify: receives a note on
    each JSON file that is damaged or cannot be read.
    """
    dated = []
    for path in entries(folder):
        if path.suffix != ".json" or not path.is_file():  # a pipe could be waited for for ever
            continue
        try:
            content = parse_object(read_bytes(path, "the file"), str(path))
            if "evaluation_card" in content:
                key = convert(content, CardKey, str(path))
                dated.append((key.date, path.name, {"file": path.name, **content}))
        except NmtError as error:
            notify(f"left out: {error}")
    return tuple(card for *_, card in sorted(dated, key=lambda found: found[:2]))


def value_and_interval(score: Score) -> tuple[str, str]:
    """Return a score's value, and its confidence interval as mean ± radius; "" without one.

    The interval is around the mean of the resampled scores, not around the score.
    """
    interval = score.interval
    return f"{score.value:.2f}", f"{interval.mean:.2f} ± {interval.radius:.2f}" if interval else ""


def difference_and_p(score: Score) -> tuple[str, str]:
    """Return a score's difference from that of the evaluated system, and its p-value."""
    return f"{score.difference:+.2f}", f"{score.p_value:.4f}"


def size(result: TestSetResult) -> str:
    """Return how many segments, lines and references a test set has."""
    merged = f" on {result.lines:,} lines" if result.lines > result.segments else ""
    several = f", up to {result.references} references" if result.references > 1 else ""
    direction = f", {result.direction.title}" if result.direction else ""
    return f"{result.segments:,} segments{merged}{several}{direction}"


def as_text(evaluation: Evaluation) -> str:
    """Return the scores of every test set, and how other systems compare, as lines of text."""
    system = evaluation.system
    lines = [f"ensemble: {system.name}"] if system.ensemble else []
    if system.decode:
        engine = f", searched by {system.engine}" if system.engine else ""
        lines.append(search_line(system.decode) + engine)
    for result in evaluation.test_sets:
        lines += result_lines(result)
    lines += aligned(direction_rows(evaluation))
    scores = [score for result in evaluation.test_sets for score in result.systems[0].scores]
    if lower := dict.fromkeys(score.name for score in scores if score.lower_is_better):
        lines.append(f"lower is better: {', '.join(lower)}")
    if any(score.interval for score in scores):
        lines.append(f"in brackets: {CONFIDENCE}")
    if any(len(result.systems) > 1 for result in evaluation.test_sets):
        lines.append("with a sign: the difference from the first system")
        lines.append(f"p: {P_VALUE}")
    return in_utf_8("".join(f"{line}\n" for line in lines))


def search_line(decode: DecodeSettings) -> str:
    """Return how translations are found."""
    found = (
        f"beam {decode.beam_size}, length penalty {decode.length_penalty:g} (GNMT), at most"
        f" {decode.max_extra_tokens} tokens more than the input"
    )
    if decode.method == "sample":
        found = (
            f"samples of temperature {decode.temperature:g}, top_k {decode.top_k}, top_p"
            f" {decode.top_p:g}, seed {decode.seed}"
        )
    if decode.mbr != DecodeSettings.mbr:
        found = f"minimum Bayes risk by {decode.mbr}, candidates by {found}"
    if decode.max_length:
        found += f", at most {decode.max_length} tokens"
    return found


def result_lines(result: TestSetResult) -> list[str]:
    """Return the lines of a test set; the search of another system is named if it differs."""
    evaluated, *others = result.systems
    lines = [f"{result.name} ({size(result)})"]
    width = max(len(score.name) for score in evaluated.scores)
    for score in evaluated.scores:
        value, interval = value_and_interval(score)
        around = f" ({interval})" if interval else ""
        lines.append(f"  {score.name:{width}} {value:>6}{around}  {score.signature}")
    decode = evaluated.system.decode
    for other in others:
        lines.append(f"  compared with {other.system.name} ({other.scores[0].test})")
        own = other.system.decode
        if own and (decode is None or search_line(own) != search_line(decode)):
            lines.append(f"    {search_line(own)}")
        for score in other.scores:
            value, _ = value_and_interval(score)
            difference, p_value = difference_and_p(score)
            lines.append(f"    {score.name:{width}} {value:>6}  {difference}, p = {p_value}")
    for title, counts in label_counts(result):
        lines.append(f"  {title} by phenomenon")
        for count in counts:
            shown = f"({count.right} of {count.segments})"
            lines.append(f"    {count.label:20} {count.percent:5.1f} %  {shown}")
    return lines


def direction_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """Return a table of test sets and averages, with its head; none for one direction."""
    averages = evaluation.averages()
    if not averages:
        return []
    names = [
        name for name in averages[0].scores if all(name in average.scores for average in averages)
    ]
    rows = [("direction", "test set", *(f"{name:>6}" for name in names))]
    for result in evaluation.test_sets:
        values = {score.name: score.value for score in result.systems[0].scores}
        title = result.direction.title if result.direction else ""
        rows.append((title, result.name, *(f"{values[name]:6.2f}" for name in names)))
    for average in averages:
        title = "mean, zero-shot" if average.is_zero_shot else "mean"
        shown = (f"{average.scores[name]:6.2f}" for name in names)
        sets = f"{average.test_sets} test set{'s' * (average.test_sets > 1)}"
        rows.append((title, sets, *shown))
    return rows


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def label_counts(result: TestSetResult) -> list[tuple[str, tuple[LabelCount, ...]]]:
    """Return what was counted by label, with a title."""
    found = (("exact match", result.exact_matches), ("reference preferred", result.contrasts))
    return [(title, counts) for title, counts in found if counts]


def evaluation_json(evaluation: Evaluation) -> str:
    """Return an evaluation as JSON text."""
    return json_text(evaluation_data(evaluation), indent=1) + "\n"


def card_json(card: Card) -> str:
    """Return an evaluation card as JSON text."""
    data = {
        "evaluation_card": CARD_VERSION,
        "date": card.date,
        "command": card.command,
        "versions": card.versions,
        **evaluation_data(card.evaluation),
        "left_out": card.evaluation.left_out,
        "recipe": card.recipe,
    }
    return json_text(data, indent=1) + "\n"


def evaluation_data(evaluation: Evaluation) -> Data:
    """Return an evaluation: the keys of its system, and a result for each test set."""
    results = [test_set_data(result) for result in evaluation.test_sets]
    data = {**system_data(evaluation.system), "results": results}
    averages = evaluation.averages()
    return {**data, "averages": averages} if averages else data


def system_data(system: SystemDescription) -> Data:
    """Return the keys that identify a model, an ensemble or a file of translations."""
    members = [
        {"model": member.path, "sha256": member.sha256, "recipe": member.recipe}
        for member in system.ensemble
    ]
    data = {
        "hypotheses" if system.decode is None else "model": system.path,
        "sha256": system.sha256,
        "ensemble_with": members,
        "device": system.device,
        "engine": system.engine,
        "decode": system.decode,
    }
    return without_empty(data)


def test_set_data(result: TestSetResult) -> Data:
    """Return the scores on a test set."""
    evaluated, *others = result.systems
    lengths, examples = result.by_length, result.examples
    data = {
        "test_set": result.name,
        "segments": result.segments,
        "lines": result.lines,
        "direction": result.direction,
        "references": result.references,
        "sha256": {"source": result.source_sha256, "references": result.reference_sha256s},
        "scores": scores_data(evaluated.scores),
        "compared": [
            {"system": system_data(other.system), "scores": scores_data(other.scores)}
            for other in others
        ],
        "exact_match": counts_data(result.exact_matches),
        "contrast": counts_data(result.contrasts),
        "by_length": lengths
        and {"length": lengths.unit, "buckets": [*map(bucket_data, lengths.buckets)]},
        "examples": examples
        and {"ranked_by": examples.measure, "worst": examples.worst, "best": examples.best},
        "warnings": result.warnings,
    }
    return without_empty(data)


def counts_data(counts: Sequence[LabelCount]) -> Data:
    """Return counts by label."""
    return {count.label: {"right": count.right, "segments": count.segments} for count in counts}


def scores_data(scores: Sequence[Score]) -> Data:
    """Return scores by name."""
    found = {}
    for score in scores:
        data = {
            "value": score.value,
            "signature": score.signature,
            "confidence_95": score.interval,
            "difference": score.difference,
            "p_value": score.p_value,
            "test": score.test,
        }
        found[score.name] = without_empty(data)
    return found


def bucket_data(bucket: LengthBucket) -> Data:
    """Return the scores of segments of similar length."""
    return {
        "from": bucket.shortest,
        "to": bucket.longest,
        "segments": bucket.segments,
        "scores": {score.name: score.value for score in bucket.scores},
    }


def without_empty(data: Data) -> Data:
    """Return data without the keys of what was not computed or is not there; 0 is there."""
    return {key: value for key, value in data.items() if value not in (None, "", (), [], {})}


def card_markdown(card: Card) -> str:
    """Return a card as Markdown text."""
    evaluation = card.evaluation
    ensemble = evaluation.system.ensemble
    title = " + ".join(map(code, evaluation.system.paths))
    parts = [
        f"# Evaluation of {'the ensemble ' if ensemble else ''}{title}",
        table(("", ""), circumstances(card)),
    ]
    if rows := direction_rows(evaluation):
        parts += [
            "## Directions",
            table(rows[0], [(code(a), code(b), *c) for a, b, *c in rows[1:]]),
        ]
    for result in evaluation.test_sets:
        parts += result_parts(result)
    scores = [score for result in evaluation.test_sets for score in result.systems[0].scores]
    if PAPER_BLEU in [score.name for score in scores]:
        parts.append(PAPER_NOTE)
    parts += [f"Left out: {reason}." for reason in evaluation.left_out]
    if card.recipe:
        parts.append("## Recipe of the first model" if ensemble else "## Recipe")
        parts.append(recipe_block(card.recipe))
    return in_utf_8("\n\n".join(filter(None, parts)) + "\n")


def circumstances(card: Card) -> list[tuple[str, str]]:
    """Return rows that say what was evaluated, when and with what."""
    system = card.evaluation.system
    rows = [("recipe", code(card.recipe.name))] if card.recipe else []
    rows.append(("SHA-256", code(system.sha256)))
    for member in system.ensemble:
        named = listed({"recipe": member.recipe, "SHA-256": member.sha256})
        rows.append(("ensemble with", f"{code(member.path)}, {named}"))
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
    sums += [f"references {code(digest)}" for digest in result.reference_sha256s]
    lower = [code(score.name) for score in evaluated.scores if score.lower_is_better]
    notes = [f"Lower is better: {', '.join(lower)}."] if lower else []
    if any(score.interval for score in evaluated.scores):
        notes.append(f"Confidence: {CONFIDENCE}.")
    parts = [
        f"## {code(result.name)}",
        f"{size(result)}. SHA-256 of the text, one segment a line: {', '.join(sums)}.",
        table(
            ("metric", "score", "95 % confidence", "signature"),
            [
                (code(score.name), *value_and_interval(score), code(score.signature))
                for score in evaluated.scores
            ],
        ),
        " ".join(notes),
        *(f"Warning: {code(warning)}" for warning in result.warnings),
    ]
    for title, counts in label_counts(result):
        rows = [
            (code(count.label), f"{count.percent:.1f} %", str(count.segments)) for count in counts
        ]
        parts.append(table(("phenomenon", title, "segments"), rows))
    for other in others:
        parts += comparison_parts(other)
    if result.by_length:
        parts += length_parts(result.by_length)
    return parts + (examples_parts(result.examples) if result.examples else [])


def comparison_parts(other: SystemResult) -> list[str]:
    """Return the scores of another system, and whether a difference may be chance."""
    rows = [
        (code(score.name), *value_and_interval(score), *difference_and_p(score))
        for score in other.scores
    ]
    facts = [f"SHA-256 {code(other.system.sha256)}"]
    facts += [listed(asdict(other.system.decode))] if other.system.decode else []
    return [
        f"### Compared with {code(other.system.name)}",
        f"{'; '.join(facts)}. p ({other.scores[0].test}) is the {P_VALUE}.",
        table(("metric", "score", "95 % confidence", "difference", "p"), rows),
    ]


def length_parts(lengths: LengthScores) -> list[str]:
    """Return the section of scores by length."""
    heads = [code(score.name) for score in lengths.buckets[0].scores]
    rows = []
    for bucket in lengths.buckets:
        end = f"-{bucket.longest}" if bucket.longest else " and more"
        values = [value_and_interval(score)[0] for score in bucket.scores]
        rows.append((f"{bucket.shortest}{end}", f"{bucket.segments:,}", *values))
    shown = table(("length", "segments", *heads), rows)
    return ["### By length", f"In {lengths.unit}.", shown]


def examples_parts(examples: Examples) -> list[str]:
    """Return the sections of the worst and of the best segments."""
    parts = []
    for title, segments in (("Worst", examples.worst), ("Best", examples.best)):
        if segments:
            parts.append(f"### {title} segments by {code(examples.measure)}")
        for segment in segments:
            lines = [f"- line {segment.line}: {segment.score:.2f}"]
            lines += [f"  - source: {code(segment.source)}"] if segment.source is not None else []
            lines.append(f"  - output: {code(segment.hypothesis)}")
            lines += (f"  - reference: {code(reference)}" for reference in segment.references)
            parts.append("\n".join(lines))
    return parts


FORMATS: dict[str, Callable[[Card], str]] = {".json": card_json, ".md": card_markdown}
