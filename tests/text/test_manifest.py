"""The manifest of a prepared corpus is read as typed values, once, and never half."""

from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.text import prepare
from nmt.text.manifest import FORMAT, Manifest, SourceFile, Step
from tests.text.conftest import TinyCorpus, pairs_of

STEP = '{"key": "k", "sha256": {"ids": "x"}, "counts": {"kept": 3}}'
FILE = '{"size": 3, "mtime_ns": -5, "sha256": "y"}'


def content(steps: str = f'{{"dev": {STEP}}}', files: str = f'{{"a": {FILE}}}') -> str:
    """Return the text of a manifest."""
    return f'{{"format": {FORMAT}, "steps": {steps}, "files": {files}}}'


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content())
    manifest = Manifest(path)
    assert manifest.steps == {"dev": Step("k", {"ids": "x"}, {"kept": 3})}
    assert manifest.files == {"a": SourceFile(3, -5, "y")}
    manifest.save()
    again = Manifest(path)
    assert (again.steps, again.files, again.damage) == (manifest.steps, manifest.files, "")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "null", "\0", content()[:-1]),
        *(content(steps="[]"), content(steps='{"dev": 1}'), content(steps='{"dev": {}}')),
        content(steps='{"dev": {"key": 1}}'),
        content(steps='{"dev": {"key": "k", "counts": {"kept": -1}}}'),
        content(steps='{"dev": {"key": "k", "counts": {"kept": NaN}}}'),
        content(files='{"a": {"size": 1e999, "mtime_ns": 0, "sha256": ""}}'),
        content(files='{"a": {"size": 1}}'),
        content(files='{"a": ' + "[" * 5000 + "]" * 5000 + "}"),
    ],
)
def test_a_damaged_manifest_is_empty_and_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    manifest = Manifest(path)
    assert (manifest.steps, manifest.files) == ({}, {})
    assert manifest.damage.startswith(f"{path} is damaged: ") or manifest.has_other_format
    assert "\n" not in manifest.damage
    assert len(manifest.damage) < 400
    with pytest.raises(NmtError, match="`nmt prepare`"):
        manifest.key("dev")


def test_a_missing_manifest_is_empty_and_an_unreadable_one_an_error(tmp_path: Path) -> None:
    """If it counted as absent, it and the corpus would be written again."""
    path = tmp_path / "manifest.json"
    assert not Manifest(path).damage
    path.symlink_to(path)
    with pytest.raises(NmtError, match=r"manifest\.json: Too many levels of symbolic links"):
        Manifest(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(NmtError, match=r"manifest\.json is a folder, not a file"):
        Manifest(path)


def test_the_corpus_of_a_damaged_manifest_is_prepared_again_with_a_note(
    corpus: TinyCorpus,
) -> None:
    first = corpus.prepare()
    before = [*map(pairs_of, first.shards)]
    path = corpus.run.prepared / "manifest.json"
    path.write_text(path.read_text().replace('"kept": ', '"kept": -'))
    second = corpus.prepare()
    assert corpus.notes[0].startswith(f"{path} is damaged: ")
    assert corpus.notes[0].endswith("; the corpus is prepared again")
    assert second.fingerprint == first.fingerprint
    assert [*map(pairs_of, second.shards)] == before


def test_a_start_reads_the_manifest_once(
    corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    class Counted(Manifest):
        def __init__(self, path: Path) -> None:
            read.append(path)
            super().__init__(path)

    monkeypatch.setattr(prepare, "Manifest", Counted)
    corpus.prepare()
    corpus.prepare()
    assert len(read) == 2


def test_a_damaged_tokenizer_is_learned_again_unless_a_training_uses_it(
    corpus: TinyCorpus,
) -> None:
    first = corpus.prepare()
    corpus.run.tokenizer.write_bytes(b"junk")
    assert corpus.prepare().fingerprint == first.fingerprint
    assert corpus.notes[0] == f"{corpus.run.tokenizer} is damaged and is learned again"
    corpus.run.checkpoints.mkdir()
    (corpus.run.checkpoints / "update-00000004.json").touch()
    corpus.run.tokenizer.write_bytes(b"junk")
    with pytest.raises(NmtError, match=r"tokenizer\.model is damaged; remove it"):
        corpus.prepare()
