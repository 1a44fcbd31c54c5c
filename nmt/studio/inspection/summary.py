"""Everything that `nmt inspect` tells of a recipe or a model, for people and as data."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nmt.artifacts.model_file import ModelFile, shapes
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.studio.inspection.architecture import Weight, parts_of, weights_of
from nmt.studio.inspection.costs import Flops, Memory, flops_of, memory_of
from nmt.studio.inspection.deviations import Comparison, compare, silent_settings
from nmt.text.tokenizer import Tokenizer

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Inspection:
    """What there is to know without training."""

    recipe: Recipe
    vocab_size: int
    model: Path | None  # the file, if it is one
    updates: tuple[int, ...]  # of the checkpoints that the file is the mean of
    weights: tuple[Weight, ...]
    flops: Flops
    memory: Memory
    comparison: Comparison

    @property
    def parameters(self) -> int:
        """All of them."""
        return sum(each.parameters for each in self.weights)


def inspect_recipe(recipe: Recipe, length: int) -> Inspection:
    """A recipe, in sentences of that many tokens."""
    V = recipe.tokenizer.vocab_size
    return Inspection(
        recipe,
        V,
        None,
        (),
        tuple(weights_of(recipe.model, V)),
        flops_of(recipe, V, length),
        memory_of(recipe, V, length),
        compare(recipe),
    )


def inspect_model(path: Path, content: ModelFile, length: int) -> Inspection:
    """A model file: its recipe with the vocabulary that it really has.

    Raises NmtError unless its weights are those of its recipe.
    """
    V = len(Tokenizer(content.tokenizer, f"the tokenizer inside {path}"))
    recipe = content.recipe
    recipe = replace(recipe, tokenizer=replace(recipe.tokenizer, vocab_size=V))
    inspection = inspect_recipe(recipe, length)
    if {each.name: each.shape for each in inspection.weights} != shapes(content.weights):
        raise NmtError(f"the weights in {path} do not fit its recipe")
    return replace(inspection, model=path, updates=content.updates)


def as_data(inspection: Inspection) -> dict[str, Any]:
    """For JSON: every weight of every layer by itself, and all figures."""
    row = inspection.comparison.row
    return {
        "recipe": inspection.recipe.name,
        "model": str(inspection.model) if inspection.model else None,
        "updates": list(inspection.updates),
        "vocab_size": inspection.vocab_size,
        "weights": [
            {"name": each.name, "shape": list(each.shape), "parameters": each.parameters}
            for each in inspection.weights
        ],
        "parameters": inspection.parameters,
        "flops": asdict(inspection.flops),
        "memory_bytes": {**asdict(inspection.memory), "total": inspection.memory.total},
        "paper": {
            "row": row.title,
            "recipe": row.recipe,
            "bleu": row.bleu,
            "perplexity": row.perplexity,
            "test_set": row.test_set,
        },
        "deviations": [asdict(each) for each in inspection.comparison.deviations],
        "paper_is_silent_on": silent_settings(inspection.recipe),
    }


def as_text(inspection: Inspection) -> str:
    """For people: layers that are alike as one."""
    blocks = [
        [head_line(inspection)],
        architecture_lines(inspection),
        flops_lines(inspection.flops, inspection.recipe),
        memory_lines(inspection.memory, inspection.recipe),
        paper_lines(inspection),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def head_line(inspection: Inspection) -> str:
    """What it is, in a line."""
    recipe = inspection.recipe
    model = recipe.model
    file = f", {inspection.model}" if inspection.model else ""
    return (
        f"{recipe.name}{file}: {model.encoder_layers} encoder and {model.decoder_layers} decoder"
        f" layers over {inspection.vocab_size:,} pieces"
    )


def architecture_lines(inspection: Inspection) -> list[str]:
    """The table of weights: of layers that are alike, one and the sum of all."""
    rows = [("weights", "shape", "parameters", "of all")]
    for part in parts_of(inspection.weights):
        indent = ""
        if part.name:
            times = f" ×{part.times}" if part.times > 1 else ""
            total = f"{part.times * part.parameters:,}"
            rows.append((f"{part.name}{times}", "", f"{part.parameters:,}", total))
            indent = "  "
        for weight in part.weights:
            shape = " × ".join(f"{size:,}" for size in weight.shape)
            total = "" if part.name else f"{weight.parameters:,}"
            rows.append((f"{indent}{weight.name}", shape, f"{weight.parameters:,}", total))
    rows.append(("total", "", "", f"{inspection.parameters:,}"))
    a, b, c, d = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        f"{name:{a}}  {shape:{b}}  {one:>{c}}  {total:>{d}}".rstrip()
        for name, shape, one, total in rows
    ]


def flops_lines(flops: Flops, recipe: Recipe) -> list[str]:
    """Operations, with what they take for granted."""
    train = recipe.train
    passes = "two passes and backward" if train.r_drop else "forward and backward"
    batch = f"{train.batch_source_tokens:,} + {train.batch_target_tokens:,} tokens"
    return [
        f"floating-point operations of matrix products, in sentences of {flops.length} tokens",
        f"  {si(flops.forward_per_source_token):>7}  forward, a source token",
        f"  {si(flops.forward_per_target_token):>7}  forward, a target token",
        f"  {si(flops.training_per_update):>7}  an update, {passes}, {batch}",
        f"  {scientific(flops.training_run):>7}  the run, {train.max_updates:,} updates",
    ]


def memory_lines(memory: Memory, recipe: Recipe) -> list[str]:
    """Memory of a training."""
    tokens = f"{memory.tokens:,.0f} + {memory.tokens:,.0f} tokens"
    return [
        f"memory of training with train.precision = {recipe.train.precision}",
        f"  {si(memory.weights):>6}B  weights",
        f"  {si(memory.gradients):>6}B  gradients",
        f"  {si(memory.adam_moments):>6}B  Adam's moments",
        f"  {si(memory.activations):>6}B  activations of {tokens} at once, an estimate by formula",
        f"  {si(memory.total):>6}B  total",
    ]


def paper_lines(inspection: Inspection) -> list[str]:
    """The row of the paper, all that departs from it, and what it is silent on."""
    row, found = inspection.comparison.row, inspection.comparison.deviations
    published = f"BLEU {row.bleu} on {row.test_set}"
    if row.perplexity is not None:
        published = f"perplexity {row.perplexity:.2f}, {published}"
    silent = silent_settings(inspection.recipe)
    nearest = "nearest in the paper" if found else "in the paper"
    return [
        f"{nearest}: {row.title} ({row.recipe}): {published}",
        f"deviations from the paper: {len(found) or 'none'}",
        *(f"  {each}" for each in found),
        "where the paper is silent:",
        *(f"  {name} = {value}" for name, value in silent.items()),
    ]


def si(value: float) -> str:
    """Three digits and a prefix, as in "44.4 M"."""
    scale, prefix = next((each for each in PREFIXES if value >= each[0]), (1.0, ""))
    return f"{value / scale:.3g} {prefix}"


def scientific(value: float, digits: int = 2) -> str:
    """So many digits after the point and an exponent, as in "9.63e17"."""
    return f"{value:.{digits}e}".replace("e+", "e")
