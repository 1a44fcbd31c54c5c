"""Check the files of a shard: by size and time at each start, by their hashes if asked to."""

from dataclasses import replace
from pathlib import Path

from nmt.system.files import is_present
from nmt.text.manifest import Stamp, Step
from nmt.text.shards import ENDINGS, is_intact


def stamps(folder: Path, name: str) -> dict[str, Stamp]:
    """Return the size and time of each file of a shard that is there, by name ending.

    Raises NmtError if it cannot be known whether a file is there.
    """
    found = {}
    for ending in ENDINGS:
        path = folder / f"{name}.{ending}"
        if is_present(path):
            status = path.stat()
            found[ending] = Stamp(status.st_size, status.st_mtime_ns)
    return found


def checked(folder: Path, name: str, step: Step, verify: bool) -> Step | None:
    """Return a shard's step with the present sizes and times of its files; None if it is damaged.

    verify: hash the files although their sizes and times are those that were recorded. Files of
    another time, such as copies, are hashed in any case. Raises NmtError if a file cannot be read.
    """
    present = stamps(folder, name)
    if present == step.written and len(present) == len(ENDINGS) and not verify:
        return step
    if not is_intact(folder, name, step.sha256):
        return None
    return replace(step, written=present)
