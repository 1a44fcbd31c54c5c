"""Positional encodings: sinusoids (section 3.5), learned ones (table 3, row E) or rotations."""

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings

FIRST_LENGTH = 256  # of a table of sinusoids; it grows when asked for more


def sinusoids(length: int, d_model: int) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos(same): (length, d_model).

    Interleaved, as the paper writes them. Computed in float64.
    """
    positions = torch.arange(length, dtype=torch.float64)[:, None]
    even = torch.arange(0, d_model, 2, dtype=torch.float64)
    angles = positions / 10_000 ** (even / d_model)  # (length, ceil(d_model / 2))
    table = torch.zeros(length, d_model, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : d_model // 2]
    return table.to(torch.get_default_dtype())


class SinusoidalPositions(nn.Module):
    """A table of sinusoids that is kept, and grows when asked for more."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.register_buffer("table", sinusoids(FIRST_LENGTH, d_model), persistent=False)

    def forward(self, length: int) -> Tensor:
        """The first `length` positions, (length, d_model)."""
        table: Tensor = self.get_buffer("table")
        if length > len(table):
            with torch.inference_mode(False):  # a table made while translating must serve training
                table = sinusoids(2 * length, self.d_model).to(table)
            self.register_buffer("table", table, persistent=False)
        return table[:length]


class LearnedPositions(nn.Module):
    """A vector a position, learned like any weight (Gehring et al., 2017); it cannot grow."""

    def __init__(self, max_positions: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(max_positions, d_model))

    def forward(self, length: int) -> Tensor:
        """The first `length` positions, (length, d_model); ValueError if there are not so many."""
        if length > len(self.table):
            raise ValueError(f"{length} positions asked for, but {len(self.table)} were learned")
        return self.table[:length]

    def reset_parameters(self) -> None:
        """As embeddings: normal with standard deviation d_model^-0.5."""
        nn.init.normal_(self.table, std=self.table.shape[1] ** -0.5)


class NoPositions(nn.Module):
    """Nothing is added to embeddings where attention itself tells positions apart."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(1, d_model), persistent=False)

    def forward(self, length: int) -> Tensor:
        """Zeros for all positions, (length, d_model)."""
        return self.get_buffer("zero").expand(length, -1)


class Rotary(nn.Module):
    """Turns pairs of a query's or key's numbers by their position (Su et al., 2021, equation 34).

    The pair (2i, 2i+1) at position pos turns by the angle pos / 10000^(2i/d_k), whose sine and
    cosine the sinusoids hold. A query's product with a key then depends on their distance alone.
    """

    def __init__(self, d_k: int) -> None:
        super().__init__()
        self.angles = SinusoidalPositions(d_k)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """Queries or keys (..., length, d_k) at positions from `first` on -> the same shape."""
        table = self.angles(first + x.shape[-2])[first:]
        sine, cosine = table[:, 0::2], table[:, 1::2]
        even, odd = x[..., 0::2], x[..., 1::2]
        turned = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
        return turned.flatten(-2).to(x.dtype)


def positions_of(settings: ModelSettings) -> tuple[nn.Module, nn.Module]:
    """Those of source and target, which share sinusoids and learn tables of their own."""
    if settings.positions == "rotary":
        none = NoPositions(settings.d_model)
        return none, none
    if settings.positions == "sinusoidal":
        shared = SinusoidalPositions(settings.d_model)
        return shared, shared
    source, target = (LearnedPositions(settings.max_positions, settings.d_model) for _ in range(2))
    return source, target
