"""Measure translation on a device by precision and batch size; print one JSON line for each.

    python benchmarks/gpu_decoding.py --model base

A model first learns to copy ids, in minutes on a GPU, so that outputs have natural lengths. Its
outputs are compared with those of float32 on the CPU. `gpu.py` runs this script.
"""

import json
import time
from dataclasses import replace

import click
import torch
from gpu_training import MODELS, Setting, Training  # type: ignore[import-not-found] # in this folder
from synthetic import (  # type: ignore[import-not-found] # likewise
    NEWSTEST_LINES,
    VOCABULARY,
    newstest,
    peak_mib,
    synchronize,
    tokenizer,
)

from nmt.config import DecodeSettings, Recipe
from nmt.decoding.translator.translator import Translator
from nmt.errors import is_out_of_memory
from nmt.model.transformer import Transformer
from nmt.runs.trained_model import TrainedModel
from nmt.system.devices import pick_device
from nmt.system.log import note
from nmt.text.subwords.tokenizer import PAD

BATCHES = (1, 4096, 16_384, 32_768, 65_536)  # source tokens; 1: one sentence at a time
ALONE = 50  # sentences of a batch of 1

Outputs = list[tuple[int, ...]]


def translate(
    network: Transformer, vocabulary: int, settings: DecodeSettings, sources: list[list[int]]
) -> tuple[Outputs, float]:
    """Return the best outputs and the seconds of the second of two passes."""
    recipe = Recipe("", model=network.settings)
    model = TrainedModel.from_network(network, tokenizer(vocabulary), recipe)
    translator = Translator(model, settings, note)
    for _ in range(2):
        synchronize(network.device)
        started = time.perf_counter()
        found = translator.search(sources)
        seconds = time.perf_counter() - started
    return [each[0].ids for each in found], seconds


def measure(
    network: Transformer,
    vocabulary: int,
    settings: DecodeSettings,
    sources: list[list[int]],
    expected: Outputs,
) -> dict[str, object]:
    """Return the figures of a precision and a batch size."""
    device = network.device
    shown = {"precision": settings.precision, "batch tokens": settings.batch_tokens}
    sources = sources[:ALONE] if settings.batch_tokens == 1 else sources
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        found, seconds = translate(network, vocabulary, settings, sources)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return {**shown, "failed": "out of memory"}
    compared = min(len(found), len(expected))
    same = sum(ours == theirs for ours, theirs in zip(found, expected, strict=False))
    return {
        **shown,
        "sentences/s": round(len(found) / seconds, 1),
        "equal": round(100 * same / compared, 1),
        "compared": compared,
        "tokens": round(sum(map(len, found)) / len(found), 1),
        "peak MiB": round(peak_mib(device)),
    }


@click.command()
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--model", type=click.Choice([*MODELS]), default="base", show_default=True)
@click.option("--vocabulary", default=VOCABULARY, show_default=True)
@click.option("--sentences", default=NEWSTEST_LINES, show_default=True)
@click.option("--compared", default=300, show_default=True, help="Sentences, with the CPU.")
@click.option("--lessons", default=1500, show_default=True, help="Updates of the model.")
@click.option("--batch-tokens", default=25_000, show_default=True, help="Target tokens of each.")
@click.option("--precision", "precisions", multiple=True, default=("float32", "bf16"))
@click.option("--batch", "batches", multiple=True, type=int, default=BATCHES)
def command(
    device: str,
    model: str,
    vocabulary: int,
    sentences: int,
    compared: int,
    lessons: int,
    batch_tokens: int,
    precisions: tuple[str, ...],
    batches: tuple[int, ...],
) -> None:
    """Translate ids with the lengths of newstest2014."""
    place = pick_device(device)
    precision = "bf16" if place.type == "cuda" else "float32"
    training = Training(
        Setting(model, precision, False, vocabulary, batch_tokens, lessons, 0), place
    )
    with training.make_loader() as loader:
        _, loss = training.run(loader, lessons)
    click.echo(json.dumps({"loss": round(loss, 3)}))
    sources = newstest(sentences, vocabulary)
    settings = replace(DecodeSettings(odd_input="as_is"), batch_tokens=4096, precision="float32")
    trained = training.network.eval()
    reference = Transformer(MODELS[model], vocabulary, PAD).eval()
    reference.load_state_dict({key: each.cpu() for key, each in trained.state_dict().items()})
    expected, _ = translate(reference, vocabulary, settings, sources[:compared])
    for kind in precisions:
        for size in batches:
            chosen = replace(settings, precision=kind, batch_tokens=size)
            click.echo(json.dumps(measure(trained, vocabulary, chosen, sources, expected)))


if __name__ == "__main__":
    command()
