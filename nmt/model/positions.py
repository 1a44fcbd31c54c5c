"""Positional encodings: sinusoids (section 3.5), learned ones (table 3, row E) or rotations."""

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.kernels.rotary import apply_rotary

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


class SinusoidalPositions(nn.Module):
    """A table of sinusoids that grows on demand."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.register_buffer("table", self.make_table(INITIAL_LENGTH), persistent=False)

    def make_table(self, length: int) -> Tensor:
        """Return the table of the first `length` positions, (length, d_model)."""
        return sinusoids(length, self.d_model)

    def forward(self, length: int) -> Tensor:
        """Return the encodings of the first `length` positions, (length, d_model)."""
        table: Tensor = self.get_buffer("table")
        if length > len(table):
            with torch.inference_mode(False):  # a table made while translating must serve training
                table = self.make_table(2 * length).to(table)
            self.register_buffer("table", table, persistent=False)
        return table[:length]


class HalvesPositions(SinusoidalPositions):
    """A table of sinusoids with all sines first."""

    def make_table(self, length: int) -> Tensor:
        """Return the table of the first `length` positions, (length, d_model)."""
        return sinusoids_in_halves(length, self.d_model)


class LearnedPositions(nn.Module):
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


class RotaryTable(SinusoidalPositions):
    """A table of the angles by which pairs rotate: for each pair its cosine, then its sine."""

    def make_table(self, length: int) -> Tensor:
        """Return the table of the first `length` positions, (length, d_model)."""
        pairs: Tensor = super().make_table(length).unflatten(-1, (-1, 2))
        return pairs.flip(-1).flatten(-2)


class RotaryPositions(nn.Module):
    """Rotate queries and keys by their positions (Su et al., 2021, equation 34).

    The pair (2i, 2i+1) at position pos is rotated by the angle pos / 10000^(2i/d_k). The product of
    a query with a key then depends on their distance alone.
    """

    def __init__(self, d_k: int) -> None:
        super().__init__()
        self.rotary_table = RotaryTable(d_k)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """Rotate queries or keys (..., length, d_k) whose first position is `first`."""
        return apply_rotary(x, self.rotary_table(first + x.shape[-2])[first:])


def make_positions(settings: ModelSettings) -> tuple[nn.Module | None, nn.Module | None]:
    """Return the encodings that are added to the embeddings of the source and of the target.

    Sinusoids are shared; learned tables are separate. Rotary positions add nothing: None.
    """
    if settings.positions == "rotary":
        return None, None
    if settings.positions in ("sinusoidal", "sinusoidal_halves"):
        in_halves = settings.positions == "sinusoidal_halves"
        shared = (HalvesPositions if in_halves else SinusoidalPositions)(settings.d_model)
        return shared, shared
    if settings.positions == "learned":
        learned = (LearnedPositions(settings.max_positions, settings.d_model) for _ in range(2))
        source, target = learned
        return source, target
    raise ValueError(f"model.positions={settings.positions} has no encoding in this function")
