"""The pocket corpus: regeneration, and the held-out rule."""

import gzip
import re
from pathlib import Path

import pytest

from data.pocket import __main__ as command
from data.pocket import german
from data.pocket.corpus import Splits, build_splits, words
from data.pocket.held_out import all_pairs, held_out_pairs
from data.pocket.labels import LABELS
from data.pocket.lexicon import FOLDER, load_lexicon
from data.pocket.phrases import sentence_pairs

LEXICON = load_lexicon()


TEXT_FILES = ("dev.en", "dev.de", "test.en", "test.de", "test.labels", "held_out.tsv")


def lines(name: str) -> list[str]:
    """Lines of a committed file, unpacked when it is compressed."""
    path = FOLDER / name
    data = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
    return data.decode("utf-8").splitlines()


def pairs_of(split: str) -> list[tuple[str, str]]:
    suffix = ".gz" if split == "train" else ""
    english_lines, german_lines = lines(f"{split}.en{suffix}"), lines(f"{split}.de{suffix}")
    return list(zip(english_lines, german_lines, strict=True))


@pytest.fixture(scope="module")
def splits() -> Splits:
    return build_splits(command.SEED)


def test_regeneration_gives_the_committed_files(splits: Splits, tmp_path: Path) -> None:
    command.write_splits(tmp_path, splits)
    command.write_held_out(tmp_path, command.SEED)
    for name in TEXT_FILES:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name
    for name in ("train.en.gz", "train.de.gz", "dev.links.gz"):
        fresh = gzip.decompress((tmp_path / name).read_bytes())
        assert fresh == gzip.decompress((FOLDER / name).read_bytes()), name


def test_sizes_and_lines() -> None:
    """Every line is unique on both sides of the whole corpus."""
    splits = {split: pairs_of(split) for split in ("train", "dev", "test")}
    assert len(splits["train"]) >= 30_000
    assert (len(splits["dev"]), len(splits["test"])) == (500, 1_000)
    for name in ("train.en.gz", "train.de.gz"):
        assert (FOLDER / name).stat().st_size < 512 * 1024
    for side in zip(*(pair for pairs in splits.values() for pair in pairs), strict=True):
        assert len({*side}) == len(side)
        for text in side:
            assert re.fullmatch(r"[A-ZÄÖÜ][\w' ,-]*[.?]", text), text
            assert not re.search("  | ,|,,", text)
    lengths = [len(text.split()) for text, _ in splits["train"]]
    assert 8 <= sum(lengths) / len(lengths) <= 10
    assert max(lengths) <= 20


def test_dev_test_and_sample_are_new_sentences_of_known_words() -> None:
    train = {side: lines(f"train.{side}.gz") for side in ("en", "de")}
    known = {side: {word for text in train[side] for word in words(text)} for side in train}
    for side in train:
        for split in ("dev", "test"):
            for text in lines(f"{split}.{side}"):
                assert known[side].issuperset(words(text)), text
    sample = (FOLDER.parent / "sample.en").read_text(encoding="utf-8").splitlines()
    assert len(sample) == 12
    assert set(sample).isdisjoint(train["en"])
    assert all(known["en"].issuperset(words(text)) for text in sample)


def test_labels_are_aligned_and_cover_the_phenomena() -> None:
    rows = [line.split() for line in lines("test.labels")]
    assert len(rows) == 1_000
    for label in LABELS:
        assert 150 <= sum(label in row for row in rows) <= 900
    assert all(row and set(row) <= set(LABELS) for row in rows)


def test_a_tenth_of_each_kind_of_pair_is_held_out() -> None:
    held_out = held_out_pairs(command.SEED)
    pairs = all_pairs(LEXICON)
    for kind in ("verb-object", "preposition-noun"):
        total = sum(pair[0] == kind for pair in pairs)
        assert sum(pair[0] == kind for pair in held_out) == round(total / 10)
    listed = {tuple(line.split("\t")) for line in lines("held_out.tsv")[1:]}
    assert listed == held_out


def test_structures_keep_the_held_out_rule(splits: Splits) -> None:
    held_out = held_out_pairs(command.SEED)
    assert all(held_out.isdisjoint(sentence_pairs(example.sentence)) for example in splits.train)
    for part in (splits.dev, splits.test):
        assert all(held_out & sentence_pairs(example.sentence) for example in part)


def noun_after(tokens: list[str], start: int, nouns: dict[str, str], middle: set[str]) -> str:
    """The lemma of the noun that follows, with words of `middle` between; else empty."""
    while start < len(tokens) and tokens[start] in middle:
        start += 1
    two = " ".join(tokens[start : start + 2])
    return nouns.get(two) or nouns.get(" ".join(tokens[start : start + 1]), "")


def adjective_forms() -> set[str]:
    endings = ("e", "er", "es", "en", "em")
    stems = [adjective.stem for adjective in LEXICON.adjectives]
    return {stem + ending for stem in stems for ending in endings}


def determiner_forms() -> set[str]:
    numbers = [word for word, _ in LEXICON.numbers[1:]]
    keys = ["the", *german.DER_WORDS, *german.EIN_WORDS, *german.QUANTIFIERS, *numbers]
    return {
        german.determiner_form(key, gender, case, number)
        for key in keys
        for gender in "mfn"
        for case in german.CASES
        for number in ("sg", "pl")
    }


def test_text_of_train_shows_no_held_out_preposition_phrase() -> None:
    """Read off the German text alone; after a comma stands um-zu or a relative pronoun."""
    contracted = {short: preposition for (preposition, _), short in german.CONTRACTIONS.items()}
    nouns = {
        form: noun.german
        for noun in LEXICON.nouns
        for form in (noun.german, noun.german_plural, f"{noun.german_plural}n", noun.oblique)
        if form
    }
    held_out = {pair[1:] for pair in held_out_pairs(command.SEED) if pair[0] == "preposition-noun"}
    prepositions = {preposition for preposition, _ in held_out} | contracted.keys()
    determiners, adjectives = determiner_forms(), adjective_forms()
    found = 0
    for _, text in pairs_of("train"):
        tokens = re.findall(r"[\w-]+|,", text)
        for at, token in enumerate(tokens):
            preposition = token.lower()
            if preposition not in prepositions or (at and tokens[at - 1] == ","):
                continue
            start = at + 1 + (tokens[at + 1 : at + 2] != [] and tokens[at + 1] in determiners)
            noun = noun_after(tokens, start, nouns, adjectives)
            found += bool(noun)
            assert (contracted.get(preposition, preposition), noun) not in held_out, text
    assert found > 10_000
