"""Unpack members of a tar archive, each whole or not at all."""

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from nmt.errors import NmtError, shown
from nmt.system.atomic import atomic_path
from nmt.system.files import check_file, is_present
from nmt.text.lines import READ_ERRORS

BLOCK = 1 << 20  # bytes


def unpack(archive: Path, members: Sequence[str]) -> None:
    """Extract members of a tar archive into its folder, each whole or not at all.

    A member that is there already is kept; NmtError if it differs from the archive's.
    """
    if not members:
        return
    try:
        with tarfile.open(archive) as tar:
            for name in members:
                member = tar.getmember(name)
                if member.issym() or member.islnk():  # it may lead to itself, or nowhere
                    raise NmtError(
                        f"{archive}: its member {name} is a link to {shown(member.linkname)}; name"
                        " a file instead in `unpack` in the recipe"
                    )
                content = tar.extractfile(member)
                if content is None:
                    raise NmtError(f"{archive}: its member {name} is not a file")
                write_member(archive.parent / name, blocks(content, archive), archive)
    except KeyError as error:
        raise NmtError(f"{archive} has no member {name}; correct `unpack` in the recipe") from error
    except (tarfile.TarError, *READ_ERRORS) as error:
        raise bad_archive(archive, error) from error


def write_member(path: Path, content: Iterator[bytes], archive: Path) -> None:
    """Write a member of an archive, or compare it with the file that is there."""
    if not is_present(path):
        with atomic_path(path) as partial, partial.open("wb") as stream:
            stream.writelines(content)
        return
    fix = f"move it away to unpack that of {archive}"
    check_file(path, "the file", fix)
    with path.open("rb") as stream:
        if any(stream.read(len(block)) != block for block in content) or stream.read(1):
            raise NmtError(f"{path} differs from the file in {archive}; {fix}")


def blocks(content: IO[bytes], archive: Path) -> Iterator[bytes]:
    """Yield the content of an archive's member; raises NmtError if the archive is damaged."""
    try:
        while block := content.read(BLOCK):
            yield block
    except (tarfile.TarError, *READ_ERRORS) as error:
        raise bad_archive(archive, error) from error


def bad_archive(archive: Path, error: Exception) -> NmtError:
    """Return the error for an archive that cannot be unpacked."""
    reason = str(error).splitlines()[0] if str(error) else "it is not an archive"
    return NmtError(f"cannot unpack {archive}: {reason}; remove the file to download it again")
