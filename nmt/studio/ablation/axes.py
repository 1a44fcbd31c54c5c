"""Parse `--vary`: one setting and its values, or several settings that change together."""

from collections.abc import Collection
from dataclasses import dataclass

from nmt.errors import UsageError

OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"
EXAMPLE = "--vary model.d_ff=256,512"


@dataclass(frozen=True)
class Axis:
    """One `--vary` option: a dimension of the ablation."""

    text: str  # as given
    steps: tuple[tuple[str, ...], ...]  # the `section.key=value` overrides of each step

    @property
    def settings(self) -> tuple[str, ...]:
        """Return the names of the settings that change along the axis."""
        return tuple(text.partition("=")[0] for text in self.steps[0])


def parse_axis(text: str) -> Axis:
    """Return the axis that a text describes: `section.key=value,value...`, or several of these.

    Several settings are separated by blanks and change together: the first values make the first
    step, the second values the second. A single value holds for all steps. Raises UsageError.
    """
    columns: dict[str, list[str]] = {}
    for word in split(text, " \t\n"):
        name, _, listed = word.partition("=")
        values = split(listed, ",")
        if not name or not values:
            raise UsageError(f"--vary takes section.key=value,value..., not '{word}': {EXAMPLE}")
        if name in columns:
            raise UsageError(f"--vary '{text}' names {name} twice; write its values in one list")
        columns[name] = values
    if not columns:
        raise UsageError(f"--vary is empty; write, for instance, {EXAMPLE}")
    length = max(map(len, columns.values()))
    if any(len(values) not in (1, length) for values in columns.values()):
        counts = ", ".join(f"{name} has {len(values)}" for name, values in columns.items())
        raise UsageError(
            f"--vary '{text}': settings that change together need the same number of values, or one"
            f" value, but {counts}"
        )
    whole = {name: values * (length // len(values)) for name, values in columns.items()}
    rows = zip(*whole.values(), strict=True)
    return Axis(text, tuple(tuple(map("=".join, zip(whole, row, strict=True))) for row in rows))


def split(text: str, separators: Collection[str]) -> list[str]:
    """Return the parts of a text between separators, without blank parts.

    Separators inside quotes or brackets do not count, so that a TOML list, table or quoted text is
    one value.
    """
    parts, quote, depth = [""], "", 0
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in QUOTES:
            quote = character
        else:
            depth += (character in OPENING) - (character in CLOSING)
            if character in separators and depth <= 0:
                parts.append("")
                continue
        parts[-1] += character
    return [part for part in map(str.strip, parts) if part]
