"""List what a recipe or a model consists of: weights, costs, and deviations from the paper."""

import math
import re
from dataclasses import asdict, dataclass, replace
from itertools import groupby, product
from pathlib import Path
from typing import Any

from nmt.config import Recipe
from nmt.errors import NmtError, shown
from nmt.recipe.paper import Comparison, compare, silent_settings
from nmt.recipe.size import FLOAT_BYTES, Shapes, count_moments, count_parameters, weight_shapes
from nmt.runs.model_file import ModelFile
from nmt.runs.run_folder import known_licence
from nmt.text.subwords.tokenizer import Tokenizer
from nmt.training.cost import TRAINING_PASSES, Workload, activation_bytes, forward_flops

LAYER = re.compile(r"(encoder|decoder)\.\d+\.")
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Part:
    """The weights of one layer, or of several equal layers in a row."""

    name: str  # such as "encoder layer"; "" for weights outside the layers
    times: int  # number of equal layers
    weights: Shapes  # of one layer, by their names within it


def group_layers(weights: Shapes) -> list[Part]:
    """Return weights layer by layer, with equal layers in a row as one part."""

    def layer(name: str) -> str:
        found = LAYER.match(name)
        return found[0] if found else ""

    layers = [
        (prefix.partition(".")[0], {name.removeprefix(prefix): weights[name] for name in names})
        for prefix, names in groupby(weights, layer)
    ]
    return [
        Part(f"{stack} layer" if stack else "", len([*equal]), members)
        for (stack, members), equal in groupby(layers)
    ]


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of matrix products; training counts forward and backward."""

    forward_per_source_token: float  # encoder, and memory's keys and values in all decoder layers
    forward_per_target_token: float  # decoder and softmax
    training_per_update: float  # with a full batch on both sides
    training_run: float  # all updates
    length: int  # tokens of every source and target, an assumption


def count_flops(recipe: Recipe, vocab_size: int, length: int) -> Flops:
    """Return the operations of a recipe if every source and target has `length` tokens."""
    train = recipe.train

    def forward(source: float, target: float) -> float:
        work = Workload.from_equal_lengths(source, target, length)
        return forward_flops(recipe.model, vocab_size, work)

    passes = TRAINING_PASSES * train.passes
    update = passes * forward(train.batch_source_tokens, train.batch_target_tokens)
    return Flops(forward(1, 0), forward(0, 1), update, update * train.max_updates, length)


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds at the same time."""

    weights: float
    gradients: float
    moments: float  # the optimiser's, and the moving average
    activations: float  # an estimate: see nmt.training.cost
    tokens: float  # a side, whose activations are held

    @property
    def total(self) -> float:
        """Return the sum of all parts."""
        return self.weights + self.gradients + self.moments + self.activations


def training_memory(recipe: Recipe, vocab_size: int, length: int) -> Memory:
    """Return the memory for a recipe's batch if every source and target has `length` tokens."""
    train = recipe.train
    tokens = min(train.batch_source_tokens, train.batch_target_tokens)
    if train.micro_batch_tokens:
        tokens = min(tokens, train.micro_batch_tokens)
    pairs = max(1.0, tokens / length) * train.passes
    bf16 = train.precision == "bf16"
    weights = FLOAT_BYTES * count_parameters(recipe.model, vocab_size)
    activations = activation_bytes(recipe.model, vocab_size, pairs, length, length, bf16=bf16)
    if bf16:  # a product keeps its bf16 copy of the weights for the backward pass
        activations += weights / 2
    moments = FLOAT_BYTES * count_moments(recipe, vocab_size)
    return Memory(weights, weights, moments, activations, tokens)


@dataclass(frozen=True)
class Inspection:
    """Everything that is known about a recipe or a model without training."""

    recipe: Recipe
    vocab_size: int
    model: Path | None  # the model file; None for a recipe
    updates: tuple[int, ...]  # of the checkpoints whose average the file holds
    weights: Shapes
    flops: Flops
    memory: Memory
    comparison: Comparison
    language_tokens: tuple[str, ...] = ()  # that tell the model which language to write
    in_8_bits: bool = False  # the matrices of the file
    licence: str = ""  # of the model, as its file states it

    @property
    def zero_shot(self) -> list[tuple[str, str]]:
        """Return the directions that were not trained, between languages that were."""
        known = self.recipe.data.directions
        sources, targets = ({pair[side]: None for pair in known} for side in (0, 1))
        both = product(sources, targets)
        return [pair for pair in both if pair not in known and pair[0] != pair[1]]

    @property
    def parameters(self) -> int:
        """Return the number of parameters."""
        return sum(map(math.prod, self.weights.values()))


