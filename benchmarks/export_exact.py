"""Compare exported models with nmt: logits, and greedy outputs of real sentences.

    pip install '.[onnx]' onnxruntime transformers
    python benchmarks/export_exact.py runs/multi30k_en_de/model.safetensors test.en

It exports a model to ONNX, and to transformers if that has its architecture. It prints the largest
difference of a logit over all positions of all outputs of nmt, and how many outputs are the same
tokens. Everything is float32 on a CPU.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import click
import numpy
import onnxruntime
import torch
from numpy.typing import NDArray

from nmt.decoding.translator.segments import output_limit
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError
from nmt.interop.export import export_model
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.lines import read_segments
from nmt.text.plan import source_rows
from nmt.text.tokenizer import BOS, EOS, PAD

BATCH = 50  # sentences

Ids = NDArray[numpy.int64]
Floats = NDArray[numpy.float32]


class Exported(Protocol):
    """An exported model in another program."""

    def logits(self, source: Ids, target: Ids) -> Floats:
        """Return the logits (B, T, V) after each target position."""
        ...

    def greedy(self, source: Ids, most: int) -> list[list[int]]:
        """Return at most so many of the most probable tokens for each row of the source."""
        ...


class Onnx:
    """A model in onnxruntime."""

    def __init__(self, folder: Path, model: TrainedModel) -> None:
        """Load the graphs of a folder."""
        self.settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self.encoder = onnxruntime.InferenceSession(folder / "encoder.onnx")
        self.decoder = onnxruntime.InferenceSession(folder / "decoder.onnx")

    def start(self, source: Ids) -> dict[str, Any]:
        """Return the inputs of the decoder before its first step."""
        names = self.settings["encoder"]["outputs"]
        outputs = self.encoder.run(None, {"source_ids": source})
        state = dict(zip(names, outputs, strict=True))
        for layer in range(self.settings["decoder_layers"]):
            for kind in ("key", "value"):
                shape = len(source), self.settings["heads"], 0, self.settings[f"{kind}_width"]
                state[f"self_{kind}s_{layer}"] = numpy.zeros(shape, numpy.float32)
        return state

    def step(self, target: Ids, state: dict[str, Any]) -> Floats:
        """Return the logits after new positions, which are added to the state."""
        names = self.settings["decoder"]["outputs"]
        outputs = self.decoder.run(None, {"target_ids": target, **state})
        found = dict(zip(names, outputs, strict=True))
        logits: Floats = found.pop("logits")
        state.update({name.removeprefix("new_"): each for name, each in found.items()})
        return logits

    def logits(self, source: Ids, target: Ids) -> Floats:
        """Return the logits after each position, computed one after another."""
        state = self.start(source)
        steps = [self.step(target[:, each : each + 1], state) for each in range(target.shape[1])]
        return numpy.concatenate(steps, axis=1)

    def greedy(self, source: Ids, most: int) -> list[list[int]]:
        """Return the most probable tokens."""
        state = self.start(source)
        ids = numpy.full((len(source), 1), BOS)
        while ids.shape[1] <= most and not (ids == EOS).any(1).all():
            logits = self.step(ids[:, -1:], state)[:, -1]
            logits[:, self.settings["never_output_ids"]] = -numpy.inf
            ids = numpy.concatenate([ids, logits.argmax(-1)[:, None]], axis=1)
        return [until_end(row) for row in ids[:, 1:].tolist()]


class Transformers:
    """A model in Hugging Face's transformers."""

    def __init__(self, folder: Path, model: TrainedModel) -> None:
        """Load the model of a folder."""
        from transformers import AutoModelForSeq2SeqLM

        self.model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()

    def given(self, source: Ids) -> dict[str, Any]:
        """Return the inputs of the encoder."""
        ids = torch.from_numpy(source)
        return {"input_ids": ids, "attention_mask": (ids != PAD).long()}

    @torch.inference_mode()
    def logits(self, source: Ids, target: Ids) -> Floats:
        """Return the logits after each position."""
        out = self.model(**self.given(source), decoder_input_ids=torch.from_numpy(target))
        found: Floats = out.logits.numpy()
        return found

    def greedy(self, source: Ids, most: int) -> list[list[int]]:
        """Return the most probable tokens."""
        options = {"num_beams": 1, "do_sample": False, "max_length": most + 1}
        ids = self.model.generate(**self.given(source), **options)
        return [until_end(row[1:]) for row in ids.tolist()]


def until_end(ids: list[int]) -> list[int]:
    """Return ids before EOS."""
    return ids[: ids.index(EOS)] if EOS in ids else ids


def batches(
    model: TrainedModel, lines: list[str]
) -> Iterator[tuple[Ids, list[list[int]], list[int]]]:
    """Yield sources (B, S), our greedy outputs, and the most tokens of each, without EOS."""
    settings = replace(model.recipe.decode, beam_size=1, precision="float32", odd_input="as_is")
    translator = Translator(model, settings, lambda _: None)
    for begin in range(0, len(lines), BATCH):
        sources = model.tokenizer.source.encode(lines[begin : begin + BATCH])
        outputs = [list(each.ids) for each, *_ in translator.search(sources)]
        limits = [output_limit(len(each), settings) - 1 for each in sources]
        yield source_rows(sources), outputs, limits


@torch.inference_mode()
def our_logits(model: TrainedModel, source: Ids, target: Ids) -> Floats:
    """Return the logits of nmt's model in PyTorch."""
    found: Floats = model.network(torch.from_numpy(source), torch.from_numpy(target)).numpy()
    return found


def compare(model: TrainedModel, exported: Exported, lines: list[str]) -> str:
    """Describe the largest difference of a logit, and how many outputs are the same."""
    largest, same, count = 0.0, 0, 0
    for source, outputs, limits in batches(model, lines):
        target = padded([[BOS, *each] for each in outputs])
        is_real = target != PAD
        theirs, ours = exported.logits(source, target), our_logits(model, source, target)
        largest = max(largest, float(numpy.abs(theirs - ours)[is_real].max()))
        found = exported.greedy(source, max(limits))
        same += sum(
            one[:limit] == other for one, other, limit in zip(found, outputs, limits, strict=True)
        )
        count += len(outputs)
    return f"logits differ by at most {largest:.1e}; {same} of {count} greedy outputs are the same"


def padded(rows: Sequence[Sequence[int]]) -> Ids:
    """Return rows of ids as a matrix with padding at the ends."""
    found = numpy.full((len(rows), max(map(len, rows))), PAD)
    for number, row in enumerate(rows):
        found[number, : len(row)] = row
    return found


@click.command()
@click.argument("path", metavar="MODEL", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--limit", default=1000, show_default=True, help="Lines of TEXT to translate.")
def command(path: Path, text: Path, limit: int) -> None:
    """Compare exports of MODEL, a run folder or a file, on the sentences of TEXT."""
    model = load_model(path, "cpu")
    lines = list(read_segments(text))[:limit]
    programs: dict[str, Any] = {"onnx": Onnx, "huggingface": Transformers}
    for name, program in programs.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                export_model(path, Path(folder), name)
            except NmtError as error:
                click.echo(f"{name}: {error}")
                continue
            click.echo(f"{name}: {compare(model, program(Path(folder), model), lines)}")


if __name__ == "__main__":
    command()
