"""Sentences/s of `nmt translate` and of CTranslate2 on the same weights, in turn, in one run.

    pip install ctranslate2
    python benchmarks/decode_speed.py runs/multi30k_en_de/model.safetensors test.en --cold
    python benchmarks/decode_speed.py MODEL newstest2014.en.gz --force-length 30 --limit 400 \\
      --setting ctranslate2:int8:2x1:32 --setting nmt:bf16:1024

A setting is nmt:PRECISION:BATCH_TOKENS or ctranslate2:TYPE:WORKERSxTHREADS:BATCH_SENTENCES; a batch
of 1 is one sentence at a time. Each round runs each setting, in processes of its own:

- steady: text is tokenised, translated and joined again, once to warm up and once timed;
- whole: from the start of a process to its end, text file to text file, the import and the
  model's loading included; ours is `nmt translate` itself, except where lengths are forced;
- cold, with --cold: the same with the first line that is not blank alone.

A round before them watches the memory, which slows it down. The first setting is what others are
compared with. Beam search without length penalty, which both programs score alike. No segment is
translated in pieces.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from scale import family  # type: ignore[import-not-found] # a script beside this one

from nmt.text.corpus import read_segments
from nmt.text.tokenizer import EOS, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.decoding.incremental import DecoderState

SETTINGS = ("ctranslate2:float32:2x1:32", "ctranslate2:float32:1x2:64", "nmt:float32:1024")
LONGEST = 250  # output tokens that CTranslate2 may write; the recipe bounds ours
LONGEST_SOURCE = 1000  # tokens; what CTranslate2 has positions for, and the end

Translate = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Order:
    """What a process is to do."""

    setting: str
    model: str  # ours, a file
    folder: str  # CTranslate2's
    text: str  # file of segments
    output: str  # file for the translations
    beam: int
    forced: int  # tokens of every output, EOS counted; 0: free
    passes: int = 1  # the last of two is steady


def overrides(order: Order) -> list[str]:
    """The settings of ours."""
    _, precision, batch_tokens = order.setting.split(":")
    return [
        f"decode.precision={precision}",
        f"decode.batch_tokens={batch_tokens}",
        f"decode.beam_size={order.beam}",
        f"decode.max_segment_tokens={LONGEST_SOURCE}",
        "decode.length_penalty=0",
    ]


def ours(order: Order) -> Translate:
    """`nmt translate` without its files."""
    import torch

    from nmt.artifacts.model_file import load_model
    from nmt.decoding.models import decode_settings
    from nmt.decoding.translator import Translator

    loaded = load_model(Path(order.model), torch.device("cpu"))
    if order.forced:
        force_length(order.forced)
    settings = decode_settings(loaded.recipe, overrides(order))
    translator = Translator.of(loaded, settings, lambda text: None)
    return lambda lines: [each.text for each in translator.translate(lines)]


def force_length(length: int) -> None:
    """End each output at this length, EOS counted: models that are barely trained do not."""
    import torch

    from nmt.decoding import translator
    from nmt.decoding.incremental import IncrementalDecoder

    class Forced(IncrementalDecoder):
        def step(self, last_ids: "Tensor", state: "DecoderState") -> "tuple[Tensor, DecoderState]":
            logits, after = super().step(last_ids, state)
            if after.length < length:
                logits[:, :, EOS] = -torch.inf
            else:
                logits[:, :, EOS] = 1e4
            return logits, after

    setattr(translator, "IncrementalDecoder", Forced)  # noqa: B010 (mypy would object)


def peers(order: Order) -> Translate:
    """CTranslate2 with the same tokenizer; no import of torch is in its time and memory."""
    import ctranslate2

    _, kind, shape, batch = order.setting.split(":")
    workers, threads = map(int, shape.split("x"))
    engine = ctranslate2.Translator(
        order.folder, compute_type=kind, inter_threads=workers, intra_threads=threads
    )
    tokenizer = Tokenizer((Path(order.folder) / "tokenizer.model").read_bytes())
    pieces = [tokenizer.source.piece(each) for each in range(len(tokenizer))]
    numbers = {piece: number for number, piece in enumerate(pieces)}

    def translate(lines: Sequence[str]) -> list[str]:
        found = engine.translate_batch(
            [[pieces[each] for each in ids] for ids in tokenizer.source.encode(lines)],
            beam_size=order.beam,
            length_penalty=0,
            max_batch_size=int(batch),
            max_decoding_length=order.forced or LONGEST,
            min_decoding_length=order.forced or 1,
        )
        return [
            tokenizer.target.decode([numbers[each] for each in one.hypotheses[0]]) for one in found
        ]

    return translate


def work(order: Order) -> float:
    """In a process of its own: seconds of the last pass; the translations go into the file."""
    translate = (ours if order.setting.startswith("nmt:") else peers)(order)
    lines = list(read_segments(Path(order.text)))
    for _ in range(order.passes):
        began = time.perf_counter()
        texts = translate(lines)
        seconds = time.perf_counter() - began
    Path(order.output).write_text("".join(f"{each}\n" for each in texts), encoding="utf-8")
    return seconds


def memory(process: int) -> int:
    """KiB that a process takes, its part of what it shares with others."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0  # it has ended
    found = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) if found else 0


