"""Pairs are cleaned by their lengths and encoded in chunks: word by word, on many processes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import numpy
import pytest

from nmt.config import SEPARATOR, DataSettings, TokenizerSettings
from nmt.errors import NmtError
from nmt.system.processes import hidden_main
from nmt.text import encode, prepare
from nmt.text.encode import (
    SHORTENED,
    VERDICTS,
    WordCache,
    encode_pairs,
    encode_whole,
    judge,
    split_into_chunks,
)
from nmt.text.reading.corpus import Pair
from nmt.text.reading.lines import FirstSegment
from nmt.text.shards import EncodedPairs
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import SubwordModel, Tokenizer
from tests.conftest import WORDS
from tests.text.conftest import LIMITS, TinyCorpus, random_pairs

pytestmark = pytest.mark.usefixtures("small_chunks")


def plain_verdict(source_length: int, target_length: int, limits: DataSettings) -> str:
    shorter, longer = sorted((source_length, target_length))
    if shorter == 0:
        return "empty"
    if longer > limits.max_length:
        return "too_long"
    return "ratio" if longer > limits.max_ratio * shorter else "kept"


def verdicts(lengths: list[tuple[int, int]], limits: DataSettings, opening: int = 0) -> list[str]:
    return [VERDICTS[number] for number in judge(numpy.array(lengths).T, limits, opening=opening)]


def test_the_tag_counts_for_the_greatest_length_alone() -> None:
    limits = DataSettings(max_length=4, max_ratio=2)
    lengths = [(0, 2), (3, 3), (4, 4), (1, 2), (2, 4)]
    assert verdicts(lengths, limits) == ["empty", *["kept"] * 4]
    tagged = verdicts(lengths, limits, opening=1)
    assert tagged == ["empty", "kept", "too_long", "kept", "kept"]


@pytest.mark.parametrize("max_ratio", [1.0, 1.1, 2.5, 9.0])
@pytest.mark.parametrize("max_length", [1, 20, 30])
def test_judging_many_pairs_equals_judging_one_by_one(max_length: int, max_ratio: float) -> None:
    limits = DataSettings(max_length=max_length, max_ratio=max_ratio)
    lengths = [(source, target) for source in range(33) for target in range(33)]
    assert verdicts(lengths, limits) == [plain_verdict(*pair, limits) for pair in lengths]


@pytest.mark.parametrize("count", [0, 1, 7, 14, 300])
def test_chunks_hold_the_pairs_that_cleaning_keeps(tokenizer: Tokenizer, count: int) -> None:
    pairs = random_pairs(count)
    expected: dict[str, list[int]] = {"ids": [], "lengths": [], "lines": []}
    found_verdicts = []
    for line, pair in enumerate(pairs, start=1):
        source, target = tokenizer.source.encode(pair[:2])
        found_verdicts.append(plain_verdict(len(source), len(target), LIMITS))
        if found_verdicts[-1] == "kept":
            expected["ids"] += [*source, *target]
            expected["lengths"] += [len(source), len(target)]
            expected["lines"].append(line)
    chunks = list(encode_pairs(pairs, tokenizer, LIMITS))
    for name, numbers in expected.items():
        found = [number for chunk in chunks for number in getattr(chunk, name).tolist()]
        assert found == numbers
    for begin, chunk in zip(range(0, count, 7), chunks, strict=True):
        part = found_verdicts[begin : begin + 7]
        assert chunk.counts == {verdict: part.count(verdict) for verdict in VERDICTS}
    if count == 300:
        assert set(found_verdicts) == set(VERDICTS)


SEP, FRENCH = 4, 5  # ids
IN_CONTEXT = replace(LIMITS, context=2)


@pytest.fixture(scope="module")
def controlled() -> Tokenizer:
    text = [" ".join(WORDS), " ".join(WORDS).upper()]
    tokens = (SEPARATOR, ">>fr<<")
    return Tokenizer(learn_subwords(text, TokenizerSettings(47), tags=tokens).model)


def encoded_in_context(pairs: list[Pair], tokenizer: Tokenizer) -> list[tuple[list[int], ...]]:
    """Return the ids of pairs that cleaning keeps, one after the other."""
    found: list[tuple[list[int], ...]] = []
    before: list[list[list[int]]] = []  # the pairs of the document, without what is dropped
    for pair in pairs:
        sides = tokenizer.source.encode(pair)
        if isinstance(pair.source, FirstSegment) or not any(sides):
            before = []
        verdict = plain_verdict(len(sides[0]) + 1, len(sides[1]), replace(LIMITS, max_ratio=99))
        ratio = plain_verdict(len(sides[0]), len(sides[1]), replace(LIMITS, max_length=99))
        is_kept = verdict == ratio == "kept"
        for first in range(-2, 1):
            used = [earlier for earlier in before[first:] if earlier] if first else []
            rows = [
                [*chain(*([*earlier[side], SEP] for earlier in used)), *sides[side]]
                for side in (0, 1)
            ]
            rows[0].insert(0, FRENCH)
            if is_kept and max(map(len, rows)) <= LIMITS.max_length:
                found.append(tuple(rows))
                break
        before.append(sides if is_kept else [])
    return found


def test_a_pair_follows_the_pairs_before_it_in_its_document(controlled: Tokenizer) -> None:
    """Chunks of 7 pairs on two processes give what one pair after the other does."""
    document = [Pair("sun", "SUN"), Pair("moon", "MOON"), Pair("star", "STAR")]
    sun, moon, star = (controlled.source.encode(pair) for pair in document)
    (chunk,) = encode_pairs(document, controlled, replace(IN_CONTEXT, max_length=99))
    assert chunk.ids.tolist() == [
        *chain(*sun),
        *(token for side in (0, 1) for token in (*sun[side], SEP, *moon[side])),
        *(token for side in (0, 1) for token in (*sun[side], SEP, *moon[side], SEP, *star[side])),
    ]
    two = [*document[:2], Pair("", ""), *document[1:], Pair("sun", "")]
    limits = replace(IN_CONTEXT, max_length=99)
    (chunk,) = encode_pairs(two, controlled, limits)
    whole = [pair for pair in encode_whole(two, controlled, limits) if all(pair)]
    assert encode_whole([], controlled, limits) == []
    assert chunk.ids.tolist() == [token for pair in whole for token in chain(*pair)]
    pairs = random_pairs(300)
    pairs[50::40] = [Pair(FirstSegment(pair.source), pair.target) for pair in pairs[50::40]]
    chunks = [*encode_pairs(pairs, controlled, IN_CONTEXT, (">>fr<<",))]
    expected = encoded_in_context(pairs, controlled)
    assert [*chain.from_iterable(map(chain.from_iterable, expected))] == [
        token for chunk in chunks for token in chunk.ids.tolist()
    ]
    plain = [*encode_pairs(pairs, controlled, LIMITS, (">>fr<<",))]
    for alone, chunk in zip(plain, chunks, strict=True):
        assert alone.lines.tolist() == chunk.lines.tolist()
        assert alone.counts.items() < chunk.counts.items()
    assert sum(chunk.counts[SHORTENED] for chunk in chunks) > 50


def test_long_lines_make_small_chunks() -> None:
    long = "x" * 6_000_000
    pairs = [("a", "b")] * 15 + [(long, long)] * 5
    sizes = [(chunk.first_line, len(chunk)) for chunk in split_into_chunks(pairs)]
    assert sizes == [(1, 7), (8, 7), (15, 3), (18, 2), (20, 1)]


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


def test_an_interrupt_of_the_corpus_is_raised(tokenizer: Tokenizer) -> None:
    def broken() -> Iterator[Pair]:
        yield from repeat(Pair("sun", "SUN"), 60)
        raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        list(encode_pairs(broken(), tokenizer, LIMITS))
    assert multiprocessing.active_children() == []


def test_a_corpus_with_a_late_error_leaves_no_shard(
    corpus: TinyCorpus, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    """With a given tokenizer, the error is found only while the text is encoded."""
    with (tmp_path / "train.tgt").open("a") as stream:
        stream.write("SUN\n")
    with pytest.raises(NmtError, match=r"has 120 lines but .* has 121: .* line 120 while"):
        corpus.prepare(given_tokenizer=tokenizer.model)
    assert {path.name for path in corpus.files()} == {"tokenizer.model", "manifest.json"}
    assert multiprocessing.active_children() == []


def test_a_killed_process_leaves_no_shard(
    corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:

    def kill_after_first(*arguments: object) -> Iterator[EncodedPairs]:
        # Passed through as they came.
        for chunk in encode_pairs(*arguments):  # type: ignore[arg-type] # of several kinds
            for child in multiprocessing.active_children():
                child.kill()
            yield chunk

    killed = "a process that encodes the corpus was killed.*run the same command again"
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "encode_pairs", kill_after_first)
        with pytest.raises(NmtError, match=killed):
            corpus.prepare()
    assert multiprocessing.active_children() == []
    assert {path.name for path in corpus.files()} == {"tokenizer.model", "manifest.json"}
    assert len(corpus.prepare().shards[0]) == 120
    assert [line for line in corpus.notes if "BPE tokens" in line] == []


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
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (main.get("__file__"), main.get("__spec__")) == before
    assert inside == [None] * 800


SCRIPT = """
import os, signal, sys, threading, time
from itertools import repeat
from pathlib import Path

