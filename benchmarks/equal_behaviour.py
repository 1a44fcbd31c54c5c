"""Whether training here is the training of the paper's formulas: our losses beside PyTorch's own.

    nmt prepare multi30k_en_de
    python benchmarks/equal_behaviour.py runs/multi30k_en_de

The same initial weights and batches go through this project, its fast paths on (the fused loss,
threads, fused Adam), and through a Transformer assembled from `torch.nn` with PyTorch's loss and
optimiser and a schedule and sinusoids of its own. Nothing of `nmt` is in the second. In float64 the
two must be equal; in float32 and bf16 rounding takes them apart, and how far it does so alone is
each one's distance from its own float64.
"""

import copy
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from nmt.artifacts.run_folder import RunFolder
from nmt.config import ModelSettings, Recipe, TrainSettings
from nmt.model.transformer import Transformer
from nmt.system.atomic import write_text
from nmt.system.log import note, progress_bar
from nmt.text.batches import Batch, PairDataset
from nmt.text.plan import plan_epoch
from nmt.text.prepare import Prepared, open_prepared
from nmt.text.tokenizer import PAD
from nmt.training.updates import Updater
from nmt.training.workers import Workers

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
# Of the recipe multi30k_en_de. With 200 and 0.5, a peak of 0.003, two curves in float64 stay within
# 1e-9 for 288 updates and then part as any two roundings of one sum would.
WARMUP, SCALE = 1500, 1.75
SMOOTHING, BETAS, EPSILON = 0.1, (0.9, 0.98), 1e-9  # the paper's
PRECISIONS = ("float64", "float32", "bf16")

Curve = list[float]  # smoothed loss a token, update by update


