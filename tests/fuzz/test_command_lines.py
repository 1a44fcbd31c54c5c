"""Any command line ends with an exit code, one message and all files as they were.

The commands run in this process, in a folder with a tiny trained model. Long work is cut short
where it would start: trainings end after a few updates, searches are narrow, and there is no
network.
"""

import contextlib
import gzip
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from nmt.commands import COMMANDS, cli, main
from nmt.config import DECLARED
from tests.conftest import write_tiny_corpus
from tests.fuzz import LONGEST_MESSAGE, fuzz

MOST_UPDATES = 3  # of a training

State = dict[str, tuple[int, ...]]  # by path


@dataclass
class World:
    """A folder with files of every kind, which is restored after each command."""

    root: Path
    pristine: Path  # a copy of it
    state: State = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that commands run in; those above it are watched too."""
        return self.root / "in" / "here"

    def look(self) -> State:
        """Return what identifies the content of every file; () for a folder."""
        found: State = {}
        waiting = [str(self.root)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        found[entry.path] = ()
                    else:
                        status = entry.stat(follow_symlinks=False)
                        found[entry.path] = status.st_ino, status.st_size, status.st_mtime_ns
        return found

    def harm(self, command: str, now: State) -> list[str]:
        """Return the files that a command changed or lost although they were not its own."""
        if now == self.state:
            return []
        changed = [path for path, known in self.state.items() if now.get(path) != known]
        return [
            path
            for path in changed
            if not is_own(command, Path(path), self.folder)
            and not (path in now and self.state[path][1:2] == (0,))  # an empty file may be filled
        ]

    def restore(self, now: State) -> None:
        if now != self.state:
            shutil.rmtree(self.root)
            shutil.copytree(self.pristine, self.root, symlinks=True)
            os.chdir(self.folder)
            self.state = self.look()


def is_own(command: str, path: Path, folder: Path) -> bool:
    """Return whether a command may rewrite a file: one of the tiny run's that it made itself."""
    run = folder / "runs" / "tiny"
    own = {run / name for name in (".lock", "recipe.toml", "run.json", "report.html")}
    own |= {
        "average": {run / "model.safetensors"},  # the run's own average, made again
        "evaluate": {folder / "card.json"},  # begins as its cards do
    }.get(command, set())
    return path in own or path.parent == run / "prepared"