def inspect_recipe(recipe: Recipe, length: int) -> Inspection:
    """Return the summary of a recipe; costs are for sentences of `length` tokens."""
    V = recipe.tokenizer.vocab_size
    weights, flops = weight_shapes(recipe.model, V), count_flops(recipe, V, length)
    memory = training_memory(recipe, V, length)
    tokens = tuple(recipe.data.language_tokens.values())
    return Inspection(recipe, V, None, (), weights, flops, memory, compare(recipe), tokens)


def inspect_model(path: Path, content: ModelFile, length: int) -> Inspection:
    """Return the summary of a model file, with the actual size of its vocabulary.

    length: tokens of every source and target, for costs. Raises NmtError if the weights do not fit
    the recipe.
    """
    tokenizer = Tokenizer(content.tokenizer, f"the tokenizer inside {path}")
    V, tokens = len(tokenizer), tokenizer.source.language_tokens
    recipe = content.recipe
    recipe = replace(recipe, tokenizer=replace(recipe.tokenizer, vocab_size=V))
    inspection = inspect_recipe(recipe, length)
    if inspection.weights != {name: weight.shape for name, weight in content.weights.items()}:
        raise NmtError(f"the weights in {path} do not fit its recipe")
    return replace(
        inspection,
        model=path,
        updates=content.updates,
        language_tokens=tokens,
        in_8_bits=bool(content.eight_bits),
        licence=known_licence(path),
    )


def inspection_data(inspection: Inspection) -> dict[str, Any]:
    """Return the data of `nmt inspect --json`: every weight of every layer, and all figures."""
    row, data = inspection.comparison.row, inspection.recipe.data
    return {
        "recipe": inspection.recipe.name,
        "model": str(inspection.model) if inspection.model else None,
        "updates": list(inspection.updates),
        "vocab_size": inspection.vocab_size,
        "directions": data.known_directions,
        "zero_shot": inspection.zero_shot,
        "language_tokens": inspection.language_tokens,
        "context": data.context,
        "weights": [
            {"name": name, "shape": list(shape), "parameters": math.prod(shape)}
            for name, shape in inspection.weights.items()
        ],
        "parameters": inspection.parameters,
        "in_8_bits": inspection.in_8_bits,
        "text": [files.title for files in data.train],
        "sources": [download.url for download in data.find_downloads(data.train)],
        "licence": inspection.licence,
        "flops": asdict(inspection.flops),
        "memory_bytes": {**asdict(inspection.memory), "total": inspection.memory.total},
        "paper": {
            "row": row.title,
            "recipe": row.recipe,
            "bleu": row.bleu,
            "perplexity": row.perplexity,
            "test_set": row.test_set,
        },
        "deviations": [asdict(deviation) for deviation in inspection.comparison.deviations],
        "paper_is_silent_on": silent_settings(inspection.recipe),
    }


