"""`nmt translate`: translate a file or stdin."""

import re
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from nmt.commands import options
from nmt.commands.documents import TranslateRequest, are_documents, translate_documents
from nmt.commands.options import FILE, FOLDER, PATH, SAMPLING, Range
from nmt.config import DecodeSettings
from nmt.runs.outputs import check_outputs
from nmt.system.log import note

if TYPE_CHECKING:
    from nmt.decoding.files.resumable import Task
    from nmt.decoding.files.text_files import Span
    from nmt.decoding.terms.glossary import Term
    from nmt.decoding.translator.translator import Translator


def parse_part(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Return I and N of "I/N"; raises a usage error for other text."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise click.BadParameter(f"{value!r} is not I/N with 1 <= I <= N, such as 2/8")
    return number, count


# Options that only change how a line is translated.
SEARCH_OPTIONS = {
    *(field.name for field in fields(DecodeSettings)),
    *("models", "glossary", "n_best", "engine", "device", "overrides", "interactive"),
}

# Options on which an output does not depend, and those that are compared by themselves.
PASSING = {
    *("files", "output", "device", "resume", "batch_tokens"),
    *("models", "overrides", "on_bad_line"),
}


@click.command("translate")
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE]...")
@click.option(
    "--format", "format_name", metavar="NAME", help="Format of FILE, such as html, po or lines."
)
@click.option(
    "--output-dir",
    type=FOLDER,
    metavar="FOLDER",
    help="Folder for translations of files and folders.",
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Translate only files that match. May be repeated.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out files that match. May be repeated.",
)
@click.option(
    "--others",
    type=click.Choice(("copy", "list")),
    default="copy",
    show_default=True,
    help="For files without a known format.",
)
@click.option(
    "--columns",
    metavar="NAMES",
    callback=lambda context, option, value: tuple(filter(None, (value or "").split(","))),
    help="Columns of a table to translate: a,b or 1,2.",
)
@click.option(
    "--all",
    "translates_all",
    is_flag=True,
    help="Translate messages again that have a translation.",
)
@click.option(
    "--memory", multiple=True, type=PATH, help="Translation memory (.tmx) to use. May be repeated."
)
@options.number(
    "--memory-threshold",
    Range(0.5, 1),
    "Lowest similarity of a memory match.",
    0.95,  # one word of ten would be 0.9, and may turn the meaning
    "X",
)
@click.option("--write-memory", type=PATH, help="File (.tmx) for the new translations.")
@options.models()
@options.output
@options.on_bad_line
@click.option(
    "--keep-partial", is_flag=True, help="If stopped, keep what is done in OUTPUT.partial."
)
@click.option("--resume", is_flag=True, help="Record progress; after a stop, continue --output.")
@click.option(
    "--part", metavar="I/N", callback=parse_part, help="Translate part I of N parts of FILE."
)
@options.decode_flags("beam_size", "length_penalty", "batch_tokens")
@options.decode_flags("min_length", "max_length", "no_repeat_ngram", "target_token")
@click.option("--prefix", type=FILE, help="File with the beginning of each translation.")
@click.option("--prefix-column", is_flag=True, help="The beginning is in FILE, after a tab.")
@options.sample
@options.decode_flags(*SAMPLING)
@click.option("--glossary", type=FILE, help="File of terms: on each line term, tab, translation.")
@options.number("--n-best", int, "Write the N best translations; see --output-format.")
@click.option(
    "--output-format",
    type=click.Choice(("text", "json", "moses", "tsv")),
    metavar="NAME",
    help="Format of the output: text, json, moses or tsv.",
)
@click.option(
    "--token-scores", is_flag=True, help="Add the log-probability of each token, in JSON."
)
@click.option("--flags", "flags_file", type=PATH, help="File for quality flags, as JSON lines.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a translation is flagged.")
@click.option("--interactive", is_flag=True, help="Translate what you type.")
@click.option("--alignments", type=PATH, help="File for word alignments, in Pharaoh format.")
@options.engine
@options.device
@options.set_decode()
def command(**given: Any) -> None:
    """Translate FILE, or stdin if FILE is - or missing.

    The suffix of FILE selects its format. In pages, documents, subtitles, catalogues of messages
    and other formats, only the text changes. Plain text is translated line by line. Several files,
    and folders, are translated into --output-dir.

    \b
    Examples:
      nmt translate data/sample.en
      echo "The old woman reads a letter." | nmt translate
      nmt translate in.en --model runs/one --model runs/two --output out.de
      nmt translate in.en --n-best 4 --output-format moses
      nmt translate page.html --output seite.html
      nmt translate docs --output-dir docs_de --exclude "*.csv"
    """
    request = TranslateRequest(**given)
    if are_documents(request):
        translate_documents(request)
    else:
        translate_lines(request)


