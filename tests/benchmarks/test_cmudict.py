"""The corpus of spelling to phonemes, from a small dictionary."""

import random
from pathlib import Path

from click.testing import CliRunner, Result

from benchmarks.cmudict import command
from nmt.recipe.files import load_recipe

SOUNDS = {"a": "AE1", "b": "B", "e": "EH0", "k": "K", "n": "N", "o": "OW2", "s": "S", "t": "T"}


def prepare(*options: object) -> Result:
    """Run the script in the current folder."""
    return CliRunner().invoke(command, ["--data-dir", "data", *map(str, options)])


def pairs(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def dictionary() -> list[object]:
    """Return options for 200 words that sound as spelled, some with a second pronunciation."""
    draw = random.Random(3)
    words = sorted({"".join(draw.choices([*SOUNDS], k=draw.randint(2, 6))) for _ in range(200)})
    lines = [";;; a comment", "a.m. EY1 EH1 M", "o'clock  AH0 K L AA1 K # a note"]
    for number, word in enumerate(words):
        phonemes = " ".join(SOUNDS[letter] for letter in word)
        lines.append(f"{word} {phonemes}")
        if number % 2 == 0:
            lines.append(f"{word}(2) {phonemes.replace('AE1', 'EY1')}")
            lines.append(f"{word}(3) {phonemes.replace('1', '2')}")  # another stress
    Path("words.dict").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    Path("LICENSE").write_text("as is")
    return ["--dictionary", "words.dict", "--test-words", 30, "--dev-words", 20]


def test_the_split_is_complete_and_always_the_same() -> None:
    options = dictionary()
    ended = prepare(*options)
    assert ended.exit_code == 0, ended.output
    assert "left out: 1 words" in ended.output
    folder = Path("data/cmudict")
    data = load_recipe("cmudict").data
    named = [files.tsv for files in (*data.train, *data.dev, *data.test.values())]
    assert named == [f"cmudict/{name}.tsv" for name in ("train", "dev", "test")]
    parts = {name: pairs(folder / f"{name}.tsv") for name in ("train", "dev", "test")}
    train, dev, test = ({letters for letters, _ in part} for part in parts.values())
    assert (len(test), len(dev), test & train, dev & (train | test)) == (30, 20, set(), set())
    rows = [tuple(pair) for part in parts.values() for pair in part]
    assert len(rows) == len({*rows})
    assert ("o ' c l o c k", "AH K L AA K") in rows
    assert not any(digit in phonemes for _, phonemes in rows for digit in "012")
    assert (folder / "LICENSE").read_text() == "as is"
    shuffled = Path("words.dict").read_text().splitlines()
    random.Random(1).shuffle(shuffled)
    Path("words.dict").write_text("\n".join(shuffled))
    assert prepare(*options).exit_code == 0
    for name, part in parts.items():
        assert sorted(pairs(folder / f"{name}.tsv")) == sorted(part)


def test_the_files_of_a_published_split_are_used() -> None:
    """The files look like Microsoft's: upper case, without stress, words repeated."""
    Path("train").write_text("ABBEY  AE B IY\nABE  EY B\nBEE  B IY\n")
    Path("test").write_text("ABS  AE B Z\nABS  EY B IY EH S\n")
    published = ["--train", "train", "--test", "test", "--dev-words", 1]
    assert prepare(*published).exit_code == 0
    found = pairs(Path("data/cmudict/test.tsv"))
    assert found == [["a b s", "AE B Z"], ["a b s", "EY B IY EH S"]]
    assert len(pairs(Path("data/cmudict/train.tsv"))) == 2
    Path("test").write_text("ABE  EY B\n")
    assert "'abe' is in" in prepare(*published).output
    assert prepare("--train", "train").exit_code == 2
