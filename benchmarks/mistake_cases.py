"""The mistakes and attacks that benchmarks/mistakes.py tries."""

import gzip
import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from nmt.commands import COMMANDS, cli
from nmt.config import DECLARED
from nmt.recipe.toml import toml_value

REFUSED, ANY = (1, 2), (0, 1, 2)
BAD_VALUES = (
    "",
    "-1",
    "nan",
    "1e400",
    "99999999999999999999",
    "two\nlines",
    "\udcff",
    "/dev/null/x",
)
USUAL = {  # arguments that make a command small
    "train": ("mine.toml",),
    "prepare": ("mine.toml",),
    "ablate": ("mine.toml", "--dry-run", "--vary", "model.d_ff=8"),
    "fetch": ("mine.toml",),
    "translate": ("dev.en",),
    "explain": ("Hello",),
    "average": ("runs/mine",),
    "init": ("train.en", "train.de", "-o", "new.toml"),
}
LOST = (
    "checkpoints", "recipe.toml", "tokenizer.model", "prepared", "prepared/manifest.json",
    "prepared/train-0.ids", "metrics.jsonl", "best.safetensors", "model.safetensors",
    "checkpoints/update-00000004.json", "checkpoints/update-00000004.state.pt",
    "checkpoints/update-00000004.safetensors",
)  # fmt: skip
USERS_OF_RUNS = (
    "train mine.toml", "train RUN", "prepare mine.toml", "translate dev.en --beam-size 1",
    "evaluate --beam-size 1", "average RUN --output new.safetensors", "inspect RUN", "runs",
    "report RUN --output new.html",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One invocation, and what may come of it."""

    group: str
    arguments: tuple[str, ...]
    codes: tuple[int, ...] = REFUSED
    removed: str = ""  # a file or folder that is removed before
    may_write: tuple[str, ...] = ()  # beginnings of paths that may change


def settings_out_of_range() -> Iterator[Case]:
    """Yield each setting with values beyond its range or of another type."""
    for name, declared in DECLARED.items():
        limits = declared.metadata
        default = limits["default"]
        values = ["[[[[", "{}", "nan", '"' + "x" * 100_000 + '"']
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            values += [toml_value(limits[end]) for end in ("minimum", "maximum") if limits[end]]
            values += ["-1e308", "1e308", "9223372036854775808", "true", "1e999"]
        for value in values:
            codes = ANY if value in map(str, (limits["minimum"], limits["maximum"])) else REFUSED
            text = isinstance(default, str) and not limits["choices"]
            yield Case(
                "a setting out of its range",
                ("inspect", "mine.toml", "--set", f"{name}={value}"),
                ANY if text or (isinstance(default, dict) and value == "{}") else codes,
            )


def options_with_bad_values() -> Iterator[Case]:
    """Yield each option of each command with bad values, and unknown options."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None  # noqa: S101 (for the type checker)
        for option in command.params:
            if not isinstance(option, click.Option) or option.is_flag or option.hidden:
                continue
            for value in BAD_VALUES:
                words = (name, *USUAL.get(name, ()), option.opts[0], value)
                yield Case("a bad value of an option", words, ANY, may_write=("runs/mine/",))
        for flag in ("--nonsense", "--", "--help=1", "-x"):
            usual = USUAL.get(name, ())
            yield Case("an unknown option", (name, *usual, flag), ANY, may_write=("runs/mine/",))
    for line in ("trian", "train a b c", "--vresion", "translate a b", "runs a b"):
        yield Case("an unknown option", tuple(line.split()))


@dataclass(frozen=True)
class Reader:
    """A command line that reads a file at the place of FILE."""

    arguments: str
    kind: str  # "text", "model", "run" or "recipe"


READERS = (
    Reader("translate FILE --model RUN --beam-size 1", "text"),
    Reader("translate --on-bad-line blank FILE --model RUN --beam-size 1", "text"),
    Reader("evaluate FILE dev.de --model RUN", "text"),
    Reader("evaluate dev.en FILE --model RUN", "text"),
    Reader("evaluate --hypotheses FILE dev.de", "text"),
    Reader("evaluate --hypotheses dev.de FILE", "text"),
    Reader("evaluate --hypotheses dev.de dev.de --compare FILE", "text"),
    Reader("init FILE dev.de --source-language en --target-language de -o new.toml", "text"),
    Reader("init dev.en FILE --source-language en --target-language de -o new.toml", "text"),
    Reader("translate dev.en --model FILE --beam-size 1", "model"),
    Reader("evaluate --model FILE", "model"),
    Reader("explain Hello --model FILE --output new.html", "model"),
    Reader("inspect FILE", "model"),
    Reader("train mine.toml --run runs/new --init-from FILE", "model"),
    Reader("average FILE --output new.safetensors", "run"),
    Reader("report FILE --output new.html", "run"),
    Reader("train FILE --run runs/new", "recipe"),
    Reader("prepare FILE --run runs/new", "recipe"),
    Reader("fetch FILE", "recipe"),
)
WRITERS = (
    "translate dev.en --model RUN --beam-size 1 --output FILE",
    "average RUN --output FILE",
    "evaluate --model RUN --card FILE",
    "evaluate --hypotheses dev.de dev.de --card FILE",
    "explain Hello --model RUN --output FILE",
    "report RUN --output FILE",
    "init train.en train.de -o FILE",
    "ablate mine.toml --seeds 1,2 --output FILE",
    "train mine.toml --run FILE",
    "prepare mine.toml --run FILE",
)
PRECIOUS = (
    "RUN/best.safetensors", "RUN/recipe.toml", "RUN/tokenizer.model", "RUN/metrics.jsonl",
    "RUN/prepared/manifest.json", "RUN/prepared/train-0.ids",
    "RUN/checkpoints/update-00000004.safetensors", "RUN/checkpoints/update-00000004.json",
    "RUN/checkpoints/update-00000004.state.pt", "RUN/checkpoints", "train.en", "dev.de",
    "mine.toml", "notes.txt", "notes.md", "card.json", "page.html", "keep",
)  # fmt: skip


FOLDERS = ("keep", "RUN/checkpoints")


def bad_files(reader: Reader) -> Iterator[Case]:
    """Yield a reader with every bad file."""
    for path in sorted(BAD_FILES):
        words = [path if word == "FILE" else word for word in reader.arguments.split()]
        yield Case(f"a bad file for a {reader.kind}", with_run(words), ANY)


def outputs() -> Iterator[Case]:
    """Yield each output on each file that it must not replace."""
    for writer in WRITERS:
        for path in PRECIOUS:
            words = [path if word == "FILE" else word for word in writer.split()]
            # An ablation only adds files to a folder, under its own names.
            codes = ANY if words[0] == "ablate" and path in FOLDERS else REFUSED
            yield Case("an output on a file to keep", with_run(words), codes)


def lost_files() -> Iterator[Case]:
    """Yield each command that uses a run with each file of the run removed."""
    for user in USERS_OF_RUNS:
        for lost in LOST:
            harmless = (
                "run.json",
                "metrics.jsonl",
                "recipe.toml",
                "tokenizer.model",
                "prepared/",
                "checkpoints/",
                "report.html",
            )
            yield Case(
                "a run that lost a file",
                with_run(user.split()),
                ANY,
                f"runs/mine/{lost}",
                tuple(f"runs/mine/{path}" for path in harmless)
                if "mine.toml" in user or "train" in user
                else (),
            )


def with_run(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words with the tiny run's folder in place of RUN."""
    return tuple(word.replace("RUN", "runs/mine") for word in words)


def model_bytes() -> bytes:
    """Return the tiny model's file."""
    return Path("runs/mine/model.safetensors").read_bytes()


def header(entries: str) -> bytes:
    """Return a safetensors file with a header and no tensors."""
    return len(entries).to_bytes(8, "little") + entries.encode()


BAD_FILES: dict[str, Callable[[], bytes | None]] = {
    "bad/empty": lambda: b"",
    "bad/empty.gz": lambda: b"",
    "bad/blank": lambda: b"\n \n\t\n",
    "bad/random": lambda: hashlib.shake_256(b"x").digest(5000),
    "bad/random.gz": lambda: hashlib.shake_256(b"y").digest(5000),
    "bad/cut.gz": lambda: gzip.compress(b"A dog runs.\n" * 5000)[:-20],
    "bad/latin1.txt": lambda: "größe\n".encode("latin-1") * 3,
    "bad/utf16.txt": lambda: "A dog runs.\n".encode("utf-16"),
    "bad/mac.txt": lambda: b"A dog runs.\rA man sits.\r",
    "bad/nul.txt": lambda: b"A\0dog\n\0\n",
    "bad/long.txt": lambda: b"x" * 20_000_000,
    "bad/bomb.gz": lambda: gzip.compress(b"\0" * 30_000_000),
    "bad/nested.toml": lambda: b"a = " + b"[" * 5000 + b"]" * 5000,
    "bad/wild.toml": lambda: b"[model]\nencoder_layers = 1000000\n",
    "bad/self.toml": lambda: b'extends = "self.toml"\n',
    "bad/page.html": lambda: b"<!doctype html><title>Not found</title>",
    "bad/pickle.pt": lambda: pickle.dumps({"a": 1}),
    "bad/other.safetensors": lambda: header('{"__metadata__":{}}'),
    "bad/nested.safetensors": lambda: header('{"a":' + "[" * 9000 + "]" * 9000 + "}"),
    "bad/cut.safetensors": lambda: model_bytes()[:-100],
    "bad/layers.safetensors": lambda: model_bytes().replace(
        b"encoder_layers = 1", b"encoder_layers = 9"
    ),
    "bad/updates.safetensors": lambda: model_bytes().replace(
        b'"updates":"[2, 4]"', b'"updates":"[1e99]"'
    ),
    "bad/flipped.safetensors": lambda: model_bytes()[:200] + b"\xff" + model_bytes()[201:],
    "bad": lambda: None,
    "bad/missing": lambda: None,
    "bad/empty/file": lambda: None,
    "bad/loop": lambda: None,
    "bad/" + "n" * 300: lambda: None,
    "runs/cut": lambda: None,
    "runs/deep": lambda: None,
    "runs/empty": lambda: None,
    "/dev/null": lambda: None,
    "/dev/zero": lambda: None,
    "/proc/self/mem": lambda: None,
    "-": lambda: None,
}


def every_case() -> Iterator[Case]:
    """Yield all cases."""
    yield from settings_out_of_range()
    yield from options_with_bad_values()
    yield from outputs()
    yield from lost_files()
    for reader in READERS:
        yield from bad_files(reader)
