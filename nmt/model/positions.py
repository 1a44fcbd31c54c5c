"""Positional encodings: sinusoids (section 3.5), or learned ones (table 3, row E)."""

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


def positions_of(settings: ModelSettings) -> tuple[nn.Module, nn.Module]:
    """Those of source and target, which share sinusoids and learn tables of their own."""
    if settings.positions == "sinusoidal":
        shared = SinusoidalPositions(settings.d_model)
        return shared, shared
    source, target = (LearnedPositions(settings.max_positions, settings.d_model) for _ in range(2))
    return source, target
