"""Positional encodings: sinusoids (section 3.5), learned ones (table 3, row E) or rotations.

`make_positions` returns what is added to the embeddings, `make_rotation` what self-attention does
to queries and keys. `ModelSettings` declares the names of encodings and the limits of
their positions.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings

INITIAL_LENGTH = 256  # positions of a new table of sinusoids; it grows on demand


def sinusoids(length: int, d_model: int) -> Tensor:
    """Return the table (length, d_model) of the paper's sinusoids, sine and cosine interleaved.

    PE(pos, 2i) = sin(pos / 10000^(2i/d_model)) and PE(pos, 2i+1) = cos(the same angle). Computed in
    float64 and returned in torch's default data type.
    """
    positions = torch.arange(length, dtype=torch.float64)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angles = positions / 10_000 ** (even / d_model)  # (length, ceil(d_model / 2))
    table = torch.zeros(length, d_model, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : d_model // 2]
    return table.to(torch.get_default_dtype())


def sinusoids_in_halves(length: int, d_model: int) -> Tensor:
    """Return the table (length, d_model) with the sines of all angles before all cosines.

    This is Marian's order. If d_model is odd, there is one more sine.
    """
    table = sinusoids(length, d_model)
    return torch.cat([table[:, 0::2], table[:, 1::2]], dim=1)


def rotation_table(length: int, d_k: int) -> Tensor:
    """Return the table (length, d_k) of a pair's cosine at 2i and its sine at 2i + 1."""
    pairs: Tensor = sinusoids(length, d_k).unflatten(-1, (-1, 2))
    return pairs.flip(-1).flatten(-2)


Formula = Callable[[int, int], Tensor]  # the table (length, width) of the first positions

# The tables that are added to embeddings, by the name of the encoding.
FORMULAS: dict[str, Formula] = {
    "sinusoidal": sinusoids,
    "sinusoidal_halves": sinusoids_in_halves,
}


class Positions(nn.Module):
    """A module of a positional encoding; by default it has no table and no parameter."""

    def grow(self, length: int) -> None:
        """Make room for `length` positions now, if a table grows on demand."""

    def reset_parameters(self) -> None:
        """Draw the parameters, if there are any."""


class PositionTable(Positions):
    """A table that is computed by a formula and grows on demand."""

    def __init__(self, formula: Formula, width: int) -> None:
        super().__init__()
        self.formula = formula
        self.width = width
        self.register_buffer("table", formula(INITIAL_LENGTH, width), persistent=False)

    def forward(self, length: int) -> Tensor:
        """Return the encodings of the first `length` positions, (length, width)."""
        table: Tensor = self.get_buffer("table")
        if length > len(table):
            with torch.inference_mode(False):  # a table made while translating must serve training
                table = self.formula(2 * length, self.width).to(table)
            self.register_buffer("table", table, persistent=False)
        return table[:length]

    def grow(self, length: int) -> None:
        """Extend the table to `length` positions now."""
        self(length)


class LearnedPositions(Positions):
    """One learned vector for each position (Gehring et al., 2017); the table cannot grow."""

    def __init__(self, max_positions: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(max_positions, d_model))

    def forward(self, length: int) -> Tensor:
        """Return the encodings of the first `length` positions, (length, d_model).

        Raises ValueError if the table has fewer.
        """
        if length > len(self.table):
            raise ValueError(f"{length} positions requested, but {len(self.table)} were learned")
        return self.table[:length]

    def reset_parameters(self) -> None:
        """Initialise as embeddings: normal with standard deviation d_model^-0.5."""
        nn.init.normal_(self.table, std=self.table.shape[1] ** -0.5)


class RotaryPositions(nn.Module):
    """Rotate queries and keys by their positions (Su et al., 2021, equation 34).

    The pair (2i, 2i+1) at position pos is rotated by the angle pos / 10000^(2i/d_k). The product of
    a query with a key then depends on their distance alone.
    """

    def __init__(self, d_k: int) -> None:
        super().__init__()
        self.rotary_table = PositionTable(rotation_table, d_k)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """Rotate queries or keys (..., length, d_k) whose first position is `first`."""
        return apply_rotary(x, self.rotary_table(first + x.shape[-2])[first:])


def reference_rotary(x: Tensor, table: Tensor) -> Tensor:
    """Rotate each pair (2i, 2i+1) of x by the angle of its position; the plain reference.

    Args:
        x: (..., length, d_k), d_k even.
        table: (length, d_k), of `rotation_table`.

    Returns:
        The shape and the data type of x.
    """
    cosine, sine = table[:, 0::2], table[:, 1::2]
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
    return pairs.flatten(-2).to(x.dtype)


def complex_rotary(x: Tensor, table: Tensor) -> Tensor:
    """Compute `reference_rotary` as a product of complex numbers: one pass over x.

    It takes a fifth of the reference's time on a CPU.
    """
    pairs = complex_pairs(x) * complex_pairs(table)
    return torch.view_as_real(pairs).flatten(-2).to(x.dtype)


def apply_rotary(x: Tensor, table: Tensor) -> Tensor:
    """Rotate x by the faster form: complex numbers on a CPU, the reference elsewhere.

    A compiler fuses the reference into one loop, and does not support complex numbers.
    """
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        return complex_rotary(x, table)
    return reference_rotary(x, table)


def complex_pairs(x: Tensor) -> Tensor:
    """View (..., 2n) numbers as (..., n) complex ones, in float32 or wider."""
    wide = x.float() if x.dtype.itemsize < torch.float32.itemsize else x
    if any(step % 2 for step in wide.stride()[:-1]):  # next to values of an odd width
        wide = wide.contiguous()
    return torch.view_as_complex(wide.unflatten(-1, (-1, 2)))


def make_positions(settings: ModelSettings) -> tuple[Positions | None, Positions | None]:
    """Return the encodings that are added to the embeddings of the source and of the target.

    Computed tables are shared; learned ones are separate. Rotary positions add nothing, and a
    recurrent model has its positions from its order: None.
    """
    if settings.is_recurrent or settings.positions in ("rotary", "none"):
        return None, None
    if settings.positions in FORMULAS:
        shared = PositionTable(FORMULAS[settings.positions], settings.d_model)
        return shared, shared
    if settings.positions == "learned":
        learned = (LearnedPositions(settings.max_positions, settings.d_model) for _ in range(2))
        source, target = learned
        return source, target
    raise ValueError(f"model.positions={settings.positions} has no encoding in this function")


def make_rotation(settings: ModelSettings) -> RotaryPositions | None:
    """Return what rotates the queries and keys of self-attention; None if nothing does."""
    return RotaryPositions(settings.d_k) if settings.positions == "rotary" else None
