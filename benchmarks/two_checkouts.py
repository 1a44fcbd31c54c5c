"""Compare what two checkouts of this project do: outputs, resumed trainings, servers, costs.

    git worktree add ../before main
    python benchmarks/two_checkouts.py ../before . --trained runs/pocket

Code that is moved must not change what users see. Each part prints what differs; nothing else is a
difference. The exit code is 1 if there is one.

- commands: the command lines of `two_checkouts/commands.txt`, in two copies of one folder. Exit
  codes, stdout and written files must be equal; messages on stderr and help texts are written as a
  diff, to be read.
- resume: a training that the old checkout starts and that is killed, finished by both; weights and
  optimiser state must be equal, with one process and with two workers.
- server: requests that both servers answer, stopped by SIGTERM in between, and two threads that use
  one `nmt.load`.
- costs: modules that commands import, peak memory, seconds to the first line from a pipe, and the
  waits that `pretend_device.py` counts.

`before_after.py` compares speed.
"""

import difflib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import click
import torch
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
COMMANDS = HERE / "two_checkouts" / "commands.txt"
SECONDS = 600  # the longest time of one command
KILL_AFTER_CHECKPOINTS = 1
# What two runs of one checkout may differ in: dates, durations, speeds, sizes of the memory used.
VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|\+00:00)?"
    r"|\b\d+:\d\d:\d\d\b"
    r"|[\d.,]+(?=( [a-z]+/s| ?seconds?\b| ?minutes?\b| s\b| ms\b| GB\b| MB\b))"
    r'|(?<="seconds": )[\d.e-]+|(?<="[a-z]{4}": )1[67]\d{8}(\.\d+)?'
)


