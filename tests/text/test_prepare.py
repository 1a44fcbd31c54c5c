"""Preparing a corpus redoes only changed steps, counts dropped pairs, and can be interrupted."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.config import TextFiles
from nmt.errors import NmtError
from nmt.runs.run_folder import RunFolder
from nmt.text import prepare
from nmt.text.manifest import Manifest
from nmt.text.reading.lines import FirstSegment
from nmt.text.subwords.learning import sample
from tests.text.conftest import TinyCorpus, read_pairs


def test_a_second_call_redoes_nothing(corpus: TinyCorpus, tmp_path: Path) -> None:
    first = corpus.prepare()
    assert len(corpus.notes) == 2
    before = corpus.times()
    assert corpus.prepare().fingerprint == first.fingerprint
    assert corpus.notes == []
    assert corpus.times() == before
    # Nor does a new time of an unchanged file.
    os.utime(tmp_path / "train.src", (time.time() + 9, time.time() + 9))
    assert corpus.prepare().fingerprint == first.fingerprint
    assert corpus.notes == []
    assert corpus.times() | {"manifest.json": 0} == before | {"manifest.json": 0}


def test_another_limit_keeps_the_tokenizer_and_encodes_again(corpus: TinyCorpus) -> None:
    first, before = corpus.prepare(), corpus.times()
    second = corpus.prepare(max_length=6)
    assert len(corpus.notes) == 1
    assert "longer than 6 tokens" in corpus.notes[0]
    assert corpus.times()["tokenizer.model"] == before["tokenizer.model"]
    assert len(second.shards[0]) < len(first.shards[0])
    assert second.fingerprint != first.fingerprint


def test_another_vocabulary_size_and_changed_text_redo_every_step(
    corpus: TinyCorpus, tmp_path: Path
) -> None:
    first = corpus.prepare()
    corpus.change(vocab_size=45)
    second = corpus.prepare()
    assert (len(second.tokenizer), len(corpus.notes)) == (45, 2)
    lines = (tmp_path / "train.src").read_text().splitlines()
    (tmp_path / "train.src").write_text("\n".join(["star sun star sun", *lines[1:]]) + "\n")
    third = corpus.prepare()
    assert len(corpus.notes) == 2
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3


def test_only_the_changed_corpus_is_encoded_again(corpus: TinyCorpus, tmp_path: Path) -> None:
    (own,) = corpus.recipe.data.train
    both = (own, TextFiles(source="dev.src", target="dev.tgt"))
    first = corpus.prepare(train=both)
    before = corpus.times()
    for ending in ("src", "tgt"):
        one, two, *rest = (tmp_path / f"dev.{ending}").read_text().splitlines()
        (tmp_path / f"dev.{ending}").write_text("\n".join([two, one, *rest]) + "\n")
    old = read_pairs(first.shards[1])[:2]
    second = corpus.prepare(train=both)
    assert second.tokenizer.model == first.tokenizer.model
    assert corpus.times()["train-0.ids"] == before["train-0.ids"]
    assert corpus.notes[-1].startswith("dev.src + dev.tgt: 10 pairs kept")
    assert read_pairs(second.shards[1])[:2] == old[::-1]


@pytest.mark.parametrize("damage", ["train-0.ids", "train-0.offsets", "train-0.lines"])
def test_damaged_files_are_created_again(corpus: TinyCorpus, damage: str) -> None:
    first = corpus.prepare()
    before = [*map(read_pairs, first.shards)]  # read now, because the files are damaged below
    path = corpus.run.prepared / damage
    path.write_bytes(path.read_bytes()[:-2])
    second = corpus.prepare()
    assert corpus.notes
    assert second.fingerprint == first.fingerprint
    assert [*map(read_pairs, second.shards)] == before


def test_an_interruption_before_the_manifest_is_written_redoes_the_shard(
    corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard with other limits must not be taken for the old one."""
    first = len(corpus.prepare().shards[0])
    real = prepare.encode_corpus

    def interrupt_after(*arguments: object) -> None:
        # Pass the arguments on unchanged.
        real(*arguments)  # type: ignore[arg-type] # of several kinds
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "encode_corpus", interrupt_after)
        with pytest.raises(KeyboardInterrupt):
            corpus.prepare(max_length=6)
    assert len(corpus.prepare().shards[0]) == first


def test_dropped_pairs_are_counted(corpus: TinyCorpus, tmp_path: Path) -> None:
    """There are 126 pairs: 2 have an empty side, 1 is too long and 2 are beyond the ratio."""
    odd = [("", "SUN"), ("sun", " \t"), ("sun " * 210, "SUN " * 210)]
    odd += [("sun", "SUN " * 30), ("sun " * 30, "SUN"), ("sun", "SUN")]
    for ending, side in (("src", 0), ("tgt", 1)):
        with (tmp_path / f"train.{ending}").open("a") as stream:
            stream.writelines(f"{pair[side]}\n" for pair in odd)
    prepared = corpus.prepare(max_length=200)
    assert len(prepared.shards[0]) == 121
    assert corpus.notes[-1] == (
        "train.src + train.tgt: 121 pairs kept; dropped 2 with an empty side, 1 longer than 200"
        " tokens, 2 beyond a length ratio of 9"
    )
    manifest = Manifest(corpus.run.prepared_folder())
    counts = manifest.steps["train-0"].counts
    assert counts == {"kept": 121, "empty": 2, "too_long": 1, "ratio": 2}
    names = [f"{name}.{side}" for name in ("train", "dev") for side in ("src", "tgt")]
    assert {*manifest.files} == {str(tmp_path / name) for name in names}


