"""A folder with files of every kind to run commands in, and what keeps the commands short."""

import gzip
import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_tiny_corpus

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
        """Bring every file back to its first state."""
        if now == self.state:
            return
        for path in sorted(now.keys() - self.state.keys(), reverse=True):
            if now[path]:
                os.unlink(path)
            else:
                os.rmdir(path)
        for path, known in self.state.items():
            if known and now.get(path) != known:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                Path(path).unlink(missing_ok=True)  # with the mark of the command that wrote it
                shutil.copy2(self.pristine / os.path.relpath(path, self.root), path)
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
    """Create the files that command lines name."""
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
    """Keep trainings and searches small, and take away the network and the embedded corpus."""
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
    monkeypatch.setattr("nmt.text.corpus.shipped", lambda name: Path("/nonexistent") / name)
    monkeypatch.setattr("socket.create_connection", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.setattr("webbrowser.open", lambda address: True)
