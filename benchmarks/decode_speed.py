"""Measure sentences/s of `nmt translate` and of CTranslate2 on the same weights, in turn.

    pip install ctranslate2
    python benchmarks/decode_speed.py runs/multi30k_en_de/model.safetensors test.en --cold
    python benchmarks/decode_speed.py MODEL newstest2014.en.gz --force-length 30 --limit 400 \\
      --setting ctranslate2:int8:2x1:32 --setting nmt:bf16:1024

A setting is nmt:PRECISION:BATCH_TOKENS or ctranslate2:TYPE:WORKERSxTHREADS:BATCH_SENTENCES; a batch
of 1 is one sentence at a time. Each round runs each setting, each figure in its own process:

- steady: text is tokenised, translated and joined again, once to warm up and once timed;
- whole: a process from its start to its end, text file to text file, including the import and the
  loading of the model; for nmt it is `nmt translate` itself;
- cold, with --cold: the same for one line, the first that is not blank.

A round before these watches the memory, which slows the processes down. Ratios are to the first
setting. Both programs search without length penalty, which they score alike. No segment is split.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from processes import (  # type: ignore[import-not-found] # a script in this folder
    PeakMemory,
    proportional_bytes,
)

from nmt.text.reading.lines import read_segments
from nmt.text.subwords.tokenizer import Tokenizer, load_tokenizer

SETTINGS = ("ctranslate2:float32:2x1:32", "ctranslate2:float32:1x2:64", "nmt:float32:1024")
LONGEST = 250  # tokens of an output of CTranslate2; the recipe limits those of nmt
LONGEST_SOURCE = 1000  # tokens of a source; the converted model has positions for more

Translate = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Task:
    """The work of one process."""

    setting: str
    model: str  # nmt's, a file
    folder: str  # of CTranslate2's model
    text: str  # file of segments
    output: str  # file for the translations
    beam: int
    forced_length: int  # tokens of every output, EOS counted; 0: not forced
    device: str  # of nmt
    passes: int = 1  # the second of two is the steady state


def overrides(task: Task) -> list[str]:
    """Return nmt's settings."""
    _, precision, batch_tokens = task.setting.split(":")
    # EOS is one more token.
    lengths = [f"decode.{each}_length={task.forced_length - 1}" for each in ("min", "max")]
    return [
        *(lengths if task.forced_length else []),
        f"decode.precision={precision}",
        f"decode.batch_tokens={batch_tokens}",
        f"decode.beam_size={task.beam}",
        f"decode.max_segment_tokens={LONGEST_SOURCE}",
        "decode.length_penalty=0",
    ]


def nmt_translator(task: Task) -> Translate:
    """Return a function that translates with nmt, without files."""

    from nmt.decoding.translator.load import decode_settings
    from nmt.decoding.translator.translator import Translator
    from nmt.runs.trained_model import load_model

    loaded = load_model(Path(task.model), task.device)
    settings = decode_settings(loaded.recipe, overrides(task))
    translator = Translator(loaded, settings, lambda _: None)
    return lambda lines: [each.text for each in translator.translate(lines)]


def ctranslate2_translator(task: Task) -> Translate:
    """Return a function that translates with CTranslate2 and the same tokenizer.

    torch is not imported, so it adds neither time nor memory.
    """
    import ctranslate2

    _, kind, shape, batch = task.setting.split(":")
    workers, threads = map(int, shape.split("x"))
    engine = ctranslate2.Translator(
        task.folder, compute_type=kind, inter_threads=workers, intra_threads=threads
    )
    tokenizer = load_tokenizer(Path(task.folder) / "tokenizer.model")
    subwords = [tokenizer.source.piece(each) for each in range(len(tokenizer))]
    numbers = {subword: number for number, subword in enumerate(subwords)}

    def translate(lines: Sequence[str]) -> list[str]:
        found = engine.translate_batch(
            [[subwords[each] for each in ids] for ids in tokenizer.source.encode(lines)],
            beam_size=task.beam,
            length_penalty=0,
            max_batch_size=int(batch),
            max_decoding_length=task.forced_length or LONGEST,
            min_decoding_length=task.forced_length or 1,
        )
        return [
            tokenizer.target.decode([numbers[each] for each in one.hypotheses[0]]) for one in found
        ]

    return translate


def work(task: Task) -> float:
    """Translate the text of a task, write the output and return the seconds of the last pass."""
    is_nmt = task.setting.startswith("nmt:")
    translate = nmt_translator(task) if is_nmt else ctranslate2_translator(task)
    lines = list(read_segments(Path(task.text)))
    for _ in range(task.passes):
        started = time.perf_counter()
        texts = translate(lines)
        seconds = time.perf_counter() - started
    Path(task.output).write_text("".join(f"{each}\n" for each in texts), encoding="utf-8")
    return seconds


