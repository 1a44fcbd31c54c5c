"""`nmt evaluate`: compute scores with their signatures, compare systems, write cards."""

import io
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from nmt.commands import options
from nmt.commands.options import FILE, PATH
from nmt.config import DECLARED, DataSettings
from nmt.errors import NmtError, UsageError
from nmt.runs.run_folder import RUNS, find_run
from nmt.runs.runs import find_newest_model
from nmt.system.arguments import DATA
from nmt.system.log import note
from nmt.text.reading.corpus import DataFolder
from nmt.text.reading.lines import check_texts

TOKENIZERS = ("13a", "intl", "char", "zh", "none", "moses", "paper")
METRICS = DECLARED["data.metric"].metadata["choices"]
DEFAULTS = DataSettings()


@dataclass(frozen=True)
class EvaluateRequest:
    """Arguments and options of `nmt evaluate`."""

    files: tuple[Path, ...]
    hypotheses: Path | None
    models: tuple[Path, ...]
    compare: tuple[Path, ...]
    cards: tuple[Path, ...]
    test_sets: tuple[str, ...]
    language_pair: str | None
    data_dir: Path | None
    tokenize: str | None
    lowercase: bool
    as_json: bool
    target_language: str | None
    metric: str | None
    engine: str
    device: str
    overrides: tuple[str, ...]  # of --set and of the flags for [decode] settings


@click.command("evaluate")
@click.argument("files", nargs=-1, type=FILE, metavar="[SOURCE] [REFERENCE]...")
@click.option("--hypotheses", type=FILE, help="File of translations to score, without a model.")
@options.models(
    help_text=f"{options.MODEL}  [default: the newest finished run; for files, else everyday]"
)
@options.repeated(
    "--compare", "compare", "Model or translations to compare with.", "MODEL|FILE", FILE
)
@options.repeated("--card", "cards", "Evaluation card to write, .json or .md.", kind=PATH)
@options.repeated("--test-set", "test_sets", "Test set of sacreBLEU to score.", "NAME")
@click.option("--language-pair", metavar="PAIR", help="Languages of --test-set, such as en-de.")
@options.run_data_dir
@options.decode_flags("beam_size", "length_penalty", "batch_tokens", "to")
@options.choice(
    "--tokenize", TOKENIZERS, f"Also compute BLEU with this tokenizer: {', '.join(TOKENIZERS)}."
)
@click.option("--lowercase", is_flag=True, help="Also compute BLEU of lower-cased text.")
@options.as_json
@click.option(
    "--target-language",
    metavar="CODE",
    help="With --hypotheses: language of the translations.",
)
@options.choice("--metric", METRICS, f"With --hypotheses: {{}}.  [default: {DEFAULTS.metric}]")
@options.engine
@options.device
@options.set_decode()
@click.pass_obj
def command(arguments: list[str], /, **given: Any) -> None:
    """Translate test sets and score the translations by BLEU, chrF and TER.

    Without arguments, the test sets are those of the model's recipe. With SOURCE and REFERENCE
    files, SOURCE is translated and compared with the references. With --hypotheses, no model is
    needed, and every file is a reference. One text may be -, which is stdin.

    A model of several languages translates each test set into the language of its targets. For
    files, --to or the ending of REFERENCE names this language. A table shows the scores of all test
    sets and their means. Directions that the model was not trained in are marked zero-shot.

    If a test set of the recipe has the key contrast, a file of targets with a mistake in each, the
    command also counts how often the model prefers the reference.

    \b
    Examples:
      nmt evaluate
      nmt evaluate test.en test.de --model runs/multi30k_en_de
      nmt evaluate test.en reference.txt --to fr
      nmt translate test.en | nmt evaluate --hypotheses - test.de
      nmt evaluate --tokenize moses --lowercase
      nmt evaluate --card card.md --card card.json --compare runs/other
      nmt evaluate --test-set wmt14/full
    """
    request = EvaluateRequest(**given)
    check_request(request)

    from nmt.decoding.translator.load import load_models
    from nmt.evaluation.card import as_text, card_json, evaluation_json, make_card, open_cards
    from nmt.evaluation.evaluate import Scoring, evaluate_model, evaluate_translations, load_systems
    from nmt.evaluation.metrics import BleuVariant

    load = partial(
        load_models,
        device=request.device,
        notify=note,
        overrides=request.overrides,
        engine=request.engine,
    )
    files, test_sets, language_pair = request.files, request.test_sets, request.language_pair or ""
    loaded = None if request.hypotheses else load(request.models)
    others = load_systems(request.compare, lambda path: load([path]), note)
    variant = BleuVariant(request.tokenize or "", request.lowercase)
    scoring = Scoring(others, variant, in_full=bool(request.cards))
    with open_cards(request.cards) as write_cards:
        if loaded is None:
            assert request.hypotheses  # noqa: S101 (for the type checker)
            evaluation = evaluate_translations(
                request.hypotheses,
                files,
                test_set=test_sets[0] if test_sets else "",
                language_pair=language_pair,
                target_language=request.target_language or "",
                metric=request.metric or DEFAULTS.metric,
                scoring=scoring,
            )
        else:
            evaluation = evaluate_model(
                *loaded,
                data_folder(request, loaded[0].path),
                note,
                files=files,
                test_sets=test_sets,
                language_pair=language_pair,
                scoring=scoring,
            )
        card = make_card(evaluation, loaded[0].recipe if loaded else None, ["nmt", *arguments])
        write_cards(card)
    json_text = card_json(card) if request.cards else evaluation_json(evaluation)
    print_text(json_text if request.as_json else as_text(evaluation))


