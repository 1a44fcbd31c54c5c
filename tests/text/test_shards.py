"""Shards read as they were written, and damage is refused; so does the manifest beside them."""

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from nmt.errors import NmtError
from nmt.system.files import compute_sha256
from nmt.text import shards
from nmt.text.batches import PairDataset
from nmt.text.manifest import FORMAT, Manifest, PreparedFolder, SourceFile, Step
from nmt.text.shards import checked, id_type, new_shard, open_shard, stamps
from tests.text.conftest import IdPair, TinyCorpus, encoded, read_pairs

PAIRS: list[IdPair] = [([4, 5, 6], [7]), ([], [8, 9]), ([10], [])]
WIDTHS = {"ids": 2, "offsets": 8, "lines": 4}  # bytes of a number


def write(folder: Path) -> dict[str, str]:
    """Write PAIRS as the shard "x", from line 3; return the SHA-256 of its files by ending."""
    with new_shard(folder, "x", 100) as writer:
        writer.add(encoded(PAIRS, first_line=3))
    return writer.digests()


def is_intact(folder: Path, name: str, digests: dict[str, str]) -> bool:
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
    assert read_pairs(shard) == pairs
    assert shard.lines.tolist() == [1, 2, 7, 8]
    ((source, target),) = shard.lengths()
    assert source.tolist() == [3, 0, 1, 1]
    assert target.tolist() == [1, 2, 0, 2]
    assert (tmp_path / "x.ids").stat().st_size == 10 * width
    assert id_type(vocab_size).itemsize == width


@pytest.mark.parametrize("block_pairs", [1, 2, 3, 4])
def test_the_files_have_the_documented_layout_and_are_read_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_pairs: int
) -> None:
    digests = write(tmp_path)
    assert numpy.fromfile(tmp_path / "x.ids", "<u2").tolist() == [4, 5, 6, 7, 8, 9, 10]
    assert numpy.fromfile(tmp_path / "x.offsets", "<i8").tolist() == [0, 3, 4, 4, 6, 7, 7]
    assert numpy.fromfile(tmp_path / "x.lines", "<u4").tolist() == [3, 4, 5]
    assert digests == {ending: compute_sha256(tmp_path / f"x.{ending}", "") for ending in WIDTHS}
    monkeypatch.setattr(shards, "BLOCK_PAIRS", block_pairs)
    blocks = list(open_shard(tmp_path, "x", 100).lengths())
    assert max(len(source) for source, _ in blocks) == min(block_pairs, 3)
    assert [length for source, _ in blocks for length in source.tolist()] == [3, 0, 1]
    assert [length for _, target in blocks for length in target.tolist()] == [1, 2, 0]


def test_an_empty_shard_can_be_read(tmp_path: Path) -> None:
    with new_shard(tmp_path, "x", 100) as writer:
        pass
    shard = open_shard(tmp_path, "x", 100)
    assert len(shard) == 0
    assert list(shard.lengths()) == []
    assert is_intact(tmp_path, "x", writer.digests())
    assert stamps(tmp_path, "gone") == {}
    assert checked(tmp_path, "gone", Step("k")) is None


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
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
    (tmp_path / "file").write_text("")
    below = tmp_path / "file"
    with (
        pytest.raises(NmtError, match=r"cannot write .*: .*file is not a folder"),
        new_shard(below, "x", 9),
    ):
        pass