class Independent(nn.Module):
    """The paper's model from `torch.nn`."""

    def __init__(self, shape: ModelSettings, vocab_size: int) -> None:
        super().__init__()
        self.width = shape.d_model
        self.embedding = nn.Embedding(vocab_size, shape.d_model)
        options: dict[str, Any] = {"dropout": 0.0, "layer_norm_eps": 1e-6, "batch_first": True}
        widths = shape.d_model, shape.heads, shape.d_ff
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(*widths, **options) for _ in range(shape.encoder_layers)
        )
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(*widths, **options) for _ in range(shape.decoder_layers)
        )

    def embed(self, ids: Tensor) -> Tensor:
        """(B, length) -> (B, length, width): embedding and sinusoid."""
        angles = [
            [position / 10_000 ** (2 * i / self.width) for i in range(self.width // 2)]
            for position in range(ids.shape[1])
        ]
        waves = [[wave(a) for a in row for wave in (math.sin, math.cos)] for row in angles]
        x: Tensor = self.embedding(ids) * math.sqrt(self.width)
        return x + torch.tensor(waves, dtype=x.dtype)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits (B, T, V) of the piece after each target position."""
        memory, padding = self.embed(source), source == PAD
        for layer in self.encoder:
            memory = layer(memory, src_key_padding_mask=padding)
        x = self.embed(target)
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1]).isinf()
        for layer in self.decoder:
            x = layer(x, memory, tgt_mask=mask, memory_key_padding_mask=padding)
        return x @ self.embedding.weight.T


@torch.no_grad()
def carry_over(ours: Transformer, theirs: Independent) -> None:
    """Give the independent model our initial weights; what we lack, biases of projections, is 0."""
    theirs.embedding.weight.copy_(ours.embeddings.weight)
    pairs: list[tuple[Any, Any]] = [*zip(ours.encoder, theirs.encoder, strict=True)]
    pairs += zip(ours.decoder, theirs.decoder, strict=True)
    for layer, other in pairs:
        names = {"self_attn": "self_attention", "multihead_attn": "cross_attention"}
        for their_name, our_name in names.items():
            if hasattr(other, their_name):
                attention = getattr(layer, our_name)
                getattr(other, their_name).in_proj_weight.copy_(input_weights(attention))
                getattr(other, their_name).out_proj.weight.copy_(attention.out.weight)
                getattr(other, their_name).in_proj_bias.zero_().requires_grad_(False)
                getattr(other, their_name).out_proj.bias.zero_().requires_grad_(False)
        other.linear1.load_state_dict(layer.feed_forward.inner.state_dict())
        other.linear2.load_state_dict(layer.feed_forward.outer.state_dict())


def input_weights(attention: Any) -> Tensor:
    """Return the projections of queries, keys and values as one matrix, as PyTorch stores them."""
    if attention.is_cross:
        return torch.cat([attention.query.weight, attention.key_value.weight])
    weight: Tensor = attention.query_key_value.weight
    return weight


def our_curve(initial: Transformer, batches: Sequence[Batch], precision: str) -> Curve:
    """By this project's updates."""
    network = copy.deepcopy(initial).to(kind_of(precision))
    train = TrainSettings(
        warmup_updates=WARMUP,
        learning_rate_scale=SCALE,
        label_smoothing=SMOOTHING,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        adam_epsilon=EPSILON,
        precision="bf16" if precision == "bf16" else "float32",  # else as the weights are
    )
    recipe = Recipe("equal-behaviour", model=network.settings, train=train)
    updater = Updater(recipe, network, Workers(), torch.device("cpu"))
    updater.set_up()
    curve = []
    for number, batch in enumerate(bar(batches, f"ours, {precision}"), start=1):
        sums = updater.update(batch, number, counts=True, stop=None)
        curve.append(sums.smoothed_loss / sums.target_tokens)
    return curve


def their_curve(initial: Transformer, batches: Sequence[Batch], precision: str) -> Curve:
    """By the independent model with torch's loss and optimiser."""
    shape = initial.settings
    network = Independent(shape, initial.vocab_size).to(kind_of(precision))
    carry_over(initial, network)
    learned = [each for each in network.parameters() if each.requires_grad]
    adam = torch.optim.Adam(learned, betas=BETAS, eps=EPSILON, foreach=False, fused=False)
    curve = []
    for number, batch in enumerate(bar(batches, f"PyTorch's, {precision}"), start=1):
        peak = SCALE / math.sqrt(shape.d_model * WARMUP)
        rate = peak * min(number / WARMUP, math.sqrt(WARMUP / number))
        for group in adam.param_groups:
            group["lr"] = rate
        adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = network(batch.source, batch.target_input)
        loss = nn.functional.cross_entropy(
            logits.to(kind_of(precision)).transpose(1, 2),
            batch.labels,
            ignore_index=PAD,
            label_smoothing=SMOOTHING,
        )
        loss.backward()
        adam.step()
        curve.append(loss.item())
    return curve


def bar(batches: Sequence[Batch], what: str) -> Iterable[Batch]:
    """The batches, told on stderr as they go by."""
    return progress_bar(iterable=batches, desc=what, unit="update")


def kind_of(precision: str) -> torch.dtype:
    """Of the weights: bf16 is of products alone."""
    return torch.float64 if precision == "float64" else torch.float32


@contextmanager
def float64_by_default() -> Iterator[None]:
    """Within it, torch makes float64."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def initial_network(vocab_size: int) -> Transformer:
    """Our initial weights, and sinusoids, in float64."""
    torch.manual_seed(1)
    with float64_by_default():
        return Transformer(TINY, vocab_size, PAD)


def first_batches(prepared: Prepared, count: int, tokens: int) -> list[Batch]:
    """The first batches of a training, epoch after epoch."""
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
    """Of two curves, absolute, a token."""

    largest: float
    update: int  # where it is
    mean: float

    def __str__(self) -> str:
        return f"{self.largest:.1e} (update {self.update}, mean {self.mean:.1e})"


def difference(one: Curve, other: Curve) -> Difference:
    """Between two curves of equal length."""
    gaps = [abs(a - b) for a, b in zip(one, other, strict=True)]
    largest = max(gaps)
    return Difference(largest, 1 + gaps.index(largest), sum(gaps) / len(gaps))


def table(curves: dict[str, tuple[Curve, Curve]]) -> str:
    """The comparison as Markdown: a row a precision."""
    exact = curves.get("float64")
    lines = [
        "| precision | ours beside PyTorch's | ours beside ours in float64 | PyTorch's beside its"
        " own in float64 | loss, first to last |",
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
    help="Tokens of a side in a batch.",
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
    help="Of the CPU; ours share each batch out to them.",
)
@click.option(
    "--curves",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for both curves as JSON.",
)
def command(
    run: Path,
    updates: int,
    batch_tokens: int,
    precisions: tuple[str, ...],
    threads: int,
    curves: Path | None,
) -> None:
    """Train 4+4 layers of width 128 here and by PyTorch's layers, on the prepared corpus of RUN.

    Prints a table of the largest differences of the two losses a token over all updates.
    """
    torch.set_num_threads(threads)
    folder = RunFolder(run)
    prepared = open_prepared(folder.load_recipe(), folder.prepared_folder())
    batches = first_batches(prepared, updates, batch_tokens)
    initial = initial_network(len(prepared.tokenizer))
    found = {}
    for precision in PRECISIONS:
        if precision in precisions:
            found[precision] = (
                our_curve(initial, batches, precision),
                their_curve(initial, batches, precision),
            )
            ours, theirs = found[precision]
            note(f"{precision}: apart by {difference(ours, theirs)} at most")
        if curves is not None:
            named = {key: {"ours": a, "pytorch": b} for key, (a, b) in found.items()}
            write_text(curves, json.dumps(named) + "\n")
    print(table(found), flush=True)


if __name__ == "__main__":
    command()
