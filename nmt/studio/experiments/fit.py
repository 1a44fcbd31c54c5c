"""Fit the loss E + A / N^a + B / D^b to runs with N parameters and D training pairs.

As in Hoffmann et al. (2022), section 3.3, the logarithm of the loss is fitted with Huber's weights,
from a grid of starts. Resampled points (the bootstrap) give the intervals, of 95 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[numpy.float64]

CONSTANTS = ("E", "A", "a", "B", "b")
LEAST_POINTS = len(CONSTANTS) + 2
LEAST_VALUES = 3  # different N, and different D
RESAMPLES = 200
HUBER = 0.01  # errors of the loss above 1 % count less than their squares
STEPS = 60
STARTS = ((0.4, 0.9), (0.3, 1.0), (0.3, 1.0))  # E / least loss, a, b
LARGEST_EXPONENT = 3.0
LEAST_SHARE = 1e-4  # of E, A / N^a or B / D^b in the loss: logarithms end somewhere


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
    """A fitted law: log E, log A', a, log B' and b of all points, and of each resample.

    A' and B' belong to N and D divided by their means, so that the five numbers are of one size.
    """

    laws: Floats  # (1 + RESAMPLES, 5)
    mean: Floats  # (2,): of log N and log D
    errors: Floats  # of the log of each point's loss, as a run can deviate from the law

    def loss(self, N: ArrayLike, D: ArrayLike) -> list[Estimate]:
        """Return the law at each N and D, of which one may be a single number."""
        return estimates(self.losses(N, D))

    def losses(self, N: ArrayLike, D: ArrayLike) -> Floats:
        """Return the losses (1 + RESAMPLES, values) by all points and by each resample."""
        places = numpy.stack(numpy.broadcast_arrays(numpy.log(N), numpy.log(D)), -1)
        return numpy.exp(curve(self.laws, places.reshape(-1, 2) - self.mean)[0])

    def run(self, N: float, D: float) -> Estimate:
        """Return the loss of a run to come, whose interval includes how much runs deviate."""
        found = self.losses(N, D)
        found[1:] *= numpy.exp(numpy.random.default_rng(2).choice(self.errors, (len(found) - 1, 1)))
        return estimates(found)[0]

    def constants(self) -> dict[str, Estimate]:
        """Return E, A, a, B and b."""
        e, a_log, a, b_log, b = self.laws.T
        logs = (a_log + a * self.mean[0], b_log + b * self.mean[1])
        A, B = map(numpy.exp, logs)
        found = estimates(numpy.stack([numpy.exp(e), A, a, B, b], 1))
        return dict(zip(CONSTANTS, found, strict=True))


def estimates(values: Floats) -> list[Estimate]:
    """Return the first row of values, with the interval that the other rows give."""
    low, high = numpy.quantile(values[1:], (0.025, 0.975), axis=0)
    return [Estimate(*map(float, each)) for each in zip(values[0], low, high, strict=True)]


def refusal(points: Sequence[Point]) -> str:
    """Return the sentence on why points cannot be fitted; empty if they can."""
    needed = {
        "finished points": (len(points), LEAST_POINTS),
        "values of N": (len({point.N for point in points}), LEAST_VALUES),
        "values of D": (len({point.D for point in points}), LEAST_VALUES),
    }
    for name, (found, least) in needed.items():
        if found < least:
            return f"no law is fitted: it needs {least} {name}, and there are {found}"
    return ""


def fit(points: Sequence[Point]) -> Law:
    """Return the law of points that `refusal` does not refuse."""
    places = numpy.log([[point.N, point.D] for point in points])
    mean = places.mean(0)
    places, target = places - mean, numpy.log([point.loss for point in points])
    random, n = numpy.random.default_rng(1), len(points)
    counts = [numpy.ones(n)]
    while len(counts) <= RESAMPLES:
        drawn = numpy.bincount(random.integers(n, size=n), minlength=n)
        if numpy.count_nonzero(drawn) >= len(CONSTANTS):  # fewer points fix no five numbers
            counts.append(drawn.astype(float))
    least, middle = target.min(), numpy.exp(target).mean()
    starts = []
    for share, a, b in product(*STARTS):
        rest = numpy.log((middle - share * numpy.exp(least)) / 2)
        starts.append([numpy.log(share) + least, rest, a, rest, b])
    bounds = numpy.log(LEAST_SHARE) + least, target.max() + 1
    laws, costs = minimise(
        numpy.tile(starts, (len(counts), 1)),
        places,
        target,
        numpy.repeat(counts, len(starts), axis=0),
        bounds,
    )
    laws, costs = laws.reshape(len(counts), len(starts), -1), costs.reshape(len(counts), -1)
    laws = laws[numpy.arange(len(counts)), costs.argmin(1)]
    errors = target - curve(laws[:1], places)[0][0]
    # A fit of five numbers leaves too small errors.
    return Law(laws, mean, errors * (n / (n - len(CONSTANTS))) ** 0.5)


def curve(laws: Floats, places: Floats) -> tuple[Floats, Floats]:
    """Return the log loss (laws, places) and its derivatives (laws, places, 5)."""
    e, a_log, a, b_log, b = (laws[:, place, None] for place in range(len(CONSTANTS)))
    N, D = places.T
    terms = numpy.stack(numpy.broadcast_arrays(e, a_log - a * N, b_log - b * D), -1)
    value: Floats = numpy.logaddexp.reduce(terms, -1)
    share = numpy.exp(terms - value[..., None])
    of_e, of_a, of_b = share[..., 0], share[..., 1], share[..., 2]
    return value, numpy.stack([of_e, of_a, -of_a * N, of_b, -of_b * D], -1)


def minimise(
    laws: Floats, places: Floats, target: Floats, counts: Floats, bounds: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return the laws moved to the least cost by Levenberg-Marquardt steps, and their costs.

    laws (m, 5), places (n, 2) and target (n,), with how often each law counts each place (m, n).
    bounds: of the logarithms of E, A' and B'.
    """
    low = numpy.array([bounds[0], bounds[0], 0, bounds[0], 0])
    high = numpy.array([bounds[1], bounds[1], LARGEST_EXPONENT, bounds[1], LARGEST_EXPONENT])
    damping = numpy.full(len(laws), 0.01)

    def costs(errors: Floats) -> Floats:
        size = numpy.abs(errors)
        huber = numpy.where(size < HUBER, size**2 / 2, HUBER * (size - HUBER / 2))
        return numpy.asarray((counts * huber).sum(1))

    value, slope = curve(laws, places)
    cost = costs(value - target)
    for _ in range(STEPS):
        errors = value - target
        weights = counts * numpy.minimum(1, HUBER / numpy.maximum(numpy.abs(errors), 1e-12))
        weighted = (weights[..., None] * slope).swapaxes(1, 2)
        square = weighted @ slope
        scale = numpy.einsum("mkk->mk", square) + 1e-9
        damped = square + numpy.eye(len(CONSTANTS)) * (damping[:, None] * scale)[:, None]
        step = numpy.linalg.solve(damped, weighted @ errors[..., None])[..., 0]
        moved = numpy.clip(laws - step, low, high)
        new_value, new_slope = curve(moved, places)
        new_cost = costs(new_value - target)
        better = new_cost < cost
        laws = numpy.where(better[:, None], moved, laws)
        value = numpy.where(better[:, None], new_value, value)
        slope = numpy.where(better[:, None, None], new_slope, slope)
        cost = numpy.where(better, new_cost, cost)
        damping = numpy.clip(numpy.where(better, damping / 3, damping * 5), 1e-9, 1e9)
    return laws, cost
