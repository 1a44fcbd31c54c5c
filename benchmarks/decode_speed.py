"""Sentences/s of `nmt translate` and of CTranslate2 on the same weights, in turn, in one run.

    pip install ctranslate2
    python benchmarks/decode_speed.py runs/multi30k_en_de/model.safetensors test.en
    python benchmarks/decode_speed.py MODEL test.en --force-length 15 \\
      --setting nmt:bf16:4096 --setting ctranslate2:int8:2x1:32

A setting is nmt:PRECISION:BATCH_TOKENS or ctranslate2:TYPE:WORKERSxTHREADS:BATCH_SENTENCES. Each
round runs each setting once, in a process of its own: text is tokenised, translated and joined
again, once to warm up and once timed. A round before them watches the memory. With --whole a
process is timed from its start to its end, its program's import and the model's loading included.
The first setting is what others are compared with. Beam search without length penalty, which both
programs score alike.
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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from scale import family  # type: ignore[import-not-found] # a script beside this one

from nmt.text.corpus import read_segments
from nmt.text.tokenizer import EOS, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.model.incremental import DecoderState

SETTINGS = ("ctranslate2:float32:2x1:32", "ctranslate2:float32:1x2:64", "nmt:float32:4096")
LONGEST = 250  # output tokens that CTranslate2 may write; the recipe bounds ours

Translate = Callable[[Sequence[str]], list[str]]


def ours(model: Path, options: Sequence[str], beam: int, forced: int) -> Translate:
    """`nmt translate` without its files."""
    import torch

    from nmt.checkpoint import load_model
    from nmt.commands.options import decode_settings
    from nmt.decoding.translator import Translator

    precision, batch_tokens = options
    loaded = load_model(model, torch.device("cpu"))
    overrides = [
        f"decode.precision={precision}",
        f"decode.batch_tokens={batch_tokens}",
        f"decode.beam_size={beam}",
        "decode.length_penalty=0",
    ]
    if forced:
        force_length(forced)
    settings = decode_settings(loaded.recipe, overrides)
    translator = Translator.of(loaded, settings, lambda text: None)
    return lambda lines: [each.text for each in translator.translate(lines)]


def force_length(length: int) -> None:
    """End each output at this length, EOS counted: models that are barely trained do not."""
    import torch

    from nmt.decoding import translator
    from nmt.model.incremental import IncrementalDecoder

    class Forced(IncrementalDecoder):
        def step(self, last_ids: "Tensor", state: "DecoderState") -> "tuple[Tensor, DecoderState]":
            logits, after = super().step(last_ids, state)
            if after.length < length:
                logits[:, :, EOS] = -torch.inf
            else:
                logits[:, :, EOS] = 1e4
            return logits, after

    setattr(translator, "IncrementalDecoder", Forced)  # noqa: B010 (mypy would object)


def peers(folder: Path, options: Sequence[str], beam: int, forced: int) -> Translate:
    """CTranslate2 with the same tokenizer; no import of torch is in its time and memory."""
    import ctranslate2

    kind, shape, batch = options
    workers, threads = map(int, shape.split("x"))
    engine = ctranslate2.Translator(
        str(folder), compute_type=kind, inter_threads=workers, intra_threads=threads
    )
    tokenizer = Tokenizer((folder / "tokenizer.model").read_bytes())
    pieces = [tokenizer.source.piece(each) for each in range(len(tokenizer))]
    numbers = {piece: number for number, piece in enumerate(pieces)}

    def translate(lines: Sequence[str]) -> list[str]:
        found = engine.translate_batch(
            [[pieces[each] for each in ids] for ids in tokenizer.source.encode(lines)],
            beam_size=beam,
            length_penalty=0,
            max_batch_size=int(batch),
            max_decoding_length=forced or LONGEST,
            min_decoding_length=forced or 1,
        )
        return [
            tokenizer.target.decode([numbers[each] for each in one.hypotheses[0]]) for one in found
        ]

    return translate


def child(order: dict[str, Any]) -> dict[str, Any]:
    """One setting's figures; the process is its own."""
    began = time.perf_counter()
    engine, *options = order["setting"].split(":")
    make, files = (ours, "model") if engine == "nmt" else (peers, "folder")
    translate = make(Path(order[files]), options, order["beam"], order["forced"])
    lines = list(read_segments(Path(order["text"])))[: order["limit"]]
    loaded = time.perf_counter()
    texts = translate(lines)
    warm = time.perf_counter()
    if not order["whole"]:
        texts = translate(lines)
    seconds = time.perf_counter() - warm
    return {
        "load s": loaded - began,
        "first pass s": warm - loaded,
        "seconds": seconds,
        "texts": texts,
    }


