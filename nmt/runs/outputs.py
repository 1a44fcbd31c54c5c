"""The rule for outputs: what a command may replace.

An output never replaces an input of its command, a model that another command wrote, a checkpoint,
or a file of a run or of its prepared corpus. It replaces any other file, as soon as the new one is
complete (`nmt.system.atomic`). A folder must be new, empty, or unchanged since the same command
wrote it: it has a list of its files with their SHA-256 for this purpose. A command checks the rule
before it starts to work, so that no work is lost.
"""

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nmt import __version__
from nmt.errors import DamagedError, NmtError, UsageError
from nmt.recipe.files import ENDING
from nmt.runs.run_folder import CHECKPOINT_NAME, RunFolder, model_metadata
from nmt.system.atomic import atomic_folder, is_passed_over, redirected_stream
from nmt.system.files import compute_sha256, entries, existing_folder, is_present, read_text
from nmt.system.json_data import json_text, parse_json
from nmt.text.reading.languages import PACKED
from nmt.text.reading.lines import STDIN

FILE_LIST = "nmt-export.json"  # lists the files of a folder that a command wrote
# A zip file whose first entry is such a list.
PACKAGE = re.compile(rb"PK\x03\x04.{26}[^/]{1,200}/" + re.escape(FILE_LIST.encode()), re.DOTALL)
LONGEST_START = 300  # bytes that are enough to recognise such a file


def check_output(
    path: Path,
    sources: Iterable[Path] = (),
    option: str = "--output",
    *,
    command: str = "",
    own: Path | None = None,
) -> None:
    """Raise UsageError unless a command may write a file; call it before work starts.

    Args:
        path: the file to write; for a symbolic link, its target is checked.
        sources: the inputs of the command, `-` for stdin.
        option: how the user named the file, for the message.
        command: the name of a command that writes models, such as "average": it may replace those
            that it wrote.
        own: a file of a run that the command may replace.
    """
    if path == STDIN:
        raise UsageError(f"{option} writes a file and cannot write to stdout (-); name a file")
    try:
        status = path.stat()
    except FileNotFoundError:
        check_new(path, option)
        return
    except (OSError, ValueError) as error:
        raise cannot_write(path, error, option) from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{option} {path} is a folder; name a file")
    if not stat.S_ISREG(status.st_mode) or redirected_stream(path):
        return
    if any(is_same(source, status) for source in sources):
        raise UsageError(f"{option} {path} is an input of this command; name another file")
    final = Path(os.path.realpath(path))
    is_own = own and final == Path(os.path.realpath(own.parent)) / own.name
    if not is_own and (reason := why_kept(final, command)):
        raise UsageError(f"{option} {path} {reason}; name another file, or move it away")
    check_new(path, option)


def check_outputs(outputs: Mapping[str, Path | None], sources: Iterable[Path | None]) -> None:
    """Check all outputs of one command as `check_output` does, and that no two are one file.

    Raises UsageError also for a name such as x.gz, because the files are not compressed.

    outputs: by the option that names them; None is ignored, as it is in `sources`.
    """
    inputs = [source for source in sources if source is not None]
    options: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        check_output(path, inputs, option)
        check_uncompressed(path, option)
        if path.exists() and not path.is_file():  # a device takes several
            continue
        other = options.setdefault(os.path.realpath(path), option)
        if other != option:
            raise UsageError(f"{other} and {option} are the same file, {path}; name two")


def check_uncompressed(path: Path, option: str = "--output") -> None:
    """Raise UsageError if the name of a file that is not compressed says that it is."""
    if path.suffix.lower() in PACKED:
        raise UsageError(
            f"{option} {path} would not be compressed; leave out {path.suffix}, and compress the"
            " file afterwards"
        )


