"""Shards: what is written is read, in the narrowest type, or refused."""

from pathlib import Path

import numpy
import pytest

from nmt.errors import NmtError
from nmt.text.shards import ShardWriter, id_type, new_shard, open_shard

PAIRS = [([4, 5, 6], [7]), ([], [8, 9]), ([10], [])]


@pytest.mark.parametrize(
    ("vocab_size", "largest", "width"), [(100, 99, 2), (65_536, 65_535, 2), (65_537, 65_536, 4)]
)
def test_pairs_come_back(tmp_path: Path, vocab_size: int, largest: int, width: int) -> None:
    pairs = [*PAIRS, ([largest], [largest, 4])]
    with new_shard(tmp_path, "x", vocab_size) as writer:
        writer.add(pairs[:2])
        writer.add([])
        writer.add(pairs[2:])
    shard = open_shard(tmp_path, "x", vocab_size)
    assert [shard.pair(index) for index in range(len(shard))] == pairs
    source, target = shard.lengths()
    assert source.tolist() == [3, 0, 1, 1]
    assert target.tolist() == [1, 2, 0, 2]
    assert (tmp_path / "x.ids").stat().st_size == 10 * width
    assert id_type(vocab_size).itemsize == width


def test_the_files_are_as_documented(tmp_path: Path) -> None:
    with new_shard(tmp_path, "x", 100) as writer:
        writer.add(PAIRS)
    assert numpy.fromfile(tmp_path / "x.ids", "<u2").tolist() == [4, 5, 6, 7, 8, 9, 10]
    assert numpy.fromfile(tmp_path / "x.offsets", "<i8").tolist() == [0, 3, 4, 4, 6, 7, 7]


def test_an_empty_shard_is_a_shard(tmp_path: Path) -> None:
    with new_shard(tmp_path, "x", 100):
        pass
    shard = open_shard(tmp_path, "x", 100)
    assert len(shard) == 0
    assert [each.tolist() for each in shard.lengths()] == [[], []]


def test_nothing_appears_before_the_end(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "x", 100)
    writer.add(PAIRS)
    assert not (tmp_path / "x.ids").exists()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_shard(tmp_path: Path) -> None:
    with new_shard(tmp_path, "x", 100) as writer:
        writer.add(PAIRS)
    with (
        pytest.raises(OverflowError),
        new_shard(tmp_path, "x", 100) as writer,
    ):
        writer.add([([-1], [])])
    assert len(open_shard(tmp_path, "x", 100)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.ids", "x.offsets"]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NmtError, match=r"cannot write the prepared corpus .*file"),
        new_shard(tmp_path / "file", "x", 100),
    ):
        pass


@pytest.mark.parametrize("damage", ["missing", "shorter", "odd", "empty", "id", "order"])
def test_a_damaged_shard_is_refused(tmp_path: Path, damage: str) -> None:
    with new_shard(tmp_path, "x", 100) as writer:
        writer.add(PAIRS)
    ids, offsets = tmp_path / "x.ids", tmp_path / "x.offsets"
    if damage == "missing":
        ids.unlink()
    elif damage == "shorter":
        ids.write_bytes(ids.read_bytes()[:-2])
    elif damage == "odd":
        offsets.write_bytes(offsets.read_bytes()[:-3])
    elif damage == "id":
        ids.write_bytes(b"\xff\xff" + ids.read_bytes()[2:])
    elif damage == "order":
        content = offsets.read_bytes()
        offsets.write_bytes(content[:8] + content[16:24] + content[8:16] + content[24:])
    else:
        offsets.write_bytes(b"")
    with pytest.raises(NmtError, match="x"):
        open_shard(tmp_path, "x", 100)
