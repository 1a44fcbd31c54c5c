"""Check that translations do not depend on batches, order or processes, and what the search finds.

    pip install ctranslate2
    python benchmarks/decode_exact.py runs/multi30k_en_de/model.safetensors test.en

It needs a trained model and real text. It translates in float32 with beam 4, and compares:

- translations in batches of 1, 7 and 64 sentences, in reverse order and with one process;
- scores of the search with those of the model without caches;
- outputs with CTranslate2's, by the model's own score;
- the two stopping rules, by the steps that they take.

A GPU has one process, and its search cannot be observed step by step: it is not asked for these.
"""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import ctranslate2
import torch

from nmt.decoding.search.search import SearchStep, search
from nmt.decoding.translator import searcher
from nmt.decoding.translator.translation import Translation
from nmt.decoding.translator.translator import Translator
from nmt.interop.export import export_model
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.system.devices import choose_device
from nmt.text.batches import source_batch
from nmt.text.lines import read_segments
from nmt.text.tokenizer import BOS, EOS


def translate(
    model: TrainedModel,
    lines: list[str],
    batch_tokens: int = 1024,
    alpha: float = 0.6,
    stopping: str = "safe",
) -> list[Translation]:
    """Translate lines with these [decode] settings, in float32 with beam 4."""
    settings = replace(
        model.recipe.decode,
        precision="float32",
        beam_size=4,
        batch_tokens=batch_tokens,
        length_penalty=alpha,
        stopping=stopping,
    )
    return list(Translator(model, settings, lambda _: None).translate(lines))


def differences(ones: list[Translation], others: list[Translation]) -> str:
    """Describe how many translations differ, and by how much their scores do."""
    differ = [
        abs(one.candidates[0].score - other.candidates[0].score)
        for one, other in zip(ones, others, strict=True)
        if one.text != other.text
    ]
    text = f"{len(differ)} of {len(ones)} differ"
    return f"{text}, their scores by at most {max(differ):.1e}" if differ else text


@torch.inference_mode()
def full_score(model: TrainedModel, source: list[int], output: list[int]) -> float:
    """Return the log-probability of an output, EOS counted, by the model without caches."""
    device = model.network.device
    target = torch.tensor([[BOS, *output]], device=device)
    logits = model.network(source_batch([source]).to(device), target)[0]
    chosen = torch.tensor([*output, EOS], device=device)
    return float(logits.double().log_softmax(-1).gather(1, chosen[:, None]).sum())


@click.command()
@click.argument("path", metavar="MODEL", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--limit", default=1000, show_default=True, help="Lines of TEXT to translate.")
@click.option("--device", default="cpu", show_default=True, help="Of nmt: cpu or cuda.")
def command(path: Path, text: Path, limit: int, device: str) -> None:
    """Translate TEXT with MODEL, a .safetensors file, in many ways and compare."""
    model = load_model(path, choose_device(device))
    lines = list(read_segments(text))[:limit]
    usual = translate(model, lines)
    longest = max(map(len, model.tokenizer.source.encode(lines))) + 1
    for name, tokens in (("1 sentence", 1), ("7", 7 * longest), ("64", 64 * longest)):
        found = translate(model, lines, batch_tokens=tokens)
        click.echo(f"batches of about {name}: {differences(usual, found)}")
    backward = translate(model, lines[::-1])[::-1]
    click.echo(f"in reverse order: {differences(usual, backward)}")
    is_cpu = model.network.device.type == "cpu"
    if is_cpu:
        compare_processes(model, lines, usual)
    compare_scores(model, lines, path)
    if is_cpu:
        compare_stopping_rules(model, lines)


def compare_processes(model: TrainedModel, lines: list[str], usual: list[Translation]) -> None:
    """Compare translations with those of a single process."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    click.echo(f"1 process instead of {cores}: {differences(usual, translate(model, lines))}")
    torch.set_num_threads(cores)


def compare_scores(model: TrainedModel, lines: list[str], path: Path) -> None:
    """Compare the search with the model without caches and with CTranslate2's outputs."""
    settings = replace(model.recipe.decode, beam_size=4, length_penalty=0.0, odd_input="as_is")
    sources = model.tokenizer.source.encode(lines)
    found = Translator(model, settings, lambda _: None).search(sources)
    with tempfile.TemporaryDirectory() as folder:
        export_model(path, Path(folder), "ctranslate2")
        others = peer_ids(model, sources, folder)
    largest, no_worse = 0.0, 0
    for source, (ours, *_), other in zip(sources, found, others, strict=True):
        score = full_score(model, source, list(ours.ids))
        largest = max(largest, abs(score - ours.log_prob))
        no_worse += score >= full_score(model, source, other) - 1e-4
    click.echo(f"scores differ from those of the model without caches by at most {largest:.1e}")
    click.echo(f"no worse than CTranslate2's output: {no_worse} of {len(lines)}")


def peer_ids(model: TrainedModel, sources: list[list[int]], folder: str) -> list[list[int]]:
    """Return CTranslate2's best output for each source."""
    subwords = [model.tokenizer.source.piece(number) for number in range(len(model.tokenizer))]
    numbers = {subword: number for number, subword in enumerate(subwords)}
    found = ctranslate2.Translator(folder, compute_type="float32").translate_batch(
        [[subwords[each] for each in source] for source in sources],
        beam_size=4,
        length_penalty=0,
        max_batch_size=32,
    )
    return [[numbers[subword] for subword in each.hypotheses[0]] for each in found]


class StepCounter:
    """An observer that counts the steps of all sentences."""

    count = 0

    def on_step(self, step: SearchStep) -> None:
        """Count one step of one sentence."""
        self.count += 1


def compare_stopping_rules(model: TrainedModel, lines: list[str]) -> None:
    """Count the steps of both stopping rules, and the translations that differ."""
    torch.set_num_threads(1)  # the search stays in this process, where it can be counted
    for alpha in (0.0, 0.6):
        counts, found = [], []
        for stopping in ("safe", "beam_finished"):
            counter = StepCounter()
            observed = partial(search, observer=counter.on_step)
            setattr(searcher, "search", observed)  # noqa: B010 (mypy would object)
            found.append(translate(model, lines, alpha=alpha, stopping=stopping))
            counts.append(counter.count)
        click.echo(
            f"steps of all sentences at alpha {alpha}: safe {counts[0]:,}, beam_finished"
            f" {counts[1]:,} (safe {counts[0] / counts[1] - 1:+.1%}); {differences(*found)}"
        )


if __name__ == "__main__":
    command()
