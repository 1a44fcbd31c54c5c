"""Shards: they read as they were written, in the narrowest type, and damage is refused."""

import hashlib
import os
import resource
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from nmt.errors import NmtError
from nmt.system.files import sha256_of
from nmt.text import shards
from nmt.text.batches import PairDataset
from nmt.text.manifest import Manifest, Step
from nmt.text.shards import ShardWriter, checked, id_type, new_shard, open_shard, stamps
from tests.text.conftest import IdPair, TinyCorpus, encoded, pairs_of

PAIRS: list[IdPair] = [([4, 5, 6], [7]), ([], [8, 9]), ([10], [])]
WIDTHS = {"ids": 2, "offsets": 8, "lines": 4}  # bytes of a number


def write(folder: Path) -> dict[str, str]:
    """Write PAIRS as the shard "x", from line 3; return the SHA-256 of its files by ending."""
    with new_shard(folder, "x", 100) as writer:
        writer.add(encoded(PAIRS, first_line=3))
    return writer.digests()


def is_intact(folder: Path, name: str, digests: dict[str, str]) -> bool:
    """Return whether a shard has these SHA-256, of which no size and time was recorded."""
    return checked(folder, name, Step("", digests)) is not None


@pytest.mark.parametrize(
    ("vocab_size", "largest", "width"), [(100, 99, 2), (65_536, 65_535, 2), (65_537, 65_536, 4)]
)
def test_pairs_read_as_they_were_written(
    tmp_path: Path, vocab_size: int, largest: int, width: int
) -> None:
    pairs: list[IdPair] = [*PAIRS, ([largest], [largest, 4])]
    with new_shard(tmp_path, "x", vocab_size) as writer:
        writer.add(encoded(pairs[:2], vocab_size))
        writer.add(encoded([], vocab_size))
        writer.add(encoded(pairs[2:], vocab_size, first_line=7))
    shard = open_shard(tmp_path, "x", vocab_size)
    assert pairs_of(shard) == pairs
    assert shard.lines.tolist() == [1, 2, 7, 8]
    ((source, target),) = shard.lengths()
    assert source.tolist() == [3, 0, 1, 1]
    assert target.tolist() == [1, 2, 0, 2]
    assert (tmp_path / "x.ids").stat().st_size == 10 * width
    assert id_type(vocab_size).itemsize == width


@pytest.mark.parametrize("block_pairs", [1, 2, 3, 4])
def test_lengths_are_read_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_pairs: int
) -> None:
    write(tmp_path)
    monkeypatch.setattr(shards, "BLOCK_PAIRS", block_pairs)
    blocks = list(open_shard(tmp_path, "x", 100).lengths())
    assert max(len(source) for source, _ in blocks) == min(block_pairs, 3)
    assert [each for source, _ in blocks for each in source.tolist()] == [3, 0, 1]
    assert [each for _, target in blocks for each in target.tolist()] == [1, 2, 0]


def test_the_files_have_the_documented_layout(tmp_path: Path) -> None:
    digests = write(tmp_path)
    assert numpy.fromfile(tmp_path / "x.ids", "<u2").tolist() == [4, 5, 6, 7, 8, 9, 10]
    assert numpy.fromfile(tmp_path / "x.offsets", "<i8").tolist() == [0, 3, 4, 4, 6, 7, 7]
    assert numpy.fromfile(tmp_path / "x.lines", "<u4").tolist() == [3, 4, 5]
    assert digests == {
        ending: hashlib.sha256((tmp_path / f"x.{ending}").read_bytes()).hexdigest()
        for ending in WIDTHS
    }


def test_an_empty_shard_can_be_read(tmp_path: Path) -> None:
    with new_shard(tmp_path, "x", 100) as writer:
        pass
    shard = open_shard(tmp_path, "x", 100)
    assert len(shard) == 0
    assert list(shard.lengths()) == []
    assert is_intact(tmp_path, "x", writer.digests())


