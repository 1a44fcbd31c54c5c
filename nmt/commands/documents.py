"""`nmt translate` for files with a format, such as pages and catalogues."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.commands.options import refuse
from nmt.errors import UsageError
from nmt.runs.outputs import check_outputs
from nmt.system.files import check_regular, sha256_of
from nmt.system.log import note, progress_bar, show_progress
from nmt.system.processes import left
from nmt.text.languages import PACKED

if TYPE_CHECKING:
    from nmt.documents.folders import Job
    from nmt.documents.translate import DocumentTranslator

# Options that are for plain lines only, for files with a format, and for folders.
OF_LINES = (
    *("--on-bad-line", "--keep-partial", "--resume", "--part", "--prefix", "--prefix-column"),
    *("--sample", "--n-best", "--output-format", "--token-scores", "--interactive", "--alignments"),
)
OF_DOCUMENTS = ("--all", "--columns", "--memory", "--memory-threshold", "--write-memory")
OF_FOLDERS = ("--exclude", "--include", "--others")
STDIN = Path("-")


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


def are_documents(request: TranslateRequest) -> bool:
    """Return whether files are translated by their format rather than line by line.

    Raises UsageError for options that do not go together.
    """
    from nmt.documents.folders import looks_wrapped
    from nmt.documents.registry import LINES, PROSE, format_of

    if request.output_dir is not None:
        if not request.files:
            raise UsageError("--output-dir needs files or folders to translate; name them first")
        return True
    if (count := len(request.files)) > 1:
        raise UsageError(f"{count} files need --output-dir, the folder for their translations")
    refuse(OF_FOLDERS, "is for folders and patterns; add --output-dir")
    file, format_name = request.file, request.format_name
    if file.is_dir():
        raise UsageError(f"{file} is a folder; add --output-dir, the folder for its translations")
    if format_name is None and (request.prefix_column or request.interactive):
        format_name = LINES
    found = format_of(file, format_name)
    if found is not None and found.name != LINES:
        return True
    suffix = next((part for part in reversed(file.suffixes) if part not in PACKED), "").lower()
    if found is None:
        check_lines(file, suffix)
    why = f"is for files with a format, but {file} is translated line by line; add --format"
    refuse(OF_DOCUMENTS, why)
    if found is None and suffix == PROSE and looks_wrapped(file):
        note(
            f"{file} is translated line by line, but its lines end within sentences; add"
            " --format text to translate its paragraphs"
        )
    return False


def check_lines(file: Path, suffix: str) -> None:
    """Raise UsageError if a file with this suffix would be damaged as plain lines."""
    from nmt.documents.registry import TEMPLATES, UNREAD, check_supported

    check_supported(file, suffix)
    if suffix in TEMPLATES:
        raise UsageError(
            f"{file}: {suffix} files are templates, whose code plain lines would damage; keep the"
            " code with --format html (or another format of what they make), or translate their"
            " lines as they are: --format lines"
        )
    if suffix in UNREAD:
        raise UsageError(
            f"{file}: no format reads {suffix} files of this name; name its format (--format),"
            " convert it, for example to HTML or to text, or translate its lines as they are:"
            " --format lines"
        )


def translate_documents(request: TranslateRequest) -> None:
    """Translate files by their formats: one, or several into a folder."""
    from nmt.documents.registry import check_suffix
    from nmt.documents.report import open_report
    from nmt.documents.translate_files import check_stdout, translate_to_folder, translate_to_stream

    left.append(lambda: "nothing was written")
    why = f"is for plain lines, but {request.file} is translated by its format; leave it out, or"
    refuse(OF_LINES, f"{why} add --format lines")
    jobs, folder = find_jobs(request), request.output_dir
    outputs = {
        "--output": request.output,
        "--flags": request.flags_file,
        "--write-memory": request.write_memory,
    }
    check_outputs(outputs, [*(job.source for job in jobs), *request.memory, request.glossary])
    if folder is not None:
        check_apart(outputs, jobs, folder)
    elif request.output is None:
        check_stdout(jobs[0])
    if request.output is not None:
        check_suffix(jobs[0].source, request.output, jobs[0].format)
    with progress_bar(unit="sentence", desc="translate") as bar:
        translator, work = load(request, functools.partial(show_progress, bar))
        with open_report(request.flags_file, note) as report:
            if folder is None:
                summary = translate_to_stream(jobs[0], translator, report.add)
            else:
                summary = translate_to_folder(
                    jobs, folder, work, translator, note, report.add, report.repeat
                )
            if request.write_memory is not None and translator.memory is not None:
                translator.memory.write(request.write_memory)
    report.tell(summary, request.flags_file, is_strict=request.strict)


def check_apart(outputs: Mapping[str, Path | None], jobs: "Sequence[Job]", folder: Path) -> None:
    """Raise UsageError if a further output is a file that the command writes into a folder."""
    from nmt.documents.folders import RECORD

    written = {os.path.realpath(path) for path in (folder / RECORD, *(job.output for job in jobs))}
    for option, path in outputs.items():
        if path is not None and os.path.realpath(path) in written:
            raise UsageError(
                f"{option} {path} is written for --output-dir {folder}, too; name another file"
            )


def find_jobs(request: TranslateRequest) -> "list[Job]":
    """Return the files to translate; raises UsageError if one cannot be translated."""
    from nmt.documents.folders import Job, Selection, jobs_of
    from nmt.documents.registry import format_of
    from nmt.documents.translate_files import check_columns

    if request.output_dir is None:
        if request.file != STDIN:
            check_regular(request.file, "the file", "name another, or - for stdin")
        form = format_of(request.file, request.format_name)
        job = Job(request.file, request.output or STDIN, form)
        check_columns(job, request.columns)
        return [job]
    if request.output is not None:
        raise UsageError("--output names one file and --output-dir a folder; use one of them")
    jobs = jobs_of(
        request.files,
        request.output_dir,
        request.format_name,
        Selection(request.include, request.exclude),
        has_columns=bool(request.columns),
        own=[path for path in (request.flags_file, request.write_memory) if path is not None],
    )
    others = [job for job in jobs if job.format is None]
    if others and request.others == "list":
        names = ", ".join(str(job.source) for job in others)
        note(f"left out, because their format is not known: {names}")
        return [job for job in jobs if job.format is not None]
    return jobs


def load(
    request: TranslateRequest, on_progress: Callable[[int, int], object]
) -> "tuple[DocumentTranslator, str]":
    """Load the model; return a translator, and a digest of all that its output depends on."""
    from nmt.decoding.files.resumable import digest_job
    from nmt.decoding.terms.glossary import digest_text, read_glossary
    from nmt.decoding.translator.load import load_models
    from nmt.documents.document import Options
    from nmt.documents.memory import Memory
    from nmt.documents.translate import document_translator

    terms = read_glossary(request.glossary)
    model, settings = load_models(
        request.models, request.device, note, request.overrides, engine=request.engine
    )
    data = model.recipe.data
    languages = data.source_language, data.target_language
    options = Options(*languages, request.columns, request.translates_all)
    memory = None
    if request.memory or request.write_memory:
        memory = Memory.read(
            request.memory,
            *languages,
            threshold=request.memory_threshold,
            keeps_new=request.write_memory is not None,
        )
    translator = document_translator(
        model, settings, options, glossary=terms, memory=memory, on_progress=on_progress
    )
    used = {
        "options": repr(options),
        "glossary": digest_text(terms),
        "memory": str([*map(sha256_of, request.memory), request.memory_threshold]),
        "format": request.format_name,
        "engine": request.engine,
    }
    return translator, digest_job(model, settings, used)