def render_text(inspection: Inspection) -> str:
    """Return the text that `nmt inspect` prints, with equal layers as one."""
    blocks = [
        [head_line(inspection), *language_lines(inspection), *text_lines(inspection)],
        architecture_lines(inspection),
        flops_lines(inspection.flops, inspection.recipe),
        memory_lines(inspection.memory, inspection.recipe),
        paper_lines(inspection),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def head_line(inspection: Inspection) -> str:
    """Return the line that names the recipe or the model."""
    recipe = inspection.recipe
    model = recipe.model
    file = f", {inspection.model}" if inspection.model else ""
    file += " with 8-bit weights" if inspection.in_8_bits else ""
    return (
        f"{recipe.name}{file}: {model.encoder_layers} encoder and {model.decoder_layers} decoder"
        f" layers, vocabulary of {inspection.vocab_size:,} tokens"
    )


def language_lines(inspection: Inspection) -> list[str]:
    """Return the directions of a model that has several, how to choose one, and its context."""
    data, lines = inspection.recipe.data, list[str]()
    if len(data.directions) > 1 or inspection.language_tokens:
        lines.append(f"directions: {', '.join(map('-'.join, data.known_directions))}")
    if inspection.zero_shot:
        lines.append(f"zero-shot: {', '.join(map('-'.join, inspection.zero_shot))}")
    if inspection.language_tokens:
        lines.append(f"--to chooses the language: {', '.join(inspection.language_tokens)}")
    if data.context:
        lines.append(f"context: segments before, of the same document, up to {data.context}")
    return lines


def text_lines(inspection: Inspection) -> list[str]:
    """Return what a model was trained on, where that comes from, and the model's licence."""
    data = inspection.recipe.data
    train = data.train if inspection.model else ()
    lines = [f"training text: {files.title}" for files in train]
    lines += [f"from {download.url}" for download in data.find_downloads(train)]
    return lines + [f"licence: {shown(inspection.licence)}"] * bool(inspection.licence)


def architecture_lines(inspection: Inspection) -> list[str]:
    """Return the table of weights; equal layers show one layer and the sum of all."""
    rows = [("weights", "shape", "parameters", "in total")]
    for part in group_layers(inspection.weights):
        indent = ""
        if part.name:
            times = f" ×{part.times}" if part.times > 1 else ""
            parameters = sum(map(math.prod, part.weights.values()))
            total = f"{part.times * parameters:,}"
            rows.append((f"{part.name}{times}", "", f"{parameters:,}", total))
            indent = "  "
        for name, shape in part.weights.items():
            sizes = " × ".join(f"{size:,}" for size in shape)
            parameters = math.prod(shape)
            total = "" if part.name else f"{parameters:,}"
            rows.append((f"{indent}{name}", sizes, f"{parameters:,}", total))
    rows.append(("total", "", "", f"{inspection.parameters:,}"))
    a, b, c, d = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        f"{name:{a}}  {shape:{b}}  {one:>{c}}  {total:>{d}}".rstrip()
        for name, shape, one, total in rows
    ]


def flops_lines(flops: Flops, recipe: Recipe) -> list[str]:
    """Return the operations, with the sentence length and the batch that they assume."""
    train = recipe.train
    passes = "two passes and backward" if train.passes == 2 else "forward and backward"
    batch = f"{train.batch_source_tokens:,} + {train.batch_target_tokens:,} tokens"
    return [
        f"floating-point operations of matrix products, for sentences of {flops.length} tokens",
        f"  {si(flops.forward_per_source_token):>7}  forward, a source token",
        f"  {si(flops.forward_per_target_token):>7}  forward, a target token",
        f"  {si(flops.training_per_update):>7}  an update, {passes}, {batch}",
        f"  {scientific(flops.training_run):>7}  the run, {train.max_updates:,} updates",
    ]


def memory_lines(memory: Memory, recipe: Recipe) -> list[str]:
    """Return the memory of training by part."""
    tokens = f"{memory.tokens:,.0f} + {memory.tokens:,.0f} tokens"
    average = ", moving average" if recipe.train.moving_average else ""
    return [
        f"memory of training with train.precision = {recipe.train.precision}",
        f"  {si(memory.weights):>6}B  weights",
        f"  {si(memory.gradients):>6}B  gradients",
        f"  {si(memory.moments):>6}B  the optimiser's moments{average}",
        f"  {si(memory.activations):>6}B  activations of {tokens}, an estimate",
        f"  {si(memory.total):>6}B  total",
    ]


def paper_lines(inspection: Inspection) -> list[str]:
    """Return the row of the paper, the deviations from it, and what the paper does not report."""
    row, found = inspection.comparison.row, inspection.comparison.deviations
    published = f"BLEU {row.bleu} on {row.test_set}"
    if row.perplexity is not None:
        published = f"perplexity {row.perplexity:.2f}, {published}"
    silent = silent_settings(inspection.recipe)
    nearest = "nearest in the paper" if found else "in the paper"
    return [
        f"{nearest}: {row.title} ({row.recipe}): {published}",
        f"deviations from the paper: {len(found) or 'none'}",
        *(f"  {deviation}" for deviation in found),
        "settings that the paper does not report:",
        *(f"  {name} = {value}" for name, value in silent.items()),
    ]


def si(value: float) -> str:
    """Return a value with three digits and an SI prefix, such as "44.4 M"."""
    scale, prefix = next((prefixed for prefixed in PREFIXES if value >= prefixed[0]), (1.0, ""))
    return f"{value / scale:.3g} {prefix}"


def scientific(value: float, digits: int = 2) -> str:
    """Return a value with an exponent and some digits after the point, such as "9.63e17"."""
    return f"{value:.{digits}e}".replace("e+", "e")