@dataclass(frozen=True)
class Result:
    """What a command did."""

    line: str
    code: int
    out: bytes
    err: str
    files: dict[str, str]  # those that it wrote: digests of their content without what is volatile


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
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "80",
            "TERM": "dumb",
        }

    def start(self, arguments: Sequence[str], **streams: object) -> "subprocess.Popen[bytes]":
        """Start `python ARGUMENTS` in the folder."""
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return] # streams
            [sys.executable, *arguments], cwd=self.folder, env=self.environment(), **streams
        )

    def run(
        self, arguments: Sequence[str], stdin: bytes = b""
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run `python ARGUMENTS` in the folder."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )

    def nmt(self, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """Run `nmt ARGUMENTS`."""
        return self.run(["-m", "nmt", *arguments], stdin)

    def without_names(self, text: bytes) -> bytes:
        """Return text in which the folder's own path and what is volatile are replaced."""
        text = text.replace(str(self.folder).encode(), b"FOLDER").replace(
            str(self.root).encode(), b"ROOT"
        )
        try:
            return VOLATILE.sub("#", text.decode()).encode()
        except UnicodeDecodeError:
            return text  # of a binary file


@dataclass
class Differences:
    """What two checkouts do differently, and the texts that a person should read."""

    found: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        """Print a difference and remember it."""
        click.echo(f"DIFFERENT: {what}")
        self.found.append(what)

    def compare(self, what: str, old: object, new: object) -> None:
        """Add a difference if two results are not equal."""
        if old != new:
            self.add(f"{what}: {str(old)[:300]} and {str(new)[:300]}")

    def compare_texts(self, what: str, old: str, new: str) -> None:
        """Keep the differing lines of two texts for a reader."""
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
        if shown := [*lines][2:]:
            self.texts.append("\n".join([f"## {what}", *shown, ""]))


def both(old: Checkout, new: Checkout, work: Callable[[Checkout], object]) -> tuple[object, object]:
    """Do the same work in both checkouts at the same time."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, (old, new))
    return first, second


# --- commands -------------------------------------------------------------------------------------


def read_commands(path: Path) -> list[str]:
    """Return the command lines of a file: without blank lines and comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def run_line(checkout: Checkout, line: str) -> Result:
    """Run a line `ARGUMENTS [< FILE] [> FILE]`; return what it did."""
    words = shlex.split(line)
    stdin, save_to = b"", None
    for sign in ("<", ">"):
        if sign in words:
            place = words.index(sign)
            name = words[place + 1]
            del words[place : place + 2]
            if sign == "<":
                stdin = (checkout.folder / name).read_bytes()
            else:
                save_to = checkout.folder / name
    before = states(checkout.folder)
    done = checkout.nmt(*words, stdin=stdin)
    if save_to:
        save_to.write_bytes(done.stdout)
    after = states(checkout.folder)
    changed = [name for name, state in after.items() if before.get(name) != state]
    files = {name: digest(checkout, name) for name in changed}
    files |= dict.fromkeys(before.keys() - after.keys(), "removed")
    return Result(
        line,
        done.returncode,
        checkout.without_names(done.stdout),
        checkout.without_names(done.stderr).decode(errors="replace"),
        files,
    )


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file of a folder, by its name."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
    }


def digest(checkout: Checkout, name: str) -> str:
    """Return a digest of a file, without what is volatile."""
    content = checkout.without_names((checkout.folder / name).read_bytes())
    return hashlib.sha256(content).hexdigest()[:16]


def compare_commands(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Run all command lines in both checkouts and compare what they did."""
    lines = read_commands(COMMANDS)

    def work(checkout: Checkout) -> list[Result]:
        return [run_line(checkout, line) for line in lines]

    for one, other in zip(*both(old, new, work), strict=True):  # type: ignore[call-overload]
        differences.compare(f"exit code of nmt {one.line}", one.code, other.code)
        if "--help" in one.line:
            differences.compare_texts(one.line, one.out.decode(), other.out.decode())
        elif one.out != other.out:
            differences.compare(f"stdout of nmt {one.line}", *apart(one.out, other.out))
        for name in sorted(one.files.keys() | other.files.keys()):
            what = f"{name}, written by nmt {one.line}"
            differences.compare(what, one.files.get(name), other.files.get(name))
        differences.compare_texts(f"messages of nmt {one.line}", one.err, other.err)
    click.echo(f"commands: {len(lines)} compared")


def apart(one: bytes, other: bytes) -> tuple[bytes, bytes]:
    """Return two outputs from their first difference on."""
    equal = zip(one, other, strict=False)
    place = next((index for index, (a, b) in enumerate(equal) if a != b), min(len(one), len(other)))
    return one[max(0, place - 40) :], other[max(0, place - 40) :]


# --- resume ---------------------------------------------------------------------------------------


def compare_resumes(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Let both checkouts finish trainings that the old one has started and that were killed."""
    for workers in (1, 2):
        started = old.folder / f"runs/killed-{workers}"
        start_and_kill(old, started, workers)
        target = new.folder / "runs" / started.name
        shutil.copytree(started, target)

        def work(checkout: Checkout, count: int = workers, name: str = started.name) -> object:
            return train(checkout, Path("runs") / name, count).wait()

        codes = both(old, new, work)
        differences.compare(f"exit codes of resumed trainings, {workers} workers", *codes)
        compare_runs(started, target, differences)
    click.echo("resume: 2 trainings compared")


def train(checkout: Checkout, run: Path, workers: int) -> "subprocess.Popen[bytes]":
    """Start, or resume, a training of the tiny corpus."""
    arguments = ["train", "tiny.toml", "--run", str(run), "--max-updates", "400"]
    launcher = ["-m", "nmt"]
    if workers > 1:
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(workers)]
        launcher += [str(checkout.root / "cli.py")]
    return checkout.start(
        [*launcher, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def start_and_kill(checkout: Checkout, run: Path, workers: int) -> None:
    """Start a training and kill it, with its workers, after a checkpoint."""
    process = train(checkout, run, workers)
    deadline = time.monotonic() + SECONDS
    while len([*run.glob("checkpoints/*.json")]) < KILL_AFTER_CHECKPOINTS:
        if process.poll() is not None or time.monotonic() > deadline:
            raise click.ClickException(f"{run} has ended, or has no checkpoint")
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)  # until the workers have ended, which torchrun starts in sessions of their own


def compare_runs(old: Path, new: Path, differences: Differences) -> None:
    """Compare the weights and the training state of two runs bit for bit."""
    names = sorted(str(path.relative_to(old)) for path in old.rglob("*.safetensors"))
    others = sorted(str(path.relative_to(new)) for path in new.rglob("*.safetensors"))
    differences.compare(f"models of {old.name}", names, others)
    for name in {*names} & {*others}:
        differences.compare(f"{old.name}/{name}", *(weights(run / name) for run in (old, new)))
    states = [sorted(run.glob("checkpoints/*.state.pt"))[-1] for run in (old, new)]
    differences.compare(f"state of {old.name}", *(tensors_of_state(path) for path in states))


def weights(path: Path) -> str:
    """Return a digest of the weights of a model file."""
    return digest_of_tensors(load_file(path))


def tensors_of_state(path: Path) -> str:
    """Return a digest of all tensors of a training state."""
    found: dict[str, torch.Tensor] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, Mapping):
            for key, part in value.items():
                walk(f"{name}.{key}", part)
        elif isinstance(value, list | tuple):
            for index, part in enumerate(value):
                walk(f"{name}.{index}", part)

    walk("", torch.load(path, weights_only=True))
    return digest_of_tensors(found)


def digest_of_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a digest of tensors and their names."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


# --- server ---------------------------------------------------------------------------------------

SENTENCES = [
    "The old woman is reading a letter.",
    "Two dogs run.",
    "",
    "The child 3 sees http://a.b.",
]
PATHS = ("/languages", "/health", "/spec", "/frontend/settings", "/", "/nothing")
ADDRESS = re.compile(rb"http://127\.0\.0\.1:([0-9]+)/")
THREADS = """
import sys, threading, nmt
model = nmt.load(sys.argv[1])
texts = [f"The woman sees {number} dogs." for number in range(40)]
found = {}
def translate(part):
    found[part] = [translation.text for translation in model.translate(texts[part::2])]
threads = [threading.Thread(target=translate, args=(part,)) for part in (0, 1)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(found[0], found[1])
"""


def requests() -> Iterator[tuple[str, str, bytes, str]]:
    """Yield 200 requests: method, path, body and type of the body."""
    for path in PATHS:
        yield "GET", path, b"", ""
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
        yield "POST", "/translate", json.dumps(sent).encode(), "application/json"


def serve(checkout: Checkout, model: str) -> list[tuple[int, str]]:
    """Return the answers to all requests; the server is stopped and started between two halves."""
    answers = []
    todo = [*requests()]
    for half in (todo[: len(todo) // 2], todo[len(todo) // 2 :]):
        arguments = ["-m", "nmt", "serve", "--model", model, "--port", "0"]
        process = checkout.start(arguments, stderr=subprocess.PIPE)
        try:
            lines = iter(process.stderr.readline, b"")  # type: ignore[union-attr]
            port = next(int(found[1]) for line in lines if (found := ADDRESS.search(line)))
            for method, path, body, kind in half:
                connection = HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request(method, path, body, {"Content-Type": kind} if kind else {})
                answer = connection.getresponse()
                content = checkout.without_names(answer.read()).decode(errors="replace")
                answers.append((answer.status, content.replace(str(port), "PORT")))
                connection.close()
        finally:
            process.terminate()
            answers.append((process.wait(timeout=60), "exit code after SIGTERM"))
    return answers


def compare_servers(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Compare the answers of two servers, and of two threads with one model."""
    answers = both(old, new, lambda checkout: serve(checkout, "trained"))
    asked = [f"{method} {path} {body[:80]!r}" for method, path, body, _ in requests()]
    for number, (one, other) in enumerate(zip(*answers, strict=True)):  # type: ignore[call-overload]
        differences.compare(f"answer {number} ({asked[min(number, len(asked) - 1)]})", one, other)
    outputs = both(old, new, lambda checkout: checkout.run(["-c", THREADS, "trained"]).stdout)
    differences.compare("two threads with one model", *outputs)
    click.echo(f"server: {len(asked)} requests compared")


# --- costs ----------------------------------------------------------------------------------------

PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
IMPORTS = ("--help", "translate --nothing", "translate dev.src --model tiny-run", "runs runs")


def imported(checkout: Checkout, line: str) -> set[str]:
    """Return the modules that a command imports."""
    done = checkout.run(["-X", "importtime", "-m", "nmt", *shlex.split(line)])
    lines = done.stderr.decode().splitlines()
    return {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}


def peak_memory(checkout: Checkout, line: str) -> float:
    """Return the peak memory of a command in MB."""
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
    )
    measure += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = checkout.run(["-c", measure, sys.executable, "-m", "nmt", *shlex.split(line)])
    return int(done.stdout.split()[-1]) / 1024


def first_line_seconds(checkout: Checkout) -> float:
    """Return the seconds from the start of `nmt translate` to its first line from a pipe."""
    started = time.perf_counter()
    arguments = ["-m", "nmt", "translate", "--model", "trained"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = checkout.start(arguments, **pipes)
    process.stdin.write(b"The dog sees the cat.\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]
    process.stdout.readline()  # type: ignore[union-attr]
    seconds = time.perf_counter() - started
    process.stdin.close()  # type: ignore[union-attr]
    process.wait()
    return seconds


def compare_costs(old: Checkout, new: Checkout, differences: Differences) -> None:
    """Compare imported modules, and print memory, latency and waits of both checkouts."""
    for line in IMPORTS:
        sets = [
            {name for name in imported(checkout, line) if not name.startswith("nmt")}
            for checkout in (old, new)
        ]
        more = sorted(sets[1] - sets[0])
        if more:
            differences.add(f"nmt {line} imports more: {', '.join(more[:10])}")
    for line in ("translate data.src --model trained", "check data.src data.tgt"):
        peaks = [
            statistics.median(peak_memory(checkout, line) for _ in range(3))
            for checkout in (old, new)
        ]
        click.echo(f"peak memory of nmt {line}: {peaks[0]:.0f} and {peaks[1]:.0f} MB")
    latencies: list[list[float]] = [[], []]
    for _ in range(7):
        for own, checkout in zip(latencies, (old, new), strict=True):
            own.append(first_line_seconds(checkout))
    medians = [statistics.median(own) for own in latencies]
    click.echo(f"first line from a pipe: {medians[0]:.2f} and {medians[1]:.2f} s (medians of 7)")
    counts = [
        checkout.run([str(checkout.root / "benchmarks" / "operators.py")]).stdout.decode()
        for checkout in (old, new)
    ]
    differences.compare_texts("operators and waits", *counts)


# --- all ------------------------------------------------------------------------------------------

PARTS: dict[str, Callable[[Checkout, Checkout, Differences], None]] = {
    "commands": compare_commands,
    "resume": compare_resumes,
    "server": compare_servers,
    "costs": compare_costs,
}
MAKE_TINY = """
import sys
from pathlib import Path
from tests.conftest import reverse_recipe, write_tiny_corpus
write_tiny_corpus(Path("."))
reverse_recipe(Path("."))
"""


def prepare_folders(old: Checkout, new: Checkout, trained: Path) -> None:
    """Write the files that commands read into both folders: the old checkout makes them."""
    old.folder.mkdir()
    shutil.copytree(HERE / "two_checkouts" / "files", old.folder, dirs_exist_ok=True)
    shutil.copytree(trained, old.folder / "trained")
    for side, ending in (("src", "en"), ("tgt", "de")):
        lines = (old.root / "data" / "pocket" / f"test.{ending}").read_text().splitlines(True)
        (old.folder / f"data.{side}").write_text("".join(lines[:300]))
    old.run(["-c", MAKE_TINY])
    for recipe, run in (("tiny.toml", "tiny-run"), ("reverse.toml", "reverse-run")):
        done = old.nmt("train", recipe, "--run", run)
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
            PARTS[part](*checkouts, differences)
    finally:
        if not keep:
            shutil.rmtree(folder)
    texts.parent.mkdir(parents=True, exist_ok=True)
    texts.write_text("\n".join(differences.texts))
    click.echo(f"{len(differences.found)} differences; texts to read: {texts}")
    sys.exit(bool(differences.found))


if __name__ == "__main__":
    command()