from nmt.config import DataSettings
from nmt.text import encode
from nmt.text.subwords.tokenizer import load_tokenizer

def interrupt():
    while True:  # at every stage of starting and ending the processes
        os.killpg(0, signal.SIGINT)
        os.killpg(0, signal.SIGTERM)
        time.sleep(0.002)

encode.CHUNK_PAIRS, encode.CHUNKS_ALONE, encode.processor_count = 7, 2, lambda: 2
tokenizer = load_tokenizer(Path("tokenizer.model"))
pairs, is_killed = repeat(("sun", "SUN")), sys.argv[1] == "killed"  # without end
if not is_killed:
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    threading.Thread(target=interrupt, daemon=True).start()
    pairs = repeat(("sun", "SUN"), 200)
kept = 0
for chunk in encode.encode_pairs(pairs, tokenizer, DataSettings()):
    kept += chunk.counts["kept"]
    if is_killed:
        os.kill(os.getpid(), signal.SIGKILL)
print(kept, Path(__file__).name)
"""


@pytest.mark.parametrize(
    ("ending", "expected"),
    [("killed", (-signal.SIGKILL, "")), ("signalled", (0, "200 script.py\n"))],
)
def test_processes_end_with_their_parent_and_leave_signals_to_it(
    tmp_path: Path, tokenizer: Tokenizer, ending: str, expected: tuple[int, str]
) -> None:
    """Terminals and schedulers send signals to all processes; a script needs no guard."""
    (tmp_path / "tokenizer.model").write_bytes(tokenizer.model)
    (tmp_path / "script.py").write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, "script.py", ending],
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
    assert (process.returncode, out) == expected
    assert ending == "killed" or err == ""


SPACES = [" ", "  ", "\t", "\u00a0", "\u3000", "\u0085", "\u200b", "\u2028", "\u2581", "\r"]
MARKS = [sign for sign in map(chr, range(0x250, 0x3100)) if unicodedata.combining(sign)]
TEXT = [*WORDS, *"\u4e2d\u6587\u00e4\u00a8\u1fed\ufb01\u0000\U0001f600", *MARKS, "Aa" * 300]


def learn(kind: str = "bpe", vocab_size: int = 60) -> SubwordModel:
    text = [" ".join(WORDS), " ".join(WORDS).upper(), "\u00e4 \u4e2d"]
    return learn_subwords(text, TokenizerSettings(kind=kind, vocab_size=vocab_size))


def random_segments(seed: int, count: int = 300) -> list[str]:
    draw = numpy.random.default_rng(seed)

    def part() -> str:
        return str(draw.choice(SPACES if draw.random() < 0.4 else TEXT))

    return ["".join(part() for _ in range(draw.integers(12))) for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "most"), [*[("bpe", most) for most in (0, 100, 10**6)], ("char", 100), ("word", 100)]
)
def test_words_give_the_ids_of_their_segment(
    kind: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "MOST_IDS", most)
    model = learn(kind)
    assert model.encodes_word_by_word() == (kind == "bpe")
    cache = WordCache(model)
    for segments in (random_segments(1), random_segments(2), [""], ["", " ", "\u0085"]):
        assert cache.encode(segments).split() == model.encode(segments)


def test_characters_beside_a_space() -> None:
    model = learn()
    cache = WordCache(model)
    numbers = [*range(0x3100), *range(0x3100, 0xD800, 61), *range(0xE000, 0x20000, 61)]
    segments = [f"sun {sign} {sign}moon{sign} sun" for sign in map(chr, numbers)]
    assert cache.encode(segments).split() == model.encode(segments)


def test_a_word_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = learn()
    cache = WordCache(model)
    asked: list[str] = []
    encode_words = model.encode_words

    def counted(words: list[str], threads: int = 1) -> list[list[int]]:
        asked.extend(words)
        return encode_words(words, threads)

    monkeypatch.setattr(model, "encode_words", counted)
    for _ in range(3):
        cache.encode(["sun moon sun", "moon star"])
    assert sorted(asked) == ["moon", "star", "sun"]
