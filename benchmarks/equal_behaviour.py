"""Compare training here with training by PyTorch's own layers, loss by loss.

    nmt prepare multi30k_en_de
    python benchmarks/equal_behaviour.py runs/multi30k_en_de

The same initial weights and batches go through nmt, with its fast paths (fused loss, threads, fused
Adam), and through a Transformer made of `torch.nn` layers with PyTorch's loss and optimiser and its
own schedule and sinusoids. The second uses nothing of `nmt`. In float64 both must be equal. In
float32 and bf16 rounding separates them; each one's distance from its own float64 shows how much
rounding does.
"""

import copy
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from independent_model import (  # type: ignore[import-not-found] # a script in this folder
    Independent,
    copy_weights,
)
from torch import nn

from nmt.config import ModelSettings, Recipe, TrainSettings
from nmt.model.transformer import Transformer
from nmt.runs.run_folder import RunFolder
from nmt.system.atomic import write_text
from nmt.system.devices import pick_device
from nmt.system.log import note, progress_bar
from nmt.text.batches import Batch, PairDataset
from nmt.text.plan import plan_epoch
from nmt.text.prepare import Prepared, open_prepared
from nmt.text.subwords.tokenizer import PAD
from nmt.training.parallel.workers import Workers
from nmt.training.updates import Updater

TINY = ModelSettings(
    encoder_layers=4,
    decoder_layers=4,
    d_model=128,
    d_ff=256,
    heads=4,
    d_k=32,
    d_v=32,
    dropout=0.0,
)
# As in the recipe multi30k_en_de_paper. With 200 and 0.5, a peak of 0.003, two curves in float64
# stay within 1e-9 for 288 updates and then part as any two roundings of one sum would.
WARMUP, SCALE = 1500, 1.75
SMOOTHING, BETAS, EPSILON = 0.1, (0.9, 0.98), 1e-9  # the paper's
PRECISIONS = ("float64", "float32", "bf16")

Curve = list[float]  # smoothed loss a token, update by update


def our_curve(
    initial: Transformer, batches: Sequence[Batch], precision: str, device: torch.device
) -> Curve:
    """Train with nmt and return the loss a token of each update."""
    network = copy.deepcopy(initial).to(device, weight_type(precision))
    train = TrainSettings(
        warmup_updates=WARMUP,
        learning_rate_scale=SCALE,
        label_smoothing=SMOOTHING,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        adam_epsilon=EPSILON,
        precision="bf16" if precision == "bf16" else "float32",  # with float64 weights, float64
    )
    recipe = Recipe("equal-behaviour", model=network.settings, train=train)
    updater = Updater(recipe, network, Workers(), device)
    updater.set_up()
    curve = []
    for number, batch in enumerate(with_bar(batches, f"nmt, {precision}"), start=1):
        sums = updater.start([batch], number, counts=True, stop=None).result()
        curve.append(sums.smoothed_loss / sums.target_tokens)
    return curve


def their_curve(
    initial: Transformer, batches: Sequence[Batch], precision: str, device: torch.device
) -> Curve:
    """Train the independent model and return the loss a token of each update."""
    shape = initial.settings
    network = Independent(shape, initial.vocab_size).to(device, weight_type(precision))
    copy_weights(initial, network)
    learned = [each for each in network.parameters() if each.requires_grad]
    adam = torch.optim.Adam(learned, betas=BETAS, eps=EPSILON, foreach=False, fused=False)
    curve = []
    for number, batch in enumerate(with_bar(batches, f"PyTorch, {precision}"), start=1):
        peak = SCALE / math.sqrt(shape.d_model * WARMUP)
        rate = peak * min(number / WARMUP, math.sqrt(WARMUP / number))
        for group in adam.param_groups:
            group["lr"] = rate
        adam.zero_grad()
        here = batch.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(here.source, here.target_input)
        loss = nn.functional.cross_entropy(
            logits.to(weight_type(precision)).transpose(1, 2),
            here.labels,
            ignore_index=PAD,
            label_smoothing=SMOOTHING,
        )
        loss.backward()
        adam.step()
        curve.append(loss.item())
    return curve


def with_bar(batches: Sequence[Batch], what: str) -> Iterable[Batch]:
    """Return the batches; a bar on stderr shows the progress."""
    return progress_bar(iterable=batches, desc=what, unit="update")