def test_files_get_their_names_at_the_end(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "x", 100)
    writer.open()
    writer.add(encoded(PAIRS))
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".partial"]
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_error_keeps_the_old_shard(tmp_path: Path) -> None:
    digests = write(tmp_path)

    def interrupted() -> None:
        with new_shard(tmp_path, "x", 100) as writer:
            writer.add(encoded(PAIRS[:1]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert is_intact(tmp_path, "x", digests)
    assert {path.name for path in tmp_path.iterdir()} == {"x.ids", "x.offsets", "x.lines"}


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk."""
    many = encoded([([4] * 900, [5] * 900)] * 900)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with (
            pytest.raises(NmtError, match="cannot write the prepared corpus"),
            new_shard(tmp_path, "x", 100) as writer,
        ):
            writer.add(many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NmtError, match=r"cannot write the prepared corpus .*file"),
        new_shard(tmp_path / "file", "x", 100),
    ):
        pass


@pytest.fixture(params=[False, True], ids=["read", "mapped"])
def is_mapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let shards be read into memory, or mapped however small they are."""
    if request.param:
        monkeypatch.setattr(shards, "SMALL", 0)
    return bool(request.param)


def test_a_large_shard_is_mapped_and_a_small_one_is_read(tmp_path: Path, is_mapped: bool) -> None:
    write(tmp_path)
    shard = open_shard(tmp_path, "x", 100)
    assert pairs_of(shard) == PAIRS
    assert len(shard.files) == (3 if is_mapped else 0)


def test_a_small_shard_survives_a_cut_and_a_large_one_is_refused(
    tmp_path: Path, is_mapped: bool
) -> None:
    """Reading what is missing of a mapped file would kill the process with SIGBUS."""
    write(tmp_path)
    dataset = PairDataset([open_shard(tmp_path, "x", 100)], ["text"])
    every = numpy.arange(len(PAIRS))
    before = dataset.batch(every, 0)
    with (tmp_path / "x.ids").open("r+b") as stream:
        stream.truncate(2)
    if is_mapped:
        with pytest.raises(NmtError, match=r"x\.ids was truncated while it was in use"):
            dataset.batch(every, 0)
    else:
        assert torch.equal(dataset.batch(every, 0).labels, before.labels)


def test_a_shard_that_is_replaced_or_removed_is_still_read(tmp_path: Path, is_mapped: bool) -> None:
    """A mapping keeps its file, whatever has the name now."""
    write(tmp_path)
    shard = open_shard(tmp_path, "x", 100)
    (tmp_path / "x.ids").unlink()
    (tmp_path / "x.offsets").unlink()
    (tmp_path / "x.offsets").write_bytes(b"")
    shard.check_files()
    assert pairs_of(shard) == PAIRS


def test_an_unreadable_shard_is_not_a_damaged_one(tmp_path: Path) -> None:
    """It is not made again silently: the disk may be gone for a moment only."""
    digests = write(tmp_path)
    (tmp_path / "x.ids").unlink()
    (tmp_path / "x.ids").symlink_to("x.ids")
    with pytest.raises(NmtError, match=r"cannot read .*x\.ids: Too many levels"):
        is_intact(tmp_path, "x", digests)
    with pytest.raises(NmtError, match=r"cannot read the prepared corpus .*x\.ids: Too many"):
        open_shard(tmp_path, "x", 100)
    (tmp_path / "x.ids").unlink()
    (tmp_path / "x.ids").mkdir()
    with pytest.raises(NmtError, match=r"x\.ids is a folder, not a file"):
        is_intact(tmp_path, "x", digests)


@pytest.mark.parametrize("ending", WIDTHS)
@pytest.mark.parametrize("damage", ["missing", "shorter", "odd", "empty"])
def test_files_that_do_not_match_are_refused(tmp_path: Path, ending: str, damage: str) -> None:
    digests = write(tmp_path)
    assert is_intact(tmp_path, "x", digests)
    path = tmp_path / f"x.{ending}"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(content[: -WIDTHS[ending] if damage == "shorter" else -1])
    assert not is_intact(tmp_path, "x", digests)
    with pytest.raises(NmtError, match="x"):
        open_shard(tmp_path, "x", 100)


@pytest.mark.parametrize("ending", WIDTHS)
def test_every_flipped_bit_is_detected(tmp_path: Path, ending: str) -> None:
    digests = write(tmp_path)
    path = tmp_path / f"x.{ending}"
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        assert not is_intact(tmp_path, "x", digests)
    path.write_bytes(whole)
    assert is_intact(tmp_path, "x", digests)
    assert not is_intact(tmp_path, "x", {key: digests[key] for key in digests if key != ending})


def test_a_pipe_in_the_place_of_a_shard_is_not_waited_for(tmp_path: Path) -> None:
    digests = write(tmp_path)
    (tmp_path / "x.ids").unlink()
    os.mkfifo(tmp_path / "x.ids")
    for read in (
        lambda: is_intact(tmp_path, "x", digests),
        lambda: open_shard(tmp_path, "x", 100),
    ):
        with pytest.raises(NmtError, match=r"x\.ids is a pipe or a device, not a file"):
            read()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the name of the shard of each file that was hashed."""
    names: list[str] = []

    def counted(path: Path, what: str) -> str:
        names.append(path.stem)
        return sha256_of(path, what)

    monkeypatch.setattr(shards, "sha256_of", counted)
    return names


def test_a_start_hashes_no_unchanged_file(corpus: TinyCorpus, hashed: list[str]) -> None:
    corpus.prepare()
    corpus.prepare()
    assert hashed == []


@pytest.mark.parametrize("in_use", [False, True])
def test_a_copy_is_hashed_once(corpus: TinyCorpus, hashed: list[str], in_use: bool) -> None:
    first, before = corpus.prepare(), corpus.shard_bytes()
    if in_use:
        corpus.run.checkpoints.mkdir()
        (corpus.run.checkpoints / "update-00000004.json").touch()
    for path in corpus.run.prepared.glob("train-0.*"):
        os.utime(path, ns=(1, 1))
    for _ in range(2):
        assert corpus.prepare().fingerprint == first.fingerprint
        assert corpus.notes == []
        assert hashed == ["train-0"] * 3
    assert corpus.shard_bytes() == before


def test_a_manifest_without_times_is_completed(corpus: TinyCorpus, hashed: list[str]) -> None:
    """Earlier versions recorded none; their shards are not made again."""
    corpus.prepare()
    manifest = Manifest(corpus.run.prepared_folder().manifest)
    complete = manifest.steps["train-0"]
    manifest.steps["train-0"] = replace(complete, written={})
    manifest.save()
    before = corpus.shard_bytes()
    corpus.prepare()
    assert (corpus.notes, hashed) == ([], ["train-0"] * 3)
    assert corpus.shard_bytes() == before
    assert Manifest(corpus.run.prepared_folder().manifest).steps["train-0"] == complete


def test_files_that_are_gone_match_no_record(tmp_path: Path) -> None:
    assert stamps(tmp_path, "x") == {}
    assert checked(tmp_path, "x", Step("k")) is None