def why_kept(file: Path, command: str) -> str:
    """Return why a command must not replace a file; "" if it may."""
    for folder in file.parents:
        run = RunFolder(folder)
        if any(map(file.is_relative_to, (*run.inputs, *run.results))) and run.holds_run():
            return f"belongs to the run {folder}"
        if is_present(folder / FILE_LIST):
            return f"belongs to the exported model {folder}"
    if CHECKPOINT_NAME.fullmatch(file.name):
        return "is a checkpoint"
    try:
        writer = model_writer(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if writer is None or (writer and writer == command):
        return ""
    return f"is a model that `nmt {command}` did not write" if command else "is a model"


def model_writer(file: Path) -> str | None:
    """Return which command wrote a model, "" if it does not say; None if a file is no model."""
    with file.open("rb") as stream:
        start = stream.read(LONGEST_START)
    if PACKAGE.match(start):
        return "export"
    metadata = model_metadata(file)
    is_model = start and (metadata or file.suffix == ENDING)
    return metadata.get("made_by", "") if is_model else None


def check_run_folder(folder: Path) -> None:
    """Raise UsageError if a folder holds files but is not a run folder."""
    found = entries(folder)
    if found and not RunFolder(folder).holds_run():
        raise UsageError(
            f"{folder} (--run) is not a run folder but holds {found[0].name}; name a new or an"
            " empty folder"
        )


def check_new(path: Path, option: str = "--output") -> None:
    """Raise UsageError if no file can be made at a path, whose parents may be missing."""
    try:
        with tempfile.TemporaryFile(dir=existing_folder(Path(os.path.realpath(path)).parent)):
            pass
    except OSError as error:
        raise cannot_write(path, error, option) from error


def cannot_write(path: Path, error: OSError | ValueError, option: str) -> UsageError:
    """Return the error for a path that cannot be written."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(f"{option} {str(path)!r} cannot be written: {reason}; name another file")


def is_same(source: Path, status: os.stat_result) -> bool:
    """Return whether an input, `-` for stdin, is the file with this status."""
    try:
        found = os.fstat(sys.stdin.fileno()) if source == STDIN else source.stat()
    except (OSError, ValueError, AttributeError):  # whoever reads the input reports this
        return False
    return os.path.samestat(found, status)


@dataclass(frozen=True)
class FolderManifest:
    """The list of files of a folder, and who wrote it."""

    written_by: str  # the command, such as "export"
    nmt_version: str
    details: dict[str, str]  # what the command wants to read again, such as the format
    files: dict[str, str] = field(default_factory=dict)  # SHA-256 by path inside the folder


def read_manifest(folder: Path) -> FolderManifest | None:
    """Return the manifest of a folder; None if it has none.

    Raises NmtError if it cannot be read, DamagedError if it is no manifest.
    """
    path = folder / FILE_LIST
    if not is_present(path):
        return None
    return parse_json(read_text(path, "the list of files"), FolderManifest, str(path))


def check_output_folder(path: Path, command: str, option: str = "DIR") -> None:
    """Raise UsageError unless a command may write a folder; call it before work starts.

    A new or an empty folder is allowed, and one that the same command wrote and nobody changed.
    Temporary folders in it, of this or a killed process, do not count.

    Args:
        path: the folder to write; for a symbolic link, its target is checked.
        command: the name of the command that writes it, such as "export".
        option: how the user named the folder, for the message.
    """
    try:
        is_new = not path.exists()
        names = [] if is_new or not path.is_dir() else os.listdir(path)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error, option) from error
    if not is_new and not path.is_dir():
        raise UsageError(f"{option} {path} is not a folder; name a new or an empty folder")
    is_filled = not all(is_passed_over(Path(name)) for name in names)
    if is_filled and (reason := why_folder_kept(path, command)):
        raise UsageError(
            f"{option} {path} {reason}; name a new or an empty folder, or move it away"
        )
    check_new(path if is_new else path / FILE_LIST, option)


def why_folder_kept(folder: Path, command: str) -> str:
    """Return why a command must not replace a folder that has files; "" if it may."""
    try:
        manifest = read_manifest(folder)
    except DamagedError:
        return f"has a damaged {FILE_LIST}"
    if manifest is None or manifest.written_by != command:
        return f"holds files that `nmt {command}` did not write"
    for path in files_in(folder):
        name = path.relative_to(folder)
        if name == Path(FILE_LIST) or is_passed_over(Path(name.parts[0])):
            continue
        if str(name) not in manifest.files:
            return f"holds {name}, which `nmt {command}` did not write"
        if path.is_symlink() or compute_sha256(path) != manifest.files[str(name)]:
            return f"holds {name}, which was changed after `nmt {command}` wrote it"
    return ""


def files_in(folder: Path) -> list[Path]:
    """Return everything below a folder that is not a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


@contextmanager
def output_folder(path: Path, command: str, details: dict[str, str]) -> Iterator[Path]:
    """Yield an empty temporary folder; when the block ends, its files and a manifest are in `path`.

    If the block raises, nothing is left, and an old folder stays as it is. The manifest comes last:
    see `nmt.system.atomic.atomic_folder`. Equal files give an equal manifest.

    Args:
        path: a folder that `check_output_folder` allows.
        command: the name of the command.
        details: kept in the manifest.

    Raises:
        NmtError: if the folder cannot be written, or another program has changed it meanwhile.
    """
    with atomic_folder(path, is_replaced=True, last=FILE_LIST) as partial:
        yield partial
        files = {str(file.relative_to(partial)): compute_sha256(file) for file in files_in(partial)}
        manifest = FolderManifest(command, __version__, details, files)
        text = json_text(asdict(manifest), indent=1)
        (partial / FILE_LIST).write_text(f"{text}\n", encoding="utf-8", newline="\n")
        try:
            check_output_folder(path, command)
        except UsageError as error:
            raise NmtError(
                f"{path} was changed by another program while `nmt {command}` ran, and is not"
                " replaced; run the command again with another folder"
            ) from error
