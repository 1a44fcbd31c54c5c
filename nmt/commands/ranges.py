"""Numbers that options take."""

import math
from typing import Any

import click


class Range(click.FloatRange):
    """A range of numbers; in click's own, which "nan" passes, no number is compared with it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that was typed; raises click's usage error for others."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number
