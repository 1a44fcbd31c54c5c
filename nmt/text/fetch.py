"""Download the files of a recipe into the data folder and check their SHA-256.

If the recipe does not state a file's hash, the hash of the first download is recorded in
`SHA256SUMS` in the data folder, and later downloads are checked against it.
"""

import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pooch
import requests

from nmt.config import Download
from nmt.errors import NmtError
from nmt.system.atomic import atomic_path, write_text
from nmt.system.digest import sha256_of
from nmt.system.log import Notify
from nmt.text.corpus import READ_ERRORS

PINS = "SHA256SUMS"


def fetch(download: Download, folder: Path, notify: Notify) -> None:
    """Download one file into the folder unless it is there, and unpack the members it names.

    Raises NmtError for a network error, a wrong hash, or a name outside the folder.
    """
    path = inside(folder, download.to)
    for member in download.unpack:
        inside(path.parent, member)
    pins = read_pins(folder)
    known = (download.sha256 or pins.get(download.to, "")).lower()
    # A file without a known hash is the user's own, or was left by an interrupted fetch: keep it.
    is_there = path.is_file() and (not known or sha256_of(path) == known)
    if not is_there:
        retrieve(download.url, path, known)
    missing = [name for name in download.unpack if not (path.parent / name).is_file()]
    # Unpack before the hash is recorded: the archive may be bad.
    unpack(path, missing if is_there else download.unpack)
    state = "already downloaded" if is_there else "downloaded"
    if known:
        notify(f"{path}: {state}, SHA-256 correct")
    else:
        pins[download.to] = sha256_of(path)
        write_text(folder / PINS, "".join(f"{v}  {k}\n" for k, v in sorted(pins.items())))
        notify(
            f"{path}: {state}, SHA-256 {pins[download.to]} was not known and is now recorded in"
            f" {folder / PINS}"
        )


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name in a folder; raises NmtError if it is outside the folder."""
    parts = PurePosixPath(name)
    if not name or name == PINS or parts.is_absolute() or ".." in parts.parts:
        raise NmtError(f"data.downloads: '{name}' is not a name below the data folder")
    return folder / parts


def read_pins(folder: Path) -> dict[str, str]:
    """Return the recorded hashes of earlier downloads, by file name."""
    path = folder / PINS
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NmtError(f"cannot read {path}: {error}") from error
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    return {parts[1]: parts[0] for parts in lines if len(parts) == 2}


def retrieve(url: str, path: Path, sha256: str) -> None:
    """Download a file whole or not at all; raises NmtError if it does not have a given hash."""
    if not url.startswith(("https://", "http://")):
        raise NmtError(f"data.downloads: {url} is not an http(s) address")
    pooch.get_logger().setLevel("ERROR")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            url,
            f"sha256:{sha256}" if sha256 else None,
            fname=path.name,
            path=path.parent,
            progressbar=sys.stderr is not None and sys.stderr.isatty(),
        )
        umask = os.umask(0)
        os.umask(umask)
        path.chmod(0o666 & ~umask)  # pooch leaves the file readable to its owner only
    except requests.exceptions.ConnectionError as error:
        raise NmtError(
            f"cannot reach {url}; check the network, or put the file at {path} yourself"
        ) from error
    except requests.exceptions.RequestException as error:
        raise NmtError(f"cannot download {url}: {error}") from error
    except ValueError as error:
        if not sha256:
            raise NmtError(f"cannot download {url}: {error}") from error
        raise NmtError(
            f"{url} is not the file that was expected: its SHA-256 is not {sha256}"
        ) from error
    except OSError as error:
        raise NmtError(f"cannot write {path}: {error.strerror or error}") from error


def unpack(archive: Path, members: Sequence[str]) -> None:
    """Extract members of a tar archive into its folder, each whole or not at all."""
    if not members:
        return
    try:
        with tarfile.open(archive) as tar:
            for name in members:
                content = tar.extractfile(name)
                if content is None:
                    raise NmtError(f"{archive}: its member {name} is not a file")
                with atomic_path(archive.parent / name) as partial, partial.open("wb") as stream:
                    shutil.copyfileobj(content, stream)
    except KeyError as error:
        raise NmtError(f"{archive} has no member {name}; correct `unpack` in the recipe") from error
    except (tarfile.TarError, *READ_ERRORS) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is not an archive"
        raise NmtError(
            f"cannot unpack {archive}: {reason}; remove the file to download it again"
        ) from error
