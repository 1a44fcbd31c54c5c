"""The rule for a folder that a command writes: whole or not at all, and what it may replace.

A command replaces only a folder that the same command wrote and in which nobody has changed, added
or removed a file since. The folder has a list of its files with their SHA-256 for this purpose.
The rule for single files is in `nmt.runs.outputs`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nmt import __version__
from nmt.errors import DamagedError, NmtError, UsageError
from nmt.runs.outputs import cannot_write, check_new
from nmt.system.atomic import atomic_folder, is_passed_over
from nmt.system.files import is_present, read_text, sha256_of
from nmt.system.json_data import json_text, parse_json

MANIFEST = "nmt-export.json"


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
    path = folder / MANIFEST
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
    names = [each for each in names if not is_passed_over(Path(each))]
    if names and (reason := why_folder_kept(path, command)):
        raise UsageError(
            f"{option} {path} {reason}; name a new or an empty folder, or move it away"
        )
    check_new(path if is_new else path / MANIFEST, option)


def why_folder_kept(folder: Path, command: str) -> str:
    """Return why a command must not replace a folder that has files; "" if it may."""
    try:
        manifest = read_manifest(folder)
    except DamagedError:
        return f"has a damaged {MANIFEST}"
    if manifest is None or manifest.written_by != command:
        return f"holds files that `nmt {command}` did not write"
    inside = [each.relative_to(folder) for each in files_in(folder)]
    found = {str(each): folder / each for each in inside if not is_passed_over(Path(each.parts[0]))}
    found.pop(MANIFEST)
    for name in sorted(found):
        if name not in manifest.files:
            return f"holds {name}, which `nmt {command}` did not write"
        if found[name].is_symlink() or sha256_of(found[name]) != manifest.files[name]:
            return f"holds {name}, which was changed after `nmt {command}` wrote it"
    return ""


def files_in(folder: Path) -> list[Path]:
    """Return everything below a folder that is not a folder, sorted."""
    return sorted(each for each in folder.rglob("*") if each.is_symlink() or not each.is_dir())


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
    with atomic_folder(path, is_replaced=True, last=MANIFEST) as partial:
        yield partial
        files = {str(each.relative_to(partial)): sha256_of(each) for each in files_in(partial)}
        manifest = FolderManifest(command, __version__, details, files)
        text = json_text(asdict(manifest), indent=1)
        (partial / MANIFEST).write_text(f"{text}\n", encoding="utf-8", newline="\n")
        try:
            check_output_folder(path, command)
        except UsageError as error:
            raise NmtError(
                f"{path} was changed by another program while `nmt {command}` ran, and is not"
                " replaced; run the command again with another folder"
            ) from error
