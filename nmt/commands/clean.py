"""`nmt clean`: repair a corpus and remove its bad pairs."""

from pathlib import Path

import click

from nmt.commands.options import FILE, prefix_option


@click.command("clean")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE, required=False)
@prefix_option
@click.option(
    "--only", metavar="FILTERS", help="Apply only these filters, with commas between them."
)
@click.option("--without", metavar="FILTERS", help="Do not apply these filters.")
@click.option("--no-repair", is_flag=True, help="Remove pairs, but change no text.")
@click.option(
    "--ftfy",
    "with_ftfy",
    is_flag=True,
    help="Repair UTF-8 that was read in another encoding, with the package ftfy (pip install"
    " 'nmt[clean]').",
)
@click.option(
    "--limit",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a threshold of `nmt check`, such as max_deviation=5. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, too.")
def command(
    source: Path,
    target: Path | None,
    prefix: str,
    only: str | None,
    without: str | None,
    no_repair: bool,
    with_ftfy: bool,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Remove the bad pairs of a corpus: SOURCE and TARGET, or one TSV file.

    The filters are those of `nmt check`: replacement, control, invisible, mojibake, markup,
    too_long, copied, script, language, length_ratio, duplicates, near_duplicates. Pairs with an
    empty side or an unreadable line are always removed. Before that, text is repaired: characters
    in Unicode's normal form C, without control and invisible characters, single spaces.

    The pairs that are left are written to PREFIX with the endings of the two languages, in order.
    PREFIX.rejected.tsv has the others: line, filter, reason, source, target. A table on stderr says
    what each filter removed. Files that end in .gz or .xz are read and written so. The corpus is
    read twice, so it cannot be a pipe.

    \b
    Examples:
      nmt clean corpus.en corpus.de -o clean
      nmt clean pairs.en-de.tsv -o clean/ --without copied,language
      nmt clean corpus.en.gz corpus.de.gz -o clean --only duplicates --no-repair
    """
    from nmt.check.limits import limits_of
    from nmt.cleaning.clean import CleanTask, clean
    from nmt.cleaning.report import as_text
    from nmt.cleaning.rules import chosen_filters
    from nmt.text.given_text import GivenText

    if no_repair and with_ftfy:
        raise click.UsageError("--ftfy repairs text, and --no-repair forbids it; leave out one")
    filters, limits = chosen_filters(only, without), limits_of(changes)
    text = GivenText(source, target)
    report = clean(CleanTask(text, prefix, filters, limits, not no_repair, with_ftfy))
    click.echo(as_text(report), nl=False, err=True)
    if as_json:
        from nmt.system.json_data import json_text

        click.echo(json_text(report, indent=1))
