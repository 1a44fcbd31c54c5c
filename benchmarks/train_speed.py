"""Measure how fast a model trains: tokens/s, memory, padding, and the share of the GEMM rate.

    nmt prepare multi30k_en_de
    python benchmarks/train_speed.py runs/multi30k_en_de --shape tiny --precision bf16

The GEMM rate is the speed of one large matrix product on this machine.
"""

import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import as_command  # type: ignore[import-not-found] # noqa: F401 # it acts before torch is imported
import click
import torch
from processes import (  # type: ignore[import-not-found] # a script in this folder
    PeakMemory,
    proportional_bytes,
)
from synthetic import (  # type: ignore[import-not-found] # a script in this folder
    BASE,
    TINY,
    peak_mib,
    synchronize,
)

from nmt.config import Recipe
from nmt.model.transformer import Transformer
from nmt.runs.run_folder import RunFolder
from nmt.system.devices import pick_device
from nmt.text.batches import Batch, PairDataset
from nmt.text.plan import plan_epoch
from nmt.text.prepare import open_prepared
from nmt.text.subwords.tokenizer import PAD
from nmt.training.cost import TRAINING_PASSES, Workload, forward_flops
from nmt.training.parallel.workers import Workers
from nmt.training.updates import Updater

SHAPES = {"tiny": TINY, "base": BASE}
GEMM_SIZE = 4096
GEMM_REPEATS = 5


def workload(batch: Batch) -> Workload:
    """Return the lengths of a batch's pairs without padding."""
    source, target = ((ids != PAD).sum(1).tolist() for ids in (batch.source, batch.labels))
    return Workload.from_lengths(zip(source, target, strict=True))


def gemm_rate(precision: str, device: torch.device) -> float:
    """Return the floating-point operations a second of a large torch.mm, median of several."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(GEMM_SIZE, GEMM_SIZE, device=device).to(kind) for _ in range(2))
    seconds = []
    for _ in range(GEMM_REPEATS + 1):
        synchronize(device)
        started = time.perf_counter()
        torch.mm(a, b)
        synchronize(device)
        seconds.append(time.perf_counter() - started)
    return 2 * GEMM_SIZE**3 / statistics.median(seconds[1:])


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--shape", type=click.Choice([*SHAPES]), default="tiny", show_default=True)
@click.option(
    "--precision", type=click.Choice(["float32", "bf16"]), default="bf16", show_default=True
)
@click.option("--batch-tokens", default=4096, show_default=True, help="Target tokens of a batch.")
@click.option(
    "--updates",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Updates that are measured.",
)
@click.option(
    "--warm-up", type=click.IntRange(1), default=10, show_default=True, help="Updates before those."
)
@click.option("--compile", "compiled", is_flag=True, help="Use torch.compile.")
@click.option("--device", "device_name", default="cpu", show_default=True, help="Or cuda.")
@click.option("--no-gemm", is_flag=True, help="Do not measure the GEMM rate.")
def command(
    run: Path,
    shape: str,
    precision: str,
    batch_tokens: int,
    updates: int,
    warm_up: int,
    compiled: bool,
    device_name: str,
    no_gemm: bool,
) -> None:
    """Train a model of SHAPE on the prepared corpus of RUN and print one JSON line."""
    folder = RunFolder(run)
    original = folder.load_recipe()
    train = replace(
        original.train,
        optimizer="adam",  # the one that all toolkits have
        weight_decay=0.0,
        precision=precision,
        compile=compiled,
        micro_batch_tokens=0,
        r_drop=0.0,
    )
    recipe: Recipe = replace(original, model=SHAPES[shape], train=train)
    prepared = open_prepared(original, folder.prepared_folder())
    dataset = PairDataset(prepared.shards, prepared.names)
    plan = plan_epoch(
        dataset.source_lengths,
        dataset.target_lengths,
        source_tokens=2 * batch_tokens,
        target_tokens=batch_tokens,
        seed=1,
        epoch=0,
    )
    torch.manual_seed(1)
    device = pick_device(device_name)
    network = Transformer(recipe.model, len(prepared.tokenizer), PAD).to(device)
    updater = Updater(recipe, network, Workers(), device)
    updater.set_up()
    seconds, tokens, padded, flops = 0.0, 0, 0, 0.0
    warm_up_started = time.perf_counter()
    # Of all processes, in the warm-up: reading it slows them down.
    peak = PeakMemory(os.getpid(), proportional_bytes, every_seconds=0.1)
    peak.__enter__()
    for number in range(1, warm_up + updates + 1):
        started = time.perf_counter()
        batch = dataset.batch(plan[(number - 1) % len(plan)], 0)
        sums = updater.start([batch], number, counts=True, stop=None).result()
        if number == warm_up:
            warm_seconds = time.perf_counter() - warm_up_started
            peak.__exit__()
        if number <= warm_up:
            continue
        seconds += time.perf_counter() - started
        tokens += sums.source_tokens + sums.target_tokens
        for part in batch.split_evenly(updater.threads.count):
            padded += part.source.numel() + part.labels.numel()
        flops += TRAINING_PASSES * forward_flops(
            recipe.model, len(prepared.tokenizer), workload(batch)
        )
    updater.close()
    figures = {
        "shape": shape,
        "precision": precision,
        "compiled": compiled,
        "threads": torch.get_num_threads(),
        "tokens/s": round(tokens / seconds),
        "padding": round(1 - tokens / padded, 4),
        "peak MiB": round(
            peak.bytes / 2**20 if peak.bytes and device.type == "cpu" else peak_mib(device)
        ),
        "warm-up seconds": round(warm_seconds, 1),
        "loss": round(sums.smoothed_loss / sums.target_tokens, 6),
        "GFLOP/s": round(flops / seconds / 1e9),
    }
    if not no_gemm:
        rate = gemm_rate(precision, device)
        figures["GEMM GFLOP/s"] = round(rate / 1e9)
        figures["share of GEMM"] = round(flops / seconds / rate, 3)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    command()