@dataclass(frozen=True)
class Measured:
    """Seconds of a process's last pass, and of the process from its start to its end."""

    last_pass: float
    whole: float
    peak_mib: float = 0.0  # of all its processes, if it was watched


def run(task: Task, *, watch: bool = False) -> Measured:
    """Run a task in a new process; `watch` measures its memory, which slows it down."""
    command = [sys.executable, __file__, task.model, task.text, "--child"]
    command.append(json.dumps(asdict(task)))
    is_program = task.setting.startswith("nmt:") and task.passes == 1
    if is_program:
        command = [sys.executable, "-m", "nmt", "translate", task.text, "--model", task.model]
        command += ["--output", task.output, "--device", task.device]
        command += [part for each in overrides(task) for part in ("--set", each)]
    Path(task.output).unlink(missing_ok=True)
    started, mib = time.perf_counter(), 0.0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if watch:
            with PeakMemory(process.pid, proportional_bytes, every_seconds=0.05) as peak:
                printed, problem = process.communicate()
            mib = peak.bytes / 2**20
        else:
            printed, problem = process.communicate()
        whole = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{task.setting}: exit status {process.returncode}: {problem}")
    return Measured(whole if is_program else float(printed), whole, mib)


@dataclass(frozen=True)
class Round:
    """Seconds of one setting in one round."""

    steady: float
    whole: float
    cold: float | None


def measure(task: Task, one_line: Path | None) -> Round:
    """Measure each figure with a process of its own."""
    steady = run(replace(task, passes=2)).last_pass
    whole = run(task).whole
    cold = None
    if one_line:
        cold = run(replace(task, text=str(one_line), output=f"{task.output}.one")).whole
    return Round(steady, whole, cold)


def outputs(task: Task) -> list[str]:
    """Return the translations of a task that was run."""
    return list(read_segments(Path(task.output)))


def print_results(
    tasks: Sequence[Task],
    rounds: Sequence[Sequence[Round]],
    peaks: Sequence[float],
    tokenizer: Tokenizer,
) -> None:
    """Print medians of each setting, and ratios to the first setting round by round."""
    reference = outputs(tasks[0])
    for place, task in enumerate(tasks):
        texts = outputs(task)
        tokens = task.forced_length * len(texts) or sum(
            len(x) + 1 for x in tokenizer.target.encode(texts)
        )
        shown = [task.setting]
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
@click.option("--force-length", default=0, help="Tokens of every output, EOS counted.")
@click.option("--limit", default=10**9, help="Lines of TEXT to translate.  [default: all]")
@click.option("--device", default="cpu", show_default=True, help="Of nmt: cpu or cuda.")
@click.option("--cold", is_flag=True, help="Also time one line from a cold start.")
@click.option("--child", hidden=True)
def command(
    model: Path,
    text: Path,
    settings: tuple[str, ...],
    rounds: int,
    beam_size: int,
    force_length: int,
    limit: int,
    device: str,
    cold: bool,
    child: str | None,
) -> None:
    """Translate TEXT, plain or compressed, with MODEL by each setting in turn.

    MODEL is a .safetensors file.
    """
    if child:
        click.echo(work(Task(**json.loads(child))))
        return
    from nmt.interop.export import export_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_model(model, folder / "ctranslate2", "ctranslate2")
        tokenizer = load_tokenizer(folder / "ctranslate2" / "tokenizer.model")
        lines = list(read_segments(text))[:limit]
        (folder / "text").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        one_line = folder / "line"
        one_line.write_text(next(each for each in lines if each.strip()) + "\n", encoding="utf-8")
        tasks = [
            Task(
                setting=each,
                model=str(model),
                folder=str(folder / "ctranslate2"),
                text=str(folder / "text"),
                output=str(folder / f"output-{place}"),
                beam=beam_size,
                forced_length=force_length,
                device=device,
            )
            for place, each in enumerate(settings)
        ]
        peaks = [run(each, watch=True).peak_mib for each in tasks]
        results = []
        for number in range(1, rounds + 1):
            results.append([measure(each, one_line if cold else None) for each in tasks])
            seconds = ", ".join(f"{each.steady:.2f}" for each in results[-1])
            click.echo(f"round {number}: {seconds} s steady", err=True)
        click.echo(f"{os.cpu_count()} cores, beam {beam_size}, {rounds} rounds, medians")
        print_results(tasks, results, peaks, tokenizer)


if __name__ == "__main__":
    command()
