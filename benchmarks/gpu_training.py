"""Measure one training configuration on synthetic ids and print one JSON line.

    python benchmarks/gpu_training.py --model base --precision bf16 --compile

`gpu.py` runs it for all configurations, each in its own process.
"""

import json
import statistics
import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Any

import click
import torch
from pretend_device import OperatorCount  # type: ignore[import-not-found] # in this folder
from synthetic import (  # type: ignore[import-not-found] # likewise
    BASE,
    BIG,
    QUICK,
    VOCABULARY,
    SyntheticPairs,
    peak_mib,
    synchronize,
)
from torch.profiler import ProfilerActivity, profile

from nmt.config import ModelSettings, Recipe
from nmt.errors import is_out_of_memory
from nmt.model.transformer import Transformer
from nmt.system.devices import pick_device
from nmt.text.plan import plan_epoch
from nmt.text.subwords.tokenizer import PAD
from nmt.training.cost import TRAINING_PASSES, Workload, forward_flops
from nmt.training.loader import BatchLoader, LoadedBatch, choose_prefetch
from nmt.training.parallel.workers import Workers
from nmt.training.updates import StartedUpdate, Updater

MODELS: dict[str, ModelSettings] = {"base": BASE, "big": BIG, "quick": QUICK}
PAIRS = 100_000
PROFILED = 3  # updates
MATRIX_SIZE = 8192  # of the product that gives the device's own rate
MATRIX_REPEATS = 10
LAUNCHES = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
ASYNCHRONOUS = "cudaMemcpyAsync"


@dataclass(frozen=True)
class Setting:
    """A configuration."""

    model: str
    precision: str
    compile: bool
    vocabulary: int
    batch_tokens: int
    updates: int
    warm_up: int


def matrix_rate(device: torch.device, size: int) -> float:
    """Return the floating-point operations a second of a large product in bf16."""
    a, b = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    seconds = []
    for _ in range(MATRIX_REPEATS):
        synchronize(device)
        started = time.perf_counter()
        for _ in range(3):
            torch.mm(a, b)
        synchronize(device)
        seconds.append((time.perf_counter() - started) / 3)
    return 2 * size**3 / statistics.median(seconds[2:])


class Training:
    """Updates of one configuration, taken as `Trainer` takes them."""

    def __init__(self, setting: Setting, device: torch.device) -> None:
        self.device, self.setting = device, setting
        self.prefetch = choose_prefetch(device)
        self.model = MODELS[setting.model]
        recipe = Recipe("gpu", model=self.model)
        settings = replace(
            recipe.train,
            precision=setting.precision,
            compile=setting.compile,
            warmup_updates=400,
        )
        self.recipe = replace(recipe, train=settings)
        torch.manual_seed(1)
        self.network = Transformer(self.model, setting.vocabulary, PAD).to(device)
        self.updater = Updater(self.recipe, self.network, Workers(), device)
        self.updater.set_up()
        self.pairs: Any = SyntheticPairs.of(PAIRS, setting.vocabulary)
        self.number = 0

    def make_loader(self) -> BatchLoader:
        """Return a loader of the batches."""
        tokens = self.setting.batch_tokens
        return BatchLoader(
            self.pairs,
            lambda epoch: plan_epoch(
                self.pairs.source_lengths,
                self.pairs.target_lengths,
                source_tokens=tokens,
                target_tokens=tokens,
                seed=1,
                epoch=epoch,
            ),
            epoch=0,
            batch=0,
            workers=Workers(),
            prefetch=self.prefetch,
            device=self.device,
        )

    def run(self, loader: BatchLoader, updates: int) -> tuple[list[LoadedBatch], float]:
        """Take updates; return their batches and the loss per token of the last one."""
        started: deque[StartedUpdate] = deque()
        batches, results = [], []
        for _ in range(updates):
            batch = next(loader)
            self.number += 1
            started.append(self.updater.start(batch.share, self.number, True, None))
            batches.append(batch)
            while len(started) > self.prefetch.late_results:
                results.append(started.popleft().result())
        results += [each.result() for each in started]
        synchronize(self.device)
        return batches, results[-1].smoothed_loss / results[-1].target_tokens

    def flops(self, batches: list[LoadedBatch]) -> float:
        """Return the operations of the matrix products of updates, over real tokens."""
        total = 0.0
        for batch in batches:
            sides = (
                lengths[batch.indices].astype(int).tolist()
                for lengths in (self.pairs.source_lengths, self.pairs.target_lengths)
            )
            work = Workload.from_lengths(zip(*sides, strict=True))
            total += forward_flops(self.model, self.setting.vocabulary, work)
        return TRAINING_PASSES * total


