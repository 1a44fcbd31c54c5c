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
        self.register_buffer("table", self.rows(FIRST_LENGTH), persistent=False)

    def rows(self, length: int) -> Tensor:
        """What the table begins with, (length, d_model)."""
        return sinusoids(length, self.d_model)

    def forward(self, length: int) -> Tensor:
        """The first `length` positions, (length, d_model)."""
        table: Tensor = self.get_buffer("table")
        if length > len(table):
            with torch.inference_mode(False):  # a table made while translating must serve training
                table = self.rows(2 * length).to(table)
            self.register_buffer("table", table, persistent=False)
        return table[:length]


class RotaryTable(SinusoidalPositions):
    """The same with each cosine before its sine: as complex numbers, the turns by their angles."""

    def rows(self, length: int) -> Tensor:
        """What the table begins with, (length, d_model)."""
        pairs: Tensor = super().rows(length).unflatten(-1, (-1, 2))
        return pairs.flip(-1).flatten(-2)


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

    The pair (2i, 2i+1) at position pos turns by the angle pos / 10000^(2i/d_k). A query's product
    with a key then depends on their distance alone.
    """

    def __init__(self, d_k: int) -> None:
        super().__init__()
        self.turns = RotaryTable(d_k)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """Queries or keys (..., length, d_k) at positions from `first` on -> the same shape."""
        turns = self.turns(first + x.shape[-2])[first:]
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            return apply_rotary_complex(x, turns)
        return apply_rotary(
            x, turns
        )  # which a compiler makes one loop of; it knows no complex numbers


def apply_rotary(x: Tensor, turns: Tensor) -> Tensor:
    """Pairs of x (..., length, d_k) turned by (length, d_k), cosines before sines; plainly."""
    cosine, sine = turns[:, 0::2], turns[:, 1::2]
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
    return pairs.flatten(-2).to(x.dtype)


def apply_rotary_complex(x: Tensor, turns: Tensor) -> Tensor:
    """The same as a product of complex numbers: one pass over x, a fifth of the time."""
    pairs = complex_pairs(x) * complex_pairs(turns)
    return torch.view_as_real(pairs).flatten(-2).to(x.dtype)


def complex_pairs(x: Tensor) -> Tensor:
    """(..., 2n) numbers as (..., n) complex ones, of float32 at least."""
    wide = x.float() if x.dtype.itemsize < torch.float32.itemsize else x
    if any(step % 2 for step in wide.stride()[:-1]):  # a value projection of odd width beside it
        wide = wide.contiguous()
    return torch.view_as_complex(wide.unflatten(-1, (-1, 2)))


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
