"""Compare what two checkouts of this project do: outputs, resumed trainings, servers, costs.

    git worktree add ../before main
    python benchmarks/two_checkouts.py ../before . --trained runs/pocket

Code that is moved must not change what users see. Each part prints what differs; the exit code is
1 if anything does. Dates, durations and paths are masked, see `VOLATILE`.

- commands: the command lines of `two_checkouts/commands.txt`, in two copies of one folder. Exit
  codes, stdout and written files must be equal. Messages on stderr and help texts are written as a
  diff, to be read.
- resume: a training that the old checkout starts and that is killed, finished by both; models and
  training states must be equal bit for bit, with one process and with two workers.
- server: requests to `nmt serve`, stopped by SIGTERM in between, and two threads with a model each.
- costs: modules that commands import, peak memory, seconds to the first line from a pipe, and the
  operators and waits that `operators.py` counts.

`before_after.py` compares speed.
"""

import difflib
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import runpy
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
SECONDS = 600  # the longest time of one step
# What two runs of one checkout may differ in. A space is part of it where columns are aligned.
VOLATILE = re.compile(
    rb" *\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?"
    rb"| *\b\d+:\d\d:\d\d\b(?![.,]\d)"  # not the times of subtitles
    rb"| *(?<![\w.])[\d.,]+ ?(tokens/s|seconds?\b|s\b|ms\b|min\b|[kMG]B\b)"
    rb'|"(\w*seconds?|minutes|mtime_ns|size|checksum)": ?("?[\w.+-]+"?|\{[^}]*\})'
    rb"|\b[0-9a-f]{64}\b"  # a digest of a file; the files themselves are compared
)
# Keys that only one of the checkouts has, at their defaults: recipes, models and pages hold them.
ONE_ONLY = re.compile(rb', file = \\*"\\*"|"file": "",\s*|,\s*"unit": "line"')


