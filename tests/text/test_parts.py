"""A corpus that processes encode in parts equals one that is encoded whole, whatever happens."""

import json
import multiprocessing
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import pytest

from nmt.errors import NmtError
from nmt.runs.run_folder import RunFolder
from nmt.system.pools import ProcessPool
from nmt.text import corpus, division
from nmt.text.batches import PairDataset
from nmt.text.division import count_lines, find_starts, numbers_of_returns
from nmt.text.parts import Share, write_part
from nmt.text.prepare import Prepared, do_steps
from tests.text.conftest import TinyCorpus, flip_a_bit, pairs_of


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide the corpus of 120 pairs into 8 parts."""
    monkeypatch.setattr(division, "PART_PAIRS", 16)
    monkeypatch.setattr(division, "BLOCK_BYTES", 50)
    monkeypatch.setattr(division, "RANGE_BYTES", 300)
    corpus.note_once.cache_clear()


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Do not divide the corpus as long as nothing is undone."""
    with monkeypatch.context() as patch:
        patch.setattr(division, "PART_PAIRS", 10**9)
        yield patch


def content(prepared: Prepared) -> tuple[object, ...]:
    """Return all pairs and line numbers, a batch, and the fingerprint."""
    dataset = PairDataset(prepared.shards, prepared.names)
    indices = numpy.random.default_rng(1).permutation(len(dataset))[:40]
    return (
        [*chain.from_iterable(map(pairs_of, prepared.shards))],
        [*chain.from_iterable(shard.lines.tolist() for shard in prepared.shards)],
        dataset.batch(indices, 0).labels.tolist(),
        dataset.lines(indices),
        prepared.fingerprint,
    )


def make_odd(folder: Path) -> None:
    """Give the text what lines may have: marks, line ends, blanks, long pairs, other letters."""
    for ending in ("src", "tgt"):
        path = folder / f"train.{ending}"
        lines = path.read_bytes().split(b"\n")[:-1]
        lines[0] = b"\xef\xbb\xbf" + lines[0]
        lines[40] = b""
        lines[41] += b"\r"
        lines[42] = "sun\u2028moon \u00e4\u4e2d\x85".encode() * 5
        lines[43] = b"sun\rmoon\r\r"
        lines[80 if ending == "src" else 90] = b"sun " * 40
        path.write_bytes(b"\n".join(lines))  # no line feed at the end


def run_elsewhere(tiny: TinyCorpus, folder: Path, **changes: object) -> Prepared:
    """Prepare the corpus in another run folder."""
    own, tiny.run = tiny.run, RunFolder(folder)
    try:
        return tiny.prepare(**changes)  # type: ignore[arg-type] # of several kinds
    finally:
        tiny.run = own


@pytest.mark.parametrize("odd", [False, True])
def test_parts_hold_what_the_undivided_corpus_holds(
    corpus: TinyCorpus, tmp_path: Path, whole: pytest.MonkeyPatch, odd: bool
) -> None:
    if odd:
        make_odd(tmp_path)
    expected = content(run_elsewhere(corpus, tmp_path / "whole", max_length=12, max_ratio=2.5))
    notes = corpus.notes[-1]
    whole.undo()
    prepared = corpus.prepare(max_length=12, max_ratio=2.5)
    assert len(prepared.shards) == 8
    assert content(prepared) == expected
    assert corpus.notes[-1] == notes
    assert multiprocessing.active_children() == []
    corpus.prepare(max_length=12, max_ratio=2.5)
    assert corpus.notes == []


def test_a_corpus_that_was_encoded_whole_is_not_encoded_again(
    corpus: TinyCorpus, whole: pytest.MonkeyPatch
) -> None:
    corpus.prepare()
    before = corpus.shard_bytes()
    whole.undo()
    assert len(corpus.prepare().shards) == 1
    assert corpus.shard_bytes() == before
    assert corpus.notes == []


