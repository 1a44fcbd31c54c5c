"""Download what a recipe names into the data folder, checked by SHA-256.

A file whose hash the recipe does not know is pinned at its first download in `SHA256SUMS` of the
data folder, and checked against that pin afterwards.
"""

import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pooch
import requests

from nmt.atomic import write_text
from nmt.config import Download
from nmt.errors import NmtError

PINS = "SHA256SUMS"


def fetch(download: Download, folder: Path, report: Callable[[str], None]) -> None:
    """Bring one file into the folder unless it is there, and unpack the members it names.

    Raises NmtError without a network, for a wrong hash, or for a name outside the folder.
    """
    path = inside(folder, download.to)
    pins = read_pins(folder)
    known = download.sha256 or pins.get(download.to, "")
    if path.is_file() and known and pooch.file_hash(str(path), alg="sha256") == known:
        report(f"{path} is there, its SHA-256 right")
    else:
        retrieve(download.url, path, known)
        found = pooch.file_hash(str(path), alg="sha256")
        if not known:
            pins[download.to] = found
            write_text(folder / PINS, "".join(f"{v}  {k}\n" for k, v in sorted(pins.items())))
            report(f"{path}: SHA-256 {found}, not known before, now pinned in {folder / PINS}")
        else:
            report(f"{path}: downloaded, its SHA-256 right")
    if download.unpack:
        unpack(path, download.unpack)


def inside(folder: Path, name: str) -> Path:
    """The path of a name below the folder; raises NmtError if it would lead out of it."""
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts:
        raise NmtError(f"data.downloads: '{name}' is not a name below the data folder")
    return folder / parts


def read_pins(folder: Path) -> dict[str, str]:
    """Hashes by name, of files downloaded before."""
    path = folder / PINS
    if not path.is_file():
        return {}
    lines = (line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines())
    return {parts[1]: parts[0] for parts in lines if len(parts) == 2}


def retrieve(url: str, path: Path, sha256: str) -> None:
    """Download to the path, whole or not at all."""
    if not url.startswith(("https://", "http://")):
        raise NmtError(f"data.downloads: {url} is not an http(s) address")
    pooch.get_logger().setLevel("ERROR")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of another hash; pooch would keep it where none is known
        pooch.retrieve(
            url, f"sha256:{sha256}" if sha256 else None, fname=path.name, path=path.parent
        )
    except requests.exceptions.ConnectionError as error:
        raise NmtError(
            f"cannot reach {url}: is there a network? You can also put the file at {path} yourself"
        ) from error
    except requests.exceptions.RequestException as error:
        raise NmtError(f"cannot download {url}: {error}") from error
    except ValueError as error:
        raise NmtError(f"{url} is not the file that was expected: {error}") from error
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


def unpack(archive: Path, members: tuple[str, ...]) -> None:
    """Extract the members of a tar archive beside it, refusing names that lead elsewhere."""
    wanted = [name for name in members if not (archive.parent / name).is_file()]
    if not wanted:
        return
    try:
        with tarfile.open(archive) as tar:
            for name in wanted:
                inside(archive.parent, name)
                tar.extract(name, archive.parent, filter="data")
    except KeyError as error:
        raise NmtError(f"{archive} has no member {error}") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise NmtError(f"cannot unpack {archive}: {error}") from error
