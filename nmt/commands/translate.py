"""`nmt translate`: translate lines, a file by its format, or files into a folder."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.commands import options
from nmt.commands.options import FILE, FOLDER, PATH, SAMPLING, Range, refuse
from nmt.config import DecodeSettings, Recipe
from nmt.errors import UsageError, list_first
from nmt.recipe.settings import parse_overrides
from nmt.runs.outputs import check_outputs
from nmt.system.files import check_regular, compute_sha256
from nmt.system.log import note, progress_bar, show_progress
from nmt.system.processes import left
from nmt.text.reading.languages import language_of_file
from nmt.text.reading.lines import STDIN

if TYPE_CHECKING:
    from nmt.decoding.terms.glossary import Term
    from nmt.documents.document import Options
    from nmt.documents.memory import Memory
    from nmt.documents.registry import Job
    from nmt.runs.trained_model import TrainedModel


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


# Options that are for plain lines only, for files with a format, and for folders.
OF_LINES = (
    *("--on-bad-line", "--keep-partial", "--resume", "--part", "--prefix", "--prefix-column"),
    *("--to-column", "--sample", "--n-best", "--output-format", "--token-scores", "--interactive"),
    "--alignments",
)
OF_DOCUMENTS = ("--all", "--columns", "--memory", "--memory-threshold", "--write-memory")
OF_FOLDERS = ("--exclude", "--include", "--others")

# Options that only change how a line is translated.
SEARCH_OPTIONS = {
    *(field.name for field in fields(DecodeSettings)),
    *("models", "glossary", "n_best", "engine", "device", "overrides", "interactive", "to"),
}

# Options on which an output does not depend, and those that are compared by themselves.
PASSING = {
    *("files", "output", "device", "resume", "batch_tokens"),
    *("models", "overrides", "on_bad_line"),
}


@dataclass(frozen=True)
class TranslateRequest:
    """Arguments and options of `nmt translate`."""

    files: tuple[Path, ...]
    format_name: str | None
    output_dir: Path | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    others: str
    columns: tuple[str, ...]
    translates_all: bool
    memory: tuple[Path, ...]
    memory_threshold: float
    write_memory: Path | None
    models: tuple[Path, ...]
    output: Path | None
    on_bad_line: str
    keep_partial: bool
    resume: bool
    part: tuple[int, int] | None
    prefix: Path | None
    prefix_column: bool
    to_column: int | None
    glossary: Path | None
    n_best: int | None
    output_format: str | None
    token_scores: bool
    flags_file: Path | None
    strict: bool
    interactive: bool
    alignments: Path | None
    engine: str
    device: str
    overrides: tuple[str, ...]  # of --set and of the flags for [decode] settings

    @property
    def file(self) -> Path:
        """Return the file, if no more than one is translated."""
        return self.files[0] if self.files else STDIN

    @property
    def outputs(self) -> dict[str, Path | None]:
        """Return the files to write, by their options."""
        return {
            "--output": self.output,
            "--flags": self.flags_file,
            "--alignments": self.alignments,
            "--write-memory": self.write_memory,
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
@options.repeated("--include", "include", "Translate only files that match.", "PATTERN")
@options.repeated("--exclude", "exclude", "Leave out files that match.", "PATTERN")
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
@options.repeated("--memory", "memory", "Translation memory (.tmx) to use.", kind=PATH)
@options.number(
    "--memory-threshold",
    Range(0.5, 1),
    "Lowest similarity of a memory match.",
    0.95,  # one word of ten would be 0.9, and may turn the meaning
    "X",
)
@click.option("--write-memory", type=PATH, help="File (.tmx) to write with new translations.")
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
@options.decode_flags("min_length", "max_length", "no_repeat_ngram", "to")
@click.option("--prefix", type=FILE, help="File with the beginning of each translation.")
@click.option("--prefix-column", is_flag=True, help="The beginning is in FILE, after a tab.")
@options.number("--to-column", click.IntRange(1), "Column with the language of each line.")
@options.sample
@options.decode_flags(*SAMPLING)
@click.option("--glossary", type=FILE, help="File of terms: on each line term, tab, translation.")
@options.number("--n-best", int, "Write the N best translations; see --output-format.")
@options.choice("--output-format", ("text", "json", "moses", "tsv"), "Format of the output: {}.")
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

    The suffix of FILE selects its format. In pages, documents, subtitles and other formats, only
    the text changes. Plain text is translated line by line. Several files, and folders, are
    translated into --output-dir.

    \b
    Examples:
      nmt translate data/sample.en
      echo "The old woman reads a letter." | nmt translate
      nmt translate in.en --model runs/one --model runs/two --output out.de
      nmt translate in.en --model runs/multilingual --to fr
      nmt translate page.html --output seite.html
      nmt translate docs --output-dir docs_de --exclude "*.csv"
    """
    from nmt.decoding.terms.glossary import read_glossary

    request = TranslateRequest(**given)
    jobs = find_jobs(request)
    check_request(request, jobs)
    terms = read_glossary(request.glossary, beside=(request.file, request.prefix))
    if any(job.is_stream for job in jobs):
        translate_lines(request, terms)
    else:
        translate_documents(request, jobs, terms)