def weight_type(precision: str) -> torch.dtype:
    """Return the type of the weights: with bf16 only products are in bf16."""
    return torch.float64 if precision == "float64" else torch.float32


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Make float64 torch's default type within a `with` block."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def initial_network(vocab_size: int) -> Transformer:
    """Return nmt's model with its initial weights and sinusoids in float64."""
    torch.manual_seed(1)
    with float64_by_default():
        return Transformer(TINY, vocab_size, PAD)


def first_batches(prepared: Prepared, count: int, tokens: int) -> list[Batch]:
    """Return the first batches of a training, epoch after epoch."""
    dataset = PairDataset(prepared.shards, prepared.names)
    batches: list[Batch] = []
    epoch = 0
    while len(batches) < count:
        plan = plan_epoch(
            dataset.source_lengths,
            dataset.target_lengths,
            source_tokens=tokens,
            target_tokens=tokens,
            seed=1,
            epoch=epoch,
        )
        wanted = min(len(plan), count - len(batches))
        batches += [dataset.batch(plan[place], epoch) for place in range(wanted)]
        epoch += 1
    return batches


@dataclass(frozen=True)
class Difference:
    """The absolute difference of two curves, in loss a token."""

    largest: float
    update: int  # of the largest difference
    mean: float

    def __str__(self) -> str:
        return f"{self.largest:.1e} (update {self.update}, mean {self.mean:.1e})"


def difference(one: Curve, other: Curve) -> Difference:
    """Compare two curves of equal length."""
    gaps = [abs(a - b) for a, b in zip(one, other, strict=True)]
    largest = max(gaps)
    return Difference(largest, 1 + gaps.index(largest), sum(gaps) / len(gaps))


def table(curves: dict[str, tuple[Curve, Curve]]) -> str:
    """Return the comparison as Markdown, one row for each precision."""
    exact = curves.get("float64")
    lines = [
        "| precision | nmt to PyTorch | nmt to its own float64 | PyTorch to its own float64 | loss,"
        " first to last |",
        "|---|---|---|---|---|",
    ]
    for precision, (ours, theirs) in curves.items():
        rounding = ["", ""]
        if exact is not None and precision != "float64":
            rounding = [str(difference(ours, exact[0])), str(difference(theirs, exact[1]))]
        cells = [precision, str(difference(ours, theirs)), *rounding]
        lines.append(f"| {' | '.join(cells)} | {ours[0]:.4f} to {ours[-1]:.4f} |")
    return "\n".join(lines)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--updates", type=click.IntRange(1), default=500, show_default=True)
@click.option(
    "--batch-tokens",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Tokens of each side of a batch.",
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(PRECISIONS),
    multiple=True,
    default=PRECISIONS,
    show_default=True,
    help="May be repeated.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="CPU threads; nmt splits each batch among them.",
)
@click.option("--device", "device_name", default="cpu", show_default=True, help="Or cuda.")
@click.option(
    "--curves",
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSON file for both curves.",
)
def command(
    run: Path,
    updates: int,
    batch_tokens: int,
    precisions: tuple[str, ...],
    threads: int,
    device_name: str,
    curves: Path | None,
) -> None:
    """Train 4+4 layers with d_model 128 by nmt and by PyTorch's layers on the corpus of RUN.

    RUN is a prepared run. Prints the largest differences of the losses a token over all updates.
    """
    torch.set_num_threads(threads)
    device = pick_device(device_name)
    folder = RunFolder(run)
    prepared = open_prepared(folder.load_recipe(), folder.prepared_folder())
    batches = first_batches(prepared, updates, batch_tokens)
    initial = initial_network(len(prepared.tokenizer))
    found = {}
    for precision in PRECISIONS:
        if precision in precisions:
            found[precision] = (
                our_curve(initial, batches, precision, device),
                their_curve(initial, batches, precision, device),
            )
            ours, theirs = found[precision]
            note(f"{precision}: they differ by at most {difference(ours, theirs)}")
        if curves is not None:
            named = {key: {"ours": a, "pytorch": b} for key, (a, b) in found.items()}
            write_text(curves, json.dumps(named) + "\n")
    print(table(found), flush=True)


if __name__ == "__main__":
    command()
