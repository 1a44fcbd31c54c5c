"""Count the operators and the waits of an update and of a step of the search on a GPU.

    python benchmarks/operators.py --save benchmarks/results/operators.toml
    git worktree add ../before COMMIT
    python benchmarks/operators.py --before ../before

An operator starts at least one kernel on a GPU. A wait stops Python until the GPU has done all that
was started, or what was started before an event. No GPU is needed: the path of a GPU runs on the
CPU (`pretend_device.py`).
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from pretend_device import (  # type: ignore[import-not-found] # a script in this folder
    OperatorCount,
    moved,
    pretended,
)
from results import Figure, describe, write  # type: ignore[import-not-found] # likewise
from synthetic import (  # type: ignore[import-not-found] # likewise
    BASE,
    MEAN_LENGTH,
    QUICK,
    TINY,
    SyntheticPairs,
    newstest,
    tokenizer,
)

from nmt.config import DecodeSettings, ModelSettings, Recipe
from nmt.decoding.translator.translator import Translator
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import note
from nmt.text.plan import plan_epoch
from nmt.text.subwords.tokenizer import EOS, PAD
from nmt.training.loader import GPU
from nmt.training.parallel.workers import Workers
from nmt.training.updates import Updater

# Widths change no count, so that narrow models of the same depth and vocabulary are counted.
NARROW = {"d_model": 32, "d_ff": 32, "d_k": 8, "d_v": 8}
SHAPES: dict[str, tuple[ModelSettings, int]] = {
    "tiny": (replace(TINY, **NARROW), 8000),
    "base": (replace(BASE, **NARROW), 37_000),
    "quick": (QUICK, 100),
}
BATCH_TOKENS = 25_000  # as in the paper
PRECISION = "bf16"  # of an update
SENTENCES = 16
ROOT = Path(__file__).resolve().parents[1]
NOTE = (
    f"An update has {BATCH_TOKENS:,} target tokens, as in the paper, and computes in {PRECISION}."
    " As in a training, it is started before the result of the last one is read; what is still"
    f" queued is counted after that read. A step of the search in float32 has {SENTENCES}"
    " sentences; some of their hypotheses end in each step. Operators are those of PyTorch below"
    " automatic differentiation, without views and allocations. The models have the layers and the"
    " vocabularies of TINY and BASE, but smaller widths, which change no count.\n\nThe path of a"
    " GPU ran on CPU tensors that report a GPU as their device. Three things make Python wait: a"
    " read of a number, a copy that is not asynchronous, and an event. The first two wait until the"
    " GPU has finished everything, an event waits only for what was started before it."
)


@dataclass(frozen=True)
class Found:
    """The counts of one update or one step."""

    what: str
    shape: str
    operators: float
    waits: dict[str, float]
    queued: int | None = None  # operators of an update, when the result before it has been read


def count_update(shape: str) -> Found:
    """Count the second update, and the read of the result of the first one.

    The first one allocates the optimiser's averages; it has a single pair.
    """
    model, vocabulary = SHAPES[shape]
    recipe = Recipe("operators", model=model)
    recipe = replace(recipe, train=replace(recipe.train, precision=PRECISION))
    pairs = SyntheticPairs.of(10 * BATCH_TOKENS // MEAN_LENGTH, vocabulary)
    budgets = {"source_tokens": BATCH_TOKENS, "target_tokens": BATCH_TOKENS}
    plan = plan_epoch(pairs.source_lengths, pairs.target_lengths, seed=1, epoch=0, **budgets)
    count = OperatorCount()
    network = Transformer(model, vocabulary, PAD)
    with pretended(count) as device:
        moved(network)
        updater = Updater(recipe, network, Workers(), device)
        updater.set_up()
        one, whole = (
            [pairs.batch(indices, 0, GPU.length_multiple).to(device)]
            for indices in (plan[0][:1], plan[0])
        )
        first = updater.start(one, 1, counts=True, stop=None)
        count.clear()
        with count:
            second = updater.start(whole, 2, counts=True, stop=None)
            first.result()
            operators, waits = count.figures(1)
            queued = min(count.queued, round(operators))
            second.result()
    return Found("update", shape, operators, waits, queued)


def count_step(shape: str) -> Found:
    """Count the steps of a search; some hypotheses end in each of them."""
    model, vocabulary = SHAPES[shape]
    torch.manual_seed(1)
    count = OperatorCount()
    network = Transformer(model, vocabulary, PAD).eval()
    with pretended(count):
        moved(network)
        settings = replace(
            DecodeSettings(odd_input="as_is"),
            batch_tokens=100_000,
            precision="float32",
            max_extra_tokens=10,
        )
        recipe = Recipe("", model=model)
        made = TrainedModel.from_network(network, tokenizer(vocabulary), recipe)
        translator = Translator(made, settings, note)
        steps = watch_steps(translator, count)
        sources = newstest(SENTENCES, vocabulary)
        with count:
            translator.search(sources)
    return Found("step of the search", shape, *count.figures(steps["all"]))


def watch_steps(translator: Any, count: OperatorCount) -> "Counter[str]":
    """Count from the first step on, and let each step end some hypotheses."""
    model, steps = translator.searcher.search_model, Counter[str]()
    step = model.step

    def watched(last_ids: Any, state: Any) -> Any:
        if not steps["all"]:
            count.clear()
        steps["all"] += 1
        logits, state = step(last_ids, state)
        # An untrained model would rarely end an output.
        with count.paused(), torch.inference_mode():
            logits[..., EOS] = logits.amax(-1) - 2
        return logits, state

    model.step = watched
    return steps


def count_all(shapes: tuple[str, ...]) -> list[Found]:
    """Count updates and steps of all shapes."""
    torch.set_num_threads(1)
    return [counted(shape) for counted in (count_update, count_step) for shape in shapes]


def count_in(checkout: Path, shapes: tuple[str, ...]) -> list[Found]:
    """Count in a new process, with the program and this script as they are in a checkout."""
    script = checkout.resolve() / "benchmarks" / Path(__file__).name
    command = [sys.executable, str(script), "--count", *(f"--shape={each}" for each in shapes)]
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{checkout}: exit status {ended.returncode}: {ended.stderr}")
    return [Found(**each) for each in json.loads(ended.stdout.splitlines()[-1])]


def commit(checkout: Path) -> str:
    """Return the short hash of a checkout's commit, with a + if files differ from it."""
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty=+"]
    ended = subprocess.run(git, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or "not recorded"


def cells(column: str, found: list[Found]) -> list[Figure]:
    """Return the counts as cells of a table."""
    made = []
    for each in found:
        row = f"{each.shape.upper()}, {each.what}"
        made.append(Figure(f"{row}: operators", column, shown(each.operators), "operators"))
        parts = [f"{shown(number)} {name}" for name, number in each.waits.items() if number]
        total = shown(sum(each.waits.values()))
        made.append(Figure(f"{row}: waits", column, total, "waits", detail=", ".join(parts)))
        if each.queued is not None:
            what = f"{row}: operators still queued after the wait"
            made.append(Figure(what, column, each.queued, "operators"))
    return made


def shown(number: float) -> int | float:
    """Return a count as a table shows it: with one digit if it is small and not whole."""
    return round(number) if number > 100 or number == int(number) else round(number, 1)


@click.command()
@click.option("--before", type=click.Path(path_type=Path, exists=True), help="Another checkout.")
@click.option("--shape", "shapes", type=click.Choice([*SHAPES]), multiple=True)
@click.option("--save", type=click.Path(path_type=Path), help="Data file to write, *.toml.")
@click.option("--count", "is_child", is_flag=True, hidden=True)
def command(
    before: Path | None, shapes: tuple[str, ...], save: Path | None, is_child: bool
) -> None:
    """Count the operators and the waits of this checkout, and of the checkout BEFORE."""
    shapes = shapes or ("tiny", "base")
    if is_child:
        click.echo(json.dumps([asdict(each) for each in count_all(shapes)]))
        return
    checkouts = {"before": before, "now": ROOT} if before else {"count": ROOT}
    table = [
        cell for column, path in checkouts.items() for cell in cells(column, count_in(path, shapes))
    ]
    for cell in table:
        click.echo(f"{cell.column}: {cell.row}: {cell.value} {cell.detail}")
    if save:
        fields = describe(
            what="Operators and waits of an update and of a step of the search",
            command="python benchmarks/operators.py",
            peer="none",
            note=NOTE,
            rows="what is counted",
        )
        commits = ", ".join(
            f"{column if before else 'nmt'} {commit(path)}" for column, path in checkouts.items()
        )
        write(save, fields | {"versions": f"{commits}, {fields['versions']}"}, table)


if __name__ == "__main__":
    command()