@dataclass(frozen=True)
class Checkout:
    """A checkout, and the folder that its commands run in."""

    root: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """Return the environment in which Python imports the checkout's package."""
        return os.environ | {
            "PYTHONPATH": str(self.root),
            "NMT_DATA_DIR": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "80",
            "TERM": "dumb",
        }

    def start(self, arguments: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start `python ARGUMENTS` in the folder."""
        command, environment = [sys.executable, *arguments], self.environment()
        return subprocess.Popen(command, cwd=self.folder, env=environment, **options)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        """Run `python ARGUMENTS` in the folder."""
        with self.start(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def mask(self, content: bytes) -> bytes:
        """Return a text, or the header of a model, without paths and what is volatile."""
        try:
            content.decode()
        except UnicodeDecodeError:
            length = int.from_bytes(content[:8], "little")
            if content[8:9] != b"{" or length > len(content):  # not a .safetensors file
                return content
            return self.mask(content[8 : 8 + length].rstrip()) + content[8 + length :]
        content = ONE_ONLY.sub(b"", content)
        folder = re.escape(bytes(self.folder.parent)) + rb"/(one|two)\b"
        content = re.sub(folder, b"FOLDER", content).replace(bytes(self.root), b"ROOT")
        return VOLATILE.sub(b"#", content)


@dataclass
class Differences:
    """What two checkouts do differently, and the texts that a person should read."""

    found: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def compare(self, what: str, old: object, new: object) -> None:
        """Print and remember a difference if two results are not equal."""
        if old != new:
            self.found.append(f"{what}: {str(old)[:300]} and {str(new)[:300]}")
            click.echo(f"DIFFERENT: {self.found[-1]}")

    def compare_texts(self, what: str, old: bytes, new: bytes) -> None:
        """Keep the lines in which two texts differ, for a reader."""
        one, other = (text.decode(errors="replace").splitlines() for text in (old, new))
        if lines := [*difflib.unified_diff(one, other, lineterm="", n=0)][2:]:
            self.texts.append("\n".join([f"## {what}", *lines, ""]))


def both(work: Callable[[Checkout], Any], old: Checkout, new: Checkout) -> list[Any]:
    """Do the same work in both checkouts at the same time, each in a process."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        return [*pool.map(work, (old, new))]


# --- commands -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What a command did."""

    line: str
    code: int
    out: bytes
    err: bytes
    files: dict[str, str]  # digests of the masked content of those that it wrote


def run_lines(checkout: Checkout) -> list[Result]:
    """Run all command lines in forks of this process, which imports the slow packages once."""
    os.environ.update(checkout.environment())
    os.chdir(checkout.folder)
    sys.path.insert(0, str(checkout.root))
    for package in ("torch", "sacrebleu", "sentencepiece"):
        importlib.import_module(package)
    lines = (HERE / "two_checkouts" / "commands.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    return [run_line(checkout, line) for line in lines]


def run_line(checkout: Checkout, line: str) -> Result:
    """Run a line `ARGUMENTS [< FILE] [> FILE]` and return what it did."""
    command, _, save_to = line.partition(" > ")
    command, _, stdin = command.partition(" < ")
    before = states(checkout.folder)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        content = Path(stdin).read_bytes() if stdin else b""
        code = run_forked(shlex.split(command), content, out.fileno(), err.fileno())
        out.seek(0)
        err.seek(0)
        printed, messages = out.read(), err.read()
    if save_to:
        Path(save_to).write_bytes(printed)
    after = states(checkout.folder)
    files = {
        name: hashlib.sha256(checkout.mask((checkout.folder / name).read_bytes())).hexdigest()[:8]
        for name, state in after.items()
        if before.get(name) != state
    } | dict.fromkeys(before.keys() - after.keys(), "removed")
    return Result(line, code, checkout.mask(printed), checkout.mask(messages), files)


def run_forked(words: list[str], stdin: bytes, out: int, err: int) -> int:
    """Run `nmt WORDS` in a fork with these streams and return its exit code."""
    read, write = os.pipe()
    os.write(write, stdin)  # less than the pipe holds
    os.close(write)
    child = os.fork()
    if not child:
        for target, stream in enumerate((read, out, err)):
            os.dup2(stream, target)
        sys.argv = ["nmt", *words]
        signal.alarm(SECONDS)  # ends a command that hangs
        try:
            runpy.run_module("nmt", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(int(end.code or 0))
        finally:
            sys.excepthook(*sys.exc_info())  # a traceback is a finding
            os._exit(1)
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file of a folder, by its name."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    found = ((path.relative_to(folder), path.stat()) for path in paths)
    return {str(name): (state.st_size, state.st_mtime_ns) for name, state in found}


def compare_commands(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Run all command lines in both checkouts and compare what they did."""
    results = both(run_lines, old, new)
    for one, other in zip(*results, strict=True):
        differences.compare(f"exit code of nmt {one.line}", one.code, other.code)
        if "--help" in one.line:
            differences.compare_texts(one.line, one.out, other.out)
        else:
            pairs = enumerate(zip(one.out, other.out, strict=False))
            begin = max(0, next((index for index, (a, b) in pairs if a != b), 0) - 40)
            differences.compare(f"stdout of nmt {one.line}", one.out[begin:], other.out[begin:])
        for name in sorted(one.files.keys() | other.files.keys()):
            what = f"{name}, written by nmt {one.line}"
            differences.compare(what, one.files.get(name), other.files.get(name))
        differences.compare_texts(f"messages of nmt {one.line}", one.err, other.err)
    codes = [result.code for result in results[0]]
    click.echo(f"commands: {len(codes)} compared; {sum(map(bool, codes))} are refused by old")


# --- resume ---------------------------------------------------------------------------------------


def compare_resumes(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Let both checkouts finish trainings that the old one has started and that were killed."""
    for workers in (1, 2):
        name = f"killed-{workers}"
        for checkout in (old, new):  # a recipe of its own: torchrun takes --run for its own option
            shutil.copy(checkout.folder / "tiny.toml", checkout.folder / f"{name}.toml")
        start_and_kill(old, name, workers)
        shutil.copytree(old.folder / "runs" / name, new.folder / "runs" / name)
        both(partial(finish, name=name, workers=workers), old, new)
        digests = [
            {
                path.name: hashlib.sha256(checkout.mask(path.read_bytes())).hexdigest()[:8]
                for path in sorted((checkout.folder / "runs" / name).rglob("*"))
                if path.suffix in (".safetensors", ".pt")
            }
            for checkout in (old, new)
        ]
        differences.compare(f"training resumed with {workers} workers", *digests)
        click.echo(f"resume: {len(digests[0])} files of {workers} workers compared")


def train(checkout: Checkout, name: str, workers: int) -> "subprocess.Popen[bytes]":
    """Start, or resume, a training of the tiny corpus."""
    launcher = ["-m", "nmt"]
    if workers > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
        launcher.append(str(checkout.root / "cli.py"))
    settings = ["--max-updates=100", "--set=train.checkpoint_updates=20"]
    with (checkout.folder / f"{name}.log").open("ab") as log:
        arguments = [*launcher, "train", f"{name}.toml", *settings]
        return checkout.start(arguments, stdout=log, stderr=log)


def start_and_kill(checkout: Checkout, name: str, workers: int) -> None:
    """Start a training and kill it, with its workers, after its first checkpoint."""
    process = train(checkout, name, workers)
    while not [*(checkout.folder / "runs" / name).glob("checkpoints/*.json")]:
        if process.poll() is not None:
            raise click.ClickException((checkout.folder / f"{name}.log").read_text())
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for number in (process.pid, *map(int, children)):
        os.kill(number, signal.SIGKILL)
    process.wait()


def finish(checkout: Checkout, name: str, workers: int) -> None:
    """Resume a training and wait until it has ended."""
    if train(checkout, name, workers).wait(SECONDS):
        raise click.ClickException((checkout.folder / f"{name}.log").read_text())


# --- server ---------------------------------------------------------------------------------------

SENTENCES = ("The old woman is reading a letter.", "Two dogs run.", "", "Child 3 sees http://a.b.")
ADDRESS = re.compile(rb"http://127\.0\.0\.1:([0-9]+)")
THREADS = """
from concurrent.futures import ThreadPoolExecutor
import nmt
texts = [f"The woman sees {number} dogs." for number in range(40)]
def translate(part):
    return [translation.text for translation in nmt.load("trained").translate(texts[part::2])]
with ThreadPoolExecutor(2) as pool:
    print(*pool.map(translate, (0, 1)))
"""


def requests() -> Iterator[tuple[str, str, bytes]]:
    """Yield 200 requests: method, path and body."""
    for path in ("/languages", "/health", "/spec", "/frontend/settings", "/", "/nothing"):
        yield "GET", path, b""
    bodies: list[object] = [{}, [], "text", {"q": 5}, {"q": "a", "source": "zz", "target": "de"}]
    for number in range(189):
        text = f"{SENTENCES[number % len(SENTENCES)]} {'And so on. ' * (number % 7)}"
        body: dict[str, object] = {"q": text, "source": "en", "target": "de"}
        if number % 5 == 1:
            body["q"] = [text, SENTENCES[0]]
        if number % 5 == 2:
            body |= {"q": f"<p>{text} <b>The old</b> man</p>", "format": "html"}
        if number % 5 == 3:
            body["alternatives"] = 2
        bodies.append(body)
    for sent in bodies:
        yield "POST", "/translate", json.dumps(sent).encode()


def serve(checkout: Checkout) -> list[tuple[str, int, bytes]]:
    """Return the answers to all requests; the server is stopped and started between two halves."""
    answers = []
    asked = [*requests()]
    for half in (asked[: len(asked) // 2], asked[len(asked) // 2 :]):
        arguments = ["-m", "nmt", "serve", "--model", "trained", "--port", "0"]
        with checkout.start(arguments, stderr=subprocess.PIPE) as process:
            lines = iter(process.stderr.readline, b"")  # type: ignore[union-attr]
            port = next(int(found[1]) for line in lines if (found := ADDRESS.search(line)))
            for method, path, body in half:
                connection = HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request(method, path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = checkout.mask(answer.read()).replace(str(port).encode(), b"PORT")
                answers.append((f"{method} {path} {body[:80]!r}", answer.status, content))
                connection.close()
            process.terminate()
            answers.append(("exit code after SIGTERM", process.wait(60), b""))
    return answers


def compare_servers(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Compare the answers of two servers, and the outputs of two threads."""
    answers = both(serve, old, new)
    for one, other in zip(*answers, strict=True):
        differences.compare("answer", one, other)
    outputs = [checkout.run("-c", THREADS) for checkout in (old, new)]
    differences.compare("two threads", outputs[0].stdout, outputs[1].stdout)
    click.echo(f"server: {len(answers[0])} answers and {len(outputs[0].stdout)} bytes compared")


# --- costs ----------------------------------------------------------------------------------------

IMPORTS = ("--help", "translate --nothing", "translate three.src --model trained", "runs .")
MEMORY = (
    "translate data.src --model trained",
    "score data.src data.tgt --model trained",
    "check data.src data.tgt",
    "train tiny.toml --run memory",
)
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def compare_costs(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Compare imported modules, and print memory, latency and waits of both checkouts."""
    for line in IMPORTS:
        modules = [imported(checkout, line) for checkout in (old, new)]
        click.echo(f"modules of nmt {line}: {len(modules[0])} and {len(modules[1])}")
        more = {name for name in modules[1] - modules[0] if not name.startswith("nmt")}
        differences.compare(f"modules that nmt {line} imports more", [], sorted(more))
    for line in MEMORY:
        peaks = [median(partial(peak_memory, checkout, line), 3) for checkout in (old, new)]
        click.echo(f"peak memory of nmt {line}: {peaks[0]:.0f} and {peaks[1]:.0f} MB")
    seconds = [median(partial(first_line_seconds, checkout), 7) for checkout in (old, new)]
    click.echo(f"first line from a pipe: {seconds[0]:.2f} and {seconds[1]:.2f} s")
    counts = [
        checkout.run(str(checkout.root / "benchmarks" / "operators.py"), "--shape=tiny").stdout
        for checkout in (old, new)
    ]
    click.echo(counts[0])
    differences.compare("operators and waits", *counts)


def median(measure: Callable[[], float], times: int) -> float:
    """Return the median of several measurements."""
    return statistics.median(measure() for _ in range(times))


def imported(checkout: Checkout, line: str) -> set[str]:
    """Return the modules that a command imports."""
    done = checkout.run("-X", "importtime", "-m", "nmt", *line.split())
    lines = done.stderr.decode().splitlines()
    return {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}


def peak_memory(checkout: Checkout, line: str) -> float:
    """Return the peak memory of a command in MB."""
    shutil.rmtree(checkout.folder / "memory", ignore_errors=True)
    return int(checkout.run("-c", PEAK, sys.executable, "-m", "nmt", *line.split()).stdout)


def first_line_seconds(checkout: Checkout) -> float:
    """Return the seconds from the start of `nmt translate` to its first line, with an open pipe."""
    started = time.perf_counter()
    arguments = ["-m", "nmt", "translate", "--model", "trained"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with checkout.start(arguments, **pipes) as process:
        write, read = process.stdin, process.stdout
        write.write(b"The dog sees the cat.\n")  # type: ignore[union-attr]
        write.flush()  # type: ignore[union-attr]
        read.readline()  # type: ignore[union-attr]
        return time.perf_counter() - started


# --- all ------------------------------------------------------------------------------------------

PARTS = {
    "commands": compare_commands,
    "resume": compare_resumes,
    "server": compare_servers,
    "costs": compare_costs,
}
# float32, because "auto" measures the machine and may choose differently in two runs.
MAKE_TINY = """
from pathlib import Path
from tests.conftest import reverse_recipe, write_tiny_corpus
recipe = write_tiny_corpus(Path("."))
recipe.write_text(recipe.read_text().replace("[train]", '[train]\\nprecision = "float32"'))
reverse_recipe(Path("."))
"""
# Enough training for outputs that are not empty.
SKILL = (
    "model.d_model=32 model.d_ff=64 model.d_k=16 model.d_v=16 model.dropout=0 train.max_updates=120"
    " train.warmup_updates=60 train.learning_rate_scale=1.2 train.checkpoint_updates=20"
    " train.batch_source_tokens=1000 train.batch_target_tokens=1000"
)


def prepare_folders(old: Checkout, new: Checkout, trained: Path) -> None:
    """Write the files that commands read into both folders; the old checkout makes them."""
    shutil.copytree(HERE / "two_checkouts" / "files", old.folder)
    shutil.copytree(trained, old.folder / "trained")
    for side, ending in (("src", "en"), ("tgt", "de")):
        text = (old.root / "data" / "pocket" / f"test.{ending}").read_text(encoding="utf-8")
        (old.folder / f"data.{side}").write_text("".join(text.splitlines(True)[:300]))
    old.run("-c", MAKE_TINY)
    for name in ("tiny", "reverse"):
        settings = [f"--set={setting}" for setting in SKILL.split()]
        done = old.run("-m", "nmt", "train", f"{name}.toml", "--run", f"{name}-run", *settings)
        if done.returncode:
            raise click.ClickException(done.stderr.decode())
    shutil.copytree(old.folder, new.folder)


@click.command()
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--trained", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--part", "parts", type=click.Choice([*PARTS]), multiple=True, help="Default: all.")
@click.option("--texts", type=click.Path(path_type=Path), default=Path("build/texts.diff"))
@click.option("--keep", is_flag=True, help="Keep the folders in which the commands ran.")
def command(
    old: Path, new: Path, trained: Path, parts: Sequence[str], texts: Path, keep: bool
) -> None:
    """Compare two checkouts with a trained run of pocket."""
    folder = Path(tempfile.mkdtemp(prefix="nmt-two-"))
    checkouts = Checkout(old.resolve(), folder / "one"), Checkout(new.resolve(), folder / "two")
    differences = Differences()
    try:
        prepare_folders(*checkouts, trained)
        for part in parts or PARTS:
            started = time.perf_counter()
            PARTS[part](*checkouts, differences)
            click.echo(f"{part}: {time.perf_counter() - started:.0f} s")
    finally:
        if not keep:
            shutil.rmtree(folder)
    texts.parent.mkdir(parents=True, exist_ok=True)
    texts.write_text("\n".join(differences.texts), encoding="utf-8")
    click.echo(f"{len(differences.found)} differences; texts to read: {texts}")
    sys.exit(bool(differences.found))


if __name__ == "__main__":
    command()
