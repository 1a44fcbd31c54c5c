"""Spelling to phonemes, from a small dictionary to the error rates."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
SOUNDS = {"a": "AE1", "b": "B", "e": "EH0", "k": "K", "n": "N", "o": "OW2", "s": "S", "t": "T"}


def prepare(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder and return the ended process."""
    command = [sys.executable, ROOT / "benchmarks" / "cmudict.py", "--data-dir", "data", *options]
    return subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def pairs(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    """Write 200 words that sound as they are spelled, some with a second pronunciation."""
    draw = random.Random(3)
    words = sorted({"".join(draw.choices([*SOUNDS], k=draw.randint(2, 6))) for _ in range(200)})
    lines = [";;; a comment", "a.m. EY1 EH1 M", "o'clock  AH0 K L AA1 K # a note"]
    for number, word in enumerate(words):
        phonemes = [SOUNDS[letter] for letter in word]
        lines.append(f"{word} {' '.join(phonemes)}")
        if number % 2 == 0:
            lines.append(f"{word}(2) {' '.join(phonemes).replace('AE1', 'EY1')}")
            lines.append(f"{word}(3) {' '.join(phonemes).replace('1', '2')}")  # another stress
    path = tmp_path / "words.dict"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "LICENSE").write_text("as is")
    return path


def test_the_split_is_complete_and_always_the_same(tmp_path: Path, dictionary: Path) -> None:
    options = ["--dictionary", dictionary, "--test-words", 30, "--dev-words", 20]
    ended = prepare(tmp_path, *options)
    assert ended.returncode == 0, ended.stderr
    assert "left out: 1 words" in ended.stdout
    folder = tmp_path / "data" / "cmudict"
    parts = {name: pairs(folder / f"{name}.tsv") for name in ("train", "dev", "test")}
    spellings = {name: {letters for letters, _ in part} for name, part in parts.items()}
    assert (len(spellings["test"]), len(spellings["dev"])) == (30, 20)
    assert not spellings["test"] & spellings["train"]
    assert not spellings["dev"] & (spellings["train"] | spellings["test"])
    rows = [tuple(pair) for part in parts.values() for pair in part]
    assert len(rows) == len({*rows})
    assert ("o ' c l o c k", "AH K L AA K") in rows
    assert not any(digit in phonemes for _, phonemes in rows for digit in "012")
    assert (folder / "LICENSE").read_text() == "as is"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shuffled = dictionary.read_text().splitlines()
    random.Random(1).shuffle(shuffled)
    dictionary.write_text("\n".join(shuffled))
    assert prepare(tmp_path, *options).returncode == 0
    assert {name: sorted(content.split(b"\n")) for name, content in before.items()} == {
        path.name: sorted(path.read_bytes().split(b"\n")) for path in folder.iterdir()
    }


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path, dictionary: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cmudict").write_text("a file")
    refused = prepare(tmp_path, "--dictionary", dictionary, "--test-words", 9, "--dev-words", 9)
    assert refused.returncode == 1
    assert refused.stderr.startswith("cmudict.py: ")
    assert "data/cmudict/train.tsv" in refused.stderr
    assert "is not a folder" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert prepare(tmp_path, "--dictionary", dictionary, "--test-words", -2).returncode == 2


def test_the_files_of_a_published_split_are_used(tmp_path: Path) -> None:
    """The files look like Microsoft's: upper case, without stress, words repeated."""
    (tmp_path / "train").write_text("ABBEY  AE B IY\nABE  EY B\nBEE  B IY\n")
    (tmp_path / "test").write_text("ABS  AE B Z\nABS  EY B IY EH S\n")
    options = ["--train", tmp_path / "train", "--test", tmp_path / "test", "--dev-words", 1]
    assert prepare(tmp_path, *options).returncode == 0
    folder = tmp_path / "data" / "cmudict"
    assert pairs(folder / "test.tsv") == [["a b s", "AE B Z"], ["a b s", "EY B IY EH S"]]
    assert len(pairs(folder / "train.tsv")) == 2
    (tmp_path / "test").write_text("ABE  EY B\n")
    refused = prepare(tmp_path, *options)
    assert refused.returncode == 2
    assert "'abe' is in" in refused.stderr
    assert prepare(tmp_path, "--train", tmp_path / "train").returncode == 2


def test_the_recipe_trains_and_is_scored_by_error_rates(
    nmt: Run, tmp_path: Path, dictionary: Path
) -> None:
    prepare(tmp_path, "--dictionary", dictionary, "--test-words", 30, "--dev-words", 20)
    small = ["model.encoder_layers=1", "model.decoder_layers=1", "train.precision=float32"]
    small += ["train.batch_source_tokens=300", "train.batch_target_tokens=300"]
    options = [part for setting in small for part in ("--set", setting)]
    trained = nmt("train", "cmudict", "--max-updates", 5, *options)
    assert trained.code == 0, trained.err
    assert "learning at most 100 words from" in trained.err
    assert "dev token error rate" in trained.err
    written = nmt("translate", "--format", "lines", "--output", "out", "data/cmudict/test.tsv")
    assert written.code == 0
    result = nmt("evaluate", "--json", "--card", "card.md")
    assert result.code == 0, result.err
    (scored,) = json.loads(result.out)["results"]
    assert [*scored["scores"]] == ["token error rate", "sequence error rate"]
    assert scored["segments"] == 30
    assert scored["lines"] == len(pairs(Path("data/cmudict/test.tsv")))
    assert scored["references"] == 2
    assert "BLEU" not in Path("card.md").read_text()