@dataclass(frozen=True)
class Measured:
    """A process's seconds: of its last pass, and from its start to its end."""

    last_pass: float
    whole: float
    peak_mib: float = 0.0  # of all its processes, where it was watched


def run(order: Order, *, watch: bool = False) -> Measured:
    """Run a process to its end."""
    command = [sys.executable, __file__, order.model, order.text, "--child"]
    command.append(json.dumps(asdict(order)))
    is_command = order.setting.startswith("nmt:") and order.passes == 1 and not order.forced
    if is_command:  # of ours the program itself
        command = [sys.executable, "-m", "nmt", "translate", order.text, "--model", order.model]
        command += ["--output", order.output]
        command += [part for each in overrides(order) for part in ("--set", each)]
    began, most = time.perf_counter(), 0
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=out, stderr=said) as process,
    ):
        while watch and process.poll() is None:
            most = max(most, sum(map(memory, family(process.pid))))
            time.sleep(0.05)
        process.wait()
        whole = time.perf_counter() - began
        for stream in (out, said):
            stream.seek(0)
        if process.returncode:
            sys.exit(f"{order.setting} failed: {said.read()}")
        last_pass = whole if is_command else float(out.read())
    return Measured(last_pass, whole, most / 1024)


@dataclass(frozen=True)
class Round:
    """One round's seconds of one setting."""

    steady: float
    whole: float
    cold: float | None


def measure(order: Order, one_line: Path | None) -> Round:
    """Each figure by a process that is started for it."""
    steady = run(replace(order, passes=2)).last_pass
    whole = run(order).whole
    cold = None
    if one_line:
        cold = run(replace(order, text=str(one_line), output=f"{order.output}.one")).whole
    return Round(steady, whole, cold)


def outputs(order: Order) -> list[str]:
    """The translations of an order that was run."""
    return list(read_segments(Path(order.output)))


def report(
    orders: Sequence[Order],
    rounds: Sequence[Sequence[Round]],
    peaks: Sequence[float],
    tokenizer: Tokenizer,
) -> None:
    """A line a setting: medians, and ratios to the first setting round by round."""
    reference = outputs(orders[0])
    for place, order in enumerate(orders):
        texts = outputs(order)
        tokens = order.forced * len(texts) or sum(
            len(x) + 1 for x in tokenizer.target.encode(texts)
        )
        shown = [order.setting]
        for name in ("steady", "whole"):
            mine = [getattr(each[place], name) for each in rounds]
            first = [getattr(each[0], name) for each in rounds]
            seconds = statistics.median(mine)
            ratios = [a / b for a, b in zip(first, mine, strict=True)]
            shown.append(
                f"{name} {seconds:.2f} s, {len(texts) / seconds:.1f} sentences/s,"
                f" {tokens / seconds:.0f} tokens/s, ratio {statistics.median(ratios):.2f}"
                f" ({min(ratios):.2f} to {max(ratios):.2f})"
            )
        cold = [each[place].cold for each in rounds]
        if cold[0] is not None:
            shown.append(f"cold {statistics.median(each or 0 for each in cold):.2f} s for one line")
        shown.append(f"peak {peaks[place]:.0f} MiB")
        same = sum(a == b for a, b in zip(texts, reference, strict=True))
        shown.append(f"{same} of {len(texts)} texts equal, {tokens / len(texts):.1f} tokens each")
        click.echo("\n    ".join(shown))


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--setting", "settings", multiple=True, default=SETTINGS, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--beam-size", default=4, show_default=True)
@click.option("--force-length", default=0, help="Tokens of every output, EOS counted; 0: free.")
@click.option("--limit", default=10**9, help="Lines of TEXT to translate.  [default: all]")
@click.option("--cold", is_flag=True, help="Time one line from a cold start too.")
@click.option("--child", hidden=True)
def command(
    model: Path,
    text: Path,
    settings: tuple[str, ...],
    rounds: int,
    beam_size: int,
    force_length: int,
    limit: int,
    cold: bool,
    child: str | None,
) -> None:
    """Translate TEXT, plain or .gz, with MODEL, a .safetensors file, by each setting in turn."""
    if child:
        click.echo(work(Order(**json.loads(child))))
        return
    from ctranslate2_model import convert_file  # type: ignore[import-not-found] # likewise

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = convert_file(model, folder / "ctranslate2")
        lines = list(read_segments(text))[:limit]
        (folder / "text").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        one_line = folder / "line"
        one_line.write_text(next(each for each in lines if each.strip()) + "\n", encoding="utf-8")
        orders = [
            Order(
                setting=each,
                model=str(model),
                folder=str(folder / "ctranslate2"),
                text=str(folder / "text"),
                output=str(folder / f"output-{place}"),
                beam=beam_size,
                forced=force_length,
            )
            for place, each in enumerate(settings)
        ]
        peaks = [run(each, watch=True).peak_mib for each in orders]
        results = []
        for number in range(1, rounds + 1):
            results.append([measure(each, one_line if cold else None) for each in orders])
            seconds = ", ".join(f"{each.steady:.2f}" for each in results[-1])
            click.echo(f"round {number}: {seconds} s steady", err=True)
        click.echo(f"{os.cpu_count()} cores, beam {beam_size}, {rounds} rounds, medians")
        report(orders, results, peaks, tokenizer)


if __name__ == "__main__":
    command()
