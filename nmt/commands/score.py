"""`nmt score`: how probable a model finds given translations."""

import re
from pathlib import Path

import click

from nmt.commands.options import (
    FILE,
    bad_line_option,
    batch_tokens_option,
    device_option,
    flags_as_overrides,
    length_penalty_option,
    models_option,
    output_option,
    set_decode_option_of,
    target_token_option,
)
from nmt.config.decode import SCORE_SETTINGS


def columns_of(
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
@models_option
@output_option
@click.option(
    "--columns",
    metavar="I,J",
    callback=columns_of,
    help="Columns of source and target, if one file has both.  [default: 1,2]",
)
@click.option(
    "--output-format",
    type=click.Choice(("tsv", "json")),
    help="Format of the output.  [default: json with --tokens, else tsv]",
)
@click.option("--tokens", is_flag=True, help="Add the log-probability of each token, in JSON.")
@click.option(
    "--pieces",
    is_flag=True,
    help="The targets are tokens of the vocabulary with spaces between them, not texts.",
)
@bad_line_option(
    "a pair that cannot be read (not UTF-8, longer than 10 MB, a missing column, or more tokens"
    " than the model can read)",
    "a blank line (null in JSON)",
)
@length_penalty_option
@target_token_option
@batch_tokens_option
@device_option
@set_decode_option_of(*SCORE_SETTINGS)
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
    length_penalty: float | None,
    target_token: str | None,
    batch_tokens: int | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Score the lines of TARGET as translations of the lines of SOURCE.

    If you name one file, or none (stdin), each line holds source and target with a tab between
    them. Files may be compressed (.gz, .xz); - is stdin. The command writes one line for each pair,
    in the same order, as soon as it is scored.

    A line has four columns. log_prob is the natural logarithm of the target's probability.
    mean_log_prob is log_prob divided by length. score is log_prob divided by the length penalty, as
    in `nmt translate`. length is the number of tokens, the end of the sentence counted. With
    --output-format json, a line is an object with these names. --tokens adds "tokens": [{"piece",
    "log_prob"}, ...]. A blank pair has 0 everywhere.

    A character of a target that is not in the vocabulary counts as the unknown token. Long segments
    are scored whole. With several --model options, probabilities are averaged at each token.

    \b
    Examples:
      nmt score in.en out.de
      nmt score pairs.tsv --columns 2,3 --output scores.tsv
      paste in.en out.de | nmt score --tokens
    """
    flags = flags_as_overrides(
        "decode",
        length_penalty=length_penalty,
        target_token=target_token,
        batch_tokens=batch_tokens,
    )

    from nmt.decoding.files.score import Scorer, check_pairs, choose_line, score_file

    format_line = choose_line(output_format, tokens=tokens)
    check_pairs(source, target, columns, output)

    from nmt.decoding.translator.load import load_models
    from nmt.system.log import note

    model, settings = load_models(models, device, note, [*overrides, *flags], used=SCORE_SETTINGS)

    scorer = Scorer(model, settings, note, token_scores=tokens, pieces=pieces)
    del model  # frees its weights: the scorer keeps packed copies
    score_file(
        scorer, source, target, output, format_line, columns=columns, on_bad_line=on_bad_line
    )
