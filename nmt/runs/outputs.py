"""The one rule for what a command may overwrite.

A command replaces only a file that the same command wrote and that nobody has changed since. New
files, empty files, devices and pipes are always allowed; the input of the command never is. The
rule is checked before work starts, so that nothing is computed for a file that cannot be written.

A file that is written through `output_path` carries a mark: an extended attribute with the command,
the size and the time of the last change. A file without it, such as a copy, is recognised by its
content.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from nmt.errors import NmtError, UsageError
from nmt.runs.recognition import RECOGNISERS
from nmt.runs.run_folder import RunFolder
from nmt.system.atomic import LONGEST_NAME, atomic_path, redirected_stream, sync_file
from nmt.system.files import entries, in_utf_8

MARK = "user.nmt.output"
STDIN = Path("-")
MODEL = ("best.safetensors", "model.safetensors")
RUN_FILES = ("recipe.toml", "run.json", "metrics.jsonl", "tokenizer.model", ".lock", *MODEL)
RUN_FOLDERS = ("prepared", "checkpoints", "tensorboard")


def check_output(
    path: Path,
    command: str,
    sources: Iterable[Path] = (),
    option: str = "--output",
    own: Path | None = None,
) -> None:
    """Raise UsageError unless a command may write a file; call it before work starts.

    Args:
        path: the file to write; for a symbolic link, its target is checked.
        command: the name of the command that writes it, such as "translate".
        sources: the inputs of the command, `-` for stdin. They are never replaced.
        option: how the user named the file, for the message.
        own: a file that the command may always replace.
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
    is_own = own and os.path.realpath(path) == f"{os.path.realpath(own.parent)}/{own.name}"
    if not is_own and (reason := why_kept(path, status, command)):
        raise UsageError(f"{option} {path} {reason}; name another file, or move it away")
    check_new(path, option)


def check_outputs(
    outputs: Mapping[str, Path | None], command: str, sources: Iterable[Path | None]
) -> None:
    """Check all outputs of one command as `check_output` does, and that no two are one file.

    outputs: by the option that names them; None: not asked for. sources: None: likewise.
    """
    inputs = [source for source in sources if source is not None]
    options: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        check_output(path, command, inputs, option)
        if path.exists() and not path.is_file():  # a device takes several
            continue
        other = options.setdefault(os.path.realpath(path), option)
        if other != option:
            raise UsageError(f"{other} and {option} are the same file, {path}; name two")


@contextmanager
def output_path(path: Path, command: str) -> Iterator[Path]:
    """Yield a path as `output_paths` does."""
    with output_paths([path], command) as (partial,):
        yield partial


@contextmanager
def output_paths(paths: Sequence[Path], command: str) -> Iterator[list[Path]]:
    """Yield paths as `atomic_path` does, and mark the files as written by a command.

    If another program has written one of the files meanwhile, none is replaced. Then the new
    contents are kept beside them, and NmtError names the places.
    """
    with ExitStack() as stack:
        partials = [stack.enter_context(atomic_path(path)) for path in paths]
        finals = [Path(os.path.realpath(path)) for path in paths]
        before = [*map(state, finals)]
        try:
            yield partials
        except OSError as error:  # the error does not name the file
            if isinstance(error, BrokenPipeError) or partials == [*paths]:
                raise  # of a pipe, a device or another file
            names = " or ".join(map(str, paths))
            raise NmtError(f"cannot write {names}: {error.strerror or error}") from error
        for partial in partials:
            mark(partial, command)
        replaced = [
            (path, partial, final, state(final) != old)
            for path, partial, final, old in zip(paths, partials, finals, before, strict=True)
            if partial != path and not redirected_stream(path)
        ]
        if changed := next((path for path, _, _, is_changed in replaced if is_changed), None):
            kept = [str(keep_beside(partial, final)) for _, partial, final, _ in replaced]
            raise NmtError(
                f"{changed} was changed by another program while `nmt {command}` ran, and is not"
                f" replaced; the new content is in {', '.join(kept)}"
            )
        # All contents are on disk before the first file is replaced, so only renames are left.
        for path, partial, _, _ in replaced:
            flush(partial, path)


def flush(partial: Path, path: Path) -> None:
    """Write a finished file to disk; raises NmtError, which names the path that it is for."""
    try:
        sync_file(partial)
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