def find_jobs(request: TranslateRequest) -> "list[Job]":
    """Return the files to translate, with their outputs and formats.

    Raises UsageError for options that are for other files, NmtError if a file cannot be read.
    """
    from nmt.documents.registry import FORMATS, LINES, Job, check_lines, find_format, is_wrapped

    file, name = request.file, request.format_name
    if request.output_dir is not None:
        if not request.files:
            raise UsageError("--output-dir needs files or folders to translate; name them first")
        refuse_options_of_lines(file, "give one file and --output instead of --output-dir")
        return find_folder_jobs(request, request.output_dir)
    if (count := len(request.files)) > 1:
        raise UsageError(f"{count} files need --output-dir, the folder for their translations")
    refuse(OF_FOLDERS, "is for folders and patterns; add --output-dir")
    if file.is_dir():
        raise UsageError(f"{file} is a folder; add --output-dir, the folder for its translations")
    file_format = find_format(file, name)
    # The columns of a table may have prefixes and languages.
    is_table = file_format is None or file_format.has_columns
    has_columns = request.prefix_column or request.to_column is not None
    if name is None and (request.interactive or (has_columns and is_table)):
        file_format = FORMATS[LINES]
    if file_format not in (None, FORMATS[LINES]):
        refuse_options_of_lines(file)
        if file != STDIN:
            check_regular(file, "the file", "name another, or - for stdin")
        return [Job(file, request.output or STDIN, file_format)]
    if file_format is None:
        check_lines(file)
    why = f"is for files with a format, but {file} is translated line by line; add --format"
    refuse(OF_DOCUMENTS, why)
    if file_format is None and is_wrapped(file):
        note(
            f"{file} is translated line by line, but its lines end within sentences; add"
            " --format text to translate its paragraphs"
        )
    return [Job(file, request.output or STDIN, FORMATS[LINES], is_stream=True)]


def refuse_options_of_lines(file: Path, fix: str = "add --format lines") -> None:
    """Raise UsageError for options of plain lines; file: the first one that is translated."""
    left.append(lambda: "nothing was written")
    why = f"is for plain lines, but {file} is translated by its format; leave it out, or"
    refuse(OF_LINES, f"{why} {fix}")


def find_folder_jobs(request: TranslateRequest, folder: Path) -> "list[Job]":
    """Return the files to translate into a folder, and those to copy if they are wanted."""
    from nmt.documents.folders import find_files
    from nmt.documents.registry import TABLES, find_format

    if request.output is not None:
        raise UsageError("--output names one file and --output-dir a folder; use one of them")
    jobs = find_files(
        *(request.files, folder, request.format_name),
        include=request.include,
        exclude=request.exclude,
        has_columns=bool(request.columns),
        own=filter(None, request.outputs.values()),
    )
    others = [job for job in jobs if job.format is None]
    tables = [job for job in others if find_format(job.source, None) in TABLES]
    is_listed = request.others == "list"
    if tables:
        done = "left out" if is_listed else "copied"
        note(f"{done}, because no --columns name what to translate: {list_files(tables)}")
    others = [job for job in others if job not in tables]
    if is_listed and others:
        note(f"left out, because their format is not known: {list_files(others)}")
    elif named := [job.source for job in others if job.source in request.files]:
        note(f"copied, because no format is known (--format names one): {list_first(named)}")
    if is_listed:
        jobs = [job for job in jobs if job.format is not None]
    return jobs