@pytest.mark.parametrize("kind", ["two bad lines", "bad in both", "misaligned", "too long", "bom"])
def test_errors_are_those_of_the_undivided_corpus(
    corpus: TinyCorpus, tmp_path: Path, whole: pytest.MonkeyPatch, kind: str
) -> None:
    """The tokenizer is given, so that the text is read only to encode it."""
    if kind == "too long":
        whole.setattr(division, "RANGE_BYTES", 1 << 24)
    tokenizer = corpus.prepare().tokenizer.model
    for ending, line in (("src", 100), ("tgt", 60)):
        path = tmp_path / f"train.{ending}"
        lines = path.read_bytes().split(b"\n")[:-1]
        if kind == "two bad lines":
            lines[line] = b"sun \xff"
        elif kind == "bad in both":
            lines[70] = b"s\xff" if ending == "src" else b"\xff"
        elif kind == "misaligned":
            lines = lines[: line + 5]
        elif kind == "too long" and ending == "src":
            lines[line] = b"a" * 10_000_001
        elif kind == "bom" and ending == "tgt":
            lines[0] = b"\xff\xfes\0u\0n\0"
        path.write_bytes(b"\n".join(lines))

    def message() -> str:
        with pytest.raises(NmtError) as caught:
            run_elsewhere(corpus, tmp_path / "elsewhere", given_tokenizer=tokenizer)
        return str(caught.value)

    expected = message()
    whole.setattr(division, "PART_PAIRS", 16)
    assert message() == expected
    assert multiprocessing.active_children() == []
    assert not [*(tmp_path / "elsewhere").rglob("*.partial")]


def test_a_note_names_the_lines_with_carriage_returns(
    corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = corpus.prepare().tokenizer.model
    notes: list[str] = []
    monkeypatch.setattr("nmt.text.corpus.note", notes.append)
    lines = (tmp_path / "train.src").read_bytes().split(b"\n")
    for number in (3, 20, 21, 50, 99, 119):
        lines[number - 1] = b"sun\rmoon"
    (tmp_path / "train.src").write_bytes(b"\r\n".join(lines))
    corpus.prepare(given_tokenizer=tokenizer)
    (line,) = notes
    assert "carriage returns in lines 3, 20, 21, 50, 99 and 1 more count as spaces" in line


def test_a_killed_preparation_goes_on_with_the_missing_parts(
    corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = content(run_elsewhere(corpus, tmp_path / "other"))
    starmap = ProcessPool.starmap

    def interrupt(pool: ProcessPool, function: Any, tasks: Any) -> Iterator[Any]:
        results = starmap(pool, function, tasks)
        if function is not write_part:
            yield from results
            return
        yield next(results)
        yield next(results)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProcessPool, "starmap", interrupt)
        with pytest.raises(KeyboardInterrupt):
            corpus.prepare()
    assert multiprocessing.active_children() == []
    done = {
        name: time for name, time in corpus.times().items() if re.match(r"train-0-.*json", name)
    }
    assert 2 <= len(done) < 8
    assert not [*corpus.run.path.rglob("train-*.partial")]
    (corpus.run.prepared / "train-0-000.ids.m12345678.partial").touch()  # of a killed program
    assert content(corpus.prepare()) == expected
    assert f"{8 - len(done)} of 8 parts encoded; {len(done)} were there" in corpus.notes[0]
    assert done.items() <= corpus.times().items()
    assert not [*corpus.run.path.rglob("train-*.partial")]


@pytest.mark.parametrize(
    ("ending", "damage"), [("ids", "missing"), ("offsets", "cut"), ("json", "cut")]
)
def test_only_a_damaged_part_is_created_again(corpus: TinyCorpus, ending: str, damage: str) -> None:
    expected = content(corpus.prepare())
    before = corpus.times()
    path = corpus.run.prepared / f"train-0-003.{ending}"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-2])
    assert content(corpus.prepare()) == expected
    assert corpus.notes[0].endswith("train-0 is damaged or missing and is created again")
    changed = {name for name, time in corpus.times().items() if before[name] != time}
    assert {name for name in changed if name.startswith("train-0-")} == {
        f"train-0-003.{each}" for each in ("ids", "offsets", "lines", "json")
    }


@pytest.mark.parametrize("manifest", ["kept", "lost"])
def test_verifying_repairs_a_part_of_unchanged_size_and_time(
    corpus: TinyCorpus, manifest: str
) -> None:
    expected = content(corpus.prepare())
    before = corpus.shard_bytes()
    path = corpus.run.prepared / "train-0-003.ids"
    flip_a_bit(path)
    if manifest == "lost":
        corpus.run.prepared_folder().manifest.unlink()
    assert content(corpus.prepare(verify=True)) == expected
    assert "1 of 8 parts encoded; 7 were there" in corpus.notes[-2]
    assert path.read_bytes() == before[path.name]
    corpus.prepare(verify=True)
    assert corpus.notes == []


