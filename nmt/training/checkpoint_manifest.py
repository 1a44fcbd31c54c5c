"""The manifest of a checkpoint, `update-NNNNNNNN.json`, with the SHA-256 of its other files."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from nmt.errors import DamagedError, NmtError
from nmt.system.atomic import write_text
from nmt.system.files import read_bytes
from nmt.system.json_data import convert, json_text, parse_object
from nmt.training.progress import Progress

WEIGHTS, STATE = "safetensors", "state.pt"  # the suffixes of the files that a manifest seals

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


@dataclass(frozen=True)
class CheckpointManifest:
    """The content of a checkpoint, from which a training continues exactly."""

    progress: Progress
    fingerprint: str  # of the prepared corpus
    sha256: dict[str, Sha256]  # of the weights and of the state, by suffix


def write_manifest(path: Path, manifest: CheckpointManifest) -> None:
    """Write a manifest with its checksum; raises NmtError if that fails."""
    content = parse_object(json_text(asdict(manifest)), str(path))
    signed = {**content, "checksum": checksum(content)}
    write_text(path, json_text(signed, indent=1) + "\n")


def read_manifest(path: Path, update: int) -> CheckpointManifest:
    """Return the manifest of an update's checkpoint.

    Raises DamagedError if its content is not what was written, NmtError if it cannot be read or is
    of another version of this program.
    """
    content = parse_object(read_bytes(path, "the manifest"), str(path))
    if content.pop("checksum", None) != checksum(content):
        raise DamagedError(f"{path} is damaged: its checksum is wrong")
    try:
        manifest = convert(content, CheckpointManifest, str(path))
    except DamagedError as error:  # written as it is, as the checksum shows
        raise NmtError(f"{error}; another version of nmt may have written it") from error
    if not {WEIGHTS, STATE} <= manifest.sha256.keys():
        raise DamagedError(f"{path} is damaged: it has no SHA-256 of the weights or of the state")
    if not manifest.progress.is_possible(update):
        raise DamagedError(f"{path} is damaged: its progress is not that of update {update:,}")
    return manifest


def checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
