"""The sentences with a distance: what the labels say is in the text; the contrast is one word."""

import gzip
from collections import Counter

from data.pocket.__main__ import SEED
from data.pocket.distance import DEV, LONGEST, TEST, TRAIN, build_distant
from data.pocket.german import present_form
from data.pocket.lexicon import FOLDER, load_lexicon

LEXICON = load_lexicon()
NOUNS = {
    form
    for noun in LEXICON.nouns
    for form in (noun.german, noun.german_plural, noun.oblique)
    if form
}
AUXILIARIES = (
    "habe",
    "hast",
    "hat",
    "haben",
    "bin",
    "bist",
    "ist",
    "sind",
    "werde",
    "wirst",
    "wird",
    "werden",
)
MODALS = ("kann", "kannst", "können", "muss", "musst", "müssen", "soll", "möchte")
PERSONS = ((1, "sg"), (2, "sg"), (3, "sg"), (1, "pl"), (3, "pl"))


def words(line: str) -> list[str]:
    """Return the words of a line without punctuation."""
    return [word.strip(",.") for word in line.split()]


def lines(name: str) -> list[str]:
    """Return the lines of a committed file."""
    return (FOLDER / "distance" / name).read_text(encoding="utf-8").splitlines()


def depends(phenomenon: str, near: str, far: str) -> bool:
    """Return whether two words can depend on each other, by their forms alone."""
    if phenomenon == "agreement":
        return near in NOUNS and far.startswith((*AUXILIARIES, *MODALS))
    if phenomenon == "verb-form":
        return near.lower().startswith((*AUXILIARIES, *MODALS))
    verbs = [verb for verb in LEXICON.verbs.values() if verb.particle == far]
    return any(near == present_form(verb, *person) for verb in verbs for person in PERSONS)


def test_the_distance_is_that_of_the_label_and_the_contrast_differs_in_one_word() -> None:
    texts = (lines(name) for name in ("test.labels", "test.de", "test.contrast.de"))
    counts: Counter[str] = Counter()
    for label_line, right, wrong in zip(*texts, strict=True):
        phenomenon, label = label_line.split()
        counts[label] += 1
        right_words, wrong_words = words(right), words(wrong)
        pairs = enumerate(zip(right_words, wrong_words, strict=True))
        (far,) = (place for place, (one, other) in pairs if one != other)
        near = far - 1 - int(label.removeprefix(f"{phenomenon}-"))
        assert depends(phenomenon, right_words[near], right_words[far]), right
        if phenomenon != "agreement":
            assert far == len(right_words) - 1, right
    assert len(counts) == 3 * (LONGEST + 1)
    assert {*counts.values()} == {2 * TEST}


def test_every_line_is_new() -> None:
    for side in ("en", "de"):
        train = (FOLDER / "distance" / f"train.{side}.gz").read_bytes()
        texts = gzip.decompress(train).decode().splitlines()
        assert len(texts) == 2 * TRAIN * 3 * (LONGEST + 1)
        texts += lines(f"dev.{side}") + lines(f"test.{side}")
        assert len(texts) == 2 * (TRAIN + DEV + TEST) * 3 * (LONGEST + 1)
        pocket = gzip.decompress((FOLDER / f"train.{side}.gz").read_bytes()).decode()
        assert len({*texts, *pocket.splitlines()}) == len(texts) + len(pocket.splitlines())


def test_equal_seeds_give_the_committed_lines() -> None:
    """Of the first distances, which are drawn first; the longest take a minute."""
    found = [each for each in build_distant(SEED, 2)["test"] if each.phenomenon == "agreement"]
    assert [each.example.german for each in found] == lines("test.de")[: len(found)]
    assert [each.example.english for each in found] == lines("test.en")[: len(found)]
    assert [each.contrast for each in found] == lines("test.contrast.de")[: len(found)]
    assert [each.labels for each in found] == lines("test.labels")[: len(found)]
    other = build_distant(SEED + 1, 0)["test"]
    assert other[0].example.german != found[0].example.german