def memory(process: int) -> int:
    """KiB that a process takes, its part of what it shares with others."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0  # it has ended
    found = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) if found else 0


def measure(order: dict[str, Any], *, watch: bool = False) -> dict[str, Any]:
    """What the child says; the seconds of its whole process where those are asked for.

    To watch its memory slows it down: the figures of such a run are none of speed.
    """
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(
            [sys.executable, __file__, "--child", json.dumps(order), order["model"], order["text"]],
            stdout=out,
        ) as process,
    ):
        most = 0
        while watch and process.poll() is None:
            most = max(most, sum(map(memory, family(process.pid))))
            time.sleep(0.05)
        process.wait()
        seconds = time.perf_counter() - began
        out.seek(0)
        printed = out.read()
    if process.returncode:
        sys.exit(f"{order['setting']} failed")
    figures: dict[str, Any] = json.loads(printed)
    figures["MiB"] = most / 1024
    if order["whole"]:
        figures["seconds"] = seconds
    return figures


def report(
    settings: Sequence[str],
    rounds: list[list[dict[str, Any]]],
    tokens: list[int],
    peaks: list[float],
) -> None:
    """A line a setting: medians, and the ratio to the first setting round by round."""
    sentences = len(rounds[0][0]["texts"])
    for place, setting in enumerate(settings):
        mine = [each[place] for each in rounds]
        seconds = statistics.median(each["seconds"] for each in mine)
        ratios = [each[0]["seconds"] / each[place]["seconds"] for each in rounds]
        same = sum(a == b for a, b in zip(mine[0]["texts"], rounds[0][0]["texts"], strict=True))
        click.echo(
            f"{setting:30} {sentences / seconds:7.1f} sentences/s"
            f" {tokens[place] / seconds:7.0f} tokens/s"
            f"  ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            f"  peak {peaks[place]:.0f} MiB"
            f"  load {statistics.median(each['load s'] for each in mine):.2f} s"
            f"  {same} of {sentences} texts equal"
        )


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--setting", "settings", multiple=True, default=SETTINGS, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--beam-size", default=4, show_default=True)
@click.option("--force-length", default=0, help="Tokens of every output, EOS counted; 0: free.")
@click.option("--limit", default=10**9, help="Lines of TEXT to translate.  [default: all]")
@click.option("--whole", is_flag=True, help="Time whole processes.")
@click.option("--child", "order", hidden=True)
def command(
    model: Path,
    text: Path,
    settings: tuple[str, ...],
    rounds: int,
    beam_size: int,
    force_length: int,
    limit: int,
    whole: bool,
    order: str | None,
) -> None:
    """Translate TEXT with MODEL, a .safetensors file, by each setting in turn."""
    if order:
        click.echo(json.dumps(child(json.loads(order))))
        return
    from ctranslate2_model import convert_file  # type: ignore[import-not-found] # likewise

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = convert_file(model, Path(folder))
        common = {
            "model": str(model),
            "folder": folder,
            "text": str(text),
            "beam": beam_size,
            "forced": force_length,
            "limit": limit,
            "whole": whole,
        }
        peaks = [measure({**common, "setting": each}, watch=True)["MiB"] for each in settings]
        results = []
        for number in range(1, rounds + 1):
            results.append([measure({**common, "setting": each}) for each in settings])
            seconds = ", ".join(f"{each['seconds']:.2f}" for each in results[-1])
            click.echo(f"round {number}: {seconds} s", err=True)
    tokens = [
        force_length * len(each["texts"])
        or sum(len(ids) + 1 for ids in tokenizer.source.encode(each["texts"]))
        for each in results[0]
    ]
    click.echo(f"{os.cpu_count()} cores, beam {beam_size}, {rounds} rounds, medians")
    report(settings, results, tokens, peaks)


if __name__ == "__main__":
    command()