def list_files(jobs: "Sequence[Job]") -> str:
    """Return the names of the files to translate."""
    return ", ".join(str(job.source) for job in jobs)


def check_request(request: TranslateRequest, jobs: "Sequence[Job]") -> None:
    """Raise UsageError for outputs that must not be written, and for options that do not fit."""
    inputs = (*request.memory, request.prefix, request.glossary)
    check_outputs(request.outputs, [*(job.source for job in jobs), *inputs])
    if request.output_dir is not None:
        from nmt.documents.folders import check_apart

        check_apart(request.output_dir, jobs, request.outputs)
    elif not jobs[0].is_stream:
        from nmt.documents.registry import check_job

        check_job(jobs[0], request.columns)
    else:
        from nmt.decoding.files.interactive import check_interactive
        from nmt.decoding.files.text_files import check_text_files

        if request.interactive:
            check_interactive(options.typed_beside(*SEARCH_OPTIONS))
        check_text_files(
            *(request.file, request.output),
            keep_partial=request.keep_partial,
            resume=request.resume,
            alignments=request.alignments,
            prefix=request.prefix,
            prefix_column=request.prefix_column,
        )


def load(request: TranslateRequest) -> "tuple[TrainedModel, DecodeSettings]":
    """Load the model, or an ensemble, and return it with the settings of the search."""
    from nmt.decoding.translator.load import load_models

    return load_models(
        request.models, request.device, note, request.overrides, engine=request.engine
    )


def translate_lines(request: TranslateRequest, terms: "Sequence[Term]") -> None:
    """Translate a file line by line, each line as soon as it arrives."""
    from nmt.decoding.files.interactive import interact
    from nmt.decoding.files.output_formats import choose_format
    from nmt.decoding.files.quality import quality_check
    from nmt.decoding.files.resumable import Resumption, Task, digest_job, find_part
    from nmt.decoding.terms.glossary import digest_text

    output, n_best, token_scores = request.output, request.n_best, request.token_scores
    keeping = {"keep_partial": request.keep_partial, "resume": request.resume}
    format_lines = choose_format(request.output_format, n_best, token_scores=token_scores)
    quality = quality_check(request.flags_file, request.strict, **keeping)
    span = find_part(request.file, request.part)
    model, settings = load(request)
    if model.tokenizer.source.language_tokens:
        stated, is_checked = (language_of_file(request.file), ""), request.to_column is None
        settings = with_direction(
            settings, model.recipe, request.file, stated, is_checked=is_checked
        )

    from nmt.decoding.files.translate_file import translate_file
    from nmt.decoding.translator.translation import OutputOptions
    from nmt.decoding.translator.translator import Translator
    from nmt.documents.registry import check_beginning

    asked = OutputOptions(1 if n_best is None else n_best, token_scores, bool(request.alignments))
    translator = Translator(model, settings, note, asked, glossary=terms)
    if request.resume and output is not None:
        given = click.get_current_context().params
        lasting = {name: str(value) for name, value in given.items() if name not in PASSING}
        job = digest_job(model, settings, {**lasting, "glossary": digest_text(terms)})
        task: Task = Resumption(output, job, on_bad_line=request.on_bad_line, span=span)
    else:
        task = Task(output, span, keep_partial=request.keep_partial)
    del model  # it is freed if the translator has packed copies of its weights
    if request.to_column is None:
        translator.encoder.opening("")  # raises the error for a wrong language before any work
    if request.interactive:
        interact(translator, show_candidates=n_best is not None)
        return
    translate_file(
        *(translator, request.file, task, format_lines),
        checker=None if request.format_name else check_beginning,
        prefix=request.prefix,
        prefix_column=request.prefix_column,
        to_column=request.to_column,
        on_bad_line=request.on_bad_line,
        quality=quality,
        alignments=request.alignments,
    )