def fill(folder: Path, run: Path) -> None:
    folder.mkdir(parents=True)
    write_tiny_corpus(folder)
    shutil.copytree(run, folder / "runs" / "tiny")
    (folder / "runs" / "broken").mkdir()
    (folder / "runs" / "broken" / "metrics.jsonl").write_text("[" * 3000)
    (folder / "folder").mkdir()
    (folder / "folder" / "file").write_text("kept\n")
    model = (run / "model.safetensors").read_bytes()
    (folder / "damaged.safetensors").write_bytes(model[:99] + b"\xff\xff" + model[101:])
    (folder / "cut.safetensors").write_bytes(model[: len(model) // 2])
    source = (folder / "dev.src").read_bytes()
    (folder / "dev.src.gz").write_bytes(gzip.compress(source))
    (folder / "bad.gz").write_bytes(gzip.compress(source)[:30])
    (folder / "latin1.txt").write_bytes(b"sun\n\xe9t\xe9\n")
    (folder / "pairs.tsv").write_text("sun\tSUN\nno tab\n")
    (folder / "card.json").write_text('{"evaluation_card": 1}')
    texts = {"empty": "", "blank.txt": "\n\n", "notes.txt": "keep me\n"}
    recipes = {
        "broken.toml": "[model\n",
        "circle.toml": 'extends = "circle.toml"\n',
        "other.toml": 'extends = "tiny.toml"\n[train]\nmax_updates = 2\n',
        "huge.toml": 'extends = "tiny.toml"\n[model]\nencoder_layers = 10000000\n',
        "far.toml": 'extends = "tiny.toml"\n[[data.downloads]]\nurl = "http://x/y"\nto = "y"\n',
    }
    for name, text in {**texts, **recipes}.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "loop").symlink_to("loop")
    (folder / "link").symlink_to("notes.txt")


def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    from nmt.decoding.search.beam import BeamSearch
    from nmt.decoding.search.search import search
    from nmt.training.trainer import Trainer

    train = Trainer.train

    def few_updates(trainer: Trainer) -> Any:
        begun, end = trainer.progress.update, trainer.recipe.train.max_updates
        if begun < end and (begun or end > MOST_UPDATES):
            raise KeyboardInterrupt
        return train(trainer)

    def narrow(
        model: Any, source: Any, limits: list[int], ids: Any, strategy: Any, **options: Any
    ) -> Any:
        if isinstance(strategy, BeamSearch):
            beam_size, n_best = min(strategy.beam_size, 4), min(strategy.n_best, 4)
            strategy = replace(strategy, beam_size=beam_size, n_best=n_best)
        return search(model, source, [min(limit, 8) for limit in limits], ids, strategy, **options)

    def no_network(*_: Any, **__: Any) -> Any:
        raise OSError("there is no network")

    monkeypatch.setattr(Trainer, "train", few_updates)
    monkeypatch.setattr("nmt.decoding.translator.searcher.search", narrow)
    monkeypatch.setattr("nmt.studio.explain.explanation.search", narrow)
    monkeypatch.setattr("nmt.text.reading.corpus.shipped", lambda name: Path("/nonexistent") / name)
    monkeypatch.setattr("socket.create_connection", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.setattr("webbrowser.open", lambda address: True)


GOOD = 2  # values at the start of a pool that are right, for most commands
INTEGERS = ["1", "2", "3", "0", "-1", "5", "2147483647", "99999999999999999999", "1e3", "1.5", "x"]
FLOATS = ["0.6", "0", "1", "-1", "nan", "-inf", "inf", "1e308", "1e999", "1,5", "x"]
GARBAGE = [
    *("", " ", "-", "--", "--nope", "-x", "=", "%s{0}", "größe", "a\tb\nc", "\x1b[31mred", "\x7f"),
    *("\udcff", "y" * 3000, "☃" * 300, "../..", "~"),
]
FILES = ["dev.src", "dev.tgt", "train.src", "dev.src.gz", "bad.gz", "latin1.txt", "empty"]
FILES += ["blank.txt", "pairs.tsv", "card.json", "notes.txt", "tiny.toml", "other.toml"]
FILES += ["broken.toml", "circle.toml", "huge.toml", "far.toml", "damaged.safetensors"]
FILES += ["cut.safetensors", "runs/tiny/model.safetensors", "runs/tiny/best.safetensors"]
FILES += ["runs/tiny/metrics.jsonl", "loop", "link"]
FOLDERS = ["runs/new", "runs/tiny", "folder", ".", "out", "runs", "runs/broken"]
FOLDERS += ["runs/tiny/checkpoints"]
OTHERS = ["pocket", "multi30k_en_de", "paper/base", "none", "none/x", "dev.src/x", "runs/none", "-"]
OTHERS += ["/dev/null", "/proc/version", "new.html", "out/new.txt", "new.json", "new.md"]
PATHS = [*FILES, *FOLDERS, *OTHERS, "new.safetensors"]
LANGUAGES = ["en", "de", "zh", "ja", "xx", "english"]
VALUES = ["1", "2", "0", "-1", "0.5", "1e999", "nan", "true", "x", "[]", "{}", "[[1]]", "bf16", '"']
VALUES += ["10000000", "2147483647", "99999999999999999999", "pre", "rotary", "char", "none"]
VALUES += ["loss"]
# A run's languages may be corrected: its models' are.
NAMES = [name for name in DECLARED if not name.endswith("_language")]
SETTINGS = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.sampled_from(["model.d_model", "nope.x=1", "model.=1", "=1", "decode.beam_size=2"]),
)
AXES = st.builds(
    "{}={},{}".format, st.sampled_from(NAMES), st.sampled_from(VALUES), st.sampled_from(VALUES)
)

# What an option or an argument may hold, by its name.
GOOD_PATHS = {  # right ones, and the options and arguments that take them
    ("tiny.toml", "other.toml"): "recipe",
    ("runs/new", "runs/tiny"): "run runs prefix",
    ("runs/tiny", "runs/tiny/model.safetensors"): "model models reverse_models init_from",
    ("new.html", "out/new.txt", "new.safetensors"): "output page cards card",
    ("new.toml", "out/new.toml"): "new_recipe",
    (".", "runs"): "data_dir",
}
POOLS: dict[str, list[str]] = {
    **{name: [*good, *PATHS] for good, names in GOOD_PATHS.items() for name in names.split()},
    "tag": ["<BT>", "", "BT", "<s>", "<\x1b>"],
    "device": ["auto", "cpu", "cuda", "cuda:99", "mps", "meta", "nonsense", "hpu"],
    "source_language": LANGUAGES,
    "target_language": LANGUAGES,
    "language_pair": ["en-de", "de-en", "en", "x-y-z"],
    "test_set": ["wmt14", "wmt99", "wmt14/full"],
    "sentence": ["sun moon", "Sun, moon!", "sun " * 50, "ß☃"],
    "seeds": ["1", "1,2", "1,1", "x", "0-9"],
    "updates": ["8", "4,8", "99", "x", "8,8"],
    "tokenize": ["13a", "char", "none", "moses", "x"],
}


def values(parameter: click.Parameter) -> st.SearchStrategy[str]:
    wrong = st.sampled_from([*GARBAGE, *GARBAGE, *INTEGERS, *FLOATS, *PATHS])
    if parameter.name == "overrides":
        return st.one_of(SETTINGS, SETTINGS, SETTINGS, wrong)
    if parameter.name == "varied":
        return st.one_of(AXES, AXES, AXES, wrong)
    own = pool(parameter)
    good, fitting = st.sampled_from(own[:GOOD]), st.sampled_from(own)
    return st.one_of(good, good, fitting, fitting, wrong)


def pool(parameter: click.Parameter) -> list[str]:
    if parameter.name in POOLS:
        return POOLS[parameter.name]
    if isinstance(parameter.type, click.types.IntParamType):
        return INTEGERS
    if isinstance(parameter.type, click.types.FloatParamType):
        return FLOATS
    if isinstance(parameter.type, click.Choice):
        return [*map(str, parameter.type.choices), "x"]
    return PATHS


Parts = list[st.SearchStrategy[list[str]]]


def subcommand(name: str) -> tuple[str, Parts, Parts]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    arguments, options = [], [st.just(["--help"])]
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            most = max(parameter.nargs, 1) if parameter.nargs >= 0 else 3
            fewest = most if parameter.required and parameter.nargs >= 0 else 0
            arguments.append(st.lists(values(parameter), min_size=fewest, max_size=most))
        elif isinstance(parameter, click.Option):
            spellings = st.sampled_from([*parameter.opts, *parameter.secondary_opts])
            count = 0 if parameter.is_flag else parameter.nargs
            given = st.lists(values(parameter), min_size=count, max_size=count)
            options.append(st.builds(lambda spelling, given: [spelling, *given], spellings, given))
    return name, arguments, options


SUBCOMMANDS = [*map(subcommand, COMMANDS)]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    name, arguments, options = draw(st.sampled_from(SUBCOMMANDS))
    parts = [*map(draw, arguments)]
    for _ in range(draw(st.integers(0, 3))):
        parts.append(draw(draw(st.sampled_from(options))))
    if len(parts) > 1 and draw(st.booleans()):
        parts.reverse()
    line = [name, *(word for part in parts for word in part)]
    if draw(st.integers(0, 19)) == 0:
        line.insert(draw(st.integers(1, len(line))), draw(st.sampled_from(GARBAGE)))
    return line


@pytest.fixture
def world(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path / "world", tmp_path / "pristine")
    fill(made.folder, tiny_run)
    (made.root / "above.txt").write_text("above\n")
    shutil.copytree(made.root, made.pristine, symlinks=True)
    made.state = made.look()
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("NMT_DATA_DIR", ".")
    monkeypatch.setattr("nmt.commands.exit_now", lambda code: None)
    cut_short(monkeypatch)
    return made


@contextlib.contextmanager
def streams() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    before = sys.stdin, sys.stdout, sys.stderr
    given = os.fdopen(os.open("dev.src", os.O_RDONLY), encoding="utf-8")
    out, err = (
        os.fdopen(os.memfd_create(name), "w+", encoding="utf-8", errors="backslashreplace")
        for name in ("out", "err")
    )
    with given, out, err:
        sys.stdin, sys.stdout, sys.stderr = given, out, err
        try:
            yield out, err
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def run(line: list[str]) -> tuple[int, str]:
    """Run a command line in this process and return its exit code and what it wrote to stderr."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    with streams() as (_, err):
        try:
            main(line)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        err.flush()
        err.seek(0)
        return code, err.read()


@pytest.mark.slow
@pytest.mark.timeout(3600)  # seconds for all cases
def test_any_command_line_ends_with_a_message_and_all_files_as_they_were(world: World) -> None:
    @fuzz
    @given(command_lines())
    def check(line: list[str]) -> None:
        note(repr(line))
        code, err = run(line)
        now = world.look()
        harm = world.harm(line[0], now)
        world.restore(now)
        assert not harm
        check_end(line, code, err)

    check()


def check_end(line: list[str], code: int, err: str) -> None:
    assert code in (0, 1, 2, 129, 130, 143)
    assert "Traceback" not in err
    if code in (1, 2):
        begins = "\nError: " if "\nError: " in f"\n{err}" else "\nnmt: "
        message = f"\n{err}".rpartition(begins)[2].removesuffix("\n")
        assert message, err
        assert "\n" not in message or "Error" in begins, err  # click's own may list choices
        quoted = 4 * sum(map(len, line))  # "\\x00" stands for one character
        assert len(message) <= LONGEST_MESSAGE + quoted, err
