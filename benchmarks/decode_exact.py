"""Whether translations depend on how they are made, and what is lost on the way: nothing.

    pip install ctranslate2
    python benchmarks/decode_exact.py runs/multi30k_en_de/model.safetensors test.en

On a trained model and real text, in float32, beam 4.
"""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import ctranslate2
import torch
from ctranslate2_model import convert_file  # type: ignore[import-not-found] # beside this one

from nmt.artifacts.model_file import TrainedModel, load_model
from nmt.decoding import beam, translator
from nmt.decoding.observer import SearchStep
from nmt.decoding.translator import Translation, Translator
from nmt.text.batches import source_batch
from nmt.text.corpus import read_segments
from nmt.text.tokenizer import BOS, EOS


def translate(
    model: TrainedModel,
    lines: list[str],
    batch_tokens: int = 1024,
    alpha: float = 0.6,
    stopping: str = "safe",
) -> list[Translation]:
    """With some decode settings changed."""
    changed = replace(
        model.recipe.decode,
        precision="float32",
        beam_size=4,
        batch_tokens=batch_tokens,
        length_penalty=alpha,
        stopping=stopping,
    )
    return list(Translator.of(model, changed, lambda _: None).translate(lines))


def differences(ours: list[Translation], others: list[Translation]) -> str:
    """How many differ, and by how much their scores do at most."""
    differ = [
        abs(one.candidates[0].score - other.candidates[0].score)
        for one, other in zip(ours, others, strict=True)
        if one.text != other.text
    ]
    return f"{len(differ)} of {len(ours)} differ" + (
        f", their scores by {max(differ):.1e} at most" if differ else ""
    )


@torch.inference_mode()
def full_score(model: TrainedModel, source: list[int], output: list[int]) -> float:
    """The log-probability of an output, EOS counted, by the uncached model."""
    logits = model.network(source_batch([source]), torch.tensor([[BOS, *output]]))[0]
    chosen = torch.tensor([*output, EOS])
    return float(logits.double().log_softmax(-1).gather(1, chosen[:, None]).sum())


@click.command()
@click.argument("path", metavar="MODEL", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--limit", default=1000, show_default=True, help="Lines of TEXT.")
def command(path: Path, text: Path, limit: int) -> None:
    """Translate TEXT with MODEL, a .safetensors file, in many ways and compare."""
    model = load_model(path, torch.device("cpu"))
    lines = list(read_segments(text))[:limit]
    usual = translate(model, lines)
    longest = max(map(len, model.tokenizer.source.encode(lines))) + 1
    for name, tokens in (("1 sentence", 1), ("7", 7 * longest), ("64", 64 * longest)):
        found = translate(model, lines, batch_tokens=tokens)
        click.echo(f"batches of about {name}: {differences(usual, found)}")
    backward = translate(model, lines[::-1])[::-1]
    click.echo(f"in reverse order: {differences(usual, backward)}")
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    click.echo(f"1 process, not {cores}: {differences(usual, translate(model, lines))}")
    torch.set_num_threads(cores)
    rescore(model, lines, path)
    steps(model, lines)


def rescore(model: TrainedModel, lines: list[str], path: Path) -> None:
    """Our scores beside the full model's, and CTranslate2's outputs by the same measure."""
    settings = replace(model.recipe.decode, beam_size=4, length_penalty=0.0)
    sources = model.tokenizer.source.encode(lines)
    found = Translator.of(model, settings, lambda _: None)._search(sources)
    with tempfile.TemporaryDirectory() as folder:
        convert_file(path, Path(folder))
        others = peer_ids(model, sources, folder)
    apart, at_least = 0.0, 0
    for source, (ours, *_), other in zip(sources, found, others, strict=True):
        mine = full_score(model, source, list(ours.ids))
        apart = max(apart, abs(mine - ours.log_prob))
        at_least += mine >= full_score(model, source, other) - 1e-4
    click.echo(f"scores beside the uncached model's: {apart:.1e} apart at most")
    click.echo(f"no worse than CTranslate2's output: {at_least} of {len(lines)}")


def peer_ids(model: TrainedModel, sources: list[list[int]], folder: str) -> list[list[int]]:
    """CTranslate2's best outputs."""
    pieces = [model.tokenizer.source.piece(number) for number in range(len(model.tokenizer))]
    numbers = {piece: number for number, piece in enumerate(pieces)}
    found = ctranslate2.Translator(folder, compute_type="float32").translate_batch(
        [[pieces[each] for each in source] for source in sources],
        beam_size=4,
        length_penalty=0,
        max_batch_size=32,
    )
    return [[numbers[piece] for piece in each.hypotheses[0]] for each in found]


class StepCounter:
    """An observer that counts the steps of all sentences."""

    count = 0

    def on_step(self, step: SearchStep) -> None:
        """Count one step of one sentence."""
        self.count += 1


def steps(model: TrainedModel, lines: list[str]) -> None:
    """What the safe stopping rule costs beside `decode.stopping = "beam_finished"`."""
    torch.set_num_threads(1)  # in this process, where it can be counted
    for alpha in (0.0, 0.6):
        counts, found = [], []
        for stopping in ("safe", "beam_finished"):
            counter = StepCounter()
            observed = partial(beam.beam_search, observer=counter)
            setattr(translator, "beam_search", observed)  # noqa: B010 (mypy would object)
            found.append(translate(model, lines, alpha=alpha, stopping=stopping))
            counts.append(counter.count)
        click.echo(
            f"steps of all sentences at alpha {alpha}: safe {counts[0]:,}, beam_finished"
            f" {counts[1]:,} (safe {counts[0] / counts[1] - 1:+.1%}); {differences(*found)}"
        )


if __name__ == "__main__":
    command()
