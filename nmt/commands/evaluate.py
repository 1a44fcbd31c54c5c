"""`nmt evaluate`: BLEU, chrF and TER with sacreBLEU's signatures."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.commands.options import (
    FILE,
    data_dir_option,
    decode_settings,
    decoding_options,
    device_option,
    flags_as_overrides,
    model_option,
    model_path,
    pick_device,
    set_option,
)
from nmt.errors import NmtError, UsageError
from nmt.text.corpus import DataFolder, align, read_pairs, read_segments

if TYPE_CHECKING:
    from nmt.checkpoint import TrainedModel
    from nmt.metrics import BleuVariant

TOKENIZERS = ("13a", "intl", "char", "zh", "none", "moses")  # of --tokenize


@dataclass(frozen=True)
class TestSet:
    """Segments to translate, what they should become, and labels for exact match, if any."""

    name: str
    sources: list[str]
    references: list[str]
    labels: list[str]


@click.command("evaluate")
@click.argument(
    "files",
    nargs=-1,
    type=FILE,
    metavar="[SOURCE] [REFERENCE]",
)
@click.option(
    "--hypotheses",
    type=FILE,
    help="Score these translations; no model is needed.",
)
@model_option
@data_dir_option
@decoding_options
@click.option(
    "--tokenize",
    type=click.Choice(TOKENIZERS),
    help="Print a further BLEU, of this tokeniser; moses needs nmt[moses].",
)
@click.option("--lowercase", is_flag=True, help="Print a further BLEU, of lower-cased text.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--target-language", help="ISO 639 code; with --hypotheses only.  [default: de]")
@device_option
@set_option
def command(
    files: tuple[Path, ...],
    hypotheses: Path | None,
    model: Path | None,
    data_dir: Path,
    beam_size: int | None,
    length_penalty: float | None,
    batch_tokens: int | None,
    tokenize: str | None,
    lowercase: bool,
    as_json: bool,
    target_language: str | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate and score the test sets of the model's recipe, or SOURCE against REFERENCE.

    Prints BLEU, chrF and TER by sacreBLEU's defaults, each with the signature to cite. A test set
    with labels also gets its exact-match accuracy by label. --tokenize and --lowercase add a BLEU
    of another kind, to compare with figures that were published in it.

    \b
    Examples:
      nmt evaluate
      nmt evaluate test.en test.de --model runs/multi30k_en_de
      nmt evaluate --hypotheses out.de test.de
      nmt evaluate --tokenize moses --lowercase
    """
    if len(files) != (1 if hypotheses else 2) and (files or hypotheses):
        raise UsageError(
            "name SOURCE and REFERENCE, or --hypotheses FILE and REFERENCE alone, or no file at all"
        )
    flags = flags_as_overrides(
        "decode", beam_size=beam_size, length_penalty=length_penalty, batch_tokens=batch_tokens
    )
    variant = bleu_variant(tokenize, lowercase)
    if hypotheses:
        if model or flags or overrides:
            raise UsageError("--hypotheses needs no model: leave out --model, --set and beam flags")
        results = [score_files(hypotheses, files[0], target_language or "de", variant)]
        report: dict[str, Any] = {"results": results}
    else:
        if target_language:
            raise UsageError("--target-language goes with --hypotheses; a model knows its own")
        path = model_path(model)
        report = score_model(path, files, data_dir, device, [*overrides, *flags], variant)
    click.echo(json.dumps(report, indent=1, ensure_ascii=False) if as_json else as_text(report))


def bleu_variant(tokenize: str | None, lowercase: bool) -> "BleuVariant | None":
    """The further BLEU asked for, if any; raises NmtError now if its tokeniser is missing."""
    if not (tokenize or lowercase):
        return None
    from nmt.metrics import MOSES, BleuVariant, moses_tokenizer

    if tokenize == MOSES:
        moses_tokenizer("en")
    return BleuVariant(tokenize or "", lowercase)


