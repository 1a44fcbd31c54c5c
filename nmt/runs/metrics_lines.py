"""Read the lines of a run's metrics.jsonl."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from nmt.errors import NmtError
from nmt.system.files import is_present, read_bytes
from nmt.system.json_data import convert, parse_object

Line = dict[str, Any]  # has at least an integer `update` and a string `kind`


@dataclass(frozen=True)
class LineKey:
    """The fields that every line has."""

    kind: str
    update: Annotated[int, Meta(ge=0, le=2**53)]


def read_metrics(path: Path, notify: Callable[[str], None] | None = None) -> list[Line]:
    """Return the intact lines of a file; an empty list if it does not exist, or is a device.

    notify: called with the number of damaged lines. Raises NmtError if the file cannot be read.
    """
    if not is_present(path) or not (path.is_file() or path.is_dir()):
        return []  # reading /dev/full would never end
    written = [line for line in read_bytes(path, "the metrics").split(b"\n") if line.strip()]
    intact = [values for values in map(parse_line, written) if values]
    if notify and len(intact) < len(written):
        notify(f"{path}: damaged lines left out: {len(written) - len(intact)}")
    return intact


def parse_line(line: bytes) -> Line | None:
    """Return the values in a line, or None if it is damaged or cut short."""
    try:
        values = parse_object(line, "the line")
        key = convert(values, LineKey, "the line")
    except NmtError:
        return None
    return {**values, "update": key.update}


def is_ended(lines: Sequence[Line]) -> bool:
    """Return whether a training ended with the last update, as it then validates its average."""
    last = max((line["update"] for line in lines), default=None)
    return any(line["kind"] == "average" and line["update"] == last for line in lines)


def validation_of(lines: Sequence[Line], updates: Sequence[int]) -> Line | None:
    """Return the last validation of a model's weights, None if there is none.

    updates: those of the checkpoint, or of the averaged checkpoints.
    """
    for line in reversed(lines):
        weights = [line["update"]] if line["kind"] == "dev" else line.get("averaged_updates")
        if weights == [*updates]:
            return line
    return None


def finite(value: Any) -> float | None:
    """Return a value if it is a finite number, else None."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    with suppress(OverflowError):  # an integer beyond the range of a float
        return value if is_number and math.isfinite(value) else None
    return None
