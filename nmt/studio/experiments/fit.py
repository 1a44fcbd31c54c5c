"""Fit the loss E + A / N^a + B / D^b to runs with N parameters and D training pairs.

The law is that of Hoffmann et al. (2022), section 3.3. For given exponents a and b, it is linear in
E, A and B, whose least squares of relative errors are solved exactly. The exponents are found on a
grid that becomes finer. Resampled points (the bootstrap) give the intervals, of 95 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[numpy.float64]

CONSTANTS = ("E", "A", "a", "B", "b")
LEAST_POINTS = len(CONSTANTS) + 2
LEAST_VALUES = 3  # different N, and different D
RESAMPLES = 200
LEAST_EXPONENT, MOST_EXPONENT = 0.03, 3.0
GRID = numpy.linspace(-1, 1, 7)  # of each exponent
ZOOM, ZOOMS = 0.6, 24


@dataclass(frozen=True)
class Point:
    """The loss of a size and a share of the corpus."""

    N: float
    D: float
    loss: float


@dataclass(frozen=True)
class Estimate:
    """A fitted value with its interval."""

    value: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Law:
    """A fitted law: its constants by all points, then by each resample."""

    fits: Floats  # (1 + RESAMPLES, 5)
    errors: Floats  # of the points' losses, relative: how much a run may deviate from the law

    def loss(self, N: ArrayLike, D: ArrayLike) -> list[Estimate]:
        """Return the law at each N and D, of which one may be a single number."""
        return estimates(law_losses(self.fits, N, D))

    def run(self, N: float, D: float) -> Estimate:
        """Return the loss of a run to come, whose interval includes how much runs deviate."""
        found = law_losses(self.fits, N, D)
        found[1:] *= 1 + numpy.random.default_rng(2).choice(self.errors, (RESAMPLES, 1))
        return estimates(found)[0]

    def constants(self) -> dict[str, Estimate]:
        """Return E, A, a, B and b."""
        return dict(zip(CONSTANTS, estimates(self.fits), strict=True))


def law_losses(fits: Floats, N: ArrayLike, D: ArrayLike) -> Floats:
    """Return the losses (fits, values) at each N and D."""
    E, A, a, B, b = fits.T[..., None]
    return numpy.asarray(E + A * numpy.power(N, -a) + B * numpy.power(D, -b))


def estimates(values: Floats) -> list[Estimate]:
    """Return the first row of values, with the interval that the other rows give."""
    low, high = numpy.quantile(values[1:], (0.025, 0.975), axis=0)
    return [Estimate(*map(float, row)) for row in zip(values[0], low, high, strict=True)]


def refusal(points: Sequence[Point]) -> str:
    """Return the sentence on why points cannot be fitted; empty if they can."""
    for name, found, least in (
        ("finished points", len(points), LEAST_POINTS),
        ("values of N", len({point.N for point in points}), LEAST_VALUES),
        ("values of D", len({point.D for point in points}), LEAST_VALUES),
    ):
        if found < least:
            return f"no law is fitted: it needs {least} {name}, and there are {found}"
    return ""


def fit(points: Sequence[Point]) -> Law:
    """Return the law of points that `refusal` does not refuse."""
    sizes = numpy.array([[point.N, point.D] for point in points])
    losses = numpy.array([point.loss for point in points])
    random, n = numpy.random.default_rng(1), len(points)
    counts = [numpy.ones(n)]
    while len(counts) <= RESAMPLES:
        drawn = random.integers(n, size=n)
        N, D = map(set, sizes[drawn].T)
        if min(len(N), len(D)) >= LEAST_VALUES and len({*drawn}) >= len(CONSTANTS):
            counts.append(numpy.bincount(drawn, minlength=n).astype(float))
    fits = find_exponents(sizes, losses, numpy.stack(counts))
    errors = losses / law_losses(fits[:1], *sizes.T)[0] - 1
    # A fit of five numbers leaves too small errors.
    return Law(fits, errors * (n / (n - len(CONSTANTS))) ** 0.5)


def find_exponents(sizes: Floats, losses: Floats, counts: Floats) -> Floats:
    """Return the constants (fits, 5) with the least squares for how often points count (fits, n).

    sizes (n, 2): N and D.
    """
    grid = numpy.stack(numpy.meshgrid(GRID, GRID), -1).reshape(-1, 2)
    ends = numpy.log([LEAST_EXPONENT, MOST_EXPONENT])
    best, width = numpy.full((len(counts), 2), ends.mean()), (ends[1] - ends[0]) / 2
    chosen = numpy.arange(len(counts))
    for _ in range(ZOOMS):
        logs = numpy.clip(best[:, None] + width * grid, *ends)  # (fits, grid, 2)
        linear, squares = solve(numpy.exp(logs), sizes, losses, counts)
        least = squares.argmin(1)
        best, width = logs[chosen, least], width * ZOOM
    E, A, B = linear[chosen, least].T
    a, b = numpy.exp(best).T
    return numpy.stack([E, A, a, B, b], 1)


def solve(
    exponents: Floats, sizes: Floats, losses: Floats, counts: Floats
) -> tuple[Floats, Floats]:
    """Return E, A and B (fits, grid, 3) for exponents (fits, grid, 2), and the sum of squares.

    None is negative: a term that would be is left out.
    """
    means = numpy.exp(numpy.log(sizes).mean(0))  # N and D become numbers near 1
    powers = (sizes / means) ** -exponents[:, :, None]
    terms = numpy.insert(powers, 0, 1, -1) / losses[:, None]  # (fits, grid, n, 3)
    weighted = terms * counts[:, None, :, None]
    square, right = terms.swapaxes(2, 3) @ weighted, weighted.sum(2)
    kept = numpy.ones(right.shape, bool)
    for _ in range(3):
        both = kept[..., None] & kept[..., None, :]
        one = numpy.where(kept, right, 0)[..., None]
        linear = numpy.linalg.solve(numpy.where(both, square, numpy.eye(3)), one)[..., 0]
        kept &= linear > 0
    errors = (terms @ linear[..., None])[..., 0] - 1
    squares = (errors**2 * counts[:, None]).sum(2)
    linear[..., 1:] *= means**exponents
    return linear, squares
