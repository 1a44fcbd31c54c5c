"""Encoding on many processes equals encoding on one; worker processes that end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice, repeat
from pathlib import Path

import pytest

from nmt.config import TextFiles
from nmt.errors import NmtError
from nmt.system.processes import hidden_main
from nmt.text import encode, prepare
from nmt.text.corpus import Pair
from nmt.text.encode import EncodedChunk, encode_pairs
from nmt.text.tokenizer import Tokenizer
from tests.text.conftest import LIMITS, TinyCorpus, random_pairs

Program = Callable[[str], tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("small_chunks")


def use_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode every corpus in this process."""
    monkeypatch.setattr(encode, "CHUNKS_ALONE", 10**9)


def test_many_processes_give_the_result_of_one(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = random_pairs(500)
    found = []
    processes = 0
    for chunk in encode_pairs(iter(pairs), tokenizer, LIMITS):
        processes = max(processes, len(multiprocessing.active_children()))
        found.append(chunk)
    assert processes > 0
    assert multiprocessing.active_children() == []
    use_one_process(monkeypatch)
    expected = []
    for chunk in encode_pairs(iter(pairs), tokenizer, LIMITS):
        assert multiprocessing.active_children() == []
        expected.append(chunk)
    for one, other in zip(found, expected, strict=True):
        assert one.counts == other.counts
        for name in ("ids", "lengths", "lines"):
            mine, theirs = getattr(one.pairs, name), getattr(other.pairs, name)
            assert mine.dtype == theirs.dtype
            assert mine.tolist() == theirs.tolist()


def test_a_pool_writes_the_same_shards(corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus.prepare(max_length=12, max_ratio=2.5)
    pooled = corpus.shard_bytes()
    for path in corpus.run.prepared.iterdir():
        path.unlink()
    use_one_process(monkeypatch)
    corpus.prepare(max_length=12, max_ratio=2.5)
    assert len(pooled) == 3
    assert corpus.shard_bytes() == pooled


def test_reading_ahead_is_bounded(tokenizer: Tokenizer) -> None:
    """Read at most 3 chunks to choose, then 4 that are pending, and one more."""
    read = 0

    def endless() -> Iterator[Pair]:
        nonlocal read
        while True:
            read += 1
            yield Pair("sun moon", "MOON SUN")

    chunks = encode_pairs(endless(), tokenizer, LIMITS)
    for done in range(1, 20):
        next(chunks)
        assert read <= 7 * (done + 5)
    chunks.close()  # type: ignore[attr-defined] # a generator's
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("error", [NmtError("line 60 is odd"), KeyboardInterrupt("by hand")])
def test_an_exception_of_the_corpus_is_raised(
    tokenizer: Tokenizer, error: NmtError | KeyboardInterrupt
) -> None:
    def broken() -> Iterator[Pair]:
        yield from repeat(Pair("sun", "SUN"), 60)
        raise error

    with pytest.raises(type(error), match=str(error)):
        list(encode_pairs(broken(), tokenizer, LIMITS))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("kind", ["misaligned", "no tab"])
def test_a_corpus_with_a_late_error_leaves_no_shard(
    corpus: TinyCorpus, tmp_path: Path, tokenizer: Tokenizer, kind: str
) -> None:
    """With a given tokenizer, the error is found only while the text is encoded."""
    if kind == "misaligned":
        with (tmp_path / "train.tgt").open("a") as stream:
            stream.write("SUN\n")
        train, message = (
            corpus.recipe.data.train,
            r"has 120 lines but .* has 121: .* line 120 while",
        )
    else:
        (tmp_path / "x.tsv").write_text("sun\tSUN\n" * 99 + "moon MOON\n" + "sun\tSUN\n" * 99)
        train, message = (TextFiles(tsv="x.tsv"),), r"x\.tsv, line 100: no tab"
    with pytest.raises(NmtError, match=message):
        corpus.prepare(given_tokenizer=tokenizer.model, train=train)
    assert {path.name for path in corpus.files()} == {"tokenizer.model", "manifest.json"}
    assert multiprocessing.active_children() == []


def test_a_killed_process_is_reported(tokenizer: Tokenizer) -> None:
    chunks = encode_pairs(repeat(Pair("sun moon", "MOON SUN")), tokenizer, LIMITS)
    next(chunks)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(NmtError, match="a process that encodes the corpus was killed"):
        list(islice(chunks, 1_000_000))
    assert multiprocessing.active_children() == []


def test_a_killed_process_leaves_no_shard(
    corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running the command again encodes the corpus from its start, with the same tokenizer."""

    def kill_after_first(*arguments: object) -> Iterator[EncodedChunk]:
        # Passed through as they came.
        for chunk in encode_pairs(*arguments):  # type: ignore[arg-type] # of several kinds
            for child in multiprocessing.active_children():
                child.kill()
            yield chunk

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "encode_pairs", kill_after_first)
        with pytest.raises(NmtError, match="run the same command again"):
            corpus.prepare()
    assert {path.name for path in corpus.files()} == {"tokenizer.model", "manifest.json"}
    assert len(corpus.prepare().shards[0]) == 120
    assert [line for line in corpus.notes if "BPE tokens" in line] == []


PROGRAM = """
import os, signal, sys, threading, time
from itertools import repeat
from pathlib import Path

from nmt.config import DataSettings
from nmt.text import encode, prepare
from nmt.text.tokenizer import load_tokenizer

def interrupt():
    while True:  # at every stage of starting and ending the processes
        os.killpg(0, getattr(signal, sys.argv[1]))
        time.sleep(0.002)

if __name__ == "__main__":
    encode.CHUNK_PAIRS, encode.CHUNKS_ALONE, encode.processor_count = 7, 2, lambda: 2
    tokenizer = load_tokenizer(Path("tokenizer.model"))
    pairs = repeat(("sun", "SUN"))  # without end
    if sys.argv[1] != "SIGKILL":
        signal.signal(getattr(signal, sys.argv[1]), lambda *_: None)
        threading.Thread(target=interrupt, daemon=True).start()
        pairs = repeat(("sun", "SUN"), 200)
    kept = 0
    for chunk in encode.encode_pairs(pairs, tokenizer, DataSettings()):
        kept += chunk.counts["kept"]
        if sys.argv[1] == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
    print(kept)
"""


SCRIPT = """
import sys
from itertools import repeat
from pathlib import Path

from nmt.config import DataSettings
from nmt.text import encode, prepare
from nmt.text.tokenizer import load_tokenizer

encode.CHUNK_PAIRS, encode.CHUNKS_ALONE, encode.processor_count = 7, 2, lambda: 2
tokenizer = load_tokenizer(Path("tokenizer.model"))
chunks = encode.encode_pairs(repeat(("sun", "SUN"), 200), tokenizer, DataSettings())
print(sum(chunk.counts["kept"] for chunk in chunks), Path(__file__).name)
"""


def test_threads_that_start_processes_leave_the_main_script_as_it_was() -> None:
    main = vars(sys.modules["__main__"])
    before = main.get("__file__"), main.get("__spec__")
    inside = []

    def hide() -> None:
        for _ in range(200):
            with hidden_main():
                time.sleep(0)
                inside.append(main.get("__file__") or main.get("__spec__"))

    threads = [threading.Thread(target=hide) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (main.get("__file__"), main.get("__spec__")) == before
    assert inside == [None] * 800


def test_a_script_needs_no_guard(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """Processes do not run it again; `nmt.train` in a script would begin a training in each."""
    (tmp_path / "tokenizer.model").write_bytes(tokenizer.model)
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "200 script.py\n", "")


@pytest.fixture
def program(tmp_path: Path, tokenizer: Tokenizer) -> Program:
    """Return a function that encodes in another program, which receives a signal.

    It takes the signal's name and returns the exit status, stdout and stderr.
    """
    (tmp_path / "tokenizer.model").write_bytes(tokenizer.model)
    (tmp_path / "program.py").write_text(PROGRAM)

    def run(name: str) -> tuple[int, str, str]:
        with subprocess.Popen(
            [sys.executable, "program.py", name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                # The pool's processes share its output, which ends with the last of them.
                out, err = process.communicate(timeout=60)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, out, err

    return run


def test_processes_exit_when_their_parent_is_killed(program: Program) -> None:
    status, _, _ = program("SIGKILL")
    assert status == -signal.SIGKILL


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_processes_ignore_signals_that_their_parent_handles(program: Program, name: str) -> None:
    """Terminals and schedulers send signals to all processes, at any moment."""
    assert program(name) == (0, "200\n", "")
