"""Steps of `nmt translate` for files with a format, such as pages and catalogues."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.commands.document_options import OPTIONS, DocumentRequest
from nmt.commands.options import (
    Function,
    flags_as_overrides,
    options_beside,
)
from nmt.config import DecodeSettings
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.formats.files import Job
    from nmt.formats.translate import DocumentTranslator

# Options that are for plain lines only.
OF_LINES = (
    *("--on-bad-line", "--keep-partial", "--resume", "--part", "--prefix", "--prefix-column"),
    *("--n-best", "--output-format", "--token-scores", "--interactive", "--alignments", "--sample"),
)
STDIN = Path("-")


def documents_too(function: Function) -> Callable[..., Any]:
    """Add options to `nmt translate`, and translate files with a format in its place.

    The command itself receives the one `file` that is translated line by line.
    """
    names = [each.name for each in fields(DocumentRequest)]

    @functools.wraps(function)
    def command(files: tuple[Path, ...], **given: Any) -> Any:
        request = DocumentRequest(**{name: given.pop(name) for name in names})
        if not are_documents(files, request):
            return function(file=files[0] if files else STDIN, **given)
        settings = {each.name for each in fields(DecodeSettings)} & {*given}
        flags = flags_as_overrides("decode", **{name: given[name] for name in settings})
        chosen = Chosen(
            given["models"],
            given["engine"],
            given["device"],
            (*given["overrides"], *flags),
            given["glossary"],
        )
        output, flags_file = given["output"], given["flags_file"]
        translate_documents(files, output, request, chosen, flags_file, is_strict=given["strict"])
        return None

    found: Callable[..., Any] = command
    for option in reversed(OPTIONS):
        found = option(found)
    return found


def are_documents(files: Sequence[Path], request: DocumentRequest) -> bool:
    """Return whether files are translated by their format rather than line by line.

    Raises UsageError for options that do not go together.
    """
    from nmt.formats.files import looks_wrapped
    from nmt.formats.registry import LINES, PROSE, format_of
    from nmt.system.log import note
    from nmt.text.languages import PACKED

    if request.output_dir is not None:
        if not files:
            raise UsageError("--output-dir needs files or folders to translate; name them first")
        return True
    if len(files) > 1:
        raise UsageError(f"{len(files)} files need --output-dir, the folder for their translations")
    if beside := sorted(OF_FOLDERS & {*options_beside()}):
        raise UsageError(f"{beside[0]} is for folders and patterns; add --output-dir")
    has_columns = bool({"--prefix-column", "--interactive"} & {*options_beside()})
    file = files[0] if files else STDIN
    if file.is_dir():
        raise UsageError(f"{file} is a folder; add --output-dir, the folder for its translations")
    name = LINES if has_columns and request.format_name is None else request.format_name
    found = format_of(file, name)
    if found is not None and found.name != LINES:
        return True
    suffix = next((each for each in reversed(file.suffixes) if each not in PACKED), "").lower()
    if found is None:
        check_lines(file, suffix)
    if beside := sorted(DOCUMENT_FLAGS & {*options_beside()}):
        raise UsageError(
            f"{beside[0]} is for files with a format, but {file} is translated line by line; add"
            " --format"
        )
    if found is None and suffix == PROSE and looks_wrapped(file):
        note(
            f"{file} is translated line by line, but its lines end within sentences; add"
            " --format text to translate its paragraphs"
        )
    return False


def check_lines(file: Path, suffix: str) -> None:
    """Raise UsageError if a file with this suffix would be damaged as plain lines."""
    from nmt.formats.registry import TEMPLATES, UNREAD, check_supported

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


OF_FOLDERS = {"--include", "--exclude", "--others"}
DOCUMENT_FLAGS = {"--columns", "--all", "--memory", "--memory-threshold", "--write-memory"}


@dataclass(frozen=True)
class Chosen:
    """Models that translate, and how they search."""

    models: tuple[Path, ...]
    engine: str
    device: str
    overrides: tuple[str, ...]
    glossary: Path | None


def translate_documents(
    files: Sequence[Path],
    output: Path | None,
    request: DocumentRequest,
    chosen: Chosen,
    flags_file: Path | None,
    *,
    is_strict: bool,
) -> None:
    """Translate files by their formats: one, or several into a folder."""
    from nmt.formats.registry import check_suffix
    from nmt.formats.report import open_report
    from nmt.formats.translate_files import check_stdout, translate_to_folder, translate_to_stream
    from nmt.runs.outputs import check_outputs
    from nmt.system.log import note, progress_bar, show_progress
    from nmt.system.processes import left

    left.append(lambda: "nothing was written")
    check_document_options(files[0] if files else STDIN)
    jobs = jobs_for(files, output, request, flags_file)
    outputs = {"--output": output, "--flags": flags_file, "--write-memory": request.write_memory}
    inputs = [job.source for job in jobs] + [*request.memory]
    check_outputs(outputs, [*inputs, chosen.glossary])
    check_apart(outputs, jobs, request.output_dir)
    if request.output_dir is None and output is None:
        check_stdout(jobs[0])
    if output is not None:
        check_suffix(jobs[0].source, output, jobs[0].format)
    with progress_bar(unit="sentence", desc="translate") as bar:
        translator, work = prepare(request, chosen, functools.partial(show_progress, bar))
        with open_report(flags_file, note) as report:
            if request.output_dir is None:
                summary = translate_to_stream(jobs[0], translator, report.add)
            else:
                folder = request.output_dir
                summary = translate_to_folder(
                    jobs, folder, work, translator, note, report.add, report.repeat
                )
            if request.write_memory is not None and translator.memory is not None:
                translator.memory.write(request.write_memory)
    report.tell(summary, flags_file, is_strict=is_strict)


def check_apart(
    outputs: Mapping[str, Path | None], jobs: "Sequence[Job]", folder: Path | None
) -> None:
    """Raise UsageError if a further output is a file that the command writes into a folder."""
    from nmt.formats.files import RECORD

    if folder is None:
        return
    written = {os.path.realpath(each) for each in (folder / RECORD, *(job.output for job in jobs))}
    for option, path in outputs.items():
        if path is not None and os.path.realpath(path) in written:
            raise UsageError(
                f"{option} {path} is written for --output-dir {folder}, too; name another file"
            )


def jobs_for(
    files: Sequence[Path],
    output: Path | None,
    request: DocumentRequest,
    flags_file: Path | None,
) -> "list[Job]":
    """Return the files to translate; raises UsageError if one cannot be translated."""
    from nmt.formats.files import Job, Selection, jobs_of
    from nmt.formats.registry import format_of
    from nmt.formats.translate_files import check_columns
    from nmt.system.files import check_regular
    from nmt.system.log import note

    if request.output_dir is None:
        file = files[0] if files else STDIN
        if file != STDIN:
            check_regular(file, "the file", "name another, or - for stdin")
        form = format_of(file, request.format_name)
        job = Job(file, output or STDIN, form)
        check_columns(job, request.columns)
        return [job]
    if output is not None:
        raise UsageError("--output names one file and --output-dir a folder; use one of them")
    own = [each for each in (flags_file, request.write_memory) if each is not None]
    selection = Selection(request.include, request.exclude)
    jobs = jobs_of(
        files,
        request.output_dir,
        request.format_name,
        selection,
        has_columns=bool(request.columns),
        own=own,
    )
    others = [job for job in jobs if job.format is None]
    if others and request.others == "list":
        names = ", ".join(str(job.source) for job in others)
        note(f"left out, because their format is not known: {names}")
        return [job for job in jobs if job.format is not None]
    return jobs


def prepare(
    request: DocumentRequest, chosen: Chosen, on_progress: Callable[[int, int], object]
) -> "tuple[DocumentTranslator, str]":
    """Load the model; return a translator, and a digest of all that its output depends on."""
    from nmt.decoding.files.resumable import digest_job
    from nmt.decoding.terms.glossary import read_glossary
    from nmt.decoding.translator.load import load_models
    from nmt.formats.document import Options
    from nmt.formats.memories.memory import Memory
    from nmt.formats.of_model import document_translator
    from nmt.system.files import sha256_of
    from nmt.system.log import note

    terms = read_glossary(chosen.glossary)
    model, settings = load_models(
        chosen.models, chosen.device, note, chosen.overrides, engine=chosen.engine
    )
    data = model.recipe.data
    languages = data.source_language, data.target_language
    options = Options(*languages, request.columns, request.translates_all)
    memory = None
    if request.memory or request.write_memory:
        memory = Memory.of(
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
        "glossary": str(terms),
        "memory": str([*map(sha256_of, request.memory), request.memory_threshold]),
        "format": request.format_name,
        "engine": chosen.engine,
    }
    return translator, digest_job(model, settings, used)


def check_document_options(file: Path) -> None:
    """Raise UsageError for an option that is for plain lines only."""
    for each in options_beside():
        if each in OF_LINES:
            raise UsageError(
                f"{each} is for plain lines, but {file} is translated by its format; leave it out,"
                " or add --format lines"
            )