def data_folder(request: EvaluateRequest, model: Path) -> DataFolder:
    """Return the folder of a recipe's test sets: the given one, else that of the model's run."""
    from nmt.documents.registry import bilingual_reader

    given = request.data_dir
    if request.files or request.test_sets:  # which are scored instead
        return DataFolder(DATA)
    folder = find_run(model).data_dir(given)
    if given is None and os.path.realpath(folder) != os.path.realpath(DATA):
        note(f"data: {folder} (the model was trained with it); --data-dir names another folder")
    return DataFolder(folder, bilingual_reader)


def print_text(text: str) -> None:
    """Print text on stdout as UTF-8, whatever the locale is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    click.echo(text, nl=False)


def check_request(request: EvaluateRequest) -> None:
    """Raise an error for a text that cannot be opened, and for a card that must not be written.

    Raises UsageError for too many or too few files, and for options that do not fit them.
    """
    from nmt.evaluation.card import check_card_paths
    from nmt.evaluation.evaluate import is_text

    files, hypotheses, test_sets = request.files, request.hypotheses, request.test_sets
    if test_sets and files:
        raise UsageError(
            "--test-set gives sources and references; do not name SOURCE and REFERENCE files too"
        )
    if hypotheses and len(test_sets) > 1:
        raise UsageError("--hypotheses are the translations of one test set; name one --test-set")
    needed = 1 if hypotheses else 2
    if not test_sets and len(files) < needed and (files or hypotheses):
        raise UsageError(
            "name SOURCE and REFERENCE files, or --hypotheses FILE and REFERENCE, or no file at all"
        )
    if hypotheses and (request.models or request.overrides):
        raise UsageError(
            "--hypotheses needs no model; leave out --model, --set and the options of beam search"
        )
    if (request.target_language or request.metric) and not hypotheses:
        raise UsageError(
            "--target-language and --metric need --hypotheses; a model's recipe sets them otherwise"
        )
    if request.language_pair and not test_sets:
        raise UsageError("--language-pair needs --test-set")
    if hypotheses and test_sets and not request.language_pair:
        raise UsageError("--test-set with --hypotheses needs --language-pair, such as en-de")
    texts, compare = [*files, *filter(None, [hypotheses])], request.compare
    check_texts([*texts, *filter(is_text, compare)], fix="")
    check_card_paths(request.cards, [*texts, *compare, *request.models])
    if hypotheses is not None and all(map(is_text, compare)):
        why = "needs a model, and --hypotheses has none; leave it out"
        options.refuse(("--device", "--engine"), why)
    if texts or test_sets:
        why = "is the folder of the recipe's test sets, which are not scored here; leave it out"
        options.refuse(["--data-dir"], why)
    else:
        options.refuse(["--to"], "is for SOURCE and REFERENCE: each test set has its own language")
        if not request.models and find_newest_model() is None:
            raise NmtError(
                f"no trained model under {RUNS}/; run `nmt train` first, or name a model (--model)"
                " or files of sources and references"
            )
