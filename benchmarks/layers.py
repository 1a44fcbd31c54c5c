"""Measure table 1 of the paper: what a layer costs, forward and backward, by length n and width d.

    python benchmarks/layers.py --save benchmarks/results/layers.toml

All cells have 4 sequences: equally many tokens would hide one power of n. Heads have a width of 64,
the directions of the LSTM d together. Exponents are fitted to the three largest sizes, with 95 %
intervals by bootstrap over the passes. Attention computes 2 n² d products and 4 n d² for its
projections, an encoder layer 2 n² d and 12 n d²: the exponent of d depends on n. MB are kept for
the backward pass, without parameters and input; "sequential" is the longest chain. (1): 1 thread.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import torch
from results import Figure, describe, write  # type: ignore[import-not-found] # in this folder
from synthetic import synchronize  # type: ignore[import-not-found] # likewise
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, attention
from nmt.model.layers import EncoderLayer

LENGTHS, WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048), (64, 128, 256, 512, 1024)
HEAD, WINDOW, SEQUENCES = 64, 16, 4  # the paper's d_k; the r of restricted attention
SECONDS, FEWEST, FITTED = 0.3, 3, 3  # of a cell, timed passes of a cell; sizes, the largest ones
FITS = {"n (d = 256)": (0, 256), "d (n = 256)": (1, 256), "d (n = 2,048)": (1, 2048)}
Cells = dict[tuple[int, int], Sequence[float]]  # what was measured, by length and width


class RestrictedAttention(MultiHeadAttention):
    """Self-attention of each block of r positions to itself and both neighbours, in a ring."""

    def forward(self, x: Tensor, *_: object) -> Tensor:
        """Map x (B, n, d) to the same shape; n is a multiple of r, and nothing is padding."""
        query, *sides = (part.unflatten(2, (-1, WINDOW)) for part in self.project_self(x))
        key, value = (torch.cat([y.roll(1, 2), y, y.roll(-1, 2)], 3) for y in sides)
        heads = attention(query, key, value, None, scale=self.scale).flatten(2, 3)
        return cast(Tensor, self.out(heads.transpose(1, 2).flatten(2)))


def settings(d: int) -> ModelSettings:
    """Return the paper's layer in another width."""
    return ModelSettings(d_model=d, d_ff=4 * d, heads=d // HEAD, d_k=HEAD, d_v=HEAD, dropout=0)


LAYERS: dict[str, tuple[str, Callable[[int], nn.Module]]] = {  # with the complexity in table 1
    "self-attention": ("O(n² d)", lambda d: MultiHeadAttention(settings(d))),
    "encoder layer": ("O(n² d)", lambda d: EncoderLayer(settings(d))),
    "LSTM": ("O(n d²)", lambda d: nn.LSTM(d, d // 2, batch_first=True, bidirectional=True)),
    f"restricted, r = {WINDOW}": ("O(r n d)", lambda d: RestrictedAttention(settings(d))),
}


def apply(layer: nn.Module, x: Tensor) -> Tensor:
    """Return the output of a layer of any kind."""
    return cast(Tensor, layer(x)[0] if isinstance(layer, nn.LSTM) else layer(x, None))


def measure_milliseconds(layer: nn.Module, x: Tensor) -> list[float]:
    """Return the times of several forward and backward passes, after one that is not timed."""
    ends: list[float] = []
    while len(ends) <= FEWEST or ends[-1] - ends[0] < SECONDS:
        apply(layer, x).sum().backward()
        synchronize(x.device)
        ends.append(time.perf_counter())
    return [1e3 * float(each) for each in np.diff(ends)]


def kept_megabytes(layer: nn.Module, x: Tensor) -> float:
    """Return the size of the distinct storages that are kept for backward."""
    kept = {}  # holds the storages, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        apply(layer, x)
    given = {each.untyped_storage().data_ptr() for each in (x, *layer.parameters())}
    return sum(kept[place].nbytes() for place in kept.keys() - given) / 1e6


def count_sequential(layer: nn.Module, n: int) -> int:
    """Return the most products on a path of the graph; oneDNN's LSTM, of float32, has no steps."""
    x = torch.randn(1, n, WIDTHS[0]).double()
    stack, depth = list[Any]([apply(layer.double(), x).grad_fn]), dict[Any, int]()
    while stack:
        inputs = [node for node, _ in stack[-1].next_functions if node]
        stack += (missing := [node for node in inputs if node not in depth])
        if not missing:
            node = stack.pop()
            own = "mmbackward" in node.name().lower()  # of addmm, bmm and mm
            depth[node] = own + max((depth[each] for each in inputs), default=0)
    return max(depth.values())


def fit_exponent(cells: Cells, axis: int, fixed: int) -> tuple[float, list[float]]:
    """Fit log cost to log n (axis 0; d is fixed) or log d (1); return slope and 95 % interval."""
    sizes = sorted(size for size in cells if size[1 - axis] == fixed)[-FITTED:]
    chance = np.random.default_rng(1)
    drawn = [[np.median(chance.choice(cells[s], len(cells[s]))) for s in sizes] for _ in range(500)]
    slopes = np.polyfit(np.log([size[axis] for size in sizes]), np.log(drawn).T, 1)[0]
    low, middle, high = (round(float(each), 2) for each in np.quantile(slopes, [0.025, 0.5, 0.975]))
    return middle, [low, high]


@click.command()
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--largest", type=click.IntRange(2**18), default=2**19, help="Most n * d of a cell.")
@click.option("--save", type=click.Path(path_type=Path), help="Data file to write, *.toml.")
def measure(device: str, largest: int, save: Path | None) -> None:
    """Measure all layers, print the exponents, and write all figures to a data file."""
    fits, raw = [], []
    for name, (paper, make) in LAYERS.items():
        measured: dict[str, Cells] = defaultdict(dict)
        for n, d in (size for size in product(LENGTHS, WIDTHS) if np.prod(size) <= largest):
            layer = make(d).to(device)
            x = torch.randn(SEQUENCES, n, d, device=device, requires_grad=True)
            for threads in (1, 2) if device == "cpu" else (1,):
                torch.set_num_threads(threads)
                measured[f"time ({threads})"][n, d] = measure_milliseconds(layer, x)
            measured["memory"][n, d] = [kept_megabytes(layer, x)]
        fits.append(Figure("operations in table 1", name, paper, "operations"))
        for cost, size in product(measured, FITS):
            slope, limits = fit_exponent(measured[cost], *FITS[size])
            row = f"{cost}: exponent of {size}"
            fits.append(Figure(row, name, slope, "exponent", range=limits))
        chains = [count_sequential(make(WIDTHS[0]), n) for n in (16, 2048)]
        fits.append(Figure("products in sequence (n = 16 and 2,048)", name, chains, "products"))
        for cost, cells in measured.items():
            for (n, d), seen in cells.items():
                value, unit = float(f"{np.median(seen):.3g}"), "MB" if cost == "memory" else "ms"
                raw.append(Figure(f"n = {n}, d = {d}: {cost}", name, value, unit))
    click.echo("\n".join(figure.text() for figure in fits))
    if save:
        by, note = (part.strip() for part in (__doc__ or "").split("\n\n")[1:])
        made = describe(what="Cost of a layer", command=by, peer="none", note=note, rows="cost")
        shown = [*dict.fromkeys(fit.row for fit in fits)]
        shown += [f"n = {n}, d = 256: {cost}" for cost in measured for n in (64, 512, 2048)]
        write(save, {**made, "shown_rows": shown}, [*fits, *raw])


if __name__ == "__main__":
    measure()