def state(path: Path) -> tuple[int, ...]:
    """Return numbers that change when a file is written or replaced; none if it is absent."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def keep_beside(partial: Path, final: Path) -> Path:
    """Rename a finished file to NAME.new, else NAME.new2 and so on, and return its path."""
    name = os.fsdecode(os.fsencode(final.name)[-LONGEST_NAME:])
    for number in count(1):
        kept = final.with_name(f"{name}.new{number if number > 1 else ''}")
        with suppress(FileExistsError):
            kept.touch(exist_ok=False)  # no other file is replaced
            return partial.replace(kept)
    raise AssertionError  # `count` does not end


def write_output(path: Path, command: str, text: str) -> None:
    """Write a UTF-8 text file atomically and mark it; raises NmtError if that fails.

    A byte of a file name that is not UTF-8 is written as text such as \\xe9.
    """
    with output_path(path, command) as partial:
        partial.write_text(in_utf_8(text), encoding="utf-8", newline="\n")


def check_run_folder(folder: Path, option: str = "--run") -> None:
    """Raise UsageError if a folder holds files but is not a run folder."""
    names = [path.name for path in entries(folder)]
    is_run = ".lock" in names or (
        "recipe.toml" in names and {*names} & {"metrics.jsonl", *MODEL, *RUN_FOLDERS}
    )
    if names and not is_run:
        raise UsageError(
            f"{folder} ({option}) is not a run folder but holds {names[0]}; name a new or an empty"
            " folder"
        )


def check_new(path: Path, option: str = "--output") -> None:
    """Raise UsageError if no file can be made at a path, whose parents may be missing."""
    folder = Path(os.path.realpath(path)).parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise cannot_write(path, error, option) from error


def cannot_write(path: Path, error: OSError | ValueError, option: str) -> UsageError:
    """Return the error for a place that cannot be written."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UsageError(f"{option} {str(path)!r} cannot be written: {reason}; name another file")


def is_same(source: Path, status: os.stat_result) -> bool:
    """Return whether an input, `-` for stdin, is the file with this status."""
    try:
        found = os.fstat(0) if source == STDIN else source.stat()
    except (OSError, ValueError):  # its reader reports it
        return False
    return os.path.samestat(found, status)


def why_kept(path: Path, status: os.stat_result, command: str) -> str:
    """Return why a command must not replace a file; "" if it may."""
    if not status.st_size:
        return ""
    written = f"was not written by `nmt {command}`"
    found = read_mark(path)
    if found:
        if found == mark_text(command, status):
            return ""
        changed = found.startswith(f"{command} ")
        return f"was changed after `nmt {command}` wrote it" if changed else written
    try:
        if command in RECOGNISERS:
            return "" if RECOGNISERS[command](path) else written
        # Only translations are replaced unrecognised, and only where files cannot be marked.
        is_text = command == "translate" and found is None and may_be_translation(path)
        return "" if is_text else written
    except OSError:
        return written


def mark(path: Path, command: str) -> None:
    """Mark a finished file as written by a command, where the file system can."""
    status = path.stat()
    if stat.S_ISREG(status.st_mode):
        with suppress(OSError, AttributeError):
            os.setxattr(path, MARK, mark_text(command, status).encode())


def mark_text(command: str, status: os.stat_result) -> str:
    """Return the mark of a file that has not changed since it was written."""
    return f"{command} {status.st_size} {status.st_mtime_ns}"


def read_mark(path: Path) -> str | None:
    """Return the mark of a file: "" if it has none, None where files cannot be marked."""
    try:
        return os.getxattr(path, MARK).decode(errors="replace")
    except AttributeError:  # macOS
        return None
    except OSError as error:
        return "" if error.errno == getattr(errno, "ENODATA", None) else None


def may_be_translation(path: Path) -> bool:
    """Return whether a file is UTF-8 text and neither a run's own file nor another's output."""
    target = Path(os.path.realpath(path))
    own = (target.name in RUN_FILES and RunFolder(target.parent).recipe.exists()) or (
        target.parent.name in RUN_FOLDERS and RunFolder(target.parent.parent).recipe.exists()
    )
    if own or target.suffix == ".toml" or any(known(path) for known in RECOGNISERS.values()):
        return False
    try:
        with path.open(encoding="utf-8") as stream:
            return all("\0" not in block for block in iter(lambda: stream.read(1 << 20), ""))
    except UnicodeDecodeError:
        return False