def with_direction(
    settings: DecodeSettings,
    recipe: Recipe,
    source: Path,
    stated: tuple[str, str],
    *,
    is_checked: bool,
) -> DecodeSettings:
    """Return the settings of lines with a language to write, by the names of files if need be.

    stated: the languages of source and target that names state, "" if they state none. is_checked:
    raise UsageError for a source that is in the language to write.
    """
    from nmt.decoding.translator.load import check_direction, only_target

    read, written = stated
    if not settings.target_language:
        settings = replace(settings, target_language=written or only_target(recipe, read))
        note_directions({(read, settings.target_language)})
    if is_checked:
        check_direction(recipe, source, read, settings)
    return settings


def note_directions(directions: Collection[tuple[str, str]]) -> None:
    """Tell between which languages is translated because of what files state."""
    names = [" to ".join(pair) for pair in directions if all(pair)]
    if names:
        note(f"from {', '.join(sorted(names))}, as files or their names state; --to names another")


def translate_documents(
    request: TranslateRequest, jobs: "Sequence[Job]", terms: "Sequence[Term]"
) -> None:
    """Translate files by their formats: one, or several into a folder."""
    from nmt.decoding.files.resumable import digest_job
    from nmt.decoding.files.text_files import open_text
    from nmt.decoding.terms.glossary import digest_text
    from nmt.documents.document import Options
    from nmt.documents.translate import document_translator
    from nmt.documents.translate_files import (
        Report,
        options_by_job,
        translate_job,
        translate_to_folder,
    )

    with progress_bar(unit="sentence", desc="translate") as bar:
        model, settings = load(request)
        is_chosen = "decode.target_language" in parse_overrides(request.overrides)
        asked = Options(columns=request.columns, translates_all=request.translates_all)
        chosen = options_by_job(jobs, asked, model, settings, is_chosen=is_chosen)
        note_directions(
            {(own.source_language, own.target_language) for own in chosen.values() if own.to}
        )
        memory = read_memory(request, chosen.values())
        first, on_progress = next(iter(chosen.values()), asked), partial(show_progress, bar)
        translator = document_translator(
            model, settings, first, glossary=terms, memory=memory, on_progress=on_progress
        )
        used = {
            "options": [repr(asked), is_chosen],
            "glossary": digest_text(terms),
            "memory": str([*map(compute_sha256, request.memory), request.memory_threshold]),
            "format": request.format_name,
            "engine": request.engine,
        }
        work = digest_job(model, settings, used)
        del model  # it is freed if the translator has packed copies of its weights
        with open_text(request.flags_file) as flags:
            report = Report(flags, note)
            if request.output_dir is None:
                translate_job(jobs[0], translator, report)
            else:
                translate_to_folder(chosen, request.output_dir, work, translator, report)
            if request.write_memory is not None:
                memory.write(request.write_memory)
    translator.notes.tell(note)
    report.tell(request.flags_file, is_strict=request.strict)


def read_memory(request: TranslateRequest, files: "Collection[Options]") -> "Memory":
    """Return the memory to use and to write; it has one pair of languages, and may be empty.

    files: the options for each. Raises UsageError for files in several target languages if there is
    a memory or a glossary, NmtError for a memory that cannot be read.
    """
    from nmt.documents.memory import Memory
    from nmt.documents.messages.tmx import read_units

    sources = {own.source_language for own in files}
    targets = {own.target_language for own in files}
    if len(targets) > 1 and (request.memory or request.write_memory or request.glossary):
        raise UsageError(
            "--glossary, --memory and --write-memory are for one target language, but the files"
            f" state {' and '.join(sorted(targets))}; choose one (--to), or some files (--include)"
        )
    source, target = (codes.pop() if len(codes) == 1 else "" for codes in (sources, targets))
    threshold, units = request.memory_threshold, read_units(request.memory, source, target)
    memory = Memory(units, threshold, (source, target), keeps_new=bool(request.write_memory))
    if request.memory and not len(memory):
        names = " and ".join(map(str, request.memory))
        note(f"{names}: no unit has texts in both languages of the model")
    return memory
