"""`nmt evaluate`: compute scores with their signatures, compare systems, write cards."""

import io
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.options import FILE, PATH
from nmt.config import DECLARED, DataSettings
from nmt.errors import UsageError
from nmt.runs.run_folder import run_of
from nmt.system.arguments import DATA
from nmt.system.log import note
from nmt.text.corpus import DataFolder
from nmt.text.opening import check_texts

TOKENIZERS = ("13a", "intl", "char", "zh", "none", "moses", "paper")
METRICS = DECLARED["data.metric"].metadata["choices"]
DEFAULTS = DataSettings()


@click.command("evaluate")
@click.argument("files", nargs=-1, type=FILE, metavar="[SOURCE] [REFERENCE]...")
@click.option("--hypotheses", type=FILE, help="File of translations to score, without a model.")
@options.models()
@click.option(
    "--compare",
    multiple=True,
    type=FILE,
    metavar="MODEL|FILE",
    help="Model or translations to compare with. May be repeated.",
)
@click.option(
    "--card",
    "cards",
    multiple=True,
    type=PATH,
    help="Evaluation card to write, .json or .md. May be repeated.",
)
@click.option(
    "--test-set",
    "test_sets",
    multiple=True,
    metavar="NAME",
    help="Test set of sacreBLEU to score. May be repeated.",
)
@click.option("--language-pair", metavar="PAIR", help="Languages of --test-set, such as en-de.")
@options.run_data_dir
@options.decode_flags("beam_size", "length_penalty", "batch_tokens", "target_token")
@click.option(
    "--tokenize",
    type=click.Choice(TOKENIZERS),
    metavar="NAME",
    help=f"Add a BLEU with one of: {', '.join(TOKENIZERS)}.",
)
@click.option("--lowercase", is_flag=True, help="Add a BLEU of lower-cased text.")
@options.as_json
@click.option(
    "--target-language",
    metavar="CODE",
    help="With --hypotheses: their language, for BLEU's tokenizer.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    metavar="NAME",
    help=f"With --hypotheses: {' or '.join(METRICS)}.  [default: {DEFAULTS.metric}]",
)
@options.engine
@options.device
@options.set_decode()
@click.pass_obj
def command(
    arguments: list[str],
    /,
    files: tuple[Path, ...],
    hypotheses: Path | None,
    models: tuple[Path, ...],
    compare: tuple[Path, ...],
    cards: tuple[Path, ...],
    test_sets: tuple[str, ...],
    language_pair: str | None,
    data_dir: Path | None,
    tokenize: str | None,
    lowercase: bool,
    as_json: bool,
    target_language: str | None,
    metric: str | None,
    engine: str,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate test sets and score the translations by BLEU, chrF and TER.

    Without arguments, the test sets are those of the model's recipe. With SOURCE and REFERENCE
    files, SOURCE is translated and compared with the references. With --hypotheses, no model is
    needed, and every file is a reference. One text may be -, which is stdin.

    \b
    Examples:
      nmt evaluate
      nmt evaluate test.en test.de --model runs/multi30k_en_de
      nmt translate test.en | nmt evaluate --hypotheses - test.de
      nmt evaluate --tokenize moses --lowercase
      nmt evaluate --card card.md --card card.json --compare runs/other
      nmt evaluate --test-set wmt14/full
    """
    for_translations = target_language or metric
    for_models = [*models, *overrides]
    check_options(files, hypotheses, test_sets, language_pair, for_models, for_translations)
    check_inputs(files, hypotheses, test_sets, compare, [*compare, *models], cards)

    from nmt.decoding.translator.load import load_models
    from nmt.evaluation.card import as_text, card_json, evaluation_json, make_card, open_cards
    from nmt.evaluation.evaluate import (
        Model,
        Scoring,
        Translations,
        evaluate_model,
        evaluate_translations,
    )
    from nmt.evaluation.metrics import BleuVariant

    load = partial(load_models, device=device, notify=note, overrides=overrides, engine=engine)
    loaded = None if hypotheses else load(models)
    others = (Translations(f) if is_text(f) else Model(*load([f]), note) for f in compare)
    variant = BleuVariant(tokenize or "", lowercase)
    scoring = Scoring(tuple(others), variant, in_full=bool(cards))
    with open_cards(cards) as write_cards:
        if loaded is None:
            assert hypotheses  # noqa: S101 (for the type checker)
            evaluation = evaluate_translations(
                hypotheses,
                files,
                test_set=test_sets[0] if test_sets else "",
                language_pair=language_pair or "",
                target_language=target_language or "",
                metric=metric or DEFAULTS.metric,
                scoring=scoring,
            )
        else:
            evaluation = evaluate_model(
                *loaded,
                data_folder(loaded[0].path, data_dir, is_used=not (files or test_sets)),
                note,
                files=files,
                test_sets=test_sets,
                language_pair=language_pair or "",
                scoring=scoring,
            )
        card = make_card(evaluation, loaded[0].recipe if loaded else None, ["nmt", *arguments])
        write_cards(card)
    json_text = card_json(card) if cards else evaluation_json(evaluation)
    print_text(json_text if as_json else as_text(evaluation))


def data_folder(model: Path, given: Path | None, *, is_used: bool) -> DataFolder:
    """Return the folder of a recipe's test sets: the given one, else that of the model's run."""
    if not is_used:
        return DataFolder(given or DATA)
    folder = run_of(model).data_dir(given)
    if given is None and os.path.realpath(folder) != os.path.realpath(DATA):
        note(f"data: {folder} (the model was trained with it); --data-dir names another folder")
    return DataFolder(folder)


def is_text(path: Path) -> bool:
    """Return whether a system to compare with is a file of translations, not a model."""
    return not path.is_dir() and path.suffix != ".safetensors"


def print_text(text: str) -> None:
    """Print text on stdout as UTF-8, whatever the locale is."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    click.echo(text, nl=False)


def check_options(
    files: Sequence[Path],
    hypotheses: Path | None,
    test_sets: Sequence[str],
    language_pair: str | None,
    for_models: Sequence[object],
    for_translations: str | None,
) -> None:
    """Raise UsageError for too many or too few files, and for options that do not fit them.

    for_models, for_translations: options that --hypotheses forbids, and that need it.
    """
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
    if hypotheses and for_models:
        raise UsageError(
            "--hypotheses needs no model; leave out --model, --set and the options of beam search"
        )
    if for_translations and not hypotheses:
        raise UsageError(
            "--target-language and --metric need --hypotheses; a model's recipe sets them otherwise"
        )
    if language_pair and not test_sets:
        raise UsageError("--language-pair needs --test-set")
    if hypotheses and test_sets and not language_pair:
        raise UsageError("--test-set with --hypotheses needs --language-pair, such as en-de")


def check_inputs(
    files: Sequence[Path],
    hypotheses: Path | None,
    test_sets: Sequence[str],
    compare: Sequence[Path],
    models: Sequence[Path],
    cards: Sequence[Path],
) -> None:
    """Raise an error for a text that cannot be opened, and for a card that must not be written.

    models: all systems that are named. Raises UsageError for an option that would have no effect.
    """
    from nmt.evaluation.card import check_card_paths

    texts = [*files, *filter(None, [hypotheses])]
    check_texts([*texts, *filter(is_text, compare)], fix="")
    check_card_paths(cards, [*texts, *models])
    given = options.typed_beside()
    is_without_model = hypotheses is not None and all(map(is_text, compare))
    for option in ("--device", "--engine"):
        if option in given and is_without_model:
            raise UsageError(f"{option} needs a model, and --hypotheses has none; leave it out")
    if "--data-dir" in given and (files or hypotheses or test_sets):
        raise UsageError(
            "--data-dir is the folder of the recipe's test sets, which are not scored here; leave"
            " it out"
        )