def translate_lines(request: TranslateRequest) -> None:
    """Translate a file line by line."""
    from nmt.decoding.files.interactive import check_interactive, interact
    from nmt.decoding.files.output_formats import choose_format
    from nmt.decoding.files.quality import quality_check
    from nmt.decoding.files.resumable import find_part
    from nmt.decoding.files.text_files import check_prefixes, check_text_files
    from nmt.decoding.terms.glossary import read_glossary

    file, output, alignments = request.file, request.output, request.alignments
    keeping = {"keep_partial": request.keep_partial, "resume": request.resume}
    if request.interactive:
        check_interactive(options.typed_beside(*SEARCH_OPTIONS))
    lines_of = choose_format(
        request.output_format, request.n_best, token_scores=request.token_scores
    )
    check_prefixes(file, request.prefix, prefix_column=request.prefix_column)
    terms = read_glossary(request.glossary, beside=(file, request.prefix))
    check_text_files(file, output, **keeping, alignments=alignments)
    outputs = {"--output": output, "--flags": request.flags_file, "--alignments": alignments}
    check_outputs(outputs, [file, request.prefix, request.glossary])
    quality = quality_check(request.flags_file, request.strict, **keeping)
    span = find_part(file, request.part)

    translator, task = load_translator(request, span, terms)
    if request.interactive:
        interact(translator, show_candidates=request.n_best is not None)
        return

    from nmt.decoding.files.translate_file import translate_file

    translate_file(
        *(translator, file, task, lines_of),
        prefix=request.prefix,
        prefix_column=request.prefix_column,
        on_bad_line=request.on_bad_line,
        quality=quality,
        alignments=alignments,
    )


def load_translator(
    request: TranslateRequest, span: "Span", terms: "Sequence[Term]"
) -> "tuple[Translator, Task]":
    """Load the model; return a translator, and the lines to translate with their output.

    The model itself is freed, if the translator has packed copies of its weights.
    """
    from nmt.decoding.files.resumable import Resumption, Task, digest_job
    from nmt.decoding.terms.glossary import digest_text
    from nmt.decoding.translator.load import load_models
    from nmt.decoding.translator.translation import OutputOptions
    from nmt.decoding.translator.translator import Translator

    model, settings = load_models(
        request.models, request.device, note, request.overrides, engine=request.engine
    )
    n_best = 1 if request.n_best is None else request.n_best
    asked = OutputOptions(n_best, request.token_scores, bool(request.alignments))
    translator = Translator(model, settings, note, asked, glossary=terms)
    if not request.resume or request.output is None:
        return translator, Task(request.output, span, keep_partial=request.keep_partial)
    given = click.get_current_context().params
    lasting = {name: str(value) for name, value in given.items() if name not in PASSING}
    job = digest_job(model, settings, {**lasting, "glossary": digest_text(terms)})
    on_bad_line = request.on_bad_line
    return translator, Resumption(request.output, job, on_bad_line=on_bad_line, span=span)
