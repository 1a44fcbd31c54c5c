"""Try mistakes of users and attacks on files, each in a process, and count what goes wrong.

    python benchmarks/mistakes.py --save benchmarks/results/mistakes.toml

The script trains a tiny model in a temporary folder, damages copies of its files in many ways, and
runs the command line with every setting out of its range, every option with bad values, every
argument that names a file with every kind of bad file, and every output on every kind of file that
must not be replaced. An invocation fails if it

- prints a traceback, or an error of more than one line or 600 characters,
- has another exit code than expected, or runs longer than a minute,
- changes or removes a file that it may not write, or leaves a half-written file.
"""

import gzip
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import click
from mistake_cases import (  # type: ignore[import-not-found] # a script in this folder
    BAD_FILES,
    Case,
    every_case,
)

import nmt.api
import nmt.decoding.translator.translator
import nmt.evaluation.evaluate
import nmt.studio.experiments.ablation
import nmt.studio.explain.explanation
import nmt.studio.report
import nmt.training.trainer  # noqa: F401 (imported once, before the forks)
from nmt.commands import main
from nmt.recipe.toml import toml_value
from nmt.system.atomic import write_text

NOTE = (
    "An invocation fails if it prints a traceback or an error of more than one line, exits with"
    " another code than 0, 1 or 2 (1 or 2 where it must refuse), runs longer than a minute, changes"
    " a file that it may not write, or leaves a half-written file."
)
SECONDS = 60  # an invocation may take; importing torch takes about 3 of them
LONGEST_MESSAGE = 600  # characters
RECIPE = """
[data]
train = [{ source = "train.en", target = "train.de" }]
dev = [{ source = "dev.en", target = "dev.de" }]
test = { test = { source = "dev.en", target = "dev.de" } }
[tokenizer]
vocab_size = 300
[model]
encoder_layers = 1
decoder_layers = 1
d_model = 16
d_ff = 16
heads = 2
d_k = 8
d_v = 8
[train]
max_updates = 4
validate_updates = 4
checkpoint_updates = 2
average_checkpoints = 2
"""


def set_up(folder: Path) -> None:
    """Make a folder with a corpus, a tiny run, damaged copies of it and files to keep."""
    shipped = Path(__file__).resolve().parents[1] / "data" / "pocket"
    os.chdir(folder)
    for side in ("en", "de"):
        with gzip.open(shipped / f"train.{side}.gz", "rt", encoding="utf-8") as stream:
            lines = stream.readlines()[:2000]
        Path(f"train.{side}").write_text("".join(lines))
        Path(f"dev.{side}").write_text("".join(lines[:10]))
    Path("mine.toml").write_text(RECIPE)
    trained = run_nmt(["train", "mine.toml", "--data-dir", "."], folder)
    if trained.code != 0:
        sys.exit(f"the tiny model cannot be trained: {trained.errors}")
    Path("bad").mkdir()
    Path("bad/loop").symlink_to("loop")
    for name, content in BAD_FILES.items():
        made = content()
        if made is not None:
            Path(name).write_bytes(made)
    for name in ("cut", "deep"):
        shutil.copytree("runs/mine", f"runs/{name}")
    for path in Path("runs/cut/checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    for file in ("metrics.jsonl", "prepared/manifest.json", "card.json"):
        Path("runs/deep", file).write_text("[" * 100_000)
    Path("runs/empty").mkdir()
    Path("keep").mkdir()
    for name in ("notes.txt", "notes.md", "card.json", "page.html", "keep/thesis.tex"):
        Path(name).write_text("my own words\n")


@dataclass(frozen=True)
class Ended:
    """How an invocation ended."""

    code: int | None  # None: it took too long
    errors: str  # stderr


def run_nmt(arguments: Sequence[str], folder: Path) -> Ended:
    """Run the command line in a fork of this process, which has imported PyTorch already."""
    errors = folder.with_name(f"{folder.name}.err")
    with errors.open("wb") as stream:
        process = os.fork()
        if not process:
            start(arguments, folder, stream.fileno())
    deadline, status = time.monotonic() + SECONDS, None
    while time.monotonic() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            break
        time.sleep(0.005)
    else:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return Ended(None, "")
    text = errors.read_bytes().decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(status), text)


