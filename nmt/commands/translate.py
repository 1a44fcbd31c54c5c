"""`nmt translate`: translate a file or stdin."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.commands.documents import documents_too
from nmt.commands.options import (
    FILE,
    bad_line_option,
    control_options,
    decoding_options,
    device_option,
    engine_option,
    flags_as_overrides,
    models_option,
    options_beside,
    output_option,
    part_of,
    sampling_options,
    set_decode_option,
    target_token_option,
)
from nmt.config import DecodeSettings
from nmt.runs.outputs import check_outputs

if TYPE_CHECKING:
    from nmt.decoding.files.resumable import Resumption
    from nmt.decoding.terms.glossary import Term
    from nmt.runs.trained_model import TrainedModel


@click.command("translate")
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE]...")
@documents_too
@models_option
@output_option
@bad_line_option("a line that is not UTF-8 or is longer than 10 MB")
@click.option(
    "--keep-partial",
    is_flag=True,
    help="If the translation is stopped or fails, keep the lines translated so far in"
    " OUTPUT.partial.  [default: discard them]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Keep the progress of OUTPUT, and continue it if an earlier command with --resume was"
    " stopped or killed.",
)
@click.option(
    "--part",
    metavar="I/N",
    callback=part_of,
    help="Translate the I-th of N parts of FILE: consecutive lines, about as many in each part.",
)
@decoding_options
@control_options
@target_token_option
@click.option(
    "--prefix",
    type=FILE,
    help="File with a text for each line of FILE: the translation begins with this text, which may"
    " end inside a word (not with --engine ctranslate2). A blank line asks for nothing.",
)
@click.option(
    "--prefix-column",
    is_flag=True,
    help="Each line of FILE holds the source, a tab and the text that the translation begins with.",
)
@sampling_options
@click.option(
    "--glossary",
    type=FILE,
    help="File with a source term, a tab and target terms (separated by |) on each line. If a line"
    " of FILE has the source term, its translation gets one of the target terms.",
)
@click.option(
    "--n-best",
    type=int,
    help="Write the N best translations of each line, or N samples, with scores, as JSON or as"
    " --output-format says."
    "  [default: the best translation]",
)
@click.option(
    "--output-format",
    type=click.Choice(("text", "json", "moses", "tsv")),
    help="Format of the output.  [default: json with --n-best or --token-scores, else text]",
)
@click.option(
    "--token-scores",
    is_flag=True,
    help="Add the log-probability of each token of the translations, in JSON.",
)
@click.option(
    "--flags",
    "flags_file",
    type=click.Path(path_type=Path),
    help="File to write quality flags to: a JSON object for each line, with its score, length ratio"
    " and what is probably wrong. A summary goes to stderr.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 1 if a translation is flagged. The output is written all the same.",
)
@click.option(
    "--interactive",
    is_flag=True,
    help="Translate what you type, with line editing and history. Ctrl-C clears the line, Ctrl-D"
    " ends.",
)
@click.option(
    "--alignments",
    type=click.Path(path_type=Path),
    help="File to write word alignments to: for each line of the output the pairs SOURCE-OUTPUT of"
    " words that belong together, counted from 0. The model then reads odd lines as they are:"
    " nothing is copied (decode.odd_input).",
)
@engine_option
@device_option
@set_decode_option
def command(
    file: Path,
    models: tuple[Path, ...],
    output: Path | None,
    on_bad_line: str,
    keep_partial: bool,
    resume: bool,
    part: tuple[int, int] | None,
    prefix: Path | None,
    prefix_column: bool,
    glossary: Path | None,
    n_best: int | None,
    output_format: str | None,
    token_scores: bool,
    flags_file: Path | None,
    strict: bool,
    interactive: bool,
    alignments: Path | None,
    engine: str,
    device: str,
    overrides: tuple[str, ...],
    **decoding: object,  # the options that change a `decode` setting, by its name
) -> None:
    """Translate FILE, or stdin if FILE is - or missing.

    The suffix of FILE selects its format. In pages, documents, subtitles, catalogues of messages
    and other formats, only the text changes. Several files, and folders, are translated into
    --output-dir. Files with other suffixes are plain lines; some, such as .xml, need --format.

    For plain lines, the command writes one line for each line it reads, in the same order. A blank
    line stays blank.
    Lines from a pipe or a terminal are translated as they arrive. If a line contains carriage
    returns, the parts between them are translated one by one. A line without words is copied. In
    other lines, addresses and unknown characters are copied (decode.odd_input).

    The output file appears when it is complete. It replaces an existing file, but never the input,
    a model or a file of a run.

    With --n-best N, each output line is a JSON object: {"translations": [{"text", "score",
    "log_prob"}, ...]}, best first. log_prob is the natural logarithm of the model's probability.
    score is log_prob divided by the length penalty. If a line was too long and was split, both are
    summed over its parts. --token-scores adds "tokens": [{"piece", "log_prob"}, ...].

    The formats moses and tsv have a line for each translation. moses: `index ||| text ||| LogProb0=
    log_prob Length0= tokens ||| score`; index counts the source lines from 0. tsv: line, rank,
    score, log_prob and text, with tabs between them; line counts the source lines from 1.

    With --sample, translations are drawn at random from the model's distribution. The same --seed
    draws the same ones. With --n-best N, N samples are drawn, and some may be equal. --mbr chrf
    chooses the candidate that is most like all candidates. Candidates are the translations of the
    beam, or samples. JSON then has each "utility", and --n-best N gives the N best by utility.

    --alignments FILE writes a line of word alignments for each translation, such as "0-0 1-2": the
    first word of the source belongs to the first word of the translation, the second to the third.
    White space separates words. With --n-best, the best translation is aligned.

    With several --model options, the models translate as an ensemble: each step uses the mean of
    their probabilities, and log_prob refers to that mean. The models need the same vocabulary. The
    first model's recipe gives the search settings.

    \b
    Examples:
      nmt translate data/sample.en
      echo "The old woman reads a letter." | nmt translate
      nmt translate in.en --model runs/multi30k_en_de --output out.de --beam-size 8
      nmt translate in.en --model runs/one --model runs/other
      nmt translate in.en --n-best 4 --output-format moses
      nmt translate in.en --output out.de --alignments out.align
      nmt translate in.en --output out.de --on-bad-line blank --keep-partial
      nmt translate in.en --sample --top-p 0.9 --n-best 5
      nmt translate in.en --sample --mbr chrf --candidates 50
      nmt translate in.en --output out.de --flags flags.jsonl --strict
      nmt translate in.en --output out.de --engine ctranslate2
      nmt translate page.html --output seite.html
      nmt translate docs --output-dir docs_de --exclude "*.csv"
    """
    flags = flags_as_overrides("decode", **decoding)
    from nmt.decoding.files.interactive import check_interactive, interact
    from nmt.decoding.files.output_formats import choose_format
    from nmt.decoding.files.quality_file import quality_check
    from nmt.decoding.files.span import span_of
    from nmt.decoding.files.text_files import check_text_files
    from nmt.decoding.terms.glossary import read_glossary
    from nmt.decoding.translator.requests import requests_of

    if interactive:
        check_interactive(options_beside(*SEARCH_OPTIONS))
    lines_of = choose_format(output_format, n_best, token_scores=token_scores)
    requests = requests_of(file, prefix, prefix_column=prefix_column, is_whole=part is None)
    terms = read_glossary(glossary, beside=(file, prefix))
    check_text_files(file, output, keep_partial=keep_partial, resume=resume, alignments=alignments)
    outputs = {"--output": output, "--flags": flags_file, "--alignments": alignments}
    check_outputs(outputs, [file, prefix, glossary])
    quality = quality_check(flags_file, strict, keep_partial=keep_partial, resume=resume)
    span = span_of(file, part)

    from nmt.interop.engines import load_for
    from nmt.system.log import note

    model, settings = load_for(engine, models, device, note, [*overrides, *flags])

    from nmt.decoding.files.translate_file import translate_file
    from nmt.decoding.translator.translator import Translator
    from nmt.decoding.translator.wanted import wanted_of

    wanted = wanted_of(model, n_best, token_scores=token_scores, is_aligned=bool(alignments))
    translator = Translator.of(model, settings, note, wanted, glossary=terms)
    if interactive:
        interact(translator, show_candidates=n_best is not None)
        return
    resumption = resumption_of(output, model, settings, terms) if resume and output else None
    del model  # frees its weights, if the translator has packed copies of them
    translate_file(
        translator,
        file,
        output,
        lines_of,
        requests=requests,
        on_bad_line=on_bad_line,
        keep_partial=keep_partial,
        span=span,
        resumption=resumption,
        quality=quality,
        alignments=alignments,
    )


# Options that only change how a line is translated.
SEARCH_OPTIONS = {
    *(each.name for each in fields(DecodeSettings)),
    *("models", "glossary", "n_best", "engine", "device", "overrides", "interactive"),
}

# Options on which an output does not depend, and those that are compared by themselves.
PASSING = {
    *("files", "output", "device", "resume", "batch_tokens"),
    *("models", "overrides", "on_bad_line"),
}


def lasting_options() -> dict[str, str]:
    """Return the options that must stay the same when an output is continued."""
    options = click.get_current_context().params
    return {name: str(value) for name, value in options.items() if name not in PASSING}


def resumption_of(
    output: Path, model: "TrainedModel", settings: DecodeSettings, terms: Sequence["Term"]
) -> "Resumption":
    """Return the progress of an output that an earlier command may have begun."""
    from nmt.decoding.files.resumable import Resumption, job_of

    paths = [each.path for each in (model, *model.ensemble)]
    options = {**lasting_options(), "glossary": str(terms)}
    on_bad_line = click.get_current_context().params["on_bad_line"]
    return Resumption(output, job_of(paths, settings, options), on_bad_line=on_bad_line)
