"""`nmt clean`: repair a corpus and remove its bad pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.commands import options
from nmt.commands.init import given_text, languages
from nmt.commands.options import FILE, Range
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.corpora.clean import Models


@click.command("clean")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE, required=False)
@languages
@options.prefix
@click.option("--only", metavar="FILTERS", help="Apply only these filters, such as copied,script.")
@click.option("--without", metavar="FILTERS", help="Do not apply these filters.")
@click.option("--also", metavar="FILTERS", help="Add filters that are off by default.")
@click.option("--no-repair", is_flag=True, help="Remove pairs, but change no text.")
@click.option(
    "--ftfy",
    "with_ftfy",
    is_flag=True,
    help="Repair wrongly decoded text. Needs `pip install 'attention-nmt[clean]'`.",
)
@options.limit
@options.model("--model", "Model that scores pairs, with --reverse-model.")
@options.model("--reverse-model", "Model of the other direction.")
@options.number(
    "--keep-share",
    Range(0, 1, min_open=True),
    "Keep this share, the pairs with the best scores.",
    metavar="X",
)
@options.number("--least-score", Range(0, 1), "Remove pairs with a lower score.", metavar="X")
@click.option("--scores", "writes_scores", is_flag=True, help="Write PREFIX.scores.tsv, too.")
@options.device
@options.as_json_too
def command(
    source: Path,
    target: Path | None,
    source_language: str | None,
    target_language: str | None,
    prefix: str,
    only: str | None,
    without: str | None,
    also: str | None,
    no_repair: bool,
    with_ftfy: bool,
    changes: tuple[str, ...],
    as_json: bool,
    **scoring: Any,
) -> None:
    """Remove the bad pairs of a corpus: SOURCE and TARGET, or one file with both.

    Text is repaired first. Then these filters of `nmt check` apply: replacement, mojibake, control,
    invisible, markup, too_long, copied, script, language, length_ratio, duplicates,
    near_duplicates. Pairs with an empty side or an unreadable line are always removed. The filters
    other_language, numbers, question, long_word, few_letters and repetitive are off by default,
    because they also remove good pairs. Two models, one for each direction, can score the pairs
    that pass the filters.

    The remaining pairs are written, in order, to two files: PREFIX, a dot and the language code,
    such as clean.en and clean.de. PREFIX.rejected.tsv has the others, with the reasons.

    \b
    Examples:
      nmt clean corpus.en corpus.de -o clean
      nmt clean pairs.en-de.tsv -o clean/ --without copied,language
      nmt clean corpus.en.gz corpus.de.gz -o clean --only duplicates --no-repair
      nmt clean corpus.en corpus.de -o clean --model runs/en_de \\
        --reverse-model runs/de_en --keep-share 0.8
    """
    from nmt.corpora.clean import clean
    from nmt.corpora.faults.detectors import change_limits, learn_norms
    from nmt.corpora.faults.filters import Rules, choose_filters
    from nmt.corpora.faults.findings import unused_limits
    from nmt.corpora.faults.report import clean_text

    if no_repair and with_ftfy:
        raise click.UsageError("--ftfy repairs text, and --no-repair forbids it; leave out one")
    filters = choose_filters(only, without, also)
    limits = change_limits(changes, unused_limits(filters))
    models = choose_models(**scoring)
    paths = list(filter(None, (source, target)))
    text = given_text(paths, source_language, target_language)
    rules = Rules(learn_norms([], limits), filters, not no_repair, with_ftfy)
    report = clean(text, prefix, rules, models)
    click.echo(clean_text(report), nl=False, err=True)
    if as_json:
        options.print_json(report)


def choose_models(
    model: Path | None,
    reverse_model: Path | None,
    device: str,
    keep_share: float | None,
    least_score: float | None,
    writes_scores: bool,
) -> "Models | None":
    """Return the models of the options, if there are any; raises UsageError for half of them."""
    from nmt.corpora.clean import Models

    uses_scores = keep_share is not None or least_score is not None or writes_scores
    if model is None and reverse_model is None:
        if uses_scores or device != "auto":
            raise UsageError(
                "--keep-share, --least-score, --scores and --device need --model and"
                " --reverse-model"
            )
        return None
    if model is None or reverse_model is None:
        raise UsageError("scores need two models: give --model and --reverse-model")
    if not uses_scores:
        raise UsageError(
            "say which pairs to keep: --keep-share 0.8, or --least-score; or --scores, to write"
            " the scores only"
        )
    return Models(model, reverse_model, device, keep_share, least_score, writes_scores)