def profiled(training: Training, loader: BatchLoader) -> dict[str, float]:
    """Return kernel launches and waits of an update; with one thread of a CPU, operators."""
    if training.device.type != "cuda":
        if training.updater.threads.count > 1:
            return {}  # operators are counted in one thread only
        count = OperatorCount()
        with count:
            training.run(loader, PROFILED)
        operators, waits = count.figures(PROFILED)
        return {"launches": round(operators), "waits": round(sum(waits.values()), 1)}
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        training.run(loader, PROFILED)
    calls = Counter({each.key: each.count for each in found.key_averages()})
    launches = sum(number for name, number in calls.items() if name.startswith(LAUNCHES))
    waits = sum(
        number for name, number in calls.items() if name.startswith(WAITS) and name != ASYNCHRONOUS
    )
    # The synchronisation at the end of the run is not the update's.
    return {"launches": round(launches / PROFILED), "waits": round((waits - 1) / PROFILED, 1)}


def measure(setting: Setting, device: torch.device, matrix_size: int) -> dict[str, Any]:
    """Return the figures of a configuration."""
    training = Training(setting, device)
    with training.make_loader() as loader:
        started = time.perf_counter()
        training.run(loader, setting.warm_up)
        warm_up_seconds = time.perf_counter() - started
        started = time.perf_counter()
        batches, loss = training.run(loader, setting.updates)
        seconds = time.perf_counter() - started
        peak = peak_mib(device)
        counted = profiled(training, loader)
    shares = [part for batch in batches for part in batch.share]
    target = sum(part.target_tokens for part in shares)
    real = target + sum(part.source_tokens for part in shares)
    padded = sum(part.source.numel() + part.labels.numel() for part in shares)
    rate = matrix_rate(device, matrix_size)
    return {
        "target tokens/s": round(target / seconds),
        "share": round(100 * training.flops(batches) / seconds / rate, 1),
        "matrix TFLOP/s": round(rate / 1e12, 1),
        **counted,
        "peak MiB": round(peak),
        "padding": round(100 * (1 - real / padded), 1),
        "warm-up seconds": round(warm_up_seconds, 1),
        "loss": round(loss, 4),
    }


@click.command()
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--model", type=click.Choice([*MODELS]), default="base", show_default=True)
@click.option("--precision", default="bf16", show_default=True, help="float32, tf32 or bf16.")
@click.option("--compile", "compiled", is_flag=True, help="Use torch.compile.")
@click.option("--vocabulary", default=VOCABULARY, show_default=True)
@click.option("--batch-tokens", default=25_000, show_default=True, help="Target tokens of a batch.")
@click.option("--updates", default=100, show_default=True, help="Updates that are measured.")
@click.option("--warm-up", default=30, show_default=True, help="Updates before those.")
@click.option("--matrix-size", default=MATRIX_SIZE, show_default=True)
def command(
    device: str,
    model: str,
    precision: str,
    compiled: bool,
    vocabulary: int,
    batch_tokens: int,
    updates: int,
    warm_up: int,
    matrix_size: int,
) -> None:
    """Train a model of a published shape; out of memory is a result, too."""
    setting = Setting(model, precision, compiled, vocabulary, batch_tokens, updates, warm_up)
    try:
        found = measure(setting, pick_device(device), matrix_size)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        found = {"failed": "out of memory"}
    click.echo(json.dumps(found))


if __name__ == "__main__":
    command()