def test_the_error_for_no_pairs_left_has_the_counts(corpus: TinyCorpus) -> None:
    with pytest.raises(NmtError, match=r"no training pair is left .* 120 longer than data.max_len"):
        corpus.prepare(max_length=1)


@pytest.mark.parametrize("content", ["", "\n\n \n", "\u3000\n"])
def test_an_empty_corpus_is_refused(corpus: TinyCorpus, tmp_path: Path, content: str) -> None:
    for ending in ("src", "tgt"):
        (tmp_path / f"train.{ending}").write_text(content)
    with pytest.raises(NmtError, match=r"the training corpus is empty: train\.src, train\.tgt"):
        corpus.prepare()


def test_a_sampled_corpus_gives_the_same_tokenizer(corpus: TinyCorpus, tmp_path: Path) -> None:
    corpus.change(sample_lines=120, vocab_size=36)
    first = corpus.prepare()
    assert "from 240 lines, of which about 120 are sampled" in corpus.notes[0]
    corpus.run = RunFolder(tmp_path / "other")
    assert corpus.prepare().tokenizer.model == first.tokenizer.model
    # Each of two vocabularies has 120 of the lines, so nothing need be left out.
    corpus.change(vocab_size=30, joint=False)
    corpus.prepare()
    assert "from 240 lines" in corpus.notes[0]
    assert "sampled" not in corpus.notes[0]


def test_sampling_keeps_about_its_share_in_order() -> None:
    lines = [str(number) for number in range(10_000)]
    kept = list(sample(lines, 0.25))
    assert 2_300 < len(kept) < 2_700
    assert kept == sorted(kept, key=int)
    assert kept == list(sample(lines, 0.25))
    assert list(sample(lines, 1.5)) == lines


def test_each_dev_set_begins_a_document(corpus: TinyCorpus) -> None:
    data = replace(corpus.recipe.data, dev=corpus.recipe.data.dev * 2)
    (pairs,) = prepare.read_dev_pairs(replace(corpus.recipe, data=data), corpus.data).values()
    firsts = [isinstance(pair.source, FirstSegment) for pair in pairs]
    assert firsts == ([True] + [False] * (len(pairs) // 2 - 1)) * 2


def test_a_missing_test_set_is_only_noted(corpus: TinyCorpus) -> None:
    corpus.prepare(test={"later": TextFiles("no.src", "no.tgt")})
    assert corpus.notes[0].startswith("test set later, which `nmt evaluate` will need: ")


@pytest.mark.parametrize("changed", ["train", "dev", "version"])
def test_a_started_run_refuses_other_text(corpus: TinyCorpus, tmp_path: Path, changed: str) -> None:
    corpus.prepare()
    corpus.start()
    if changed == "version":
        manifest = corpus.run.prepared_folder().manifest
        manifest.write_text(manifest.read_text().replace('"format": 3', '"format": 2'))
    else:
        (tmp_path / f"{changed}.src").write_text("sun\n")
        (tmp_path / f"{changed}.tgt").write_text("SUN\n")
    before = corpus.times()
    files = "|".join(str(tmp_path / f"{changed}.{side}") for side in ("src", "tgt"))
    message = rf"training started \(({files}|, )+\); restore|written by another version of nmt"
    with pytest.raises(NmtError, match=message):
        corpus.prepare()
    assert corpus.times() == before


def test_the_tokenizer_learns_from_very_long_lines(corpus: TinyCorpus, tmp_path: Path) -> None:
    (tmp_path / "train.src").write_text("quiz " * 20_000 + "\nsun moon\n")
    (tmp_path / "train.tgt").write_text("JUMP " * 20_000 + "\nMOON SUN\n")
    model = corpus.prepare(max_length=65_000).tokenizer.source
    assert model.decode(model.encode(["quiz JUMP"])[0]) == "quiz JUMP"


def test_a_corpus_that_an_older_version_divided_is_encoded_again(corpus: TinyCorpus) -> None:
    """The pairs, their order and the fingerprint are the same, so that its training goes on."""
    first, before = corpus.prepare(), corpus.shard_bytes()
    manifest = corpus.run.prepared_folder().manifest
    content = json.loads(manifest.read_text())
    content["steps"]["train-0"] |= {"sha256": {}, "written": {}, "parts": 2}
    content["files"] = {path: {**file, "index": None} for path, file in content["files"].items()}
    manifest.write_text(json.dumps(content))
    for path in [*corpus.run.prepared.glob("train-0.*")]:
        path.rename(path.with_name(f"train-0-000{path.suffix}"))
    (corpus.run.prepared / "train-0-000.json").touch()
    corpus.start()
    assert corpus.prepare().fingerprint == first.fingerprint
    assert corpus.notes[0].endswith(
        "train-0 was made in parts by an older version and is created again"
    )
    assert corpus.shard_bytes() == before