def start(arguments: Sequence[str], folder: Path, stderr: int) -> NoReturn:
    """Become the command line, in a fork."""
    code = 70
    try:
        os.setsid()  # its processes are killed with it
        os.chdir(folder)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor, target in ((nowhere, 0), (nowhere, 1), (stderr, 2)):
            os.dup2(descriptor, target)
        os.environ |= {"OMP_NUM_THREADS": "1", "NMT_DATA_DIR": "."}
        sys.argv = ["nmt", *arguments]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of every file in a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def problem(case: Case, folder: Path, before: dict[str, str]) -> str:
    """Run a case and return what is wrong with it, "" if nothing is."""
    if case.removed:
        remove(folder / case.removed)
        before = {path: digest for path, digest in before.items() if (folder / path).exists()}
    ended = run_nmt(case.arguments, folder)
    if ended.code is None:
        return f"more than {SECONDS} s"
    errors = ended.errors
    last = errors.strip().split("\n")[-1]
    if "Traceback" in errors:
        return f"traceback: {last[:200]}"
    if ended.code not in case.codes:
        return f"exit code {ended.code}: {last[:200]}"
    if ended.code and not (last.startswith(("nmt: ", "Error: ")) and len(last) < LONGEST_MESSAGE):
        return f"no message of one line: {last[:200]}"
    after = contents(folder)
    changed = [path for path in before if after.get(path) != before[path]]
    left = [path for path in after if path.endswith(".partial")]
    wrong = [path for path in (*changed, *left) if not path.startswith(case.may_write or "//")]
    return f"changed {', '.join(wrong)}" if wrong else ""


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def attempt(case: Case, pristine: Path, before: dict[str, str]) -> str:
    """Return the problem of a case, tried in this process's copy of the folder `pristine`."""
    folder = pristine.with_name(f"worker-{os.getpid()}")
    if not folder.exists():
        shutil.copytree(pristine, folder, symlinks=True)
    found = problem(case, folder, before)
    if contents(folder) != before:
        shutil.rmtree(folder)
    if found:
        click.echo(f"nmt {' '.join(case.arguments)[:200]!r}: {found}", err=True)
    return found


def try_all(cases: Sequence[Case], pristine: Path, workers: int) -> list[tuple[Case, str]]:
    """Run the cases in several processes and return their problems."""
    before = contents(pristine)
    with ProcessPoolExecutor(workers, get_context("fork")) as pool:
        tries = [pool.submit(attempt, case, pristine, before) for case in cases]
        with click.progressbar(tries, file=sys.stderr) as bar:
            return [(case, each.result()) for case, each in zip(cases, bar, strict=True)]


@click.command()
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True)
@click.option("--only", default="", help="Run only the groups whose name contains this.")
@click.option("--save", type=click.Path(path_type=Path), help="Data file to write.")
@click.option("--machine", default="not recorded", help="Machine, for the data file.")
def command(workers: int, only: str, save: Path | None, machine: str) -> None:
    """Try the mistakes and print, by group, how many invocations there were and how many failed."""
    cases = [case for case in every_case() if only in case.group]
    started, home = time.monotonic(), Path.cwd()
    with tempfile.TemporaryDirectory() as work:
        pristine = Path(work, "pristine")
        pristine.mkdir()
        set_up(pristine)
        results = try_all(cases, pristine, workers)
        os.chdir(home)
    rows = [
        (group, [found for case, found in results if case.group == group])
        for group in dict.fromkeys(case.group for case in cases)
    ]
    for group, found in rows:
        click.echo(f"{group}: {len(found)} invocations, {sum(map(bool, found))} failures")
    click.echo(f"{time.monotonic() - started:.0f} s")
    if save:
        write_text(save, data_file(rows, machine))


def data_file(rows: Sequence[tuple[str, Sequence[str]]], machine: str) -> str:
    """Return the figures as a data file for benchmarks/results."""
    versions = f"nmt {metadata.version('nmt')}, torch {metadata.version('torch')}"
    lines = [
        'what = "Mistakes and attacks, each as a process of its own"',
        'command = """python benchmarks/mistakes.py"""',
        f"machine = {toml_value(machine)}",
        f"versions = {toml_value(versions)}",
        f"date = {toml_value(datetime.now(UTC).date().isoformat())}",
        'peer = "none"',
        f"note = {toml_value(NOTE)}",
        'rows = "mistake"',
        "figures = [",
    ]
    for group, found in rows:
        for column, value in (("invocations", len(found)), ("failures", sum(map(bool, found)))):
            lines.append(
                f"  {{ row = {toml_value(group)}, column = {toml_value(column)}, value = {value},"
                f' unit = "invocations" }},'
            )
    return "\n".join([*lines, "]"]) + "\n"


if __name__ == "__main__":
    command()
