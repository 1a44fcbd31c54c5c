"""What `--vary` says: one setting and its values, or several settings that change together."""

from collections.abc import Collection
from dataclasses import dataclass

from nmt.errors import UsageError

OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"
EXAMPLE = "--vary model.d_ff=256,512"


@dataclass(frozen=True)
class Axis:
    """A dimension of an ablation."""

    text: str  # as it was given
    steps: tuple[tuple[str, ...], ...]  # each the `section.key=value` texts of one step

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of what changes along it."""
        return tuple(text.partition("=")[0] for text in self.steps[0])


def parse_axis(text: str) -> Axis:
    """`section.key=value,value...`, or several of these, blanks between them, that go in step.

    The first value of each makes the first step, the second the second; a single value stands for
    all steps. Raises UsageError.
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
            f"--vary '{text}': settings that change together need as many values each, or one, but"
            f" {counts}"
        )
    whole = {name: values * (length // len(values)) for name, values in columns.items()}
    rows = zip(*whole.values(), strict=True)
    return Axis(text, tuple(tuple(map("=".join, zip(whole, row, strict=True))) for row in rows))


def split(text: str, separators: Collection[str]) -> list[str]:
    """The parts of a text between separators that stand in no quotes and no brackets, none blank.

    So that a TOML list, table or quoted text is one value.
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
