"""`nmt score`: how probable a model finds given translations."""

import re
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.options import FILE
from nmt.config.decode import SCORE_SETTINGS
from nmt.system.log import note
from nmt.text.reading.languages import languages_in_names


def parse_columns(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Return the numbers of "I,J"; raises a usage error for other text."""
    if value is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5}),([1-9][0-9]{0,5})", value)
    if not found:
        raise click.BadParameter(f"{value!r} is not two numbers of columns, such as 1,2")
    source, target = map(int, found.groups())
    return source, target


@click.command("score")
@click.argument("source", default="-", type=FILE)
@click.argument("target", required=False, type=FILE)
@options.models()
@options.output
@click.option(
    "--columns",
    metavar="I,J",
    callback=parse_columns,
    help="Columns of source and target in one file.  [default: 1,2]",
)
@options.choice("--output-format", ("tsv", "json"), "{}.  [default: tsv; json with --tokens]")
@click.option("--tokens", is_flag=True, help="Add the log-probability of each token, in JSON.")
@click.option("--pieces", is_flag=True, help="The targets are tokens with spaces between them.")
@options.on_bad_line
@options.decode_flags("length_penalty", "to", "batch_tokens")
@options.device
@options.set_decode(*SCORE_SETTINGS)
def command(
    source: Path,
    target: Path | None,
    models: tuple[Path, ...],
    output: Path | None,
    columns: tuple[int, int] | None,
    output_format: str | None,
    tokens: bool,
    pieces: bool,
    on_bad_line: str,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Score the lines of TARGET as translations of the lines of SOURCE.

    If you name one file, or none (stdin), each line holds source and target with a tab between
    them. Files may be compressed (.gz, .xz); - is stdin. The command writes one line for each pair,
    in the same order, as soon as it is scored.

    A line has four columns: log_prob, the natural logarithm of the target's probability;
    mean_log_prob, log_prob divided by length; score, log_prob divided by the length penalty, as in
    `nmt translate`; and length, the number of tokens. With several --model options, probabilities
    are averaged at each token.

    \b
    Examples:
      nmt score in.en out.de
      nmt score pairs.tsv --columns 2,3 --output scores.tsv
      paste in.en out.de | nmt score --tokens
    """
    from nmt.decoding.files.score import Scorer, check_pairs, choose_line, score_file

    format_line = choose_line(output_format, tokens=tokens)
    check_pairs(source, target, columns, output)

    from nmt.commands.translate import with_direction
    from nmt.decoding.translator.load import load_models

    model, settings = load_models(models, device, note, overrides, used=SCORE_SETTINGS)
    if model.tokenizer.source.language_tokens:
        stated = languages_in_names([source] if target is None else [source, target])
        is_checked = target is not None  # else the columns may be in any order
        settings = with_direction(settings, model.recipe, source, stated, is_checked=is_checked)
    scorer = Scorer(model, settings, note, token_scores=tokens, pieces=pieces)
    del model  # frees its weights: the scorer keeps packed copies
    score_file(
        scorer, source, target, output, format_line, columns=columns, on_bad_line=on_bad_line
    )