@pytest.fixture(params=[False, True], ids=["read", "mapped"])
def is_mapped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let shards be read into memory, or mapped however small they are."""
    if request.param:
        monkeypatch.setattr(shards, "SMALL", 0)
    return bool(request.param)


def test_a_small_shard_is_read_and_survives_a_cut_and_a_large_one_is_mapped(
    tmp_path: Path, is_mapped: bool
) -> None:
    """Reading what is missing of a mapped file would kill the process with SIGBUS."""
    write(tmp_path)
    shard = open_shard(tmp_path, "x", 100)
    assert read_pairs(shard) == PAIRS
    assert len(shard.files) == (3 if is_mapped else 0)
    dataset, every = PairDataset([shard], ["text"]), numpy.arange(len(PAIRS))
    before = dataset.batch(every, 0)
    with (tmp_path / "x.ids").open("r+b") as stream:
        stream.truncate(2)
    if is_mapped:
        with pytest.raises(NmtError, match=r"x\.ids was truncated while it was in use"):
            dataset.batch(every, 0)
    else:
        assert torch.equal(dataset.batch(every, 0).labels, before.labels)


def test_a_shard_that_is_replaced_or_removed_is_still_read(tmp_path: Path, is_mapped: bool) -> None:
    write(tmp_path)
    shard = open_shard(tmp_path, "x", 100)
    (tmp_path / "x.ids").unlink()
    (tmp_path / "x.offsets").unlink()
    (tmp_path / "x.offsets").write_bytes(b"")
    shard.check_files()
    assert read_pairs(shard) == PAIRS


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to(path.name), r"x\.ids: Too many levels"),
        (lambda path: path.mkdir(), r"x\.ids"),
        (os.mkfifo, r"x\.ids is a pipe or a device, not a file"),  # it is not waited for
    ],
    ids=["loop", "folder", "pipe"],
)
def test_an_unreadable_shard_is_not_a_damaged_one(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    """It is not made again silently: the disk may be gone for a moment only."""
    digests = write(tmp_path)
    (tmp_path / "x.ids").unlink()
    make(tmp_path / "x.ids")
    with pytest.raises(NmtError, match=message):
        is_intact(tmp_path, "x", digests)
    with pytest.raises(NmtError, match=message):
        open_shard(tmp_path, "x", 100)


@pytest.mark.parametrize("ending", WIDTHS)
def test_files_that_do_not_match_are_refused(tmp_path: Path, ending: str) -> None:
    digests = write(tmp_path)
    assert is_intact(tmp_path, "x", digests)
    path = tmp_path / f"x.{ending}"
    whole = path.read_bytes()
    path.unlink()
    for part in (None, b"", whole[:-1], whole[: -WIDTHS[ending]]):
        if part is not None:
            path.write_bytes(part)
        assert not is_intact(tmp_path, "x", digests)
        with pytest.raises(NmtError, match="x"):
            open_shard(tmp_path, "x", 100)
    for index in range(0, 8 * len(whole), 3):  # a bit that is flipped
        content = bytearray(whole)
        content[index // 8] ^= 1 << index % 8
        path.write_bytes(content)
        assert not is_intact(tmp_path, "x", digests)
    path.write_bytes(whole)
    assert is_intact(tmp_path, "x", digests)
    assert not is_intact(tmp_path, "x", {key: digests[key] for key in digests if key != ending})


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def counted(path: Path, what: str) -> str:
        names.append(path.stem)
        return compute_sha256(path, what)

    monkeypatch.setattr(shards, "compute_sha256", counted)
    return names


@pytest.mark.parametrize("in_use", [False, True])
def test_no_unchanged_file_is_hashed_and_a_copy_once(
    corpus: TinyCorpus, hashed: list[str], in_use: bool
) -> None:
    first, before = corpus.prepare(), corpus.shard_bytes()
    corpus.prepare()
    assert hashed == []
    if in_use:
        corpus.start()
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
    manifest = Manifest(corpus.run.prepared_folder())
    complete = manifest.steps["train-0"]
    manifest.steps["train-0"] = replace(complete, written={})
    manifest.save()
    before = corpus.shard_bytes()
    corpus.prepare()
    assert (corpus.notes, hashed) == ([], ["train-0"] * 3)
    assert corpus.shard_bytes() == before
    assert Manifest(corpus.run.prepared_folder()).steps["train-0"] == complete


STEP = '{"key": "k", "sha256": {"ids": "x"}, "counts": {"kept": 3}}'
FILE = '{"size": 3, "mtime_ns": -5, "sha256": "y"}'


def content(steps: str = f'{{"dev": {STEP}}}', files: str = f'{{"a": {FILE}}}') -> str:
    return f'{{"format": {FORMAT}, "steps": {steps}, "files": {files}}}'


def beside(path: Path) -> PreparedFolder:
    """Return the prepared folder that a manifest lies in."""
    return PreparedFolder(path.parent, path, path.parent, in_use=False)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content())
    for _ in range(2):
        manifest = Manifest(beside(path))
        assert manifest.steps == {"dev": Step("k", {"ids": "x"}, {"kept": 3})}
        assert manifest.files == {"a": SourceFile(3, -5, "y")}
        assert not manifest.damage
        manifest.save()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", content()[:-1], content(steps='{"dev": {}}'), content(files="[]")),
        content(steps='{"dev": {"key": "k", "counts": {"kept": -1}}}'),
    ],
)
def test_a_damaged_manifest_is_empty_and_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    manifest = Manifest(beside(path))
    assert (manifest.steps, manifest.files) == ({}, {})
    assert manifest.damage.startswith(f"{path} is damaged: ") or manifest.has_other_format
    assert "\n" not in manifest.damage
    assert len(manifest.damage) < 400
    with pytest.raises(NmtError, match="`nmt prepare`"):
        manifest.key("dev")


def test_a_missing_manifest_is_empty_and_an_unreadable_one_an_error(tmp_path: Path) -> None:
    """If it counted as absent, it and the corpus would be written again."""
    path = tmp_path / "manifest.json"
    assert not Manifest(beside(path)).damage
    path.symlink_to(path)
    with pytest.raises(NmtError, match=r"manifest\.json: Too many levels of symbolic links"):
        Manifest(beside(path))
    path.unlink()
    path.mkdir()
    with pytest.raises(NmtError, match=r"manifest\.json is a folder, not a file"):
        Manifest(beside(path))


def test_a_corpus_is_prepared_again_if_its_manifest_is_damaged(corpus: TinyCorpus) -> None:
    first, before = corpus.prepare(), corpus.shard_bytes()
    path = corpus.run.prepared / "manifest.json"
    path.write_text(path.read_text().replace('"kept": ', '"kept": -'))
    assert corpus.prepare().fingerprint == first.fingerprint
    assert corpus.notes[0].startswith(f"{path} is damaged: ")
    assert corpus.notes[0].endswith("; the corpus is prepared again")
    assert corpus.shard_bytes() == before


def test_a_damaged_tokenizer_is_learned_again_unless_a_training_uses_it(corpus: TinyCorpus) -> None:
    first = corpus.prepare()
    corpus.run.tokenizer.write_bytes(b"junk")
    assert corpus.prepare().fingerprint == first.fingerprint
    assert corpus.notes[0] == f"{corpus.run.tokenizer} is damaged and is learned again"
    corpus.run.tokenizer.unlink()
    assert corpus.prepare().fingerprint == first.fingerprint
    corpus.start()
    corpus.run.tokenizer.write_bytes(b"junk")
    with pytest.raises(NmtError, match=r"tokenizer\.model is damaged; remove it"):
        corpus.prepare()