def score_files(
    hypotheses: Path, reference: Path, language: str, variant: "BleuVariant | None"
) -> dict[str, Any]:
    """Scores of a file of translations."""
    pairs = list(align(hypotheses, reference))
    test = TestSet(str(reference), [], [right for _, right in pairs], [])
    return score(test, [left for left, _ in pairs], language, variant)


def score_model(
    path: Path,
    files: tuple[Path, ...],
    data_dir: Path,
    device: str,
    overrides: list[str],
    variant: "BleuVariant | None",
) -> dict[str, Any]:
    """Scores of a model on given files or on its recipe's test sets."""
    from nmt.checkpoint import load_model
    from nmt.decoding.translator import translate_texts
    from nmt.log import note

    model = load_model(path, pick_device(device))
    settings = decode_settings(model.recipe, overrides)
    tests = [read_test(*files)] if files else list(recipe_tests(model, DataFolder(data_dir)))
    note(f"model: {model.path} ({model.recipe.name})")
    results = []
    for test in tests:
        translated = translate_texts(model.network, model.tokenizer, settings, test.sources, note)
        language = model.recipe.data.target_language
        results.append(score(test, translated, language, variant))
    return {"model": str(model.path), "decode": asdict(settings), "results": results}


def read_test(source: Path, reference: Path) -> TestSet:
    """A test set from two files."""
    pairs = list(align(source, reference))
    return TestSet(str(source), [left for left, _ in pairs], [right for _, right in pairs], [])


def recipe_tests(model: "TrainedModel", data: DataFolder) -> Iterator[TestSet]:
    """The test sets of a model's recipe; all of them are found before any is translated."""
    if not model.recipe.data.test:
        raise NmtError(
            f"recipe {model.recipe.name} names no test set; give SOURCE and REFERENCE files"
        )
    for name, files in model.recipe.data.test.items():
        pairs = list(read_pairs(files, data, model.recipe))
        labels: list[str] = []
        if files.labels:
            path = data.find(files.labels, model.recipe)
            labels = list(read_segments(path))
            if len(labels) != len(pairs):
                raise NmtError(f"{path} has {len(labels)} lines but its test set {len(pairs)}")
        yield TestSet(name, [left for left, _ in pairs], [right for _, right in pairs], labels)


def score(
    test: TestSet, hypotheses: list[str], language: str, variant: "BleuVariant | None"
) -> dict[str, Any]:
    """A test set's scores as plain data."""
    from nmt.metrics import corpus_scores, exact_matches

    if not test.references:
        raise NmtError(f"{test.name} is empty: there is nothing to score")
    scores = corpus_scores(hypotheses, test.references, language, variant)
    result: dict[str, Any] = {
        "test_set": test.name,
        "segments": len(test.references),
        "scores": {
            each.name: {"value": each.value, "signature": each.signature} for each in scores
        },
    }
    if test.labels:
        result["exact_match"] = {
            label: {"right": right, "segments": total}
            for label, (right, total) in exact_matches(
                hypotheses, test.references, test.labels
            ).items()
        }
    return result


def as_text(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = []
    for settings in [report["decode"]] if "decode" in report else []:
        lines.append(
            f"beam {settings['beam_size']}, length penalty {settings['length_penalty']:g} (GNMT),"
            f" at most {settings['max_extra_tokens']} tokens more than the input"
        )
    for result in report["results"]:
        lines.append(f"{result['test_set']} ({result['segments']:,} segments)")
        width = max(map(len, result["scores"]))
        for name, each in result["scores"].items():
            lines.append(f"  {name:{width}} {each['value']:6.2f}  {each['signature']}")
        if "exact_match" in result:
            lines.append("  exact match by phenomenon")
        for label, each in result.get("exact_match", {}).items():
            share = 100 * each["right"] / each["segments"]
            lines.append(f"    {label:20} {share:5.1f} %  ({each['right']} of {each['segments']})")
    return "\n".join(lines)
