"""Prepared files are trusted by size and time, and hashed if their time changed or on request."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.text import intact
from nmt.text.intact import checked, stamps
from nmt.text.manifest import Manifest, Step
from nmt.text.shards import is_intact
from tests.text.conftest import TinyCorpus, flip_a_bit


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the shards that were hashed."""
    names: list[str] = []

    def counted(folder: Path, name: str, digests: dict[str, str]) -> bool:
        names.append(name)
        return is_intact(folder, name, digests)

    monkeypatch.setattr(intact, "is_intact", counted)
    return names


def test_a_start_hashes_no_unchanged_file(corpus: TinyCorpus, hashed: list[str]) -> None:
    corpus.prepare()
    corpus.prepare()
    assert hashed == []


def test_verifying_finds_what_size_and_time_do_not_show(
    corpus: TinyCorpus, hashed: list[str]
) -> None:
    first = corpus.prepare()
    before = corpus.shard_bytes()
    flip_a_bit(corpus.run.prepared / "train-0.ids")
    corpus.prepare()
    assert corpus.notes == []
    assert corpus.shard_bytes() != before

    assert corpus.prepare(verify=True).fingerprint == first.fingerprint
    assert "train-0 is damaged or missing and is created again" in corpus.notes[0]
    assert corpus.shard_bytes() == before
    corpus.prepare(verify=True)
    assert corpus.notes == []
    assert hashed == ["train-0"] * 2


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
        assert hashed == ["train-0"]
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
    assert (corpus.notes, hashed) == ([], ["train-0"])
    assert corpus.shard_bytes() == before
    assert Manifest(corpus.run.prepared_folder().manifest).steps["train-0"] == complete


def test_files_of_unknown_content_are_never_trusted(tmp_path: Path) -> None:
    """A record without times, such as that of a shard whose files are gone, matches no files."""
    assert stamps(tmp_path, "x") == {}
    assert checked(tmp_path, "x", Step("k"), verify=False) is None