def test_a_changed_limit_encodes_every_part_again(corpus: TinyCorpus) -> None:
    first, second = content(corpus.prepare()), content(corpus.prepare(max_length=12, max_ratio=2.5))
    assert first != second
    assert content(corpus.prepare()) == first


def test_machines_share_the_parts(corpus: TinyCorpus, tmp_path: Path) -> None:
    """The result is that of one machine byte for byte, except for the times in the records."""

    def share(number: int, machines: int = 3) -> None:
        folder = corpus.run.prepared_folder()
        corpus.notes.clear()
        each = Share(number, machines)
        do_steps(corpus.recipe, corpus.data, folder, corpus.notes.append, None, each)

    def without_times(run: RunFolder) -> dict[str, object]:
        files: dict[str, object] = {}
        for path in run.prepared.iterdir():
            if path.suffix != ".json":
                files[path.name] = path.read_bytes()
            else:
                read = json.loads(path.read_text(), object_hook=lambda x: {**x, "mtime_ns": 0})
                files[path.name] = read
        return files

    with pytest.raises(
        NmtError, match="not been learned yet; start the same command with `--part 1/3`"
    ):
        share(2)
    share(1)
    assert corpus.notes[-1] == "train.src + train.tgt: 3 of 3 parts encoded"
    share(3)
    assert corpus.notes[-1] == "train.src + train.tgt: 2 of 2 parts encoded"
    share(2)
    share(2)
    assert corpus.notes[-1] == "train.src + train.tgt: 0 of 3 parts encoded; 3 were there"
    times = corpus.times()
    shared = content(corpus.prepare())
    changed = {name for name, time in corpus.times().items() if times[name] != time}
    assert changed == {"manifest.json"}
    run = RunFolder(tmp_path / "alone")
    assert content(run_elsewhere(corpus, run.path)) == shared
    assert without_times(corpus.run) == without_times(run)


def test_a_corpus_that_is_not_divided_is_left_to_the_last_call(
    corpus: TinyCorpus, whole: pytest.MonkeyPatch
) -> None:
    folder = corpus.run.prepared_folder()
    do_steps(corpus.recipe, corpus.data, folder, corpus.notes.append, None, Share(1, 2))
    assert "without --part encodes it" in corpus.notes[-1]
    assert len(corpus.prepare().shards) == 1


@pytest.mark.parametrize("block", [1, 7, 64, 10**6])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
def test_lines_are_counted_in_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: bytes
) -> None:
    draw = numpy.random.default_rng(block)
    texts = [b"", b"sun", b"\xe4 moon " * 9, b"sun\rsun", b"\r", b"sun\r"]
    for count in (1, 2, 40, 200):
        lines = [texts[each] for each in draw.integers(len(texts), size=count)]
        path = tmp_path / "text"
        path.write_bytes(b"\n".join(lines) + end)
        whole = path.read_bytes()
        plain = whole.removesuffix(b"\n").split(b"\n") if whole else []
        monkeypatch.setattr(division, "BLOCK_BYTES", block)
        step = max(1, len(whole) // 3)
        blocks = []
        for start in range(0, len(whole), step):
            found = count_lines(path, start, min(start + step, len(whole)))
            assert found is not None
            blocks += found
        assert sum(each.lines for each in blocks) == len(plain)
        odd = [n for n, line in enumerate(plain, 1) if b"\r" in line.removesuffix(b"\r")]
        assert numbers_of_returns(blocks).count == len(odd)
        index = find_starts(path, blocks)
        assert index.lines == len(plain)
        starts = [0, *numpy.cumsum([len(line) + 1 for line in plain]).tolist()]
        size = division.part_size(len(plain))
        assert list(index.starts) == starts[: len(plain) : size]


def test_a_corpus_has_at_most_so_many_parts() -> None:
    for lines in (17, 16 * 128, 16 * 128 + 1, 10**6, 10**9):
        count = -(-lines // division.part_size(lines))
        assert count <= division.MAX_PARTS
        assert division.part_size(lines) == 16 or count > division.MAX_PARTS // 2


def test_compressed_text_is_not_divided() -> None:
    assert division.divide([Path("a.gz"), Path("b.gz")], None, None) == []  # type: ignore[arg-type] # not used
